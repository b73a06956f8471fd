// The wall: every board as a tile, trouble large and first. Order is put right at most every 5 s and never under
// the pointer or the focus; only tiles in view are painted, a few milliseconds a frame.

import {BADGES, METRICS} from './metrics.js';
import {boards, hub, now} from './model.js';
import {ORDERS, choice, chosen, nextIn, showAll} from './choice.js';
import {plural} from './format.js';
import {el, group, icon, press, say} from './dom.js';
import {Tile} from './tile.js';
import * as add from './add.js';
import * as peers from './peers.js';

export {resize} from './peers.js';

const LARGE_MAX = 21;
const REORDER_SECONDS = 5;
const SLICE_MS = 2;
const TAGS_MAX = 12;

let main, first, list, tileOf, seen, due, later, held, unordered, ordered, painting, observer, find, orders, badges, tags, large, small, nothing;

export function start(place) {
	main = place;
	first = isFirstRun();
	if (first) return add.start(main);
	tileOf = new Map();
	// Tiles in view; of these, those to be painted; tiles out of view, to be written when idle.
	[seen, due, later] = [new Set(), new Set(), []];
	held = unordered = false;
	observer = new IntersectionObserver(entries => {
		for (const {target: {tile}, isIntersecting} of entries) {
			if (isIntersecting) due.add(tile);
			seen[isIntersecting ? 'add' : 'delete'](tile);
		}
		paint();
	}, {rootMargin: '80px'});
	build();
	layout();
}

export function stop() {
	observer?.disconnect();
	cancelAnimationFrame(painting);
	painting = 0;
}

/** Nobody has added a board yet: at most this machine is here. */
function isFirstRun() {
	return !hub.peers && (boards.size === 0 || boards.size === 1 && [...boards.values()][0].source === 'own');
}

function build() {
	find = el('input', {type: 'search', id: 'find', placeholder: 'Find a board', 'aria-label': 'Find a board', autocomplete: 'off', spellcheck: 'false', oninput: () => choose('text', find.value.trim(), true)});
	orders = group('Order', ORDERS, id => choose('order', id, true));
	orders.prepend(el('span', {'aria-hidden': true}, 'Order'));
	const chips = name => el('div.chips', {role: 'group', 'aria-label': name});
	badges = chips('Show only boards with');
	badges.append(...Object.entries(BADGES).map(([id, text]) => el('button.chip', {'data-value': id, onclick: () => choose('badge', id)}, icon(id, 'badge'), text + ' ', el('b'))));
	tags = chips('Tags');
	[large, small] = ['large', 'small'].map(size => {
		const part = {title: el('h2'), count: el('span'), legend: el('span.legend'), tiles: []};
		part.grid = el('ul.grid.' + size, { role: 'list', onfocusin: focused, onpointerenter: () => { held = true; }, onpointerleave: () => { held = false; hint(); } });
		part.node = el('section', el('div.sec', part.title, part.count, part.legend), part.grid);
		return part;
	});
	nothing = el('p.nothing', 'No board here matches. Escape shows all boards.');
	main.replaceChildren(el('h1.hidden', 'All boards'), el('div.tools', el('div.find', find, el('kbd', {'aria-hidden': true}, '/')), orders, badges, tags), large.node, peers.node, small.node, nothing);
	peers.second();
}

/** Takes one choice; the same again lets it go, unless it always has a value. */
function choose(what, value, always) {
	choice[what] = !always && choice[what] === value ? null : value;
	layout(true);
}

function layout(repaint) {
	list = chosen(boards.values());
	const bad = choice.order === 'worst' ? list.filter(board => board.state !== 'well').slice(0, LARGE_MAX) : [];
	unordered = false;
	ordered = now();
	tileOf.clear();
	later = [];
	put(large, bad);
	put(small, list.slice(bad.length));
	rove(document.activeElement.closest('.tile')?.tile.board ?? list[0]);
	heads(bad.length);
	controls();
	if (repaint) seen.forEach(tile => due.add(tile));
	paint();
}

/** As many tiles as boards, each bound to one: re-sorting moves no element. */
function put(part, list) {
	while (part.tiles.length < list.length) {
		const tile = new Tile(part === large);
		part.tiles.push(tile);
		part.grid.append(tile.node);
		observer.observe(tile.node);
	}
	for (const tile of part.tiles.splice(list.length)) {
		observer.unobserve(tile.node);
		seen.delete(tile);
		due.delete(tile);
		tile.node.remove();
	}
	part.tiles.forEach((tile, i) => {
		tileOf.set(list[i], tile);
		if (tile.board === list[i]) return;
		tile.bind(list[i]);
		if (seen.has(tile)) due.add(tile);
		else later.push(tile);
	});
	part.node.hidden = !list.length;
}

