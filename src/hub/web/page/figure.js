// One figure of all boards. The list's axis is the distribution's axis.

import { METRICS, STATES, isOver, number, place, seriesOf } from './metrics.js';
import { boards, byName, now } from './model.js';
import { ask, history } from './data.js';
import { drawSpread } from './spread.js';
import { roundUp } from './chart.js';
import { any, change, plural, tenths, visible, whole } from './format.js';
import { el, icon, say, svg } from './dom.js';

const REORDER_SECONDS = 5;
/** The last hour of a row in view, as so many points; asked for by few at a time. */
const HOUR_POINTS = 60;
const ASK_AT_ONCE = 3;
const LIMITS_REFRESH_SECONDS = 60;

export const figureView = {
  title: 'Figures',

  start(main, argument) {
    this.id = Object.keys(METRICS).find((key) => METRICS[key].route === argument) ?? null;
    if (!this.id && !argument) this.id = 'temp';
    this.series = this.id ? null : argument;
    this.metric = this.id ? METRICS[this.id] : { name: visible(argument, 60), unit: '', limit: null, scale: this.fitted() };
    this.rows = new Map();
    this.queue = [];
    this.asking = new AbortController();
    this.active = 0;
    this.held = false;
    this.ordered = this.asked = now();
    this.build(main);
    this.fill();
    this.extremes();
  },

  stop() {
    this.asking.abort();
    this.observer.disconnect();
  },

  build(main) {
    const { metric } = this, tabs = Object.values(METRICS).map(({ name, route }) => el('button', { type: 'button', text: name, 'aria-pressed': name === metric.name, onclick: () => { location.hash = '#/figure/' + route; } }));
    const other = el('input', { class: 'field', list: 'series', placeholder: 'Another figure', 'aria-label': 'Another figure', autocomplete: 'off', spellcheck: 'false', onchange: () => { if (other.value) location.hash = '#/figure/' + encodeURIComponent(other.value); } });
    if (this.series) other.value = this.series;
    this.sentence = el('div', { class: 'sentence' });
    this.canvas = el('canvas', { role: 'img', 'aria-label': `Distribution of ${metric.name}` });
    this.aside = el('div', { class: 'aside' });
    this.ticks = el('span', { class: 'scale', 'aria-hidden': 'true' });
    this.limit = el('i');
    this.list = el('div', { class: 'rows' }, metric.limit !== null && el('span', { class: 'limit', 'aria-hidden': 'true' }, this.limit));
    this.none = el('p', { class: 'nothing' });
    main.replaceChildren(el('div', { class: 'page' },
      el('div', { class: 'title' }, el('h1', { text: `${metric.name}, all boards` }), el('span', { class: 'dim', text: metric.unit ? metric.unit + ', now' : 'now' }),
        el('div', { class: 'seg', role: 'group', 'aria-label': 'Figure' }, tabs, other), el('datalist', { id: 'series' }, allSeries().map((key) => el('option', { value: key })))),
      el('div', { class: 'rank' },
        el('div', { class: 'spread' }, this.sentence, el('div', { class: 'plot' }, this.canvas), this.aside),
        el('div', { class: 'row columns' }, ...['rank', '', 'board', 'now'].map((text, i) => el('span', { class: i % 3 ? null : 'num', text })), this.ticks,
          el('span', { text: 'last hour, own scale' }), ...['low', 'high', 'in 1 h'].map((text) => el('span', { class: 'num', text })), el('span', { text: 'state' })),
        this.list, this.none)));
    this.list.addEventListener('pointerenter', () => { this.held = true; });
    this.list.addEventListener('pointerleave', () => { this.held = false; });
    this.observer = new IntersectionObserver((entries) => {
      for (const { target, isIntersecting } of entries) {
        const { row } = target;
        row.seen = isIntersecting;
        if (isIntersecting) { this.paint(row); this.hour(row); }
      }
    }, { rootMargin: '100px' });
  },

  value(board) { return this.id ? board.figures[this.id] : number(plain(board.values.get(this.series))); },
  keyOf(board) { return this.id ? seriesOf(board, this.id) : this.series; },

  /** Rows for the boards that have the figure, best place first. */
  fill() {
    const { scale, limit } = this.metric, list = this.sorted();
    const rows = list.map((board) => this.rows.get(board) ?? this.row(board));
    for (const [board, row] of this.rows) if (!list.includes(board)) { this.observer.unobserve(row.node); row.node.remove(); this.rows.delete(board); }
    for (const row of rows) if (!row.node.parentNode) { this.list.append(row.node); this.observer.observe(row.node); }
    rows.forEach((row, i) => {
      if (row.rank !== i + 1) { row.rank = i + 1; say(row.place, String(i + 1)); row.node.style.order = i + 1; }
    });
    if (limit !== null) this.limit.style.left = `calc(6px + ${place(scale, limit)} * (100% - 12px))`;
    const missing = boards.size - list.length;
    say(this.none, missing ? `${plural(missing, 'board')} ${missing === 1 ? 'has' : 'have'} no such figure.` : '');
    this.ticks.replaceChildren(...[0, 1, 2, 3, 4, 5, 6].filter((n) => this.id === 'temp' || n < 6).map((n, i, all) => {
      const share = n / (all.length - 1), tick = el('span', { text: any(Number((scale[0] + share * (scale[1] - scale[0])).toPrecision(6))) });
      tick.style.left = share * 100 + '%';
      return tick;
    }));
    this.ordered = now();
    this.draw();
  },

  sorted() {
    const lost = (board) => board.state === 'lost';
    return [...boards.values()].filter((board) => Number.isFinite(this.value(board))).sort((a, b) => lost(a) - lost(b) || this.value(b) - this.value(a) || byName(a, b));
  },

  row(board) {
    const cell = (name) => el('span', { class: name }), row = { board, seen: false, asked: false };
    row.line = svg('line', { y1: '50%', y2: '50%' });
    row.dot = svg('circle', { cy: '50%', r: 4 });
    row.spark = svg('path');
    [row.place, row.now, row.low, row.high, row.change, row.word] = ['num dim', 'num now', 'num mid', 'num mid', 'num mid', 'word'].map(cell);
    row.shape = cell();
    row.node = el('a', { class: 'row', href: board.href }, row.place, row.shape, el('span', { class: 'name', text: board.shown, title: board.shown }), row.now,
      svg('svg', { class: 'scale', 'aria-hidden': 'true' }, row.line, row.dot),
      svg('svg', { class: 'spark', viewBox: '0 0 60 100', preserveAspectRatio: 'none', 'aria-hidden': 'true' }, row.spark), row.low, row.high, row.change, row.word);
    row.node.row = row;
    this.rows.set(board, row);
    this.paint(row);
    return row;
  },

  paint(row) {
    const { board } = row, value = this.value(board), { scale } = this.metric, lost = board.state === 'lost';
    if (row.state !== board.state) {
      row.state = board.state;
      row.node.dataset.state = board.state;
      row.shape.replaceChildren(icon(board.state));
    }
    say(row.word, (lost ? 'lost, last known' : STATES[board.state].toLowerCase()) + (board.badges.includes('throttled') ? ', throttled' : ''));
    say(row.now, this.number(value));
    row.dot.setAttribute('cx', (place(scale, value) * 100).toFixed(2) + '%');
    row.dot.setAttribute('class', lost ? 'lost' : isOver(this.metric, value) ? 'over' : '');
  },

  number(value) { return this.id ? tenths(value) : any(value); },

  /** Lowest and highest of the last hour of all boards, in one answer; where the series is the same for all. */
  async extremes() {
    const keys = new Map();
    for (const board of this.rows.keys()) keys.set(this.keyOf(board), (keys.get(this.keyOf(board)) ?? 0) + 1);
    for (const key of keys.keys()) {
      const answer = await ask('series/' + encodeURIComponent(key), this.asking.signal).catch(() => null);
      for (const { name, min, max } of answer?.hosts ?? []) {
        const row = this.rows.get(boards.get(name));
        if (row && this.keyOf(row.board) === key && Number.isFinite(min) && Number.isFinite(max)) this.range(row, min, max);
      }
    }
  },

  range(row, low, high) {
    const { scale } = this.metric, short = this.id ? whole : any;
    say(row.low, short(low));
    say(row.high, short(high));
    row.line.setAttribute('x1', place(scale, low) * 100 + '%');
    row.line.setAttribute('x2', place(scale, high) * 100 + '%');
  },

  /** Asks for the last hour of a row in view, once. */
  hour(row) {
    if (row.asked) return;
    row.asked = true;
    this.queue.push(row);
    this.next();
  },

  async next() {
    if (this.active >= ASK_AT_ONCE) return;
    const row = this.queue.shift();
    if (!row) return;
    this.active++;
    const to = now(), { signal } = this.asking;
    const answer = row.seen ? await history(row.board.name, this.keyOf(row.board), to - 3600, to, HOUR_POINTS, signal).catch(() => null) : null;
    this.active--;
    if (signal.aborted) return;
    if (answer) this.drawHour(row, answer, to); else row.asked = false;
    this.next();
  },

  drawHour(row, { t, avg }, to) {
    const known = avg.filter((value) => value !== null), low = Math.min(...known) - 1, high = Math.max(...known) + 1;
    let path = '', pen = false, last = NaN;
    avg.forEach((value, i) => {
      if (value === null) { pen = false; return; }
      pen &&= t[i] - last < 150;
      path += (pen ? 'L' : 'M') + ((t[i] - to + 3600) / 60).toFixed(1) + ' ' + (92 - (value - low) / (high - low) * 84).toFixed(1);
      pen = true;
      last = t[i];
    });
    row.spark.setAttribute('d', path);
    say(row.change, row.board.state === 'lost' || !known.length ? '–' : change(this.value(row.board) - known[0]));
  },

  draw() {
    const list = [...this.rows.keys()].filter((board) => board.state !== 'lost').map((board) => ({ value: this.value(board), state: board.state }));
    const { text, dots } = drawSpread(this.canvas, this.metric, list);
    this.sentence.replaceChildren(...text.map(([part, strong]) => (strong ? el('b', { text: part }) : part)));
    this.aside.replaceChildren(dots ? 'Each dot is a board.' : 'The height counts boards.', el('br'), 'Shaded: the middle half.');
  },

  /** A scale for a series that has none of its own. */
  fitted() {
    const all = [...boards.values()].map((board) => number(plain(board.values.get(this.series)))).filter(Number.isFinite);
    const low = Math.min(0, ...all), high = Math.max(0, ...all);
    return [low < 0 ? -roundUp(-low) : 0, high > 0 || low === 0 ? roundUp(high) : 0];
  },

  snapshot() {
    for (const row of this.rows.values()) { this.observer.unobserve(row.node); row.node.remove(); }
    this.rows.clear();
    this.fill();
    this.extremes();
  },

  changes({ changed, moved, gone }) {
    for (const board of changed) {
      const row = this.rows.get(board);
      if (row?.seen) this.paint(row);
    }
    if (moved.length || gone.length) this.ordered = -Infinity;
  },

  second() {
    this.draw();
    const resting = !this.held && !document.activeElement?.closest('.rows');
    if (resting && now() - this.ordered >= REORDER_SECONDS) this.fill();
    if (now() - this.asked >= LIMITS_REFRESH_SECONDS) { this.asked = now(); this.extremes(); }
  },

  resize() { this.draw(); },
  theme() { this.draw(); },
};

const plain = (value) => (typeof value === 'boolean' ? Number(value) : value);

/** Keys of numbers that any board has, for the field's list; bounded. */
function allSeries() {
  const keys = new Set();
  for (const board of boards.values()) {
    for (const [key, value] of board.values) if (typeof value === 'number') keys.add(key);
    if (keys.size > 500) break;
  }
  return [...keys].sort();
}
