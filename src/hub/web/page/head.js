// The head in every view: counts by state, one line of trouble in words, the clock, and the banner of a lost hub.

import {STATES, STATE_KEYS} from './metrics.js';
import {boards, counts, hub, now, trouble} from './model.js';
import {choice} from './choice.js';
import {tryNow} from './data.js';
import {clock, plural} from './format.js';
import { $, el, icon, say } from './dom.js';

const STRIP_MAX = 8;

export function startHead(chooseState) {
	$('counts').append(...STATE_KEYS.map(state => el('button.count', {'data-state': state, onclick: () => chooseState(state)}, icon(state), el('b', '0'), el('em', STATES[state].toLowerCase()))));
}

export function drawHead() {
	const count = counts(), bad = trouble();
	for (const button of $('counts').children) {
		const {state} = button.dataset;
		say(button.children[1], hub.heard ? String(count[state]) : '–');
		button.classList.toggle('none', !count[state]);
		button.setAttribute('aria-label', `${count[state]} ${state}`);
		button.setAttribute('aria-pressed', choice.state === state);
	}
	for (const part of $('share').children) part.style.flexGrow = count[part.dataset.state];
	say($('trouble'), bad.length ? String(bad.length) : '');
	document.title = (count.critical + count.lost ? `${count.critical} critical, ${count.lost} lost: ` : '') + 'psistats';
	drawBanner();
	if (hub.lost === null || !hub.heard) drawStrip(bad);
}

export function drawSecond() {
	say($('clock'), hub.heard ? clock(now(), true) : '');
	say($('live'), hub.login ? 'not logged in' : hub.lost !== null ? 'not live' : hub.heard ? plural(boards.size, 'board') + ', live' : '');
}

/** New states, said once and politely. */
export function announce(moved) {
	const said = moved.slice(0, 3).map(board => `${board.shown} is now ${board.state}${board.sentence && ': ' + board.sentence}`);
	if (moved.length > 3) said.push(`${moved.length - 3} more changed`);
	if (moved.length) say($('say'), said.join('. '));
}

/** "Power: under-voltage on pi-garage", as nodes. */
export function sentence(board, link) {
	const shown = el('bdi', board.shown), name = link ? el('a', {href: board.href}, shown) : shown;
	const [, area, rest] = /^([A-Z][\w-]*): (.*)$/.exec(board.why) ?? [];
	if (area) return [el('b', area + ': '), rest + ' on ', name];
	if (board.state === 'lost') return [el('b', 'Lost: '), name, ' ' + (board.why || 'not heard')];
	return [el('b', name, ': '), board.why];
}

function drawBanner() {
	const lost = hub.lost !== null && !hub.login, banner = $('hublost'), text = hub.heard ? `Hub not reached since ${clock(hub.lost, true)}. Figures are as of then; trying again.` : 'Hub not reached. Nothing is known of the boards yet; trying again.';
	document.documentElement.classList.toggle('gone', lost);
	if (!lost) banner.replaceChildren();
	else if (banner.children[1]?.textContent !== text) banner.replaceChildren(icon('lost'), el('span', text), el('button.btn', {onclick: tryNow}, 'Try now'));
}

function drawStrip(bad) {
	const strip = $('strip'), small = innerWidth <= 600;
	if (!hub.heard) strip.replaceChildren();
	else if (!bad.length) strip.replaceChildren(el('span.dim', 'No active alerts.' + (boards.size > 1 ? ' All boards are well.' : '')));
	for (let room = small ? 1 : STRIP_MAX; bad.length && room > 0; room--) {
		strip.replaceChildren(...bad.slice(0, room).map(board => el('a', {'data-state': board.state, href: board.href}, icon(board.state), el('span', sentence(board), board.sinceText))),
			...(bad.length > room ? [el('a.more', {href: '#/alerts'}, `${bad.length - room} more`)] : []));
		if (small || strip.scrollWidth <= strip.clientWidth) break;
	}
}
