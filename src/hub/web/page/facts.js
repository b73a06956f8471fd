// What a board says of itself beside its charts: facts, file systems, sensors, every other figure.

import { METRICS, isOver, middle, number } from './metrics.js';
import { now } from './model.js';
import { age, any, bytes, duration, grouped, moment, tenths, visible } from './format.js';
import { el, say } from './dom.js';

const FACTS = ['Model', 'System', 'Addresses', 'Up', 'Booted', 'Last report', 'Reports', 'Lost, late, twice', 'Tags', 'Reports by'];
const SOURCES = { amqp: 'AMQP', rabbitmq: 'RabbitMQ', chasar: 'chasar', own: 'this hub, of itself' };
const UNITS = { c: '°C', v: 'V', a: 'A', w: 'W' };

export function newFacts() {
  const values = FACTS.map(() => el('dd', {}));
  return { values, node: el('dl', { class: 'facts' }, FACTS.map((name, i) => el('div', {}, el('dt', { text: name }), values[i]))) };
}

/** `host`: the API's answer on this board; null until it is here. */
export function drawFacts({ values }, board, host) {
  const text = (key) => (board.values.get(key) ? visible(board.values.get(key)) : 'not known');
  const uptime = number(board.values.get('uptime')), lost = board.state === 'lost';
  const booted = host?.boots?.at(-1)?.at ?? number(board.values.get('boot'));
  const interval = host?.interval ?? board.interval;
  const facts = [
    board.model || 'not known',
    text('os'),
    addresses(board, host).join(', ') || 'not known',
    lost ? 'not known' : duration(uptime + Math.max(0, now() - board.heard)),
    moment(booted === booted ? booted : board.heard - uptime, now(), true),
    `${moment(board.heard, now(), true)}, ${age(now() - board.heard)} ago`,
    host ? grouped(host.reports) + (interval > 0 ? `, every ${interval < 10 ? tenths(interval).replace('.0', '') : Math.round(interval)} s` : '') : '',
    host ? [host.lost, host.late, host.duplicates].map(grouped).join(', ') : '',
    board.tags.map((tag) => '#' + tag.text).join(' ') || 'none',
    SOURCES[board.source] ?? visible(board.source),
  ];
  facts.forEach((fact, i) => { say(values[i], fact); values[i].title = fact; });
}

export function newSheets() {
  const sheet = (name, wide) => {
    const note = el('span', {}), body = el('div', {});
    return { note, body, written: '', node: el('section', { class: wide ? 'sheet wide' : 'sheet' }, el('h2', {}, name, note), body) };
  };
  const files = sheet('File systems'), sensors = sheet('Sensors'), all = sheet('All figures', true);
  return { files, sensors, all, node: el('div', { class: 'sheets' }, files.node, sensors.node, all.node) };
}

/** `chosen`: the series that is drawn beside the usual ones; `choose(key)` draws another. */
export function drawSheets(sheets, board, { chosen, choose }) {
  const past = board.state === 'lost' ? ', last known' : '';
  fileSystems(sheets.files, board, past);
  sensors(sheets.sensors, board, past);
  allFigures(sheets.all, board, past, chosen, choose);
}

function fileSystems(sheet, { values, index }, past) {
  say(sheet.note, 'fullest first' + past);
  const rows = index.disks.map((key) => [key, number(values.get(key))]).sort((a, b) => (b[1] || 0) - (a[1] || 0)).map(([key, percent]) => {
    const mount = middle(key), base = key.slice(0, key.lastIndexOf('.'));
    const free = values.get(base + '.free') ?? values.get('disk.total_bytes_free'), total = values.get(base + '.total') ?? values.get('disk.total_bytes');
    const readonly = values.get(`readonly.${mount}.readonly`) === true;
    return [visible(mount), readonly ? 'read-only' : '', { meter: percent }, tenths(percent) + ' %', bytes(free), bytes(total)];
  });
  write(sheet, rows, ['mount', '', '', '>used', '>free', '>size'], 'This board reports none.');
}

function sensors(sheet, { values, index }, past) {
  say(sheet.note, 'now' + past);
  const rows = index.sensors.map((key) => {
    const base = key.slice(0, -'.value'.length), unit = String(values.get(base + '.unit') ?? '');
    return [visible(values.get(base + '.label') || middle(key)), visible(base.split('.')[1] ?? ''), any(values.get(key)) + ' ' + (UNITS[unit.toLowerCase()] ?? visible(unit, 8))];
  });
  for (const key of index.wifi) rows.push([visible(middle(key)) + ' signal', 'Wi-Fi', any(values.get(key)) + ' dBm']);
  if (!rows.length && values.has('cpu_temp')) rows.push(['CPU', '', any(values.get('cpu_temp')) + ' °C']);
  write(sheet, rows, ['sensor', 'chip', '>now'], 'This board reports none.');
}

function allFigures(sheet, { values }, past, chosen, choose) {
  say(sheet.note, `${values.size}; press a number’s name for its chart${past}`);
  const keys = [...values.keys()].sort();
  const names = keys.join('\n');
  if (sheet.names !== names) {
    sheet.names = names;
    sheet.cells = keys.map((key) => ({ key, value: el('dd', {}), name: el('dt', {}) }));
    for (const cell of sheet.cells) {
      const plottable = typeof values.get(cell.key) !== 'string';
      cell.name.append(plottable ? el('button', { type: 'button', title: visible(cell.key), onclick: () => choose(cell.key) }, el('bdi', { text: visible(cell.key) })) : el('bdi', { text: visible(cell.key), title: visible(cell.key) }));
    }
    sheet.body.replaceChildren(el('dl', { class: 'pairs' }, sheet.cells.map((cell) => el('div', {}, cell.name, cell.value))));
  }
  for (const { key, name, value } of sheet.cells) {
    const text = any(values.get(key));
    if (value.textContent !== text) { value.textContent = text; value.title = text; }
    if (name.firstChild.tagName === 'BUTTON') name.firstChild.setAttribute('aria-pressed', key === chosen);
  }
}

/** A table of texts, written only where they differ. A head that begins with ">" is of numbers. */
function write(sheet, rows, heads, none) {
  const written = JSON.stringify(rows);
  if (written === sheet.written) return;
  sheet.written = written;
  if (!rows.length) { sheet.body.replaceChildren(el('p', { text: none })); return; }
  const align = (i) => (heads[i].startsWith('>') ? 'num' : null);
  sheet.body.replaceChildren(el('table', {},
    el('thead', {}, el('tr', {}, heads.map((head, i) => (head ? el('th', { scope: 'col', class: align(i), text: head.replace('>', '') }) : el('td', {}))))),
    el('tbody', {}, rows.map((row) => el('tr', {}, row.map((cell, i) => el('td', { class: align(i), title: typeof cell === 'string' && cell.length > 20 ? cell : null }, typeof cell === 'object' ? meter(cell.meter) : cell)))))));
}

function meter(percent) {
  const bar = el('i');
  bar.style.transform = `scaleX(${Math.max(0, Math.min(1, percent / 100)) || 0})`;
  return el('span', { class: isOver(METRICS.disk, percent) ? 'meter over' : 'meter', 'aria-hidden': 'true' }, bar);
}

function addresses(board, host) {
  const list = [];
  for (let i = 0; board.values.has('ipaddr.' + i); i++) list.push(board.values.get('ipaddr.' + i));
  return (list.length ? list : host?.addresses ?? []).map((address) => visible(address, 45));
}
