// One figure of all boards: any series. The list's axis is the distribution's axis.

import {METRICS, STATES, isOver, number, place} from './metrics.js';
import {boards, byName, now} from './model.js';
import {history} from './data.js';
import {drawSpread} from './spread.js';
import {fit} from './chart.js';
import {any, change, plural, tenths, visible, whole} from './format.js';
import {el, group, icon, press, say, svg} from './dom.js';

const REORDER_SECONDS = 5;
/** The last hour of a row in view, as so many points; of few rows at a time. */
const HOUR_POINTS = 60;
const ASK_AT_ONCE = 3;
/** Points of a row's line further apart than this have a gap between, in seconds. */
const HOLE_SECONDS = 150;

let id, key, metric, rows, queue, active, asking, observer, held, ordered, parts;

export function start(main, argument) {
	id = argument ? Object.keys(METRICS).find(id => METRICS[id].name.toLowerCase() === argument) : 'temp';
	key = argument;
	metric = METRICS[id] ?? {name: visible(argument, 60), unit: '', limit: null, scale: fitted()};
	rows = new Map();
	queue = [];
	active = 0;
	asking = new AbortController();
	observer = new IntersectionObserver(entries => {
		for (const {target: {row}, isIntersecting} of entries) {
			row.seen = isIntersecting;
			if (isIntersecting) { paint(row); hour(row); }
		}
	}, {rootMargin: '100px'});
	build(main);
	fill();
}

export function stop() {
	asking.abort();
	observer.disconnect();
}

function build(main) {
	const tabs = group('Figure', Object.fromEntries(Object.values(METRICS).map(({name}) => [name.toLowerCase(), name])), route => { location.hash = '#/figure/' + route; });
	press(tabs, metric.name.toLowerCase());
	tabs.append(el('input.field', { placeholder: 'Any figure, as load.0', 'aria-label': 'Any figure', spellcheck: 'false', onchange: event => { location.hash = '#/figure/' + encodeURIComponent(event.target.value); } }));
	if (!id) tabs.lastChild.value = key;
	parts = {
		sentence: el('div.sentence'), aside: el('div.aside'), canvas: el('canvas', {role: 'img', 'aria-label': 'Distribution of ' + metric.name}),
		limit: el('i'), ticks: el('span.scale', {'aria-hidden': true}), none: el('p.nothing'),
		list: el('div.rows', { onpointerenter: () => { held = true; }, onpointerleave: () => { held = false; } }),
	};
	const column = text => el(/^(rank|now|low|high|in 1 h)$/.test(text) ? 'span.num' : 'span', text);
	if (metric.limit !== null) parts.list.append(el('span.limit', {'aria-hidden': true}, parts.limit));
	main.replaceChildren(el('div.page', el('div.title', el('h1', metric.name + ', all boards'), el('span.dim', metric.unit ? metric.unit + ', now' : 'now'), tabs),
		el('div.rank', el('div.spread', parts.sentence, el('div.plot', parts.canvas), parts.aside),
			el('div.row.columns', ['rank', '', 'board', 'now'].map(column), parts.ticks, ['last hour, own scale', 'low', 'high', 'in 1 h', 'state'].map(column)), parts.list, parts.none)));
	const {scale, limit} = metric, steps = id === 'temp' ? 6 : 5;
	parts.limit.style.left = `calc(6px + ${place(scale, limit)} * (100% - 12px))`;
	for (let n = 0; n <= steps; n++) {
		const tick = el('span', any(Number((scale[0] + n / steps * (scale[1] - scale[0])).toPrecision(6))));
		tick.style.left = n / steps * 100 + '%';
		parts.ticks.append(tick);
	}
}

const value = board => (id ? board.figures[id] : number(+(board.values.get(key) ?? NaN)));
const lost = board => board.state === 'lost';

/** Rows for the boards that have the figure, the highest first, lost ones last. */
function fill() {
	const list = [...boards.values()].filter(board => Number.isFinite(value(board))).sort((a, b) => lost(a) - lost(b) || value(b) - value(a) || byName(a, b));
	for (const [board, {node}] of rows) if (!list.includes(board)) { observer.unobserve(node); node.remove(); rows.delete(board); }
	list.forEach((board, i) => {
		const row = rows.get(board) ?? newRow(board);
		say(row.rank, String(i + 1));
		row.node.style.order = i + 1;
	});
	const missing = boards.size - list.length;
	say(parts.none, missing ? `${plural(missing, 'board')} ${missing === 1 ? 'has' : 'have'} no such figure.` : '');
	ordered = now();
	draw();
}

