// Boards that are not well, worst first, with since when. Rules, acknowledgement and messages have their place here.

import {STATES} from './metrics.js';
import {boards, now, trouble} from './model.js';
import {age, plural} from './format.js';
import {el, icon, say} from './dom.js';
import {sentence} from './head.js';

let count, list, none, rows;

export function start(main) {
	count = el('span.dim');
	list = el('div', {role: 'list'});
	none = el('p.nothing');
	main.replaceChildren(el('div.page', el('div.title', el('h1', 'Alerts'), count), el('section.sheet', el('h2', 'Active', el('span', 'worst first')), list), none));
	draw();
}

function draw() {
	const bad = trouble(), focused = document.activeElement.closest('.alert')?.id;
	say(count, `${plural(bad.length, 'board')} of ${boards.size} not well`);
	say(none, bad.length ? '' : 'No active alerts. Every board is heard, and nothing is over a limit.');
	rows = bad.map(board => {
		const lasted = el('span.for.dim.num', age(now() - board.since));
		return { board, why: board.why, lasted, node: el('div.alert', {role: 'listitem', 'data-state': board.state, id: 'alert:' + board.name}, icon(board.state), el('span.word', STATES[board.state]),
			el('span.what', {title: board.sentence}, sentence(board, true)), el('span.since.mid', board.sinceText), lasted) };
	});
	list.replaceChildren(...rows.map(({node}) => node));
	rows.find(({node}) => node.id === focused)?.node.querySelector('a').focus();
}

export {draw as snapshot};

export function changes({moved, gone}) {
	if (moved.length || gone.length || rows.some(({board, why}) => board.why !== why)) draw();
}

export function second() {
	for (const {board, lasted} of rows) say(lasted, age(now() - board.since));
}
