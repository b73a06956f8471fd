// The wall: every board as a tile, trouble large and first. Order is put right at most every 5 s and never under
// the pointer or the focus; only tiles in view are painted, a few milliseconds a frame.

import { BADGES, METRICS } from './metrics.js';
import { boards, now } from './model.js';
import { ORDERS, choice, chosen, nextIn, showAll } from './choice.js';
import { plural } from './format.js';
import { el, icon, say } from './dom.js';
import { Tile } from './tile.js';
import { addView } from './add.js';

const LARGE_MAX = 21;
const REORDER_SECONDS = 5;
const SLICE_MS = 4;
/** More values than this make a wall of chips instead of a choice. */
const TAGS_MAX = 12;

export const wall = {
  title: 'Wall',

  start(main) {
    this.first = isFirstRun();
    if (this.first) return addView.start(main);
    this.main = main;
    this.tileOf = new Map();
    this.seen = new Set();   // tiles in view
    this.due = new Set();    // tiles in view to be painted
    this.later = [];         // tiles out of view to be written when idle
    this.held = this.unordered = false;
    this.ordered = now();
    this.build();
    this.layout();
  },

  stop() {
    if (this.first) return addView.stop();
    this.observer.disconnect();
    cancelAnimationFrame(this.painting);
  },

  build() {
    this.find = el('input', { type: 'search', id: 'find', placeholder: 'Find a board', 'aria-label': 'Find a board', autocomplete: 'off', spellcheck: 'false', oninput: () => this.choose('text', this.find.value.trim(), true) });
    this.find.value = choice.text;
    this.orders = Object.entries(ORDERS).map(([id, text]) => button({ 'data-order': id, onclick: () => this.choose('order', id, true) }, text));
    this.badges = Object.entries(BADGES).map(([id, text]) => button({ class: 'chip', 'data-badge': id, onclick: () => this.choose('badge', id) }, icon(id, 'badge'), text + ' ', el('b')));
    this.tags = el('div', { class: 'chips', role: 'group', 'aria-label': 'Tags' });
    this.large = section('large');
    this.small = section('small');
    this.nothing = el('p', { class: 'nothing', text: 'No board matches. Escape shows all boards.' });
    this.main.replaceChildren(
      el('h1', { class: 'hidden', text: 'All boards' }),
      el('div', { class: 'tools' },
        el('div', { class: 'find' }, this.find, el('kbd', { text: '/', 'aria-hidden': 'true' })),
        el('div', { class: 'seg', role: 'group', 'aria-label': 'Order' }, el('span', { text: 'Order', 'aria-hidden': 'true' }), this.orders),
        el('div', { class: 'chips', role: 'group', 'aria-label': 'Show only boards with' }, this.badges),
        this.tags),
      this.large.node, this.small.node, this.nothing);
    for (const { grid } of [this.large, this.small]) {
      grid.addEventListener('pointerenter', () => { this.held = true; });
      grid.addEventListener('pointerleave', () => { this.held = false; this.hint(); });
      grid.addEventListener('focusin', (event) => this.focus(event.target));
    }
    this.observer = new IntersectionObserver((entries) => {
      for (const { target, isIntersecting } of entries) {
        const tile = target.tile;
        if (!isIntersecting) this.seen.delete(tile);
        else if (tile.board) { this.seen.add(tile); this.due.add(tile); }
      }
      this.paint();
    }, { rootMargin: '80px' });
  },

  /** Takes one choice; the same again lets it go, unless it always has a value. */
  choose(what, value, keep = false) {
    choice[what] = !keep && choice[what] === value ? null : value;
    this.layout();
    this.repaint();
  },

  layout() {
    const list = chosen(boards.values());
    const large = choice.order === 'worst' ? list.filter((board) => board.state !== 'well').slice(0, LARGE_MAX) : [];
    const small = list.slice(large.length);
    this.unordered = false;
    this.ordered = now();
    this.tileOf.clear();
    this.later.length = 0;
    this.put(this.large, large);
    this.put(this.small, small);
    this.list = large.concat(small);
    this.rove(this.list.find((board) => this.tileOf.get(board).link?.tabIndex === 0) ?? this.list[0]);
    this.heads(large, small);
    this.controls();
    this.paint();
  },

  /** As many tiles as boards, each bound to one: re-sorting moves no element. */
  put(part, list) {
    while (part.tiles.length < list.length) {
      const tile = new Tile(part === this.large);
      tile.node.tile = tile;
      part.tiles.push(tile);
      part.grid.append(tile.node);
      this.observer.observe(tile.node);
    }
    for (const tile of part.tiles.splice(list.length)) {
      this.observer.unobserve(tile.node);
      this.seen.delete(tile);
      this.due.delete(tile);
      tile.node.remove();
    }
    list.forEach((board, i) => {
      const tile = part.tiles[i], same = tile.board === board;
      tile.bind(board);
      this.tileOf.set(board, tile);
      if (!same) (this.seen.has(tile) ? this.due.add(tile) : this.later.push(tile));
    });
    part.node.hidden = !list.length;
  },

  heads(large, small) {
    const metric = METRICS[choice.order] ?? METRICS.cpu;
    say(this.large.title, 'Needs a look');
    say(this.small.title, choice.order === 'name' ? 'All, by name' : METRICS[choice.order] ? `All, highest ${metric.name === 'CPU' ? 'CPU' : metric.name.toLowerCase()} first` : large.length === LARGE_MAX ? 'All others' : 'Well');
    say(this.large.count, plural(large.length, 'board'));
    say(this.small.count, plural(small.length, 'board'));
    say(this.small.legend, `In each tile: cpu %, memory %, temperature °C, fullest disk %. Line: ${metric.name === 'CPU' ? 'cpu' : metric.name.toLowerCase()}, last 60 s, ${metric.scale.join(' to ')} ${metric.unit}.`);
    this.nothing.hidden = this.list.length > 0;
  },

  controls() {
    if (this.find.value.trim() !== choice.text) this.find.value = choice.text;
    for (const node of this.orders) node.setAttribute('aria-pressed', node.dataset.order === choice.order);
    const count = {}, tags = new Map();
    for (const board of boards.values()) {
      for (const id of board.badges) count[id] = (count[id] ?? 0) + 1;
      for (const tag of board.tags) tags.set(tag.id, { tag, boards: (tags.get(tag.id)?.boards ?? 0) + 1 });
    }
    for (const node of this.badges) {
      const id = node.dataset.badge;
      say(node.lastChild, String(count[id] ?? 0));
      node.setAttribute('aria-pressed', choice.badge === id);
      node.disabled = !count[id] && choice.badge !== id;
    }
    const shown = [...tags.values()].sort((a, b) => b.boards - a.boards).slice(0, TAGS_MAX).map(({ tag }) => tag).sort((a, b) => (a.text < b.text ? -1 : 1));
    const key = shown.map((tag) => tag.id).join('\n');
    if (key !== this.tagKey) {
      this.tagKey = key;
      this.tags.replaceChildren(...shown.map((tag) => {
        const node = button({ class: 'chip', title: `${tag.key}: ${tag.text}`, onclick: () => this.choose('tag', tag.id) }, el('bdi', { text: '#' + tag.text }));
        node.tag = tag.id;
        return node;
      }));
    }
    for (const node of this.tags.children) node.setAttribute('aria-pressed', node.tag === choice.tag);
  },

  snapshot() {
    if (this.first !== isFirstRun()) return this.restart();
    if (this.first) return addView.snapshot();
    this.layout();
    this.repaint();
  },

  changes({ changed, moved, gone }) {
    if (this.first !== isFirstRun()) return this.restart();
    if (this.first) return addView.changes({ changed });
    for (const board of changed) {
      const tile = this.tileOf.get(board);
      if (tile && this.seen.has(tile)) this.due.add(tile);
    }
    for (const board of moved) {
      const tile = this.tileOf.get(board);
      if (!tile) continue;
      if (!this.seen.has(tile)) this.later.push(tile);
      tile.node.classList.remove('changed');
      requestAnimationFrame(() => tile.node.classList.add('changed'));
    }
    if (moved.length || gone.length) this.unordered = true;
    if (gone.length || moved.some((board) => !this.tileOf.has(board))) this.ordered = -Infinity;
    this.paint();
  },

  second() {
    if (this.first) return addView.second();
    const resting = !this.held && !document.activeElement?.closest('.grid');
    const due = now() - this.ordered >= REORDER_SECONDS && (this.unordered || METRICS[choice.order] || choice.badge);
    if (due && resting) this.layout();
    this.hint();
    for (const tile of this.seen) tile.age();
  },

  hint() {
    const text = this.unordered && this.held ? ', order held while you point at it' : '';
    const part = this.large.node.hidden ? this.small : this.large;
    say(part.count, plural(part.tiles.length, 'board') + text);
  },

  repaint() {
    for (const tile of this.seen) this.due.add(tile);
    this.paint();
  },

  /** Paints what is due in slices; then, when idle, writes tiles out of view, for find-in-page and screen readers. */
  paint() {
    if (this.painting || !(this.due.size || this.later.length)) return;
    this.painting = requestAnimationFrame(() => {
      this.painting = 0;
      const end = performance.now() + SLICE_MS, metric = METRICS[choice.order] ? choice.order : 'cpu';
      for (const tile of this.due) {
        this.due.delete(tile);
        if (tile.board) tile.paint(metric);
        if (performance.now() > end) break;
      }
      while (!this.due.size && this.later.length && performance.now() < end) this.later.pop().write();
      this.paint();
    });
  },

  /** One tab stop for the whole field: the tile that has it. */
  rove(board) {
    const tile = board && this.tileOf.get(board);
    if (!tile) return null;
    for (const other of this.tileOf.values()) if (other !== tile && other.link?.tabIndex === 0) other.link.tabIndex = -1;
    tile.write();
    tile.link.tabIndex = 0;
    return tile;
  },

  focus(target) {
    const tile = target.closest('.tile')?.tile;
    if (tile) { this.rove(tile.board); tile.label(); }
  },

  key(event) {
    if (this.first) return false;
    const { key } = event, from = event.target.closest?.('.tile')?.tile;
    if (key === 'Escape') return this.release(event.target);
    if (key === 's') { this.choose('order', nextIn(Object.keys(ORDERS), choice.order, 1), true); return true; }
    if (!from) return false;
    const i = this.list.indexOf(from.board), last = this.list.length - 1;
    const to = { ArrowRight: i + 1, ArrowLeft: i - 1, Home: 0, End: last, ArrowDown: this.beside(i, 1), ArrowUp: this.beside(i, -1) }[key];
    if (to === undefined) return false;
    this.rove(this.list[Math.max(0, Math.min(last, to))])?.link.focus();
    return true;
  },

  release(target) {
    if (target === this.find || target.closest?.('.grid')) target.blur();
    showAll();
    this.find.value = '';
    this.layout();
    this.repaint();
    return true;
  },

  /** The tile of the next row whose left edge is nearest. */
  beside(i, direction) {
    const box = (n) => this.tileOf.get(this.list[n]).node.getBoundingClientRect();
    const from = box(i);
    let best = i, least = Infinity;
    for (let n = i + direction; n >= 0 && n < this.list.length; n += direction) {
      const to = box(n), down = Math.abs(to.top - from.top);
      if (down < 8) continue;
      if (down > least + 140) break;
      const cost = down * 10 + Math.abs(to.left - from.left);
      if (cost < least) [best, least] = [n, cost];
    }
    return best;
  },

  restart() {
    this.stop();
    this.start(this.main ?? addView.main);
  },
};

/** Nobody has added a board yet: at most this machine is here. */
function isFirstRun() {
  return [...boards.values()].every((board) => board.source === 'own') && boards.size <= 1;
}

function button(attributes, ...children) {
  return el('button', { type: 'button', ...attributes }, ...children);
}

function section(size) {
  const title = el('h2'), count = el('span'), legend = el('span', { class: 'legend' }), grid = el('ul', { class: 'grid ' + size, role: 'list' });
  return { title, count, legend, grid, tiles: [], node: el('section', {}, el('div', { class: 'sec' }, title, count, legend), grid) };
}
