// The figures of a tile: their names, scales and limits, and where a board's values have them.
// Reports come from several programs; the keys are those of psistats and of chasar.

/** In the fixed order of a tile. `scale` is the same for all boards, so that they compare; `limit` is the hub's. */
export const METRICS = {
	cpu: {name: 'CPU', short: 'cpu', unit: '%', scale: [0, 100], limit: null},
	mem: {name: 'Memory', short: 'mem', unit: '%', scale: [0, 100], limit: 90},
	temp: {name: 'Temperature', short: '°C', unit: '°C', scale: [30, 90], limit: 80},
	disk: {name: 'Disk', short: 'disk', unit: '%', scale: [0, 100], limit: 90},
};
export const METRIC_KEYS = Object.keys(METRICS);

export const STATES = {critical: 'Critical', lost: 'Lost', warning: 'Warning', well: 'Well'};
export const STATE_KEYS = Object.keys(STATES);
export const severity = state => STATE_KEYS.indexOf(state);

export const BADGES = {undervoltage: 'Under-voltage', throttled: 'Throttled', readonly: 'Read-only', rebooted: 'Rebooted', 'clock-off': 'Clock off'};
const REBOOTED_SECONDS = 3600;
const CLOCK_OFF_SECONDS = 2;

/** Which series tell of one thing each, by the shape of their keys. */
const SHAPES = {
	disks: /^disk\.(percent_used|.*\.percent)$/,
	cores: /^(percpu|cpu\.percent_used)\.\d+$/,
	readonly: /^readonly\..*\.readonly$/,
	rx: /^net\..*\.rx$/,
	read: /^diskio\..*\.read$/,
};

export const newIndex = () => Object.fromEntries(Object.keys(SHAPES).map(name => [name, []]));

export function indexKey(index, key) {
	for (const name in SHAPES) if (SHAPES[name].test(key)) index[name].push(key);
}

/** `disk./srv.percent`: `/srv`. */
export function middle(key) {
	return key === 'disk.percent_used' ? '/' : key.slice(key.indexOf('.') + 1, key.lastIndexOf('.'));
}

export const number = value => (typeof value === 'number' ? value : NaN);

/** The key of the series that each metric is, for this board; undefined where it has none. */
export function seriesOf({values, index: {cores, disks}}) {
	const first = (...keys) => keys.find(key => values.has(key)), fuller = (most, key) => (number(values.get(key)) > (number(values.get(most)) || -1) ? key : most);
	return {cpu: first('cpu', cores[0]), mem: first('mem', 'memory.percent_used'), temp: first('cpu_temp'), disk: disks.reduce(fuller, disks[0])};
}

export function badgesOf({values, index}) {
	const on = key => values.get(key) === true;
	return Object.entries({
		undervoltage: on('throttled.under_voltage'),
		throttled: ['throttled', 'frequency_capped', 'soft_temperature_limit'].some(name => on('throttled.' + name)),
		readonly: index.readonly.some(on),
		rebooted: number(values.get('uptime')) < REBOOTED_SECONDS,
		'clock-off': values.get('clock.synchronised') === false || Math.abs(number(values.get('clock.offset'))) > CLOCK_OFF_SECONDS,
	}).filter(([, is]) => is).map(([id]) => id);
}

export function place([low, high], value) {
	return Math.max(0, Math.min(1, (value - low) / (high - low))) || 0;
}

export function isOver({limit}, value) {
	return limit !== null && value >= limit;
}
