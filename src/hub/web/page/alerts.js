// Boards that are not well, worst first, with since when. Rules, acknowledgement and messages have their place here.

import { METRICS, STATES } from './metrics.js';
import { boards, hub, now, trouble } from './model.js';
import { age, moment, plural } from './format.js';
import { el, icon, say } from './dom.js';
import { sentence } from './head.js';

export const alertsView = {
  start(main) {
    this.count = el('span', { class: 'dim' });
    this.list = el('div', { role: 'list' });
    this.none = el('p', {});
    main.replaceChildren(el('div', { class: 'page' },
      el('div', { class: 'title' }, el('h1', { text: 'Alerts' }), this.count),
      el('div', { class: 'alerts' },
        el('section', { class: 'sheet' }, el('h2', {}, 'Active', el('span', { text: 'worst first' })), this.list, this.none),
        el('section', { class: 'sheet' }, el('h2', { text: 'What brings a board here' }), limits()))));
    this.rows = [];
    this.draw();
  },
  stop() {},
  snapshot() { this.draw(); },
  changes({ moved, gone, changed }) {
    const bad = (board) => this.rows.some((row) => row.board === board && row.why !== board.why);
    if (moved.length || gone.length || [...changed].some(bad)) this.draw();
  },
  second() {
    for (const row of this.rows) say(row.lasted, lasted(row.board));
  },

  draw() {
    const bad = trouble();
    const focused = document.activeElement?.closest?.('.alert a')?.getAttribute('href');
    say(this.count, `${plural(bad.length, 'board')} of ${boards.size} not well`);
    this.rows = bad.map(row);
    this.list.replaceChildren(...this.rows.map((row) => row.node));
    if (focused) for (const { board, node } of this.rows) if (board.href === focused) node.querySelector('a').focus();
    say(this.none, bad.length || !hub.heard ? '' : 'No active alerts. Every board is heard, and nothing is over a limit.');
  },
};

function row(board) {
  const time = el('span', { class: 'for dim num', text: lasted(board) });
  return {
    board, why: board.why, lasted: time,
    node: el('div', { class: 'alert', role: 'listitem', 'data-state': board.state }, icon(board.state), el('span', { class: 'word', text: STATES[board.state] }),
      el('span', { class: 'what', title: board.sentence }, sentence(board, true)),
      el('span', { class: 'since mid', text: 'since ' + moment(board.since, now()) }), time),
  };
}

const lasted = (board) => age(now() - board.since);

function limits() {
  const over = (metric) => `${metric.limit} ${metric.unit} or more`;
  const lines = [
    ['Under-voltage', 'Critical'], ['A file system became read-only', 'Critical'],
    ['Not heard for 15 s, or 5 intervals', 'Lost'],
    ...['temp', 'mem', 'disk'].map((key) => [`${METRICS[key].name} ${over(METRICS[key])}`, 'Warning']),
  ];
  return el('dl', { class: 'limits' }, lines.map(([what, state]) => el('div', {}, el('dt', { text: what }), el('dd', { class: 'mid', text: state }))));
}