function heads(bad) {
	const {name, scale, unit} = METRICS[choice.order] ?? METRICS.cpu, word = name === 'CPU' ? name : name.toLowerCase();
	say(large.title, 'Needs a look');
	say(small.title, METRICS[choice.order] ? `All, highest ${word} first` : choice.order === 'name' ? 'All, by name' : bad === LARGE_MAX ? 'All others' : 'Well');
	say(small.legend, `In each tile: cpu %, memory %, temperature °C, fullest disk %. Line: ${word}, last 60 s, ${scale.join(' to ')} ${unit}.`);
	nothing.hidden = list.length > 0;
	hint();
}

function hint() {
	for (const part of [large, small]) say(part.count, plural(part.tiles.length, 'board') + (unordered && held ? ', order held while you point at it' : ''));
}

function controls() {
	const count = {}, tag = new Map();
	for (const board of boards.values()) {
		for (const id of board.badges) count[id] = (count[id] ?? 0) + 1;
		for (const one of board.tags) tag.set(one.id, {...one, boards: (tag.get(one.id)?.boards ?? 0) + 1});
	}
	if (find.value.trim() !== choice.text) find.value = choice.text;
	for (const node of badges.children) {
		const n = count[node.dataset.value] ?? 0;
		say(node.lastChild, String(n));
		node.disabled = !n && choice.badge !== node.dataset.value;
	}
	const shown = [...tag.values()].sort((a, b) => b.boards - a.boards).slice(0, TAGS_MAX).sort((a, b) => (a.text < b.text ? -1 : 1)), ids = shown.map(({id}) => id).join('\n');
	if (tags.ids !== ids) tags.replaceChildren(...shown.map(({id, key, text}) => el('button.chip', {'data-value': id, title: key + ': ' + text, onclick: () => choose('tag', id)}, el('bdi', '#' + text))));
	tags.ids = ids;
	press(orders, choice.order);
	press(badges, choice.badge);
	press(tags, choice.tag);
}

export function snapshot() {
	if (first || isFirstRun()) { stop(); return start(main); }
	layout(true);
}

export function changes(what) {
	if (first !== isFirstRun()) return snapshot();
	if (first) return add.changes(what);
	const {changed, moved, gone} = what;
	for (const board of changed) if (seen.has(tileOf.get(board))) due.add(tileOf.get(board));
	for (const tile of moved.map(board => tileOf.get(board)).filter(Boolean)) {
		if (!seen.has(tile)) later.push(tile);
		tile.node.classList.remove('changed');
		requestAnimationFrame(() => tile.node.classList.add('changed'));
	}
	if (moved.length || gone.length) unordered = true;
	if (gone.length) layout();
	paint();
}

export function second() {
	if (first) return add.second();
	const resting = !held && !document.activeElement?.closest('.grid');
	if (resting && now() - ordered >= REORDER_SECONDS && (unordered || METRICS[choice.order] || choice.badge)) layout();
	hint();
	peers.second();
	for (const tile of seen) tile.age();
}

/** Paints what is due in slices; then, when idle, writes tiles out of view, for find-in-page and screen readers. */
function paint() {
	if (painting || !(due.size || later.length)) return;
	painting = requestAnimationFrame(() => {
		painting = 0;
		const end = performance.now() + SLICE_MS, metric = METRICS[choice.order] ? choice.order : 'cpu';
		for (const tile of due) {
			if (performance.now() > end) break;
			due.delete(tile);
			tile.paint(metric);
		}
		while (!due.size && later.length && performance.now() < end) later.pop().write();
		paint();
	});
}

/** One tab stop for the whole field: the tile that has it. */
function rove(board) {
	if (!tileOf.has(board)) return null;
	const tile = tileOf.get(board);
	for (const other of tileOf.values()) if (other.link?.tabIndex === 0) other.link.tabIndex = -1;
	tile.write();
	tile.link.tabIndex = 0;
	return tile.link;
}

function focused({target}) {
	const {tile} = target.closest('.tile');
	rove(tile.board);
	tile.label();
}

export function key({key, target}) {
	if (first) return false;
	if (key === 'Escape') {
		if (target === find || target.closest?.('.grid')) target.blur();
		showAll();
		layout(true);
	} else if (key === 's') choose('order', nextIn(Object.keys(ORDERS), choice.order, 1), true);
	else {
		const i = list.indexOf(target.closest?.('.tile')?.tile.board), last = list.length - 1;
		const to = i < 0 ? undefined : {ArrowRight: i + 1, ArrowLeft: i - 1, Home: 0, End: last, ArrowDown: beside(i, 1), ArrowUp: beside(i, -1)}[key];
		if (to === undefined) return false;
		rove(list[Math.max(0, Math.min(last, to))]).focus();
	}
	return true;
}

/** The tile of the next row whose left edge is nearest. */
function beside(i, direction) {
	const box = n => tileOf.get(list[n]).node.getBoundingClientRect(), from = box(i);
	let best = i, least = Infinity;
	for (let n = i + direction; list[n]; n += direction) {
		const to = box(n), down = Math.abs(to.top - from.top), cost = down * 10 + Math.abs(to.left - from.left);
		if (down > 8 && cost < least) [best, least] = [n, cost];
		if (down * 10 > least) break;
	}
	return best;
}
