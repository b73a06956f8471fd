// One chart on a canvas: mean as a line, lowest to highest as a band, gaps as gaps. It knows series and time, not boards.

import {canvas, colour} from './dom.js';
import {fixed, rate} from './format.js';

/** A series of the API with what drawing needs. `hole`: samples further apart than this have a gap between, in seconds. */
export function series(answer) {
	const s = {t: [], avg: [], min: [], max: [], step: 0, ...answer}, steps = s.t.slice(1).map((t, i) => t - s.t[i]).sort((a, b) => a - b);
	return {...s, hole: Math.max(2.5 * s.step, 3.5 * (steps[steps.length >> 1] ?? 0), 1)};
}

/** The index of the sample at `time`, -1 in a gap. */
export function at({t, avg, hole}, time) {
	let low = 0, high = t.length - 1;
	while (low < high) {
		const middle = (low + high) >> 1;
		if (t[middle] < time) low = middle + 1; else high = middle;
	}
	if (low > 0 && time - t[low - 1] < t[low] - time) low--;
	return Math.abs(t[low] - time) <= hole && avg[low] !== null ? low : -1;
}

/** Stretches of a sorted list of times that hold nothing; `to` null where the list ends well before `end`. */
export function gaps(times, hole, end) {
	const list = times.slice(1).map((to, i) => ({from: times[i], to})).filter(({from, to}) => to - from > hole), last = times.at(-1);
	return end - last > Math.max(hole, 15) ? [...list, {from: last, to: null}] : list;
}

/** Draws `chart` (see charts.js) with its series and those of cores; returns the labels of the y axis as [y, text]. */
export function draw(node, chart, lines, cores, from, to) {
	const [g, width, height] = canvas(node), axis = axisOf(chart, lines), [low, high] = axis.scale;
	const x = time => (time - from) / (to - from) * width, y = value => height - 10 - (Math.max(low, Math.min(high, value)) - low) / (high - low) * (height - 20);
	const rule = (value, style, dash = []) => {
		g.setLineDash(dash);
		stroke(g, [[0, Math.round(y(value)) + 0.5], [width, Math.round(y(value)) + 0.5]], style, 1);
		g.setLineDash([]);
	};
	const name = (text, at, style) => {
		Object.assign(g, {lineWidth: 4, strokeStyle: colour.bg, fillStyle: style, font: colour.font});
		g.strokeText(text, 5, at);
		g.fillText(text, 5, at);
	};
	for (const value of axis.ticks) rule(value, chart.mirror && value === 0 ? colour.line2 : colour.line);
	if (chart.limit) rule(chart.limit, colour.warnF, [4, 4]);
	g.globalAlpha = 0.5;
	for (const s of cores) for (const run of runs(s)) stroke(g, run.map(i => [x(s.t[i]), y(s.avg[i])]), colour.ink3, 0.7);
	g.globalAlpha = 1;
	lines.forEach((s, n) => {
		const sign = chart.mirror && n ? -1 : 1, points = (run, list) => run.map(i => [x(s.t[i]), y(sign * list[i])]), all = runs(s);
		g.fillStyle = colour.band;
		if (lines.length < 3) for (const run of all) { trace(g, [...points(run, s.max), ...points(run, s.min).reverse()]); g.fill(); }
		g.setLineDash(n === 2 ? [2, 2] : []);
		for (const run of all) stroke(g, points(run, s.avg), [colour.data, colour.data2, colour.ink3][n], 1.5);
		g.setLineDash([]);
	});
	if (chart.limit) name('warning ' + chart.limit, y(chart.limit) + 4, colour.warn);
	if (chart.mirror) chart.names.forEach((text, n) => name(text, n ? height - 14 : 22, colour.ink3));
	return axis.ticks.map(value => [y(value), axis.label(value)]);
}

function roundUp(value) {
	const power = value > 0 ? 10 ** Math.floor(Math.log10(value)) : 1;
	return [1, 2, 5, 10].map(n => n * power).find(step => step >= value * 0.999);
}

/** The scale from 0 that has both. */
export function fit(low, high) {
	return [low < 0 ? -roundUp(-low) : 0, high > 0 || low === 0 ? roundUp(high) : 0];
}

/** The chart's own scale, else one that its series fill: mirrored, or from 0. */
function axisOf(chart, lines) {
	if (chart.scale) return {scale: chart.scale, ticks: chart.ticks, label: String};
	let low = 0, high = 0;
	for (const {min, max} of lines) for (const [i, value] of max.entries()) [low, high] = [Math.min(low, min[i]), Math.max(high, value)];
	if (chart.mirror) {
		const top = roundUp(Math.max(high, 1000));
		return {scale: [-top, top], ticks: [top, 0, -top], label: value => (value ? rate(Math.abs(value)) : '0')};
	}
	const scale = fit(low, high);
	return {scale, ticks: [scale[0], (scale[0] + scale[1]) / 2, scale[1]], label: shortly};
}

function shortly(value) {
	const [size, unit] = [[1e12, 'T'], [1e9, 'G'], [1e6, 'M'], [1e4, 'k']].find(([least]) => Math.abs(value) >= least) ?? [1, ''], shown = value / (unit === 'k' ? 1e3 : size);
	return fixed(shown, Number.isInteger(shown) ? 0 : Math.abs(shown) < 1 ? 2 : 1) + unit;
}

function runs({t, avg, hole}) {
	const list = [];
	for (let i = 0, run = null; i < t.length; i++) {
		if (avg[i] === null) { run = null; continue; }
		if (!run || t[i] - t[i - 1] > hole) list.push(run = []);
		run.push(i);
	}
	return list;
}

function trace(g, points) {
	g.beginPath();
	for (const [x, y] of points) g.lineTo(x, y);
}

function stroke(g, points, style, width) {
	Object.assign(g, {strokeStyle: style, lineWidth: width, lineJoin: 'round', lineCap: 'round'});
	trace(g, points.length > 1 ? points : [...points, [points[0][0] + 1, points[0][1]]]);
	g.stroke();
}
