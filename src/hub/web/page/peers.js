// The other hubs and the worst of their boards, as this hub asks them, which it does only while the wall is looked at.

import {STATES, STATE_KEYS, severity} from './metrics.js';
import {hub, now} from './model.js';
import {ask} from './data.js';
import {plural, visible} from './format.js';
import {el, sheet} from './dom.js';
import {line} from './alerts.js';

const REFRESH_SECONDS = 5;
const BOARDS_MAX = 12;

export const node = el('section.page');
let asked = 0, drawn;

/** Asks, where it is time. */
export async function second() {
	node.hidden = !hub.peers;
	if (node.hidden || Math.abs(now() - asked) < REFRESH_SECONDS) return;
	asked = now();
	const known = await ask('peers').catch(() => null), text = JSON.stringify(known?.peers);
	if (!known || text === drawn) return;
	drawn = text;
	const {peers} = known, worst = peers.flatMap(({name, url, hosts}) => hosts.map(host => board(host, name, url))).sort((a, b) => severity(a.state) - severity(b.state) || b.since - a.since);
	node.replaceChildren(sheet('Other hubs', 'and the worst of their boards', el('div', {role: 'list'}, [...peers.map(whole), ...worst.slice(0, BOARDS_MAX)].map(one => line(one, one.since)))));
}

function whole({name, url, error, since, counts}) {
	const some = STATE_KEYS.filter(state => counts?.[state]), shown = visible(name);
	if (error) return {shown, href: url, state: 'lost', why: 'does not answer: ' + visible(error), since};
	const all = some.reduce((sum, state) => sum + counts[state], 0);
	return {shown, href: url, state: some[0] ?? 'well', why: [plural(all, 'board'), ...some.map(state => `${counts[state]} ${STATES[state].toLowerCase()}`)].join(', ')};
}

function board({name, state, since, why}, hub, url) {
	return {shown: visible(name) + ' at ' + visible(hub), href: `${url}#/board/${encodeURIComponent(name)}`, state, since, why: visible(why)};
}
