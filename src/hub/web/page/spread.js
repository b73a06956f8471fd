// How one figure is spread over the fleet: a dot for each board, or columns where there are too many; median, middle half, limit.

import { METRICS, place, severity } from './metrics.js';
import { any, tenths } from './format.js';
import { canvas, colour } from './dom.js';

const FONT_PX = 12;
const BINS = 60;
/** Dots smaller than this are drawn as columns. */
const DOT_MIN_PX = 4.5;

/** Draws `list` of `{value, state}`; returns the sentence as [text, strong] and whether dots were drawn. */
export function drawSpread(node, metric, list) {
  const [g, width, height] = canvas(node), base = height - 8, { scale, limit, unit } = metric;
  const x = (value) => 6 + place(scale, value) * (width - 12);
  const values = list.map(({ value }) => value).sort((a, b) => a - b);
  const quantile = (share) => values[Math.min(values.length - 1, Math.floor(share * values.length))];
  g.font = colour.font.replace('11px', FONT_PX + 'px');
  if (!values.length) return { text: [['No board has this figure now.', false]], dots: true };
  g.fillStyle = colour.band;
  g.fillRect(x(quantile(0.25)), 18, Math.max(1, x(quantile(0.75)) - x(quantile(0.25))), base - 18);
  if (limit !== null) limitLine(g, `warning ${limit}`, x(limit), base);
  const bins = stack(list, scale), column = (width - 12) / BINS, most = Math.max(...bins.map((bin) => bin.length));
  const size = Math.min(11, column, (base - 32) / most), dots = size >= DOT_MIN_PX;
  bins.forEach((bin, i) => {
    const left = 6 + i * column;
    if (dots) bin.forEach(({ state }, j) => dot(g, state, left + column / 2, base - (j + 0.5) * size, size / 2 - 0.6));
    else columns(g, bin, left, column, base, size);
  });
  g.strokeStyle = colour.line2;
  line(g, 0, base + 0.5, width, base + 0.5);
  const middle = x(quantile(0.5));
  g.strokeStyle = colour.ink;
  g.lineWidth = 1.5;
  line(g, middle, 17, middle, 26);
  line(g, middle, base, middle, base + 7);
  g.lineWidth = 1;
  g.fillStyle = colour.ink;
  const text = 'median ' + short(metric, quantile(0.5)), half = g.measureText(text).width / 2;
  g.textAlign = 'center';
  g.fillText(text, Math.max(half, Math.min(width - half, middle)), 12);
  g.textAlign = 'left';
  return { text: sentence(metric, values, quantile, limit, unit), dots };
}

function sentence(metric, values, quantile, limit, unit) {
  const text = [['Half of the boards lie between ', false], [short(metric, quantile(0.25)), true], [' and ', false], [`${short(metric, quantile(0.75))}${unit ? ' ' + unit : ''}`, true], ['. ', false]];
  if (limit === null) return text;
  const over = values.filter((value) => value >= limit).length;
  return text.concat(over ? [[String(over), true], [` ${over > 1 ? 'are' : 'is'} at or over ${limit} ${unit}.`, false]] : [[`None is over ${limit} ${unit}.`, false]]);
}

const short = (metric, value) => (Object.values(METRICS).includes(metric) ? tenths(value) : any(value));

/** Boards by column of the scale, the worst on top. */
function stack(list, scale) {
  const bins = Array.from({ length: BINS }, () => []);
  for (const item of list) bins[Math.min(BINS - 1, Math.floor(place(scale, item.value) * BINS))].push(item);
  for (const bin of bins) bin.sort((a, b) => severity(b.state) - severity(a.state));
  return bins;
}

function paintOf(state) {
  return state === 'critical' ? colour.critF : state === 'warning' ? colour.warnF : colour.data;
}

function dot(g, state, x, y, r) {
  g.fillStyle = paintOf(state);
  g.beginPath();
  if (state === 'critical') polygon(g, [[x, y - r - 1], [x + r + 1, y], [x, y + r + 1], [x - r - 1, y]]);
  else if (state === 'warning') polygon(g, [[x, y - r - 0.5], [x + r + 0.5, y + r], [x - r - 0.5, y + r]]);
  else g.arc(x, y, r, 0, 7);
  g.fill();
}

function columns(g, bin, left, width, base, size) {
  let y = base;
  for (const state of ['well', 'warning', 'critical']) {
    const count = bin.filter((item) => item.state === state).length;
    if (!count) continue;
    const high = Math.max(2, count * size);
    g.fillStyle = paintOf(state);
    g.fillRect(left + 0.5, y - high, width - 1, high);
    y -= high;
  }
}

function limitLine(g, text, x, base) {
  g.strokeStyle = colour.warnF;
  g.setLineDash([3, 3]);
  line(g, Math.round(x) + 0.5, 0, Math.round(x) + 0.5, base);
  g.setLineDash([]);
  g.fillStyle = colour.warn;
  const wide = g.measureText(text).width;
  g.fillText(text, x + 4 + wide < g.canvas.clientWidth ? x + 4 : x - wide - 4, 12);
}

function line(g, x1, y1, x2, y2) {
  g.beginPath();
  g.moveTo(x1, y1);
  g.lineTo(x2, y2);
  g.stroke();
}

function polygon(g, points) {
  points.forEach(([x, y], i) => (i ? g.lineTo(x, y) : g.moveTo(x, y)));
  g.closePath();
}
