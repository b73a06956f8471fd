// Which charts a board has, by the series that it sends.

import { METRICS, middle, number, seriesOf } from './metrics.js';
import { any, rate, tenths, visible } from './format.js';

/** Cores that are drawn as lines, and the longest bucket in which they still tell something. */
const CORES_MAX = 8;
export const CORES_STEP = 5;

/** `{id, title, unit, keys, names, cores, height, scale, ticks, limit, mirror, read}`; `scale` null: by the data. */
export function chartsOf(board, extra) {
  const { values, index } = board;
  const percent = { unit: '%', scale: [0, 100], ticks: [0, 50, 100], read: tenths };
  const charts = [];
  const metric = (id, height, more) => {
    const key = seriesOf(board, id);
    if (key !== null) charts.push({ id, title: METRICS[id].name, keys: [key], height, limit: METRICS[id].limit, ...percent, ...more });
  };
  metric('cpu', 150, { cores: index.cores.slice(0, CORES_MAX) });
  metric('mem', 96);
  metric('temp', 150, { unit: '°C', scale: METRICS.temp.scale, ticks: [30, 50, 70, 90] });
  const full = seriesOf(board, 'disk');
  metric('disk', 80, { title: 'Disk ' + visible(full ? middle(full) : '') });
  const flow = (id, title, keys, names) => {
    if (keys.length === 2) charts.push({ id, title, keys, names, height: 120, mirror: true, scale: null, read: rate });
  };
  const net = busiest(values, index.rx, 'rx', 'tx'), disk = busiest(values, index.read, 'read', 'write');
  flow('net', 'Network' + (index.rx.length > 1 ? ' ' + visible(middle(net[0])) : ''), net, ['in', 'out']);
  flow('diskio', 'Disk io' + (index.read.length > 1 ? ' ' + visible(middle(disk[0])) : ''), disk, ['read', 'write']);
  const pressure = ['io', 'cpu', 'memory'].map((name) => `pressure.${name}.some`).filter((key) => values.has(key));
  if (pressure.length) charts.push({ id: 'pressure', title: 'Pressure, waiting', unit: '%', keys: pressure, names: pressure.map(middle), height: 108, scale: null, read: tenths });
  if (extra && values.has(extra)) charts.push({ id: 'extra', title: visible(extra), unit: '', keys: [extra], height: 108, scale: null, read: any });
  return charts;
}

/** The series whose being 1 is drawn as a bar over all charts: [key, name, critical]. */
export function barsOf(board) {
  return [
    ['throttled.under_voltage', 'under-voltage', true],
    ['throttled.throttled', 'throttled', false],
    ...board.index.readonly.map((key) => [key, visible(middle(key)) + ' read-only', true]),
  ].filter(([key]) => board.values.has(key));
}

/** Of several interfaces or disks the one with most traffic now. */
function busiest(values, firsts, one, other) {
  let best = [], most = -1;
  for (const key of firsts) {
    const twin = key.slice(0, -one.length) + other;
    const sum = (number(values.get(key)) || 0) + (number(values.get(twin)) || 0);
    if (values.has(twin) && sum > most) [best, most] = [[key, twin], sum];
  }
  return best;
}
