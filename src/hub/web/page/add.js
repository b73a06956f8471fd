// How to add a board; also the first run, when at most this machine is here.

import {boards} from './model.js';
import { $, el, say } from './dom.js';
import {Tile} from './tile.js';

const LOOPBACK = /^(localhost$|127\.|\[?::1)/;

let heading, lead, place, tile, size;

export function start(main) {
	const local = LOOPBACK.test(location.hostname), lines = '[server]\nhost=' + (local ? 'THIS-HOST' : location.hostname), word = text => el('code', text);
	const code = el('pre', {tabindex: 0, 'aria-label': 'Lines for psistats.conf'}, lines), copy = el('button.btn', { onclick: async () => {
		getSelection().selectAllChildren(code);
		const done = await navigator.clipboard?.writeText(lines + '\n').then(() => 'Copied', () => null) ?? 'Selected';
		say(copy, done);
		say($('say'), done);
	} }, 'Copy');
	[heading, lead, place, tile] = [el('h1'), el('p.lead'), el('section', el('h2', 'This machine'), el('ul.grid.large', {role: 'list'})), null];
	main.replaceChildren(el('div.add', heading, lead, el('div.two', place,
		el('section', el('h2', 'To add a board, put these two lines into its psistats.conf'), el('div.code', code, copy),
			el('p', 'The board runs the agent ', word('psistats'), ', whose file is ', word('/etc/psistats.conf'), '. Its tile appears here by itself within seconds.'),
			local && el('p', 'THIS-HOST is the name or address by which the board reaches this machine. The hub has to listen there: set ', word('[hub] amqp='), ' in psistats-hub.conf to an address of this machine, with ', word('user='), ' and ', word('pass='), '.')))));
	draw();
}

function draw() {
	const own = [...boards.values()].find(board => board.source === 'own'), first = boards.size < 2;
	size = boards.size;
	say(heading, first ? 'Listening.' : 'Add a board');
	say(lead, first && own ? 'This machine is the first board.' : size ? 'Boards appear by themselves once they report.' : 'No board has reported yet.');
	place.hidden = !own;
	if (!own) return;
	tile ??= new Tile(true);
	place.lastChild.replaceChildren(tile.node);
	tile.bind(own);
	tile.paint('cpu');
	tile.link.tabIndex = 0;
}

export {draw as snapshot};

export function changes({changed}) {
	if (boards.size !== size) draw();
	else if (changed.has(tile?.board)) tile.paint('cpu');
}

export function second() { tile?.age(); }
