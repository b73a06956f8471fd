// How one figure is spread over the fleet: a dot for each board, or columns where they are many; median, middle half, limit.

import {place, severity} from './metrics.js';
import {canvas, colour} from './dom.js';

const BINS = 60;
const DOT_MIN_PX = 4.5;

/** Draws `list` of `{value, state}`, numbers in words by `say`. Returns the sentence, every second part strong, and whether dots were drawn. */
export function drawSpread(node, {scale, limit, unit}, list, say) {
	const [g, width, height] = canvas(node), base = height - 8, x = value => 6 + place(scale, value) * (width - 12);
	const values = list.map(({value}) => value).sort((a, b) => a - b), quantile = share => values[Math.min(values.length - 1, Math.floor(share * values.length))];
	if (!values.length) return {text: ['No board has this figure now.'], dots: true};
	const [low, middle, high] = [0.25, 0.5, 0.75].map(quantile), line = (x, y, x2, y2) => { g.beginPath(); g.moveTo(x, y); g.lineTo(x2, y2); g.stroke(); };
	const label = (text, at) => { g.textAlign = at > width / 2 ? 'right' : 'left'; g.fillText(text, at + (at > width / 2 ? -4 : 4), 12); };
	g.font = colour.font.replace('11px', '12px');
	g.fillStyle = colour.band;
	g.fillRect(x(low), 18, Math.max(1, x(high) - x(low)), base - 18);
	if (limit !== null) {
		g.strokeStyle = colour.warnF;
		g.setLineDash([3, 3]);
		line(Math.round(x(limit)) + 0.5, 0, Math.round(x(limit)) + 0.5, base);
		g.setLineDash([]);
		g.fillStyle = colour.warn;
		label('warning ' + limit, x(limit));
	}
	const bins = stack(list, scale), wide = (width - 12) / BINS, size = Math.min(11, wide, (base - 32) / Math.max(...bins.map(bin => bin.length))), dots = size >= DOT_MIN_PX;
	bins.forEach((bin, i) => bin.forEach(({state}, j) => {
		const left = 6 + i * wide, top = base - (j + 1) * size;
		g.fillStyle = state === 'critical' ? colour.critF : state === 'warning' ? colour.warnF : colour.data;
		if (dots) dot(g, state, left + wide / 2, top + size / 2, size / 2 - 0.6);
		else g.fillRect(left + 0.5, top, wide - 1, size + 0.3);
	}));
	g.strokeStyle = colour.line2;
	line(0, base + 0.5, width, base + 0.5);
	g.strokeStyle = g.fillStyle = colour.ink;
	g.lineWidth = 1.5;
	line(x(middle), 17, x(middle), 26);
	line(x(middle), base, x(middle), base + 7);
	label('median ' + say(middle), x(middle));
	const over = values.filter(value => value >= limit).length, text = ['Half of the boards lie between ', say(low), ' and ', `${say(high)}${unit && ' ' + unit}`, '. '];
	if (limit !== null) text.push(...(over ? [String(over), ` ${over > 1 ? 'are' : 'is'} at or over ${limit} ${unit}.`] : ['', `None is over ${limit} ${unit}.`]));
	return {text, dots};
}

function stack(list, scale) {
	const bins = Array.from({length: BINS}, () => []);
	for (const item of list) bins[Math.min(BINS - 1, Math.floor(place(scale, item.value) * BINS))].push(item);
	return bins.map(bin => bin.sort((a, b) => severity(b.state) - severity(a.state)));
}

function dot(g, state, x, y, r) {
	const shapes = {critical: [[0, -r - 1], [r + 1, 0], [0, r + 1], [-r - 1, 0]], warning: [[0, -r - 0.5], [r + 0.5, r], [-r - 0.5, r]]};
	g.beginPath();
	if (shapes[state]) for (const [dx, dy] of shapes[state]) g.lineTo(x + dx, y + dy);
	else g.arc(x, y, r, 0, 7);
	g.fill();
}
