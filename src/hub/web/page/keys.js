// Keys of every view, and the view that lists them.

import { choice, showAll } from './choice.js';
import { STATE_KEYS } from './metrics.js';
import { $, el } from './dom.js';

const KEYS = [
  [['/'], 'find a board'],
  [['w', 'f', 'a'], 'wall, figures, alerts'],
  [['1', '2', '3', '4'], 'only critical, lost, warning, well; again: all'],
  [['s'], 'next order of the wall'],
  [['←', '↑', '→', '↓'], 'move over the tiles; Enter opens'],
  [['Home', 'End'], 'first, last tile'],
  [['j', 'k'], 'next, previous board, on a board’s page'],
  [['[', ']'], 'shorter, longer range'],
  [['←', '→'], 'move the cursor over the charts; with Shift by 20'],
  [['Esc'], 'let go, show all, back'],
  [['t'], 'light or dark'],
  [['?'], 'this list'],
];

const GO = { w: '#/', f: '#/figure/temperature', a: '#/alerts', '?': '#/keys' };

export function startKeys({ chooseState, switchTheme, view, route, drawHead }) {
  addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName ?? '');
    if (typing && event.key !== 'Escape') return;
    if (view().key?.(event)) { event.preventDefault(); drawHead(); return; }
    const { key } = event;
    if (key === 'Escape') { if (typing) event.target.blur(); else if (route() !== '') history.length > 1 ? history.back() : location.hash = '#/'; }
    else if (key === '/') find(route());
    else if (Object.hasOwn(GO, key)) location.hash = GO[key];
    else if (key >= '1' && key <= '4') chooseState(STATE_KEYS[key - 1]);
    else if (key === 't') switchTheme();
    else return;
    event.preventDefault();
  });
}

export const keysView = {
  start(main) {
    main.replaceChildren(el('div', { class: 'page keys' }, el('div', { class: 'title' }, el('h1', { text: 'Keys' })),
      el('table', {}, el('tbody', {}, KEYS.map(([keys, text]) => el('tr', {}, el('td', {}, keys.map((key) => el('kbd', { text: key }))), el('td', { text })))))));
  },
  stop() {}, snapshot() {}, changes() {}, second() {},
};

function find(route) {
  if (route !== '') {
    showAll();
    choice.state = null;
    addEventListener('hashchange', () => $('find')?.focus(), { once: true });
    location.hash = '#/';
  } else $('find')?.focus();
}
