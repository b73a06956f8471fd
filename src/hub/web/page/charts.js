// Which charts a board has, by the series that it sends.

import {METRICS, middle, number} from './metrics.js';
import {any, rate, tenths, visible} from './format.js';

/** Cores that are drawn as lines, and the longest bucket in which they still tell something, in seconds. */
const CORES_MAX = 8;
export const CORES_STEP = 5;

/** `{title, unit, keys, names, cores, height, scale, ticks, limit, mirror, read}`; without `scale` the data make it. */
export function chartsOf(board, extra) {
	const {values, index} = board, charts = [];
	const metric = (id, height, more) => {
		const key = board.series[id], {name, unit, scale, limit} = METRICS[id];
		if (key) charts.push({title: id === 'disk' ? 'Disk ' + visible(middle(key)) : name, keys: [key], height, unit, scale, limit, ticks: [0, 50, 100], read: tenths, ...more});
	};
	const flow = (name, firsts, one, other, names) => {
		const keys = busiest(values, firsts, one, other);
		if (keys) charts.push({title: name + (firsts.length > 1 ? ' ' + visible(middle(keys[0])) : ''), keys, names, height: 120, mirror: true, read: rate});
	};
	metric('cpu', 150, {cores: index.cores.slice(0, CORES_MAX)});
	metric('mem', 96);
	metric('temp', 150, {ticks: [30, 50, 70, 90]});
	metric('disk', 80);
	flow('Network', index.rx, 'rx', 'tx', ['in', 'out']);
	flow('Disk io', index.read, 'read', 'write', ['read', 'write']);
	const pressure = ['io', 'cpu', 'memory'].map(name => `pressure.${name}.some`).filter(key => values.has(key));
	if (pressure.length) charts.push({title: 'Pressure, waiting', unit: '%', keys: pressure, names: pressure.map(middle), height: 108, read: tenths});
	if (values.has(extra)) charts.push({title: visible(extra), keys: [extra], height: 108, read: any});
	return charts;
}

export function barsOf({values, index}) {
	return [['throttled.under_voltage', 'under-voltage', true], ['throttled.throttled', 'throttled', false],
		...index.readonly.map(key => [key, visible(middle(key)) + ' read-only', true])].filter(([key]) => values.has(key));
}

/** The two series of the interface or disk with most traffic now. */
function busiest(values, firsts, one, other) {
	const pairs = firsts.map(key => [key, key.slice(0, -one.length) + other]).filter(([, twin]) => values.has(twin));
	const traffic = keys => keys.reduce((sum, key) => sum + (number(values.get(key)) || 0), 0);
	return pairs.sort((a, b) => traffic(b) - traffic(a))[0];
}
