// Keys of every view, and the view that lists them.

import {showAll} from './choice.js';
import {STATE_KEYS} from './metrics.js';
import { $, el } from './dom.js';

const KEYS = {
	'/': 'find a board', 'w f a': 'wall, figures, alerts', '1 2 3 4': 'only critical, lost, warning, well; again: all', s: 'next order of the wall',
	'← ↑ → ↓': 'move over the tiles; Enter opens', 'Home End': 'first, last tile', 'j k': 'next, previous board', '[ ]': 'shorter, longer range',
	'← →': 'move the cursor over the charts; with Shift by 20', Esc: 'let go, show all, back', t: 'light or dark', '?': 'this list',
};
const GO = {w: '#/', f: '#/figure/temperature', a: '#/alerts', '?': '#/keys'};

export function startKeys({chooseState, switchTheme, view, route}) {
	addEventListener('keydown', event => {
		const {key, target} = event, typing = target.tagName === 'INPUT';
		if (event.ctrlKey || event.metaKey || event.altKey || typing && key !== 'Escape') return;
		if (view().key?.(event)) /* the view's */;
		else if (key === 'Escape' && typing) target.blur();
		else if (key === 'Escape') route() && history.back();
		else if (key === '/') find(route());
		else if (Object.hasOwn(GO, key)) location.hash = GO[key];
		else if (/^[1-4]$/.test(key)) chooseState(STATE_KEYS[key - 1]);
		else if (key === 't') switchTheme();
		else return;
		event.preventDefault();
	});
}

export function start(main) {
	main.replaceChildren(el('div.page.keys', el('div.title', el('h1', 'Keys')),
		el('table', el('tbody', Object.entries(KEYS).map(([keys, text]) => el('tr', el('td', keys.split(' ').map(key => el('kbd', key))), el('td', text)))))));
}

function find(route) {
	if (!route) return $('find')?.focus();
	showAll();
	addEventListener('hashchange', () => $('find')?.focus(), {once: true});
	location.hash = '#/';
}
