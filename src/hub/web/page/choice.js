// What the reader chose: which boards, in which order, which range. It outlives the views.

import {METRICS} from './metrics.js';
import {byName, byTrouble} from './model.js';

export const choice = {state: null, badge: null, tag: null, text: '', order: 'worst', range: '1 h'};

export const ORDERS = {worst: 'Worst first', name: 'Name', cpu: 'CPU', mem: 'Memory', temp: 'Temperature', disk: 'Disk'};

export const RANGES = {'10 min': 600, '1 h': 3600, '24 h': 86400, '14 d': 1209600, '400 d': 34560000};

export function showAll() {
	Object.assign(choice, {state: null, badge: null, tag: null, text: ''});
}

/** The boards that match, in the chosen order. */
export function chosen(boards) {
	const {state, badge, tag, text, order} = choice, figure = ({figures}) => (figures[order] === figures[order] ? figures[order] : -Infinity);
	const by = METRICS[order] ? (a, b) => figure(b) - figure(a) || byName(a, b) : order === 'name' ? byName : byTrouble;
	return [...boards].filter(board => (!state || board.state === state) && (!badge || board.badges.includes(badge)) && (!tag || board.tags.some(({id}) => id === tag))
		&& (!text || words(board).includes(text.toLowerCase()))).sort(by);
}

export function nextIn(list, current, by) {
	return list[(list.indexOf(current) + by + list.length) % list.length];
}

/** What a board is found by: its name, and every text that it reports. */
function words(board) {
	const texts = [...board.values.values()].filter(value => typeof value === 'string');
	return [board.name, board.model, board.state, board.why, ...board.tags.map(tag => '#' + tag.text), ...texts].join(' ').toLowerCase();
}
