// All that is known of the fleet: boards by name, as the hub's event stream tells them. Nobody else changes it.

import { METRIC_KEYS, badgesOf, indexKey, newIndex, severity, valueOf, STATES } from './metrics.js';
import { capital, moment, visible } from './format.js';

/** Boards by their names. */
export const boards = new Map();

/** The hub: its clock at the last frame, and since when it is not reached (Unix seconds; null: reached). */
export const hub = { now: 0, at: 0, lost: null, heard: false };

/** Samples a tile's line can show, and the seconds that it spans. */
export const LINE_SAMPLES = 64;
export const LINE_SECONDS = 60;

/** Without a known interval a board's figures count as old after this; else after three intervals. */
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
    this.why = '';
    this.since = this.heard = NaN;
    this.interval = NaN;
    this.model = this.source = '';
    this.tags = [];
    this.values = new Map();
    this.index = newIndex();
    this.badges = [];
    this.figures = Object.fromEntries(METRIC_KEYS.map((key) => [key, NaN]));
    // The last minute of each figure, for a tile's line: a ring of LINE_SAMPLES.
    this.times = new Float64Array(LINE_SAMPLES).fill(NaN);
    this.lines = Object.fromEntries(METRIC_KEYS.map((key) => [key, new Float32Array(LINE_SAMPLES)]));
    this.next = 0;
  }

  /** Takes what a snapshot or a change has of it. */
  take(host) {
    const heard = typeof host.heard === 'number' ? host.heard : this.heard;
    if ('state' in host) this.state = host.state in STATES ? host.state : 'warning';
    if ('why' in host) this.why = visible(host.why ?? '');
    if ('since' in host) this.since = Number(host.since);
    if ('model' in host) this.model = host.model ? visible(host.model, 60) : '';
    if ('source' in host) this.source = String(host.source);
    if ('tags' in host) this.tags = Object.entries(host.tags ?? {}).map(([key, value]) => ({ id: key + '=' + value, key: visible(key), text: visible(value, 40) }));
    for (const [key, value] of Object.entries(host.values ?? {})) {
      if (!this.values.has(key)) indexKey(this.index, key);
      this.values.set(key, value);
    }
    for (const key of METRIC_KEYS) this.figures[key] = valueOf(this, key);
    if (heard !== this.heard) this.sample(heard);
    this.badges = badgesOf(this, hub.now);
  }

  sample(heard) {
    const passed = heard - this.heard;
    if (passed > 0.05) this.interval = this.interval === this.interval && passed < 10 * this.interval ? this.interval * 0.8 + passed * 0.2 : passed;
    this.heard = heard;
    this.times[this.next] = heard;
    for (const key of METRIC_KEYS) this.lines[key][this.next] = this.figures[key];
    this.next = (this.next + 1) % LINE_SAMPLES;
  }

  /** Whether the figures are older than this board lets them become, though the hub has not called it lost yet. */
  get stale() {
    return now() - this.heard > (this.interval > 0 ? Math.max(5, 3 * this.interval + 2) : STALE_SECONDS);
  }

  /** Why it is not well, as a sentence with "since". */
  get sentence() {
    if (this.state === 'well') return '';
    const why = this.why || STATES[this.state];
    return capital(why) + (Number.isFinite(this.since) ? ' since ' + moment(this.since, now()) : '');
  }

  /** Model as short as a tile needs it. */
  get shortModel() {
    return this.model.replace(/^Raspberry /, '').replace(/ Model /, ' ').replace(/ Rev [\d.]+$/, '').replace(/ Plus$/, '+');
  }
}

/** Everything anew. */
export function takeSnapshot(snapshot) {
  touch(snapshot.now);
  const names = new Set();
  for (const host of snapshot.hosts) {
    names.add(host.name);
    const old = boards.get(host.name);
    const board = new Board(host.name);
    if (old) for (const key of ['interval', 'times', 'lines', 'next', 'heard']) board[key] = old[key];
    boards.set(host.name, board);
    board.take(host);
  }
  for (const name of [...boards.keys()]) if (!names.has(name)) boards.delete(name);
}

/** Cells that changed. Returns the boards that did, and those of another state than before, with it. */
export function takeChanges(changes) {
  touch(changes.now);
  const changed = new Set(), moved = [];
  for (const host of changes.hosts ?? []) {
    let board = boards.get(host.name);
    const before = board?.state;
    if (!board) boards.set(host.name, board = new Board(host.name));
    board.take(host);
    changed.add(board);
    if (board.state !== before) moved.push(board);
  }
  const gone = (changes.gone ?? []).filter((name) => boards.delete(name));
  return { changed, moved, gone };
}

export function counts() {
  const count = { critical: 0, lost: 0, warning: 0, well: 0 };
  for (const board of boards.values()) count[board.state]++;
  return count;
}

/** Boards that are not well, worst first, the newest trouble of a kind first. */
export function trouble() {
  return [...boards.values()].filter((board) => board.state !== 'well').sort(byTrouble);
}

export function byTrouble(a, b) {
  return severity(a.state) - severity(b.state) || (b.since - a.since) || byName(a, b);
}

const collator = new Intl.Collator('en', { numeric: true });

export function byName(a, b) {
  return collator.compare(a.name, b.name) || (a.name < b.name ? -1 : 1);
}

function touch(time) {
  hub.now = time;
  hub.at = performance.now();
  hub.lost = null;
  hub.heard = true;
}
