// One tile of the wall, large or small. A board is bound to it; only what differs is written.

import { BADGES, METRICS, METRIC_KEYS, STATES, isOver, place } from './metrics.js';
import { LINE_SAMPLES, LINE_SECONDS, now } from './model.js';
import { age, whole } from './format.js';
import { el, icon, say, svg } from './dom.js';

export class Tile {
  constructor(large) {
    this.large = large;
    this.board = null;
    this.node = el('li', { class: 'tile' });
    this.link = null; // made when it is first seen
  }

  bind(board) {
    if (this.board === board) return;
    this.board = board;
    this.bound = null;
  }

  /** Writes everything that is not a figure: where the board, its state or its badges are others. */
  write() {
    const { board } = this;
    if (!this.link) this.build();
    const bound = [board.name, board.state, board.sentence, board.badges, board.model].join('\n');
    if (bound === this.bound) return;
    this.bound = bound;
    this.node.dataset.state = board.state;
    this.shape.setAttribute('href', '#' + board.state);
    this.link.setAttribute('href', board.href);
    say(this.name, board.shown);
    this.name.title = board.shown;
    for (const word of this.words) say(word, STATES[board.state]);
    say(this.why, board.sentence);
    this.why.title = board.sentence;
    say(this.model, board.shortModel);
    this.model.title = board.model;
    this.badges.replaceChildren(...board.badges.map((id) => el('span', { title: BADGES[id] }, icon(id, 'badge'), el('span', { text: BADGES[id].toLowerCase() }))));
    this.label();
  }

  /** The whole sentence for a screen reader; renewed on focus and on change of state, not every second. */
  label() {
    const { board } = this, { cpu, mem, temp, disk } = board.figures;
    this.link.setAttribute('aria-label', `${board.shown}, ${STATES[board.state]}${board.sentence ? ': ' + board.sentence : ''}. ${board.model}${board.model ? '. ' : ''}`
      + `CPU ${whole(cpu)} %, memory ${whole(mem)} %, ${temp === temp ? whole(temp) + ' °C' : 'no temperature sensor'}, disk ${whole(disk)} %.`
      + (board.badges.length ? ' ' + board.badges.map((id) => BADGES[id]).join(', ') + '.' : ''));
  }

  /** Writes figures, age and the line of `metric`. */
  paint(metric) {
    this.write();
    METRIC_KEYS.forEach((key, i) => this.figure(this.figs[i], METRICS[key], this.board.figures[key]));
    this.line(metric);
    this.age();
  }

  age() {
    if (!this.link) return;
    const text = age(now() - this.board.heard) + ' ago';
    say(this.heard, this.large ? 'heard ' + text : text);
    this.node.classList.toggle('stale', this.board.stale);
  }

  figure(fig, metric, value) {
    const text = whole(value), filled = Math.round(place(metric.scale, value) * 100) / 100;
    if (text !== fig.text) {
      fig.text = text;
      fig.value.textContent = text;
      const known = value === value;
      fig.node.className = 'fig' + (metric.limit ? ' limited' : '') + (known ? '' : ' none') + (isOver(metric, value) ? ' over' : '');
      fig.node.title = known ? metric.name : metric.name + ': not known';
    }
    if (filled !== fig.filled) {
      fig.filled = filled;
      fig.bar.style.transform = `scaleX(${filled})`;
    }
  }

  /** The last minute on the metric's fixed scale: tiles compare by eye. A gap is a gap. */
  line(key) {
    const { board } = this, metric = METRICS[key], samples = board.lines[key];
    const start = now() - LINE_SECONDS, reach = Math.max(3, board.interval * 2.5 || 0);
    let path = '', before = NaN, x = 0, y = 0, last = NaN;
    if (board.state === 'lost') {
      this.path.setAttribute('d', 'M0 96H60');
      this.end.setAttribute('d', '');
      return;
    }
    for (let i = 0; i < LINE_SAMPLES; i++) {
      const at = (board.next + i) % LINE_SAMPLES, time = board.times[at], value = samples[at];
      if (!(time >= start)) continue;
      if (value !== value) { before = NaN; continue; }
      x = Math.min(57, (time - start) * 57 / LINE_SECONDS);
      y = 92 - Math.round(place(metric.scale, value) * 84);
      path += (time - before <= reach ? 'L' : 'M') + x.toFixed(1) + ' ' + y;
      before = time;
      last = value;
    }
    this.path.setAttribute('d', path);
    this.end.setAttribute('d', path && `M${x.toFixed(1)} ${y}h.01`);
    this.end.setAttribute('class', isOver(metric, last) ? 'end over' : 'end');
  }

  build() {
    const word = () => el('span', { class: 'word' });
    this.shape = svg('use');
    this.words = [word(), word()];
    this.name = el('b', { class: 'name' });
    this.why = el('span', { class: 'why' });
    this.badges = el('span', { class: 'badges' });
    this.model = el('span', { class: 'model' });
    this.heard = el('span', { class: 'heard' });
    this.figs = METRIC_KEYS.map((key) => newFigure(METRICS[key], key === 'temp'));
    this.path = svg('path');
    this.end = svg('path', { class: 'end' });
    this.link = el('a', { tabindex: -1 },
      el('span', { class: 'head' }, svg('svg', { class: 'shape', viewBox: '0 0 16 16', 'aria-hidden': 'true' }, this.shape), this.name, this.words[0]),
      this.why,
      el('span', { class: 'line' }, this.words[1], this.badges, this.model),
      this.heard,
      el('span', { class: 'figs' }, this.figs.map((fig) => fig.node)),
      svg('svg', { class: 'spark', viewBox: '0 0 60 100', preserveAspectRatio: 'none', 'aria-hidden': 'true' }, this.path, this.end));
    this.node.append(this.link);
  }
}

function newFigure(metric, isTemperature) {
  const value = el('b'), bar = el('u'), node = el('span', { class: 'fig' });
  if (metric.limit) node.style.setProperty('--limit', place(metric.scale, metric.limit) * 100 + '%');
  node.append(value, el('i', { text: metric.short }), ...(isTemperature ? [el('em', { text: '°' })] : []), el('s', {}, bar));
  return { node, value, bar, text: null, filled: null };
}
