// What the reader chose: which boards, in which order, which range. It outlives the views.

import { METRICS, severity } from './metrics.js';
import { byName, byTrouble } from './model.js';

export const choice = { state: null, badge: null, tag: null, text: '', order: 'worst', range: '1 h' };

export const ORDERS = { worst: 'Worst first', name: 'Name', cpu: 'CPU', mem: 'Memory', temp: 'Temperature', disk: 'Disk' };

/** Seconds of each range. */
export const RANGES = { '10 min': 600, '1 h': 3600, '24 h': 86400, '14 d': 1209600, '400 d': 34560000 };

/** All boards again; the order stays. */
export function showAll() {
	Object.assign(choice, { state: null, badge: null, tag: null, text: '' });
}

export function matches(board) {
	return (!choice.state || board.state === choice.state)
		&& (!choice.badge || board.badges.includes(choice.badge))
		&& (!choice.tag || board.tags.some(tag => tag.id === choice.tag))
		&& (!choice.text || words(board).includes(choice.text.toLowerCase()));
}

/** The chosen boards in the chosen order. */
export function chosen(boards) {
	return [...boards].filter(matches).sort(order());
}

export function order() {
	const metric = METRICS[choice.order] && choice.order;
	if (metric) return (a, b) => known(b.figures[metric]) - known(a.figures[metric]) || byName(a, b);
	if (choice.order === 'name') return byName;
	return (a, b) => (a.state === 'well' && b.state === 'well' ? byName(a, b) : severity(a.state) - severity(b.state) || byTrouble(a, b));
}

export function nextIn(list, current, by) {
	return list[(list.indexOf(current) + by + list.length) % list.length];
}

const known = value => (value === value ? value : -Infinity);

function words(board) {
	return [board.name, board.model, board.state, board.why, board.values.get('os') ?? '', ...addresses(board), ...board.tags.map(tag => '#' + tag.text)].join(' ').toLowerCase();
}

function addresses(board) {
	const list = [];
	for (let i = 0; board.values.has('ipaddr.' + i); i++) list.push(board.values.get('ipaddr.' + i));
	return list;
}
