// A board: what it is, and its charts, which share one time axis and one cursor. Readings go to the left margin.

import {STATES} from './metrics.js';
import {boards, byName, hub, now} from './model.js';
import {RANGES, choice, nextIn} from './choice.js';
import {ask, history, post} from './data.js';
import {COMMAND} from './login.js';
import {at, draw as drawChart, series} from './chart.js';
import {CORES_STEP, barsOf, chartsOf} from './charts.js';
import {drawMarks, marksOf} from './marks.js';
import {drawFacts, drawSheets} from './facts.js';
import {age, clock, day, moment, step, tenths, whole} from './format.js';
import {el, group, icon, press, say} from './dom.js';

/** Of each range: seconds until it is asked for again, and between two marks of the time axis. */
const REFRESH = {'10 min': 3, '1 h': 10, '24 h': 60, '14 d': 300, '400 d': 900};
const TICKS = {'10 min': 60, '1 h': 300, '24 h': 7200, '14 d': 86400, '400 d': 2629800};

let main, name, board, host, data, charts, rows, laid, cursor, extra, asked, asking, parts;

export function start(place, argument) {
	[main, name, board] = [place, argument, boards.get(argument)];
	host = data = laid = cursor = extra = null;
	charts = [];
	if (!board) return unknown();
	build();
	head();
	load();
}

export function stop() { asking?.abort(); }

function unknown() {
	stop();
	board = null;
	main.replaceChildren(el('div.page', el('h1', 'No such board'), el('p.nothing', 'No board is called ', el('bdi', name.slice(0, 160)), '. ', el('a.btn', {href: '#/'}, 'All boards'))));
}

function build() {
	parts = {};
	for (const tag of 'span.shape span.word span.why div.notices span.means b.readings div.lane div.plots div.over div.cursor span.time div.times dl.facts div.sheets'.split(' ')) parts[tag.split('.')[1]] = el(tag);
	parts.list = el('ul.marks', {'aria-label': 'Marks in this range'});
	parts.previous = el('a.btn', {title: 'Previous board (k)'}, 'Previous');
	parts.following = el('a.btn', {title: 'Next board (j)'}, 'Next');
	parts.forget = el('button.btn', {title: 'It is listed no more, unless it is heard again', onclick: forget}, 'Forget');
	parts.ranges = group('Range', RANGES, choose);
	parts.stack = el('div.stack', { tabindex: 0, role: 'group', 'aria-label': 'Charts. Left and right move the cursor; Escape lets it go.', onpointerleave: () => move(null),
		onpointermove: event => move((event.clientX - box().left) / box().width) }, parts.lane, parts.plots, parts.over, parts.cursor);
	parts.cursor.append(parts.time);
	parts.page = el('div.page.one',
		el('div.who', parts.shape, el('h1', {title: board.shown}, el('bdi', board.shown)), parts.word, parts.why, el('span.go', parts.forget, parts.previous, parts.following)),
		parts.notices, parts.facts, el('div.ranges', parts.ranges, parts.means, el('span.reading', 'Readings: ', parts.readings)),
		parts.stack, parts.times, parts.list, parts.sheets);
	main.replaceChildren(parts.page);
	press(parts.ranges, choice.range);
}

function head() {
	const lost = board.state === 'lost', names = [...boards.values()].sort(byName), addresses = host?.conflict?.addresses;
	parts.page.dataset.state = board.state;
	parts.page.classList.toggle('past', lost || board.stale);
	if (parts.state !== board.state) parts.shape.replaceChildren(icon(parts.state = board.state));
	say(parts.word, STATES[board.state]);
	say(parts.why, lost ? '' : board.sentence || 'Nothing to report');
	parts.forget.hidden = !lost;
	parts.previous.href = nextIn(names, board, -1).href;
	parts.following.href = nextIn(names, board, 1).href;
	parts.notices.replaceChildren(...[
		lost && notice('lost', 'Lost. ', `Last heard ${moment(board.heard, now(), true)}, ${age(now() - board.heard)} ago. What follows is the last that is known. If the board kept its reports, they are filled in when it returns.`),
		hub.limited && notice('warning', 'Charts are shown after a login: ', COMMAND),
		addresses && notice('warning', 'Two boards have this name. ', `Reports come from ${addresses.join(' and ')}. Give one of them another name.`),
	].filter(Boolean));
	drawFacts(parts.facts, board, host);
	drawSheets(parts.sheets, board, extra, chart);
}

