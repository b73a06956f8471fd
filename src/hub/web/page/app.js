// The page: which view is shown, what it hears of the hub, and one clock for all.

import { readColours, el, $ } from './dom.js';
import { hub } from './model.js';
import { listen } from './data.js';
import { choice } from './choice.js';
import { drawHead, drawSecond, announce, startHead } from './head.js';
import { startKeys, keysView } from './keys.js';
import { wall } from './wall.js';
import { boardView } from './board.js';
import { figureView } from './figure.js';
import { alertsView } from './alerts.js';
import { addView } from './add.js';

/** A view: start(main, argument), stop(), snapshot(), changes(what), second(), and where it has use for them
    resize(), theme(), key(event): whether it took the key. */
const VIEWS = { '': wall, board: boardView, figure: figureView, alerts: alertsView, keys: keysView, add: addView };

const main = $('main');
let view = null, route = '';

/** `#/board/NAME`: the view and its argument. */
function parse(hash) {
  const [, name = '', argument = ''] = /^#\/([^/]*)\/?(.*)$/.exec(hash) ?? [];
  try {
    return [VIEWS[name] ? name : '', decodeURIComponent(argument)];
  } catch {
    return ['', ''];
  }
}

function show() {
  const [name, argument] = parse(location.hash);
  view?.stop();
  route = name;
  view = hub.heard ? VIEWS[name] : waiting;
  scrollTo(0, 0);
  main.replaceChildren();
  view.start(main, argument);
  for (const link of document.querySelectorAll('nav [data-view]')) {
    const here = link.dataset.view === name || (name === 'board' && link.dataset.view === '');
    link.toggleAttribute('aria-current', here);
    if (here) link.setAttribute('aria-current', 'page');
  }
  drawHead();
}

/** Before the first snapshot nothing is known, and nothing is claimed. */
const waiting = {
  start() { main.replaceChildren(el('h1', { class: 'hidden', text: 'psistats' }), el('p', { class: 'nothing', text: 'Asking the hub for its boards.' })); },
  stop() {}, snapshot() { show(); }, changes() {}, second() {},
};

function chooseState(state) {
  choice.state = choice.state === state ? null : state;
  if (route === '') view.snapshot();
  else location.hash = '#/';
  drawHead();
}

function switchTheme() {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
  root.dataset.theme = dark ? 'light' : 'dark';
  try { localStorage.setItem('theme', root.dataset.theme); } catch { /* no storage: until the page is left */ }
  retheme();
}

function retheme() {
  readColours();
  view?.theme?.();
}

readColours();
startHead({ chooseState, switchTheme });
startKeys({ chooseState, switchTheme, view: () => view, route: () => route, drawHead });
show();

listen({
  snapshot() { view.snapshot(); drawHead(); drawSecond(); },
  changes(what) {
    view.changes(what);
    if (what.moved.length || what.gone.length) { drawHead(); announce(what.moved); }
  },
  lost() { drawHead(); drawSecond(); },
});
setInterval(() => {
  drawSecond();
  if (hub.heard && hub.lost === null && !document.hidden) view.second();
}, 1000);

addEventListener('hashchange', () => { show(); main.focus({ preventScroll: true }); });
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', retheme);
let resizing = 0;
addEventListener('resize', () => {
  clearTimeout(resizing);
  resizing = setTimeout(() => { drawHead(); view.resize?.(); }, 120);
});
$('skip').addEventListener('click', (event) => { event.preventDefault(); main.focus(); });
