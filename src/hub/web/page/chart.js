// One chart on a canvas: mean as a line, lowest to highest as a band, gaps as gaps. It knows series and time, not boards.

import { canvas, colour } from './dom.js';
import { fixed, rate } from './format.js';

/** A series as the API gives it, with what drawing needs. `hole`: samples further apart than this have a gap between. */
export function series(answer) {
  const t = answer?.t ?? [], typical = median(t);
  return { t, avg: answer?.avg ?? [], min: answer?.min ?? [], max: answer?.max ?? [], step: answer?.step ?? 0, tier: answer?.tier, hole: Math.max(2.5 * (answer?.step ?? 0), 3.5 * typical, 1) };
}

/** The index of the sample at `time`, -1 in a gap. */
export function at(s, time) {
  let low = 0, high = s.t.length - 1;
  if (high < 0) return -1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (s.t[middle] < time) low = middle + 1; else high = middle;
  }
  if (low > 0 && time - s.t[low - 1] < s.t[low] - time) low--;
  return Math.abs(s.t[low] - time) <= s.hole && s.avg[low] !== null ? low : -1;
}

/** Stretches [from, to] of a sorted list of times that hold nothing, the end of the range included. */
export function gaps(times, hole, end) {
  const list = [];
  for (let i = 1; i < times.length; i++) if (times[i] - times[i - 1] > hole) list.push({ from: times[i - 1], to: times[i] });
  const last = times[times.length - 1];
  if (last !== undefined && end - last > Math.max(hole, 15)) list.push({ from: last, to: null });
  return list;
}

/** Draws `chart` (see charts.js) with `lines`: [series]; returns its labels of the y axis as [y, text]. */
export function draw(node, chart, lines, cores, from, to) {
  const [g, width, height] = canvas(node);
  const x = (time) => (time - from) / (to - from) * width;
  const axis = scaleOf(chart, lines);
  const y = (value) => axis.y(Math.max(axis.low, Math.min(axis.high, value)), height);
  const labels = axis.ticks.map((value) => [y(value), axis.label(value)]);
  g.font = colour.font;
  grid(g, axis, chart, y, width);
  g.save();
  g.beginPath();
  g.rect(0, 0, width, height);
  g.clip();
  for (const core of cores) stroke(g, core, x, y, 1, colour.ink3, 0.7, 0.5);
  const colours = [colour.data, colour.data2, colour.ink3];
  lines.forEach((line, i) => {
    const sign = chart.mirror && i ? -1 : 1;
    if (lines.length < 3) band(g, line, x, y, sign);
    if (i === 2) g.setLineDash([2, 2]);
    stroke(g, line, x, y, sign, colours[i], 1.5, 1);
    g.setLineDash([]);
  });
  g.restore();
  if (chart.limit) named(g, `warning ${chart.limit}`, 6, y(chart.limit) + 4, colour.warn);
  if (chart.mirror) {
    named(g, chart.names[0], 4, 22, colour.ink3);
    named(g, chart.names[1], 4, height - 14, colour.ink3);
  }
  return labels;
}

/** Round steps for what has no fixed scale: 1, 2, 5, 10, ... */
export function roundUp(value) {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((n) => n * power).find((step) => step >= value * 0.999);
}

function scaleOf(chart, lines) {
  if (chart.scale) {
    const [low, high] = chart.scale;
    return { low, high, ticks: chart.ticks, label: String, y: (value, h) => h - 10 - (value - low) / (high - low) * (h - 20) };
  }
  const { low, high } = extent(lines);
  if (chart.mirror) {
    const top = roundUp(Math.max(high, -low, 1000));
    return { low: -top * 1.08, high: top * 1.08, ticks: [top, 0, -top], label: (value) => (value ? rate(Math.abs(value)) : '0'), y: (value, h) => h / 2 - value / (top * 1.08) * (h / 2 - 6) };
  }
  const bottom = low < 0 ? -roundUp(-low) : 0, top = high > 0 || low >= 0 ? roundUp(high) : 0, middle = (bottom + top) / 2;
  return { low: bottom, high: top, ticks: [bottom, middle, top], label: (value) => shortly(value), y: (value, h) => h - 10 - (value - bottom) / (top - bottom) * (h - 20) };
}

function extent(lines) {
  let low = 0, high = 0;
  for (const { min, max } of lines) for (let i = 0; i < max.length; i++) {
    if (max[i] > high) high = max[i];
    if (min[i] !== null && min[i] < low) low = min[i];
  }
  return { low, high };
}

function shortly(value) {
  const [size, unit] = [[1e12, 'T'], [1e9, 'G'], [1e6, 'M'], [1e4, 'k']].find(([least]) => Math.abs(value) >= least) ?? [1, ''];
  if (unit === 'k') return fixed(value / 1000, 0) + 'k';
  return fixed(value / size, Number.isInteger(value / size) ? 0 : Math.abs(value / size) < 1 ? 2 : 1) + unit;
}

function grid(g, axis, chart, y, width) {
  g.lineWidth = 1;
  for (const value of axis.ticks) rule(g, y(value), width, chart.mirror && value === 0 ? colour.line2 : colour.line);
  if (chart.limit) {
    g.setLineDash([4, 4]);
    rule(g, y(chart.limit), width, colour.warnF);
    g.setLineDash([]);
  }
}

function rule(g, y, width, style) {
  g.strokeStyle = style;
  g.beginPath();
  g.moveTo(0, Math.round(y) + 0.5);
  g.lineTo(width, Math.round(y) + 0.5);
  g.stroke();
}

function named(g, text, x, y, style) {
  g.lineWidth = 4;
  g.lineJoin = 'round';
  g.strokeStyle = colour.bg;
  g.strokeText(text, x, y);
  g.fillStyle = style;
  g.fillText(text, x, y);
}

/** Calls `part(first, end)` for each run of samples without a gap. */
function runs(s, part) {
  let first = -1;
  for (let i = 0; i <= s.t.length; i++) {
    const here = i < s.t.length && s.avg[i] !== null;
    if (first >= 0 && (!here || s.t[i] - s.t[i - 1] > s.hole)) { part(first, i); first = -1; }
    if (here && first < 0) first = i;
  }
}

function stroke(g, s, x, y, sign, style, width, alpha) {
  g.strokeStyle = style;
  g.lineWidth = width;
  g.globalAlpha = alpha;
  g.lineJoin = g.lineCap = 'round';
  g.beginPath();
  runs(s, (first, end) => {
    g.moveTo(x(s.t[first]), y(sign * s.avg[first]));
    if (end === first + 1) g.lineTo(x(s.t[first]) + 1, y(sign * s.avg[first]));
    for (let i = first + 1; i < end; i++) g.lineTo(x(s.t[i]), y(sign * s.avg[i]));
  });
  g.stroke();
  g.globalAlpha = 1;
}

function band(g, s, x, y, sign) {
  g.fillStyle = colour.band;
  runs(s, (first, end) => {
    g.beginPath();
    for (let i = first; i < end; i++) g.lineTo(x(s.t[i]), y(sign * (s.max[i] ?? s.avg[i])));
    for (let i = end - 1; i >= first; i--) g.lineTo(x(s.t[i]), y(sign * (s.min[i] ?? s.avg[i])));
    g.fill();
  });
}

function median(t) {
  const steps = [];
  for (let i = 1; i < t.length; i++) steps.push(t[i] - t[i - 1]);
  steps.sort((a, b) => a - b);
  return steps[steps.length >> 1] ?? 0;
}
