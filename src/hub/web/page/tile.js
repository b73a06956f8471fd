// One tile of the wall, large or small. A board is bound to it; only what differs is written.

import {BADGES, METRICS, METRIC_KEYS, STATES, isOver, place} from './metrics.js';
import {LINE_SAMPLES, LINE_SECONDS, now} from './model.js';
import {age, whole} from './format.js';
import {el, icon, say, svg} from './dom.js';

/** Pixels of a line, which is drawn as it is: to be scaled, each would need a part of the layer of its own. */
const LINE_SIZE = {large: [68, 30], small: [56, 15]};

export class Tile {
	constructor(large) {
		this.large = large;
		this.node = el('li.tile');
		this.node.tile = this;
	}

	bind(board) {
		this.board = board;
		this.written = null;
	}

	/** Writes what is not a figure, where the board, its state or its badges are others. */
	write() {
		const {board} = this, written = [board.name, board.state, board.sentence, board.badges, board.model].join('\n');
		if (!this.link) this.build();
		if (written === this.written) return;
		this.written = written;
		this.node.dataset.state = board.state;
		this.shape.setAttribute('href', '#' + board.state);
		this.link.setAttribute('href', board.href);
		for (const word of this.words) say(word, STATES[board.state]);
		for (const [node, text, title = text] of [[this.name, board.shown], [this.why, board.sentence || 'Nothing to report'], [this.model, board.shortModel, board.model]]) {
			say(node, text);
			node.title = title;
		}
		this.badges.replaceChildren(...board.badges.map(id => el('span', {title: BADGES[id]}, icon(id, 'badge'), el('span', BADGES[id].toLowerCase()))));
		this.label();
	}

	/** The whole sentence for a screen reader: renewed on focus and on change of state, not every second. */
	label() {
		const {board} = this, {cpu, mem, temp, disk} = board.figures;
		this.link.setAttribute('aria-label', [`${board.shown}, ${STATES[board.state]}${board.sentence && ': ' + board.sentence}`, board.model,
			`CPU ${whole(cpu)} %, memory ${whole(mem)} %, ${temp === temp ? whole(temp) + ' °C' : 'no temperature'}, disk ${whole(disk)} %`, board.badges.map(id => BADGES[id]).join(', ')].filter(Boolean).join('. '));
	}

	paint(metric) {
		this.write();
		METRIC_KEYS.forEach((key, i) => figure(this.figs[i], METRICS[key], this.board.figures[key]));
		this.line(metric);
		this.age();
	}

	age() {
		if (!this.link) return;
		const text = age(now() - this.board.heard) + ' ago';
		say(this.heard, this.large ? 'heard ' + text : text);
		this.node.classList.toggle('stale', this.board.stale);
	}

	/** The last minute on the metric's fixed scale: tiles compare by eye. A gap is a gap. */
	line(metric) {
		const {board} = this, {scale} = METRICS[metric], [width, height] = LINE_SIZE[this.large ? 'large' : 'small'], start = now() - LINE_SECONDS, reach = Math.max(3, board.interval * 2.5 || 0);
		let path = '', before = NaN, x = 0, y = 0, value = NaN;
		for (let i = 0; i < LINE_SAMPLES && board.state !== 'lost'; i++) {
			const at = (board.next + i) % LINE_SAMPLES, time = board.times[at];
			if (!(time >= start)) continue;
			value = board.lines[metric][at];
			if (value !== value) { before = NaN; continue; }
			x = Math.min(1, (time - start) / LINE_SECONDS) * (width - 3);
			y = (0.92 - place(scale, value) * 0.84) * height;
			path += (time - before <= reach ? 'L' : 'M') + x.toFixed(1) + ' ' + y.toFixed(1);
			before = time;
		}
		this.path.setAttribute('d', board.state === 'lost' ? `M0 ${height - 1}H${width}` : path);
		this.end.setAttribute('d', path && `M${x.toFixed(1)} ${y.toFixed(1)}h.01`);
		this.end.setAttribute('class', isOver(METRICS[metric], value) ? 'end over' : 'end');
	}

	build() {
		this.shape = svg('use');
		this.words = [el('span.word'), el('span.word')];
		for (const id of ['why', 'badges', 'model', 'heard']) this[id] = el('span.' + id);
		this.name = el('b.name');
		this.figs = METRIC_KEYS.map(key => newFigure(METRICS[key]));
		this.path = svg('path');
		this.end = svg('path');
		this.link = el('a', {tabindex: -1},
			el('span.head', svg('svg.shape', {viewBox: '0 0 16 16', 'aria-hidden': true}, this.shape), this.name, this.words[0]), this.why,
			el('span.line', this.words[1], this.badges, this.model), this.heard, el('span.figs', this.figs.map(fig => fig.node)),
			svg('svg.spark', {'aria-hidden': true}, this.path, this.end));
		this.node.append(this.link);
	}
}

function newFigure({short, scale, limit}) {
	const value = el('b'), bar = el('s'), node = el('span.fig', value, el('i', short), short === '°C' && el('em', '°'), bar);
	if (limit) node.style.setProperty('--limit', place(scale, limit) * 100 + '%');
	return {node, value, bar};
}

function figure(fig, metric, value) {
	const text = whole(value), filled = Math.round(place(metric.scale, value) * 100);
	if (text !== fig.text) {
		fig.value.textContent = fig.text = text;
		fig.node.className = `fig${metric.limit ? ' limited' : ''}${value === value ? '' : ' none'}${isOver(metric, value) ? ' over' : ''}`;
		fig.node.title = metric.name + (value === value ? '' : ': not known');
	}
	if (filled !== fig.filled) fig.bar.style.backgroundSize = `${fig.filled = filled}% 100%`;
}
