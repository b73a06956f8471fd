// All that is known of the fleet: boards by name, as the hub's event stream tells of them. Nobody else changes it.

import {METRIC_KEYS, STATES, badgesOf, indexKey, newIndex, number, seriesOf, severity} from './metrics.js';
import {capital, moment, visible} from './format.js';

export const boards = new Map();

/** The hub's clock at the last frame, when that came, and since when it is not reached (Unix seconds; null: reached);
    why it asks for a login, where it does; whether it has shown less than it would after a login; and, where there
    are any, how many other hubs it names (peers). */
export const hub = {now: 0, at: 0, lost: null, heard: false, login: null, limited: false};

export const LINE_SAMPLES = 64;
export const LINE_SECONDS = 60;

/** Without a known interval a board's figures count as old after this. */
const STALE_SECONDS = 15;

/** The hub's time. It stands still while the hub is not reached: figures are as of then. */
export function now() {
	return hub.lost ?? hub.now + (performance.now() - hub.at) / 1000;
}

class Board {
	constructor(name) {
		this.name = name;
		this.shown = visible(name);
		this.href = '#/board/' + encodeURIComponent(name);
		this.state = 'well';
		this.why = this.model = this.source = '';
		this.since = this.heard = this.interval = NaN;
		this.tags = [];
		this.badges = [];
		this.values = new Map();
		this.index = newIndex();
		this.figures = {};
		// The key of each figure.
		this.series = {};
		// The last minute of each figure: rings.
		this.times = new Float64Array(LINE_SAMPLES).fill(NaN);
		this.lines = Object.fromEntries(METRIC_KEYS.map(key => [key, new Float32Array(LINE_SAMPLES)]));
		this.next = 0;
	}

	take(host) {
		if ('state' in host) this.state = Object.hasOwn(STATES, host.state) ? host.state : 'warning';
		if ('why' in host) this.why = visible(host.why ?? '');
		if ('since' in host) this.since = Number(host.since);
		if ('model' in host) this.model = visible(host.model ?? '', 60);
		if ('source' in host) this.source = String(host.source);
		if ('tags' in host) this.tags = Object.entries(host.tags ?? {}).map(([key, value]) => ({id: key + '=' + value, key: visible(key), text: visible(value, 40)}));
		let isNew = false, isSign = false;
		for (const key of Object.keys(host.values ?? {})) {
			const value = host.values[key];
			if (!this.values.has(key)) { indexKey(this.index, key); isNew = true; }
			this.values.set(key, value);
			isSign ||= typeof value === 'boolean' || key === 'uptime' || key === 'clock.offset' || key.startsWith('disk.');
		}
		if (isNew || isSign) {
			this.series = seriesOf(this);
			this.badges = badgesOf(this);
		}
		for (const key of METRIC_KEYS) this.figures[key] = number(this.values.get(this.series[key]));
		if (this.series.cpu !== 'cpu') this.figures.cpu = mean(this.index.cores.map(key => this.values.get(key)));
		if ('heard' in host && host.heard !== this.heard) this.sample(host.heard);
	}

	sample(heard) {
		const passed = heard - this.heard;
		if (passed > 0.05) this.interval = passed < 10 * this.interval ? this.interval * 0.8 + passed * 0.2 : passed;
		this.times[this.next] = this.heard = heard;
		for (const key of METRIC_KEYS) this.lines[key][this.next] = this.figures[key];
		this.next = (this.next + 1) % LINE_SAMPLES;
	}

	/** Whether the figures are older than this board lets them become, though the hub has not called it lost yet. */
	get stale() {
		return now() - this.heard > (this.interval > 0 ? Math.max(5, 3 * this.interval + 2) : STALE_SECONDS);
	}

	get sentence() {
		return this.state === 'well' ? '' : capital(this.why || STATES[this.state]) + this.sinceText;
	}

	get sinceText() {
		return Number.isFinite(this.since) ? ' since ' + moment(this.since, now()) : '';
	}

	get shortModel() {
		return this.model.replace(/^Raspberry /, '').replace(/ Model /, ' ').replace(/ Rev [\d.]+$/, '').replace(/ Plus$/, '+');
	}
}

function mean(list) {
	return list.reduce((sum, value) => sum + (value ?? 0), 0) / list.length;
}

/** Everything anew; the lines of tiles go on. */
export function takeSnapshot(snapshot) {
	const old = new Map(boards);
	touch(snapshot.now);
	hub.peers = snapshot.peers;
	boards.clear();
	for (const host of snapshot.hosts) {
		const board = new Board(host.name), before = old.get(host.name);
		if (before) for (const key of ['interval', 'times', 'lines', 'next', 'heard']) board[key] = before[key];
		boards.set(host.name, board);
		board.take(host);
	}
}

/** What changed. Returns the boards that did, those of them in another state than before, and names that are gone. */
export function takeChanges({now, hosts, values, gone}) {
	touch(now);
	const changed = new Set(), moved = [], left = gone.filter(name => boards.delete(name));
	for (const host of hosts) {
		const before = boards.get(host.name), board = before ?? new Board(host.name), state = before?.state;
		boards.set(host.name, board);
		board.take(host);
		changed.add(board);
		if (board.state !== state) moved.push(board);
	}
	for (const name of Object.keys(values)) {
		const board = boards.get(name);
		board?.take({heard: now, values: values[name]});
		if (board) changed.add(board);
	}
	return {changed, moved, gone: left};
}

/** Nothing is known any more until there is a login. */
export function forget(why) {
	boards.clear();
	Object.assign(hub, {heard: false, login: why});
}

function touch(time) {
	Object.assign(hub, {now: time, at: performance.now(), lost: null, heard: true, login: null});
}

export function counts() {
	const count = Object.fromEntries(Object.keys(STATES).map(state => [state, 0]));
	for (const {state} of boards.values()) count[state]++;
	return count;
}

export function trouble() {
	return [...boards.values()].filter(board => board.state !== 'well').sort(byTrouble);
}

/** Worst first, then newest first; boards that are well by name. */
export function byTrouble(a, b) {
	return severity(a.state) - severity(b.state) || a.state !== 'well' && b.since - a.since || byName(a, b);
}

const collator = new Intl.Collator('en', {numeric: true});

export function byName(a, b) {
	return collator.compare(a.name, b.name) || (a.name < b.name ? -1 : 1);
}
