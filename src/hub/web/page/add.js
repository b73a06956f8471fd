// How to add a board; also the first run, when at most this machine is here.

import { boards } from './model.js';
import { $, el, say } from './dom.js';
import { Tile } from './tile.js';

const LOOPBACK = /^(localhost|127\.|\[?::1\]?$)/;

export const addView = {
  start(main) {
    this.main = main;
    const local = LOOPBACK.test(location.hostname);
    const lines = `[server]\nhost=${local ? 'THIS-HOST' : location.hostname}`;
    const copy = el('button', { class: 'btn', type: 'button', text: 'Copy', onclick: async () => {
      let done = 'Copied';
      try { await navigator.clipboard.writeText(lines + '\n'); } catch { select(code); done = 'Selected'; }
      say(copy, done);
      say($('say'), done);
    } });
    const code = el('pre', { text: lines, tabindex: 0, 'aria-label': 'Lines for psistats.conf' });
    this.lead = el('p', { class: 'lead' });
    this.tile = null;
    this.place = el('section', {}, el('h2', { text: 'This machine' }), el('ul', { class: 'grid large', role: 'list' }));
    this.heading = el('h1', {});
    main.replaceChildren(el('div', { class: 'add' }, this.heading, this.lead,
      el('div', { class: 'two' }, this.place,
        el('section', {}, el('h2', { text: 'To add a board, put these two lines into its /etc/psistats.conf' }), el('div', { class: 'code' }, code, copy),
          el('p', {}, 'The board runs the agent ', el('code', { text: 'psistats' }), '. Its tile appears here by itself within seconds; nothing else is to be set.'),
          local && el('p', {}, 'THIS-HOST is the name or address by which the board reaches this machine. This page is open on the machine itself: so that boards elsewhere get through, set ',
            el('code', { text: '[hub] amqp=' }), ' in psistats-hub.conf to an address of this machine, with ', el('code', { text: 'user=' }), ' and ', el('code', { text: 'pass=' }), '.')))));
    this.draw();
  },
  stop() {},
  snapshot() { this.draw(); },
  changes({ changed }) {
    if (changed.has(this.tile?.board)) this.tile.paint('cpu');
    else if (boards.size !== this.size) this.draw();
  },
  second() { this.tile?.age(); },

  draw() {
    const own = [...boards.values()].find((board) => board.source === 'own');
    this.size = boards.size;
    const first = boards.size <= 1;
    say(this.heading, first ? 'Listening.' : 'Add a board');
    say(this.lead, own ? (first ? 'This machine is the first board.' : `${boards.size} boards report to this hub.`) : boards.size ? 'Boards report to this hub.' : 'No board has reported yet.');
    this.place.hidden = !own;
    if (!own) { this.tile = null; return; }
    this.tile ??= new Tile(true);
    this.place.lastChild.replaceChildren(this.tile.node);
    this.tile.bind(own);
    this.tile.paint('cpu');
    this.tile.link.tabIndex = 0;
    if (own.state === 'well') say(this.tile.why, 'Nothing to report');
  },
};

function select(node) {
  getSelection().selectAllChildren(node);
}
