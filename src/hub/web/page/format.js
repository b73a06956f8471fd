// Numbers, times and texts in words. Times are Unix seconds; unknown is a dash.

const MONTHS = 'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec'.split(' ');
const two = n => String(n).padStart(2, '0');

export function fixed(value, decimals) {
	if (!Number.isFinite(value)) return '–';
	const text = Math.abs(value).toFixed(decimals);
	return value < 0 && Number(text) ? '−' + text : text;
}

export const whole = value => fixed(value, 0);
export const tenths = value => fixed(value, 1);

export function change(value) {
	return (Number(tenths(value)) > 0 ? '+' : '') + tenths(value);
}

export function any(value) {
	if (typeof value === 'boolean') return value ? 'yes' : 'no';
	if (typeof value === 'string') return visible(value);
	return Number.isInteger(value) ? grouped(value) : fixed(value, Math.abs(value) < 10 ? 3 : 1).replace(/0+$/, '');
}

export function grouped(value) {
	return whole(value).replace(/\B(?=(\d{3})+(?!\d))/g, '\u2009');
}

/** Text from a board: characters that would reorder or hide text are shown, and its length is bounded. */
export function visible(text, length = 160) {
	const plain = String(text).replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, '\ufffd');
	return plain.length > length ? plain.slice(0, length) + '…' : plain;
}

/** How long ago: "3 s", "45 min", "19 h", "5 d". */
export function age(seconds) {
	const s = Math.max(1, Math.round(seconds));
	if (!Number.isFinite(s)) return 'not known';
	return s < 100 ? s + ' s' : s < 5400 ? Math.round(s / 60) + ' min' : s < 172800 ? Math.round(s / 3600) + ' h' : Math.round(s / 86400) + ' d';
}

/** In two units: "5 d 8 h", "36 min 41 s". */
export function duration(seconds) {
	if (!Number.isFinite(seconds)) return 'not known';
	const [d, h, m, s] = [seconds / 86400, seconds / 3600 % 24, seconds / 60 % 60, seconds % 60].map(Math.floor);
	return d ? `${d} d ${h} h` : h ? `${h} h ${m} min` : m ? `${m} min ${s} s` : `${s} s`;
}

export function clock(time, seconds) {
	const at = new Date(time * 1000);
	return two(at.getHours()) + ':' + two(at.getMinutes()) + (seconds ? ':' + two(at.getSeconds()) : '');
}

export function day(time) {
	const at = new Date(time * 1000);
	return at.getDate() + ' ' + MONTHS[at.getMonth()];
}

/** As near as it has to be said: "12:04", "yesterday 12:04", "21 Nov 12:04", "21 Nov 2025". */
export function moment(time, now, seconds) {
	if (!Number.isFinite(time)) return 'not known';
	const midnight = t => new Date(t * 1000).setHours(0, 0, 0, 0), days = Math.round((midnight(now) - midnight(time)) / 864e5), year = new Date(time * 1000).getFullYear();
	if (days === 0) return clock(time, seconds);
	return days === 1 ? 'yesterday ' + clock(time) : day(time) + ' ' + (year === new Date(now * 1000).getFullYear() ? clock(time) : year);
}

/** "12:04–12:11", with days where it does not lie within one. */
export function span(from, to, now) {
	return moment(from, now) + '–' + (day(from) === day(to) ? clock(to) : moment(to, now));
}

export function step(seconds) {
	const [size, unit] = seconds < 60 ? [1, ' s'] : seconds < 3600 ? [60, ' min'] : [3600, ' h'];
	return fixed(seconds / size, seconds % size ? 1 : 0) + unit;
}

export function bytes(value) {
	const [size, unit] = [[1e12, ' TB'], [1e9, ' GB'], [1e6, ' MB'], [1e3, ' kB']].find(([least]) => Math.abs(value) >= least) ?? [1, ' B'];
	return Number.isFinite(value) ? fixed(value / size, size > 1 ? 1 : 0).replace('.0', '') + unit : '–';
}

export function rate(value) {
	return Number.isFinite(value) ? bytes(value) + '/s' : '–';
}

export function plural(count, word) {
	return `${grouped(count)} ${word}${count === 1 ? '' : 's'}`;
}

export function capital(text) {
	return text.charAt(0).toUpperCase() + text.slice(1);
}
