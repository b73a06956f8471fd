// What a board says of itself beside its charts: facts, file systems, every other figure.

import {METRICS, isOver, middle, number} from './metrics.js';
import {now} from './model.js';
import {age, any, bytes, duration, grouped, moment, tenths, visible} from './format.js';
import {el, say, sheet} from './dom.js';

const SOURCES = {amqp: 'AMQP', rabbitmq: 'RabbitMQ', standby: 'RabbitMQ, for another hub', chasar: 'chasar', own: 'the hub itself'};

/** `host`: the API's answer on this board; null until it is here. */
export function drawFacts(list, board, host) {
	const {values, heard} = board, uptime = number(values.get('uptime')), interval = host?.interval;
	const booted = host?.boots?.at(-1)?.at ?? heard - uptime;
	const facts = Object.entries({
		Model: board.model || 'not known',
		System: visible(values.get('os') ?? 'not known'),
		Addresses: (host?.addresses ?? []).map(address => visible(address, 45)).join(', ') || 'not known',
		Up: board.state === 'lost' ? 'not known' : duration(uptime + now() - heard),
		Booted: moment(booted, now(), true),
		'Last report': `${moment(heard, now(), true)}, ${age(now() - heard)} ago`,
		Reports: host ? grouped(host.reports) + (interval > 0 ? `, every ${tenths(interval).replace('.0', '')} s` : '') : '',
		'Lost, late, duplicate': host ? [host.lost, host.late, host.duplicates].map(grouped).join(', ') : '',
		Tags: board.tags.map(tag => '#' + tag.text).join(' ') || 'none',
		'Reports by': SOURCES[board.source] ?? visible(board.source),
	});
	if (!list.children.length) list.append(...facts.map(([name]) => el('div', el('dt', name), el('dd'))));
	facts.forEach(([, fact], i) => { say(list.children[i].lastChild, list.children[i].lastChild.title = fact); });
}

/** `chosen`: the series that is drawn beside the usual ones; `choose(key)` draws another. */
export function drawSheets(place, board, chosen, choose) {
	const {values, index} = board, keys = [...values.keys()].sort(), names = keys.join('\n');
	if (place.names !== names) {
		place.names = names;
		place.files = index.disks.map(key => el('tr', el('td', visible(middle(key))), el('td'), el('td', el('span.meter', {'aria-hidden': true}, el('i'))), el('td.num'), el('td.num'), el('td.num')));
		place.cells = keys.map(key => {
			const name = el('bdi', {title: visible(key)}, visible(key)), chart = typeof values.get(key) !== 'string';
			return el('div', el('dt', chart ? el('button', {onclick: () => choose(key)}, name) : name), el('dd'));
		});
		place.replaceChildren(
			sheet('File systems', '', el('table', el('thead', el('tr', ['mount', '', '', 'used', 'free', 'size'].map((text, i) => (text ? el(i > 2 ? 'th.num' : 'th', {scope: 'col'}, text) : el('td'))))), el('tbody', place.files))),
			sheet('All figures', `${keys.length}; press a name for its chart`, el('dl.pairs', place.cells)));
	}
	place.files.forEach((row, i) => fileSystem(row, values, index.disks[i]));
	place.cells.forEach((cell, i) => {
		const text = any(values.get(keys[i]));
		say(cell.lastChild, text);
		cell.lastChild.title = text;
		cell.querySelector('button')?.setAttribute('aria-pressed', keys[i] === chosen);
	});
}

function fileSystem({children}, values, key) {
	const percent = number(values.get(key)), base = key.slice(0, key.lastIndexOf('.')), old = key === 'disk.percent_used';
	const size = name => bytes(values.get(old ? 'disk.total_bytes' + name.replace('.total', '').replace('.', '_') : base + name));
	const meter = children[2].firstChild;
	say(children[1], values.get(`readonly.${middle(key)}.readonly`) === true ? 'read-only' : '');
	meter.classList.toggle('over', isOver(METRICS.disk, percent));
	meter.firstChild.style.transform = `scaleX(${percent / 100 || 0})`;
	say(children[3], tenths(percent) + ' %');
	say(children[4], size('.free'));
	say(children[5], size('.total'));
}