async function forget() {
	const error = await post(`hosts/${encodeURIComponent(name)}/forget`);
	if (error) say(parts.forget, error);
	else location.hash = '#/';
}

function notice(state, what, text) {
	return el('div.notice', {'data-state': state}, icon(state), el('span', el('b', what), text));
}

/** Asks for the range's series; what was drawn stays until the answers are here. */
async function load() {
	stop();
	const {signal} = asking = new AbortController(), to = asked = now(), from = to - RANGES[choice.range];
	const wanted = chartsOf(board, extra), bars = barsOf(board), points = Math.max(200, Math.min(1200, Math.round(parts.stack.clientWidth / 1.5)));
	const cores = to - from <= 3600 ? wanted.flatMap(chart => chart.cores ?? []) : [];
	const keys = [...new Set([...wanted.flatMap(chart => chart.keys), ...cores, ...bars.map(([key]) => key)])];
	try {
		const [newest, ...answers] = await Promise.all([ask('hosts/' + encodeURIComponent(name), signal), ...keys.map(key => history(name, key, from, to, points, signal))]);
		const all = new Map(keys.map((key, i) => [key, series(answers[i])]));
		const some = list => list.filter(s => s?.t.length), primary = some(['cpu', 'mem', 'temp'].map(id => all.get(board.series[id])));
		[host, charts] = [newest, wanted];
		data = {all, from, to, primary: primary.length ? primary : some([...all.values()]), bars: bars.map(([key, text, crit]) => ({text, crit, s: all.get(key)}))};
	} catch {
		// Another range was chosen; or the hub is lost, as its banner says, and the next snapshot asks again; or nobody is logged in.
		return head();
	}
	layout();
	head();
	draw();
}

function layout() {
	const ids = charts.map(chart => chart.title + chart.keys).join('\n');
	if (ids === laid) return;
	laid = ids;
	rows = charts.map(chart => {
		const gut = el('div.gut'), canvas = el('canvas', {role: 'img'}), labels = el('div.ylabels', {'aria-hidden': true}), plot = el('div.plot', canvas);
		plot.style.minHeight = chart.height + 'px';
		return {gut, canvas, labels, node: el('div.chart', gut, plot, labels)};
	});
	parts.plots.replaceChildren(...rows.map(row => row.node));
}

function draw() {
	if (!data) return;
	const {all, from, to, primary: [first]} = data;
	charts.forEach((chart, i) => {
		const cores = (chart.cores ?? []).map(key => all.get(key)).filter(s => s && s.step <= CORES_STEP);
		const labels = drawChart(rows[i].canvas, chart, chart.keys.map(key => all.get(key)), cores, from, to);
		rows[i].labels.replaceChildren(...labels.map(([y, text]) => placed(el('span', text), 'top', y + 'px')));
	});
	say(parts.means, !first ? 'no reports in this range' : first.tier === 'recent' && first.step <= 1.5 ? 'every report' : `mean of ${step(first.step)}, with the lowest and the highest`);
	drawMarks(parts, marksOf(host, data), from, to, box().width);
	const every = TICKS[choice.range] * (innerWidth <= 600 ? 3 : 1), zone = new Date(from * 1000).getTimezoneOffset() * 60, ticks = [];
	for (let t = Math.ceil((from - zone) / every) * every + zone; t <= to; t += every) {
		const share = (t - from) / (to - from);
		if (share > 0.02 && share < 0.985) ticks.push(placed(el('span', every >= 86400 ? day(t) : clock(t)), 'left', share * 100 + '%'));
	}
	parts.times.replaceChildren(...ticks);
	read();
}

