// The head in every view: counts by state, one line of trouble in words, the clock, and the banner of a lost hub.

import { STATES, STATE_KEYS } from './metrics.js';
import { boards, counts, hub, now, trouble } from './model.js';
import { choice } from './choice.js';
import { tryNow } from './data.js';
import { clock, moment, plural } from './format.js';
import { $, el, icon, say } from './dom.js';

const STRIP_MAX = 8;

export function startHead({ chooseState, switchTheme }) {
  $('counts').append(...STATE_KEYS.map((state) => el('button', { class: 'count', type: 'button', 'data-state': state, onclick: () => chooseState(state) },
    icon(state), el('b', { text: '0' }), el('em', { text: STATES[state].toLowerCase() }))));
  $('theme').addEventListener('click', switchTheme);
}

/** Everything of the head that changes with a board's state. */
export function drawHead() {
  const count = counts();
  for (const button of $('counts').children) {
    const { state } = button.dataset, n = count[state];
    say(button.children[1], String(n));
    button.classList.toggle('none', !n);
    button.setAttribute('aria-label', `${n} ${state}`);
    button.setAttribute('aria-pressed', choice.state === state);
  }
  for (const part of $('share').children) part.style.flexGrow = count[part.dataset.state];
  const bad = trouble();
  say($('trouble'), bad.length ? String(bad.length) : '');
  document.title = (count.critical + count.lost ? `${count.critical} critical, ${count.lost} lost: ` : '') + 'psistats';
  drawBanner();
  if (hub.lost === null) drawStrip(bad);
}

/** The clock and what stands beside it, once a second. */
export function drawSecond() {
  say($('clock'), hub.heard ? clock(now(), true) : '');
  say($('live'), hub.lost !== null ? 'not live' : hub.heard ? plural(boards.size, 'board') + ', live' : '');
}

/** New states, said once and politely. */
export function announce(moved) {
  if (moved.length === 0) return;
  const said = moved.slice(0, 3).map((board) => `${board.shown} is now ${board.state}${board.sentence ? ': ' + board.sentence : ''}`);
  if (moved.length > 3) said.push(`and ${moved.length - 3} more boards changed`);
  say($('say'), said.join('. '));
}

/** "Power: under-voltage on pi-garage since 12:04", as nodes. */
export function sentence(board, link = false) {
  const name = link ? el('a', { href: board.href }, el('bdi', { text: board.shown })) : el('bdi', { text: board.shown });
  const [, area, rest] = /^([A-Z][\w-]*): (.*)$/s.exec(board.why) ?? [];
  if (area) return [el('b', { text: area + ': ' }), rest + ' on ', name];
  if (board.state === 'lost') return [el('b', { text: 'Lost: ' }), name, ' ', board.why || 'not heard'];
  return [el('b', {}, name, ': '), board.why || STATES[board.state].toLowerCase()];
}

export function since(board) {
  return Number.isFinite(board.since) ? ' since ' + moment(board.since, now()) : '';
}

function drawBanner() {
  const banner = $('hublost'), lost = hub.lost !== null;
  document.documentElement.classList.toggle('gone', lost);
  if (!lost) { banner.replaceChildren(); return; }
  const text = hub.heard
    ? `Hub not reached since ${clock(hub.lost, true)}. Figures are as of then; trying again.`
    : 'Hub not reached. Nothing is known of the boards yet; trying again.';
  if (banner.children[1]?.textContent === text) return;
  banner.replaceChildren(icon('lost'), el('span', { text }), el('button', { class: 'btn', type: 'button', text: 'Try now', onclick: tryNow }));
}

function drawStrip(bad) {
  const strip = $('strip'), small = innerWidth <= 600;
  if (!bad.length) {
    strip.replaceChildren(el('span', { class: 'dim', text: hub.heard && boards.size ? 'No active alerts. ' + (boards.size === 1 ? 'The board is well.' : 'All boards are well.') : 'No active alerts.' }));
    return;
  }
  for (let room = small ? 1 : Math.min(bad.length, STRIP_MAX); room > 0; room--) {
    strip.replaceChildren(
      ...bad.slice(0, room).map((board) => el('a', { 'data-state': board.state, href: board.href }, icon(board.state), el('span', {}, sentence(board), since(board)))),
      ...(bad.length > room ? [el('a', { class: 'more', href: '#/alerts', text: `${bad.length - room} more` })] : []));
    if (small || strip.scrollWidth <= strip.clientWidth) break;
  }
}
