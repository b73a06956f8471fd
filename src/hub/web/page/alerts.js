// Alerts: those that are raised, worst first, apart those that somebody took notice of; boards that are not well without
// one, since theirs has not lasted long enough; who is told, and whether that works; and what changed last. Limits of the
// hub that were reached are told here, too.

import {STATES} from './metrics.js';
import {boards, hub, now, trouble} from './model.js';
import {ask, post} from './data.js';
import {COMMAND} from './login.js';
import {age, moment, plural, visible} from './format.js';
import {el, icon, say, sheet} from './dom.js';
import {sentence} from './head.js';

const REFRESH_SECONDS = 2;
/** Of a part; the title counts all. */
const LINES_MAX = 300;
/** Limits of the hub, by the counter of what went beyond. */
const LIMITS = {refused_boards: 'boards', refused_series: 'figures', evicted: 'memory, so that the last hour is shorter'};

let place, count, known, counters, receivers, tested, asked, drawn, rows;

export function start(main) {
	count = el('span.dim');
	place = el('div');
	known = {alerts: [], changes: []};
	counters = tested = {};
	receivers = null;
	drawn = null;
	main.replaceChildren(el('div.page', el('div.title', el('h1', 'Alerts'), count), place));
	draw();
	load();
}

/** Where the hub is lost, its banner says so. */
async function load() {
	asked = now();
	[known, counters, {receivers}] = await Promise.all([ask('alerts'), ask('hub'), ask('receivers')]).catch(() => [known, counters, {receivers}]);
	draw();
}

function draw() {
	const {alerts, changes} = known, told = alerts.map(({board}) => board), bad = trouble(), others = bad.filter(({name}) => !told.includes(name));
	const open = alerts.filter(({acknowledged}) => !acknowledged), seen = alerts.filter(({acknowledged}) => acknowledged), limits = Object.keys(LIMITS).filter(key => counters[key]);
	const all = [limits, open.map(({id}) => id), seen.map(({id}) => id), changes[0], others.map(({name, why}) => name + why), hub.limited, receivers, tested], text = JSON.stringify(all);
	if (text === drawn) return;
	drawn = text;
	rows = [];
	const focused = document.activeElement.closest('.alert')?.id, part = (title, note, list) => list.length && sheet(title, note, el('div', {role: 'list'}, list.slice(0, LINES_MAX)));
	say(count, `${open.length} to acknowledge, ${seen.length} acknowledged; ${plural(bad.length, 'board')} of ${boards.size} not well`);
	place.replaceChildren(...[
		part('Active', 'worst first', [...limits.map(key => line({shown: 'The hub', href: '#/', state: 'warning', why: 'has reached its limit of ' + LIMITS[key]})), ...open.map(alert => line(about(alert), alert.since, alert.id, button(alert)))])
			|| el('p.nothing', hub.limited ? 'Alerts are shown after a login: ' + COMMAND : 'No active alerts.'),
		part('Acknowledged', 'still so; nothing more is told until that changes', seen.map(alert => line(about(alert), alert.since, alert.id, moment(alert.acknowledged, now())))),
		part('Not well', 'no alert yet', others.map(board => line(board, board.since, 'of ' + board.name))),
		receivers && (part('Receivers', 'who is told', receivers.map(receiver)) || el('p.nothing', 'Nobody is told of alerts: add a section [notify:NAME] to the hub’s configuration, see psistats-hub.conf(5).')),
		part('Last changes', 'newest first', changes.map(alert => line({...about(alert), ...alert.state === 'cleared' && {state: 'well'}}, alert.at))),
	].filter(Boolean));
	document.getElementById(focused)?.querySelector('button,a').focus();
}

/** An alert, as a board is told. */
function about({board, alert, severity, text}) {
	const {shown, href} = boards.get(board) ?? {shown: visible(board ?? 'All boards'), href: '#/'};
	return {shown, href, state: !board || alert === 'lost' ? 'lost' : severity, why: visible(text.slice(board ? board.length + 2 : 0))};
}

/** One line; one that has an id tells how long it lasts. */
function line(board, time, id, aside) {
	const {state, why} = board, lasted = el('span.dim.num', id && age(now() - time));
	if (id) rows.push([lasted, time]);
	return el('div.alert', {role: 'listitem', 'data-state': state, id}, icon(STATES[state] ? state : 'well'), el('span.word', STATES[state] ?? 'Notice'), el('span.what', {title: why}, sentence(board, true)),
		el('span.since.mid', time && (id ? 'since ' : '') + moment(time, now())), lasted, el('span.num', aside));
}

function button({id, text}) {
	return el('button.btn', {'aria-label': 'Acknowledge: ' + text, onclick: async () => {
		const error = await post(`alerts/${id}/acknowledge`);
		if (error) say(count, error);
		else load();
	}}, 'Acknowledge');
}

/** A line of one who is told. */
function receiver({name, type, quiet, is_quiet, waiting, held, dropped, last}) {
	const failed = last?.error, some = [[waiting, 'to be told'], [held, 'held'], [dropped, 'dropped']].filter(([count]) => count).map(([count, what]) => `${plural(count, 'message')} ${what}`);
	const text = [failed ? 'did not take the last message: ' + failed : last ? 'took the last message' : 'was told nothing since the hub started', is_quiet && 'quiet hours ' + quiet, ...some].filter(Boolean).map(part => visible(part)).join('; ');
	return el('div.alert', {role: 'listitem', 'data-state': failed || dropped ? 'warning' : 'well', id: 'notify-' + name}, icon(failed || dropped ? 'warning' : 'well'), el('span.word', type), el('span.what', {title: text}, el('b', name, ': '), text),
		el('span.since.mid', last && moment(last.at, now())), el('span.dim.num', tested[name]), el('span.num', el('button.btn', {'aria-label': 'Send a test message to ' + name, onclick: () => test(name)}, 'Test')));
}

async function test(name) {
	const tell = said => {
		tested = {...tested, [name]: said};
		draw();
	};
	tell('sent');
	const error = await post(`receivers/${encodeURIComponent(name)}/test`);
	tell(error ? 'failed' : 'heard');
	if (error) say(count, error);
	load();
}

export {draw as snapshot};

export function changes({moved, gone}) {
	if (moved.length || gone.length) load();
}

export function second() {
	for (const [lasted, since] of rows) say(lasted, age(now() - since));
	if (!hub.limited && now() - asked >= REFRESH_SECONDS) load();
}