function newRow(board) {
	const row = {board, line: svg('line', {y1: '50%', y2: '50%'}), dot: svg('circle', {cy: '50%', r: 4}), spark: svg('path'), shape: el('span')};
	for (const [id, classes] of Object.entries({rank: 'num.dim', now: 'num.now', low: 'num.mid', high: 'num.mid', change: 'num.mid', word: 'word'})) row[id] = el('span.' + classes);
	row.node = el('a.row', {href: board.href}, row.rank, row.shape, el('span.name', {title: board.shown}, board.shown), row.now, svg('svg.scale', {'aria-hidden': true}, row.line, row.dot),
		svg('svg.spark', {viewBox: '0 0 60 100', preserveAspectRatio: 'none', 'aria-hidden': true}, row.spark), row.low, row.high, row.change, row.word);
	row.node.row = row;
	rows.set(board, row);
	parts.list.append(row.node);
	observer.observe(row.node);
	paint(row);
	return row;
}

function paint(row) {
	const {board} = row;
	if (row.state !== board.state) {
		row.node.dataset.state = row.state = board.state;
		row.shape.replaceChildren(icon(board.state));
	}
	say(row.word, (lost(board) ? 'lost, last known' : STATES[board.state].toLowerCase()) + (board.badges.includes('throttled') ? ', throttled' : ''));
	say(row.now, (id ? tenths : any)(value(board)));
	row.dot.setAttribute('cx', (place(metric.scale, value(board)) * 100).toFixed(2) + '%');
	row.dot.setAttribute('class', lost(board) ? 'lost' : isOver(metric, value(board)) ? 'over' : '');
}

function hour(row) {
	if (row.asked) return;
	row.asked = true;
	queue.push(row);
	next();
}

async function next() {
	const row = active < ASK_AT_ONCE && queue.shift();
	if (!row) return;
	active++;
	const to = now(), {signal} = asking;
	const answer = row.seen ? await history(row.board.name, id ? row.board.series[id] : key, to - 3600, to, HOUR_POINTS, signal).catch(() => null) : null;
	if (signal.aborted) return;
	active--;
	if (answer) drawHour(row, answer, to);
	row.asked = Boolean(answer);
	next();
}

function drawHour(row, {t, avg, min, max}, to) {
	const known = avg.filter(x => x !== null), numbers = list => list.filter(x => x !== null), short = id ? whole : any;
	if (!known.length) return;
	const low = Math.min(...numbers(min)), high = Math.max(...numbers(max)), bottom = Math.min(...known) - 1, span = Math.max(...known) + 1 - bottom;
	let path = '', last = NaN;
	avg.forEach((x, i) => {
		if (x === null) { last = NaN; return; }
		path += (t[i] - last < HOLE_SECONDS ? 'L' : 'M') + ((t[i] - to + 3600) / 60).toFixed(1) + ' ' + (92 - (x - bottom) / span * 84).toFixed(1);
		last = t[i];
	});
	row.spark.setAttribute('d', path);
	row.line.setAttribute('x1', place(metric.scale, low) * 100 + '%');
	row.line.setAttribute('x2', place(metric.scale, high) * 100 + '%');
	say(row.low, short(low));
	say(row.high, short(high));
	say(row.change, lost(row.board) ? '–' : change(value(row.board) - known[0]));
}

function draw() {
	const list = [...rows.keys()].filter(board => !lost(board)).map(board => ({value: value(board), state: board.state}));
	const {text, dots} = drawSpread(parts.canvas, metric, list, id ? tenths : any);
	parts.sentence.replaceChildren(...text.map((part, i) => (i % 2 ? el('b', part) : part)));
	parts.aside.replaceChildren(dots ? 'Each dot is a board.' : 'The height counts boards.', el('br'), 'Shaded: the middle half.');
}

function fitted() {
	const all = [...boards.values()].map(value).filter(Number.isFinite);
	return fit(Math.min(0, ...all), Math.max(0, ...all));
}

export function snapshot() { fill(); }

export function changes({changed, moved, gone}) {
	for (const board of changed) {
		const row = rows.get(board);
		if (row?.seen) paint(row);
	}
	if (moved.length || gone.length) ordered = -Infinity;
}

export function second() {
	draw();
	if (!held && !document.activeElement?.closest('.rows') && now() - ordered >= REORDER_SECONDS) fill();
}

export {draw as resize, draw as theme};
