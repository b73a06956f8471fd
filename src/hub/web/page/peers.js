// The other hubs and the worst of their boards, as this hub asks them, which it does only while the wall is looked at.

import {STATES, STATE_KEYS} from './metrics.js';
import {hub, now} from './model.js';
import {ask} from './data.js';
import {moment, plural, visible} from './format.js';
import {el, icon} from './dom.js';
import {sentence} from './head.js';

const REFRESH_SECONDS = 5;
const BOARDS_MAX = 8;

export const node = el('section');
let asked = 0, peers = [];

/** Asks, where it is time. */
export async function second() {
	node.hidden = !hub.peers;
	if (node.hidden || Math.abs(now() - asked) < REFRESH_SECONDS) return;
	asked = now();
	const known = await ask('peers').catch(() => null);
	if (!known || JSON.stringify(known.peers) === JSON.stringify(peers)) return;
	({peers} = known);
	draw();
}

/** A row for each hub, with as many of its boards as there is room for: on a phone none. */
function draw() {
	const rows = peers.map(({url, hosts, ...peer}) => el('div.strip', link(url, about(peer)), hosts.slice(0, innerWidth <= 600 ? 0 : BOARDS_MAX).map(host => link(`${url}#/board/${encodeURIComponent(host.name)}`, host))));
	node.replaceChildren(el('div.sec', el('h2', 'Other hubs'), el('span', 'and their worst boards')), ...rows);
	for (const row of rows) while (row.children[1] && row.scrollWidth > row.clientWidth) row.lastChild.remove();
}

export {draw as resize};

/** A hub, like a board: one that answers is as its worst board. */
function about({name, error, since, counts}) {
	if (error) return {name, state: 'lost', why: 'does not answer: ' + error, since};
	const some = STATE_KEYS.filter(state => counts[state]), all = some.reduce((sum, state) => sum + counts[state], 0);
	return {name, state: some[0] ?? 'well', why: [plural(all, 'board'), ...some.map(state => counts[state] + ' ' + STATES[state].toLowerCase())].join(', ')};
}

function link(href, {name, state, since, why}) {
	return el('a', {href, 'data-state': state}, icon(state), el('span', sentence({shown: visible(name), state, why: visible(why)}), since && ' since ' + moment(since, now())));
}
