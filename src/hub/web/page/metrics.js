// What the figures of a tile are: how they are called, their scale, their limit, and where a board's values have them.
// Reports come from three programs; the keys are those of psistats and of chasar.

/** In the fixed order of a tile. `scale` is the same for all boards, so that they compare; `limit` is the hub's. */
export const METRICS = {
  cpu: { name: 'CPU', short: 'cpu', unit: '%', scale: [0, 100], limit: null, route: 'cpu' },
  mem: { name: 'Memory', short: 'mem', unit: '%', scale: [0, 100], limit: 90, route: 'memory' },
  temp: { name: 'Temperature', short: '°C', unit: '°C', scale: [30, 90], limit: 80, route: 'temperature' },
  disk: { name: 'Disk', short: 'disk', unit: '%', scale: [0, 100], limit: 90, route: 'disk' },
};

export const METRIC_KEYS = Object.keys(METRICS);

/** Words of a state, worst first. */
export const STATES = { critical: 'Critical', lost: 'Lost', warning: 'Warning', well: 'Well' };
export const STATE_KEYS = Object.keys(STATES);
export const severity = (state) => STATE_KEYS.indexOf(state);

export const BADGES = {
  undervoltage: 'Under-voltage',
  throttled: 'Throttled',
  readonly: 'Read-only',
  rebooted: 'Rebooted',
  'clock-off': 'Clock off',
};

/** A fresh reboot is shown for an hour; a clock counts as off from two seconds on. */
const REBOOTED_SECONDS = 3600;
const CLOCK_SECONDS = 2;

/** Which of a board's series tell of one thing each, by the shape of their keys. Kept as keys arrive. */
export function newIndex() {
  return { disks: [], cores: [], readonly: [], sensors: [], rx: [], read: [], wifi: [] };
}

export function indexKey(index, key) {
  if (key === 'disk.percent_used' || /^disk\..*\.percent$/.test(key)) index.disks.push(key);
  else if (/^percpu\.\d+$/.test(key) || /^cpu\.percent_used\.\d+$/.test(key)) index.cores.push(key);
  else if (/^readonly\..*\.readonly$/.test(key)) index.readonly.push(key);
  else if (/^sensors\..*\.value$/.test(key)) index.sensors.push(key);
  else if (/^net\..*\.rx$/.test(key)) index.rx.push(key);
  else if (/^diskio\..*\.read$/.test(key)) index.read.push(key);
  else if (/^wifi\..*\.level$/.test(key)) index.wifi.push(key);
}

/** `disk./srv.percent`: `/srv`. */
export function middle(key) {
  if (key === 'disk.percent_used') return '/';
  return key.slice(key.indexOf('.') + 1, key.lastIndexOf('.'));
}

/** The key of the series that a metric is, for this board; null where it has none. */
export function seriesOf(board, metric) {
  const { values, index } = board;
  if (metric === 'cpu') return values.has('cpu') ? 'cpu' : index.cores[0] ?? null;
  if (metric === 'mem') return values.has('mem') ? 'mem' : values.has('memory.percent_used') ? 'memory.percent_used' : null;
  if (metric === 'temp') return values.has('cpu_temp') ? 'cpu_temp' : null;
  return fullest(board);
}

/** The present value of a metric, NaN where it is not known. */
export function valueOf(board, metric) {
  const { values, index } = board;
  if (metric === 'cpu' && !values.has('cpu') && index.cores.length) return mean(index.cores.map((key) => values.get(key)));
  const key = seriesOf(board, metric);
  return key === null ? NaN : number(values.get(key));
}

export function badgesOf(board, now) {
  const { values, index } = board, on = (key) => values.get(key) === true;
  const badges = [];
  if (on('throttled.under_voltage')) badges.push('undervoltage');
  if (on('throttled.throttled') || on('throttled.frequency_capped') || on('throttled.soft_temperature_limit')) badges.push('throttled');
  if (index.readonly.some(on)) badges.push('readonly');
  if (number(values.get('uptime')) + Math.max(0, now - board.heard) < REBOOTED_SECONDS) badges.push('rebooted');
  if (values.get('clock.synchronised') === false || Math.abs(number(values.get('clock.offset'))) > CLOCK_SECONDS) badges.push('clock-off');
  return badges;
}

export const number = (value) => (typeof value === 'number' ? value : NaN);

/** A value's place on a metric's scale, 0 to 1. */
export function place(scale, value) {
  return Math.max(0, Math.min(1, (value - scale[0]) / (scale[1] - scale[0]))) || 0;
}

export function isOver(metric, value) {
  return metric.limit !== null && value >= metric.limit;
}

function fullest({ values, index }) {
  let best = null, most = -1;
  for (const key of index.disks) {
    const value = number(values.get(key));
    if (value > most || best === null) [best, most] = [key, value > most ? value : most];
  }
  return best;
}

function mean(list) {
  const known = list.map(number).filter((value) => value === value);
  return known.length ? known.reduce((sum, value) => sum + value, 0) / known.length : NaN;
}
