// A board: what it is, and its charts, which share one time axis and one cursor. Readings go to the left margin.

import { STATES, seriesOf } from './metrics.js';
import { boards, byName, hub, now } from './model.js';
import { RANGES, choice, nextIn } from './choice.js';
import { ask, history } from './data.js';
import { at, draw, series } from './chart.js';
import { CORES_STEP, barsOf, chartsOf } from './charts.js';
import { drawMarks, marksOf } from './marks.js';
import { drawFacts, drawSheets, newFacts, newSheets } from './facts.js';
import { age, clock, day, moment, step, tenths, whole } from './format.js';
import { el, icon, say } from './dom.js';

/** How often a range is asked for again, in seconds. */
const REFRESH = { '10 min': 3, '1 h': 10, '24 h': 60, '14 d': 300, '400 d': 900 };
/** Seconds between two marks of the time axis. */
const TICKS = { '10 min': 60, '1 h': 300, '24 h': 7200, '14 d': 86400, '400 d': 2629800 };

export const boardView = {
  start(main, name) {
    Object.assign(this, { main, name, board: boards.get(name), host: null, data: null, charts: [], marks: [], cursor: null, extra: null, asked: -Infinity });
    if (!this.board) return this.unknown();
    this.build();
    this.head();
    this.load();
  },

  stop() { this.asking?.abort(); },

  unknown() {
    this.asking?.abort();
    this.board = null;
    this.main.replaceChildren(el('div', { class: 'page' }, el('h1', { text: 'No such board' }),
      el('p', { class: 'nothing' }, 'No board is called ', el('bdi', { text: this.name.slice(0, 160) }), '. ', el('a', { class: 'btn', href: '#/', text: 'All boards' }))));
  },

  build() {
    this.title = el('h1', { title: this.board.shown }, el('bdi', { text: this.board.shown }));
    this.shape = el('span');
    this.word = el('span', { class: 'word' });
    this.why = el('span', { class: 'why' });
    this.previous = el('a', { class: 'btn', title: 'Previous board (k)', text: 'Previous' });
    this.following = el('a', { class: 'btn', title: 'Next board (j)', text: 'Next' });
    this.notices = el('div', {});
    this.facts = newFacts();
    this.ranges = Object.keys(RANGES).map((range) => el('button', { type: 'button', text: range, onclick: () => this.choose(range) }));
    this.means = el('span', { class: 'means dim' });
    this.readings = el('b', {});
    this.lane = el('div', { class: 'lane' });
    this.over = el('div', { class: 'over', 'aria-hidden': 'true' });
    this.list = el('ul', { class: 'marks', 'aria-label': 'Marks in this range' });
    this.time = el('span', {});
    this.line = el('div', { class: 'cursor', 'aria-hidden': 'true' }, this.time);
    this.plots = el('div', {});
    this.stack = el('div', { class: 'stack', tabindex: 0, role: 'group', 'aria-label': 'Charts. Left and right move the cursor; Escape lets it go.' }, this.lane, this.plots, this.over, this.line);
    this.times = el('div', { class: 'times', 'aria-hidden': 'true' });
    this.sheets = newSheets();
    this.page = el('div', { class: 'page one' },
      el('div', { class: 'who' }, this.shape, this.title, this.word, this.why, el('span', { class: 'go' }, this.previous, this.following)),
      this.notices, this.facts.node,
      el('div', { class: 'ranges' }, el('div', { class: 'seg', role: 'group', 'aria-label': 'Range' }, this.ranges), this.means, el('span', { class: 'readings' }, 'Readings: ', this.readings)),
      this.stack, this.times, this.list, this.sheets.node);
    this.stack.addEventListener('pointermove', (event) => {
      const box = this.box();
      this.move((event.clientX - box.left) / box.width);
    });
    this.stack.addEventListener('pointerleave', () => this.move(null));
    this.main.replaceChildren(this.page);
    for (const button of this.ranges) button.setAttribute('aria-pressed', button.textContent === choice.range);
  },

  /** State, sentence, facts and tables, as the stream has them. */
  head() {
    const { board } = this, lost = board.state === 'lost';
    this.page.dataset.state = board.state;
    this.page.classList.toggle('past', lost || board.stale || hub.lost !== null);
    this.shape.replaceChildren(icon(board.state));
    say(this.word, STATES[board.state]);
    say(this.why, lost ? '' : board.sentence || 'Nothing to report');
    const names = [...boards.values()].sort(byName);
    this.previous.href = nextIn(names, board, -1).href;
    this.following.href = nextIn(names, board, 1).href;
    const conflict = this.host?.conflict;
    this.lostFor = el('span', { text: age(now() - board.heard) });
    this.notices.replaceChildren(
      ...(lost ? [el('div', { class: 'notice' }, icon('lost'), el('span', {}, el('b', { text: 'Lost. ' }), `Last heard ${moment(board.heard, now(), true)}, `, this.lostFor, ' ago. What follows is the last that is known. If the board kept its reports, they are filled in when it returns.'))] : []),
      ...(conflict ? [el('div', { class: 'notice conflict' }, icon('warning'), el('span', {}, el('b', { text: 'Two boards have this name. ' }), `Reports come from ${(conflict.addresses ?? []).join(' and ')}. Give one of them another name.`))] : []));
    drawFacts(this.facts, board, this.host);
    drawSheets(this.sheets, board, { chosen: this.extra, choose: (key) => this.chart(key) });
  },

  /** Asks for the range's series; what was drawn stays until the answers are here. */
  async load() {
    this.asking?.abort();
    const { signal } = this.asking = new AbortController();
    const { board, name } = this, to = now(), from = to - RANGES[choice.range];
    const charts = chartsOf(board, this.extra), bars = barsOf(board);
    const points = Math.max(200, Math.min(1200, Math.round((this.stack.clientWidth || 600) / 1.5)));
    const cores = choice.range === '10 min' || choice.range === '1 h' ? charts.flatMap((chart) => chart.cores ?? []) : [];
    const keys = [...new Set([...charts.flatMap((chart) => chart.keys), ...cores, ...bars.map(([key]) => key)])];
    this.asked = now();
    try {
      const [host, ...answers] = await Promise.all([ask(`hosts/${encodeURIComponent(name)}`, signal), ...keys.map((key) => history(name, key, from, to, points, signal))]);
      const all = new Map(keys.map((key, i) => [key, series(answers[i])]));
      const main = ['cpu', 'mem', 'temp'].map((id) => all.get(seriesOf(board, id))).filter((s) => s?.t.length);
      this.host = host;
      this.charts = charts;
      this.data = { all, from, to, primary: main.length ? main : [...all.values()].filter((s) => s.t.length), bars: bars.map(([key, text, crit]) => ({ name: text, crit, series: all.get(key) })) };
    } catch (error) {
      // Aborted, or the hub is lost: its banner says so, and the next snapshot asks again.
      if (error.name !== 'AbortError') this.asked = now();
      return;
    }
    this.layout();
    this.head();
    this.draw();
  },

  /** A row for each chart, made anew only where the charts are others. */
  layout() {
    const ids = this.charts.map((chart) => chart.title + chart.keys).join('\n');
    if (ids === this.laid && this.plots.children.length) return;
    this.laid = ids;
    this.rows = this.charts.map((chart) => {
      const row = { gut: el('div', { class: 'gut' }), canvas: el('canvas', { role: 'img' }), labels: el('div', { class: 'ylabels', 'aria-hidden': 'true' }) };
      const plot = el('div', { class: 'plot' }, row.canvas);
      plot.style.minHeight = chart.height + 'px';
      row.node = el('div', { class: 'chart', 'data-chart': chart.id }, row.gut, plot, row.labels);
      return row;
    });
    this.plots.replaceChildren(...this.rows.map((row) => row.node));
  },

  draw() {
    const { data } = this;
    if (!data) return;
    const { all, from, to } = data;
    this.charts.forEach((chart, i) => {
      const row = this.rows[i], lines = chart.keys.map((key) => all.get(key));
      const cores = (chart.cores ?? []).map((key) => all.get(key)).filter((s) => s && s.step <= CORES_STEP);
      row.labels.replaceChildren(...draw(row.canvas, chart, lines, cores, from, to).map(([y, text]) => {
        const label = el('span', { text });
        label.style.top = y + 'px';
        return label;
      }));
    });
    const main = data.primary[0];
    say(this.means, !main ? 'no reports in this range' : main.tier === 'recent' && main.step <= 1.5 ? 'every report' : `mean of ${step(main.step)}, with the lowest and the highest`);
    this.marks = marksOf({ host: this.host, data, from, to });
    drawMarks(this, this.marks, from, to, this.box().width);
    this.axis();
    this.read();
  },

  axis() {
    const { from, to } = this.data, every = TICKS[choice.range] * (innerWidth <= 600 ? 3 : 1), zone = new Date(from * 1000).getTimezoneOffset() * 60;
    const ticks = [];
    for (let t = Math.ceil((from - zone) / every) * every + zone; t <= to; t += every) {
      const place = (t - from) / (to - from);
      if (place < 0.02 || place > 0.985) continue;
      const tick = el('span', { text: RANGES[choice.range] > 9e5 ? day(t) : clock(t) });
      tick.style.left = place * 100 + '%';
      ticks.push(tick);
    }
    this.times.replaceChildren(...ticks);
  },

  /** The box of the charts' time axis. */
  box() { return this.lane.getBoundingClientRect(); },

  /** Puts the cursor at a share of the range; null lets it go. */
  move(share) {
    const before = this.cursor;
    this.cursor = share === null || share < 0 || share > 1 || !this.data ? null : share;
    if (before === null && this.cursor === null) return;
    this.line.classList.toggle('on', this.cursor !== null);
    if (this.cursor !== null) {
      const { from, to } = this.data, time = from + this.cursor * (to - from);
      this.line.style.transform = `translateX(${this.cursor * this.box().width}px)`;
      say(this.time, to - from > 9e4 ? day(time) + ' ' + clock(time) : clock(time, true));
    }
    this.read();
  },

  /** Readings in the margin: at the cursor, else the present ones. */
  read() {
    if (!this.data) return;
    const { all, from, to } = this.data, live = this.cursor === null, time = from + (this.cursor ?? 1) * (to - from);
    let known = false;
    this.charts.forEach((chart, i) => {
      const samples = chart.keys.map((key) => all.get(key)), index = samples.map((s) => (live ? -1 : at(s, time)));
      const values = chart.keys.map((key, n) => (live ? this.board.values.get(key) : index[n] < 0 ? null : samples[n].avg[index[n]]));
      known ||= values.some((value) => value !== null && value !== undefined);
      this.margin(chart, this.rows[i], values, live ? null : { s: samples[0], i: index[0] }, time);
    });
    const past = this.board.state === 'lost' || hub.lost !== null;
    say(this.readings, live ? (past ? 'last known, ' + moment(this.board.heard, now(), true) : 'now') : moment(time, now(), true) + (known ? '' : ', no reports'));
  },

  margin(chart, { gut, canvas }, values, sample, time) {
    const parts = [el('h3', { text: chart.title, title: chart.title })];
    if (chart.names) values.forEach((value, n) => parts.push(el('div', { class: 'key' }, el('i'), el('em', { text: chart.names[n] }), chart.read(value) + (chart.unit ? ' ' + chart.unit : ''))));
    else {
      parts.push(el('b', { text: chart.read(values[0]) + ' ' }, el('small', { text: chart.unit })));
      const cores = (chart.cores ?? []).map((key) => (sample ? this.coreAt(key, time) : this.board.values.get(key)));
      if (cores.length > 1 && cores.some((value) => typeof value === 'number')) parts.push(el('p', { text: 'cores ' + cores.map(whole).join('  ') }));
      if (sample) parts.push(el('p', { text: sample.i < 0 ? 'no reports' : `${tenths(sample.s.min[sample.i])} to ${tenths(sample.s.max[sample.i])}` }));
    }
    gut.replaceChildren(...parts);
    canvas.setAttribute('aria-label', `${chart.title}, last ${choice.range}`);
  },

  coreAt(key, time) {
    const s = this.data.all.get(key), i = s ? at(s, time) : -1;
    return i < 0 ? null : s.avg[i];
  },

  choose(range) {
    choice.range = range;
    for (const button of this.ranges) button.setAttribute('aria-pressed', button.textContent === range);
    this.move(null);
    this.load();
  },

  /** Draws one more series of the board; the same again takes it away. */
  chart(key) {
    this.extra = this.extra === key ? null : key;
    this.head();
    this.load();
  },

  snapshot() {
    const was = this.board;
    this.board = boards.get(this.name);
    if (!this.board) return this.unknown();
    if (!was) this.build();
    this.head();
    this.load();
  },

  changes({ changed, gone }) {
    if (gone.includes(this.name)) return this.unknown();
    if (!this.board) { if (boards.has(this.name)) this.snapshot(); return; }
    if (!changed.has(this.board)) return;
    this.head();
    if (this.cursor === null) this.read();
  },

  second() {
    if (!this.board) return;
    drawFacts(this.facts, this.board, this.host);
    say(this.lostFor, age(now() - this.board.heard));
    if (now() - this.asked >= REFRESH[choice.range]) this.load();
  },

  resize() { this.draw(); },
  theme() { this.draw(); },

  key(event) {
    const { key } = event;
    if (!this.board) return false;
    if (key === 'Escape' && this.cursor !== null) { this.move(null); return true; }
    if (key === 'j' || key === 'k') { location.hash = (key === 'j' ? this.following : this.previous).hash; return true; }
    if (key === '[' || key === ']') {
      const ranges = Object.keys(RANGES), i = ranges.indexOf(choice.range) + (key === ']' ? 1 : -1);
      if (ranges[i]) this.choose(ranges[i]);
      return true;
    }
    if (event.target.closest?.('.seg') || !this.data) return false;
    const one = (event.shiftKey ? 20 : 1) / Math.max(1, this.data.primary[0]?.t.length ?? 1), from = this.cursor ?? 1;
    const to = { ArrowLeft: Math.max(0, from - one), ArrowRight: Math.min(1, from + one) }[key] ?? (event.target === this.stack ? { Home: 0, End: 1 }[key] : undefined);
    if (to === undefined) return false;
    this.move(to);
    return true;
  },
};