function placed(node, side, where) {
	node.style[side] = where;
	return node;
}

function box() { return parts.lane.getBoundingClientRect(); }

/** Puts the cursor at a share of the range; null lets it go. */
function move(share) {
	if (!data) return;
	cursor = share === null || share < 0 || share > 1 ? null : share;
	parts.cursor.classList.toggle('on', cursor !== null);
	if (cursor !== null) {
		const {from, to} = data, time = from + cursor * (to - from);
		parts.cursor.style.transform = `translateX(${cursor * box().width}px)`;
		say(parts.time, to - from > 9e4 ? day(time) + ' ' + clock(time) : clock(time, true));
	}
	read();
}

/** Readings in the margin: at the cursor, else the present ones. */
function read() {
	if (!data) return;
	const {all, from, to} = data, live = cursor === null, time = from + (cursor ?? 1) * (to - from);
	const value = key => {
		if (live) return board.values.get(key);
		const i = at(all.get(key), time);
		return i < 0 ? null : all.get(key).avg[i];
	};
	charts.forEach((chart, i) => margin(chart, rows[i], value, live ? null : time));
	const known = live || charts.some(chart => typeof value(chart.keys[0]) === 'number');
	say(parts.readings, !live ? moment(time, now(), true) + (known ? '' : ', no reports') : board.state === 'lost' || hub.lost !== null ? 'last known, ' + moment(board.heard, now(), true) : 'now');
}

function margin(chart, {gut, canvas}, value, time) {
	const nodes = [el('h2', {title: chart.title}, chart.title)], unit = chart.unit ? ' ' + chart.unit : '';
	if (chart.names) chart.keys.forEach((key, n) => nodes.push(el('div.key', el('i'), el('em', chart.names[n]), chart.read(value(key)) + unit)));
	else {
		nodes.push(el('b', chart.read(value(chart.keys[0])), el('small', unit)));
		const cores = (chart.cores ?? []).filter(key => data.all.has(key)).map(value);
		if (cores.length > 1) nodes.push(el('p', 'cores ' + cores.map(whole).join('  ')));
		const s = data.all.get(chart.keys[0]), i = time === null ? -1 : at(s, time);
		if (time !== null) nodes.push(el('p', i < 0 ? 'no reports' : `${tenths(s.min[i])} to ${tenths(s.max[i])}`));
	}
	gut.replaceChildren(...nodes);
	canvas.setAttribute('aria-label', `${chart.title}, last ${choice.range}`);
}

function choose(range) {
	choice.range = range;
	press(parts.ranges, range);
	move(null);
	load();
}

function chart(key) {
	extra = extra === key ? null : key;
	head();
	load();
}

export function snapshot() { start(main, name); }

export function changes({changed, gone}) {
	if (gone.includes(name)) return unknown();
	if (!board && boards.has(name)) return snapshot();
	if (!changed.has(board)) return;
	head();
	if (cursor === null) read();
}

export function second() {
	if (!board) return;
	head();
	if (now() - asked >= REFRESH[choice.range]) load();
}

export {draw as resize, draw as theme, read as lost};

export function key({key, target, shiftKey}) {
	if (!board) return false;
	const ranges = Object.keys(RANGES), range = ranges[ranges.indexOf(choice.range) + {'[': -1, ']': 1}[key]];
	if (key === 'Escape' && cursor !== null) move(null);
	else if (key === 'j' || key === 'k') location.hash = (key === 'j' ? parts.following : parts.previous).hash;
	else if (range) choose(range);
	else {
		const one = (shiftKey ? 20 : 1) / Math.max(1, data?.primary[0]?.t.length ?? 1), from = cursor ?? 1, here = target === parts.stack;
		const to = {ArrowLeft: Math.max(0, from - one), ArrowRight: Math.min(1, from + one), Home: here ? 0 : undefined, End: here ? 1 : undefined}[key];
		if (to === undefined) return false;
		move(to);
	}
	return true;
}
