// Numbers, times and texts in words. Times are Unix seconds; unknown is a dash.

const MONTHS = 'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec'.split(' ');
const UNKNOWN = '–';
const two = (n) => String(n).padStart(2, '0');

/** A whole number. */
export function whole(value) {
  return fixed(value, 0);
}

/** A number with one decimal. */
export function tenths(value) {
  return fixed(value, 1);
}

export function fixed(value, decimals) {
  if (typeof value !== 'number' || !Number.isFinite(value)) return UNKNOWN;
  const text = Math.abs(value).toFixed(decimals);
  return value < 0 && Number(text) !== 0 ? '−' + text : text;
}

/** With its sign. */
export function change(value) {
  const text = tenths(value);
  return value > 0 && text !== '0.0' ? '+' + text : text;
}

/** Any value of a report, in words. */
export function any(value) {
  if (value === null || value === undefined) return UNKNOWN;
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  if (typeof value !== 'number') return visible(value);
  if (Number.isInteger(value)) return grouped(value);
  return fixed(value, Math.abs(value) < 10 ? 3 : 1);
}

/** 2 410 000 */
export function grouped(value) {
  return fixed(value, 0).replace(/\B(?=(\d{3})+(?!\d))/g, '\u2009');
}

/** Text from a board: what would steer the reader's eye or terminal is made visible, and its length is bounded. */
export function visible(text, length = 160) {
  const plain = String(text).replace(/[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g, '\ufffd');
  return plain.length > length ? plain.slice(0, length) + '…' : plain;
}

/** How long ago, coarse: "3 s", "45 min", "19 h", "5 d". */
export function age(seconds) {
  const s = Math.max(0, Math.round(seconds));
  if (!Number.isFinite(s)) return 'not known';
  if (s < 100) return s + ' s';
  if (s < 5400) return Math.round(s / 60) + ' min';
  if (s < 172800) return Math.round(s / 3600) + ' h';
  return Math.round(s / 86400) + ' d';
}

/** A duration in two units: "5 d 8 h", "36 min 41 s". */
export function duration(seconds) {
  if (!Number.isFinite(seconds)) return 'not known';
  const s = Math.floor(seconds), d = Math.floor(s / 86400), h = Math.floor(s / 3600) % 24, m = Math.floor(s / 60) % 60;
  if (d) return `${d} d ${h} h`;
  if (h) return `${h} h ${m} min`;
  return m ? `${m} min ${s % 60} s` : `${s} s`;
}

/** 12:04, or 12:04:11 */
export function clock(time, seconds = false) {
  if (!Number.isFinite(time)) return UNKNOWN;
  const at = new Date(time * 1000);
  return two(at.getHours()) + ':' + two(at.getMinutes()) + (seconds ? ':' + two(at.getSeconds()) : '');
}

/** 24 Nov */
export function day(time) {
  const at = new Date(time * 1000);
  return at.getDate() + ' ' + MONTHS[at.getMonth()];
}

/** A moment as near as it has to be said: "12:04", "yesterday 12:04", "21 Nov 12:04", "21 Nov 2025". */
export function moment(time, now, seconds = false) {
  if (!Number.isFinite(time)) return 'not known';
  const at = new Date(time * 1000), today = new Date(now * 1000);
  const days = Math.round((new Date(today).setHours(0, 0, 0, 0) - new Date(at).setHours(0, 0, 0, 0)) / 864e5);
  if (days === 0) return clock(time, seconds);
  if (days === 1) return 'yesterday ' + clock(time);
  return at.getFullYear() === today.getFullYear() ? day(time) + ' ' + clock(time) : day(time) + ' ' + at.getFullYear();
}

/** "12:04–12:11", with days where it does not lie within today. */
export function span(from, to, now) {
  const same = new Date(from * 1000).toDateString() === new Date(to * 1000).toDateString();
  const start = moment(from, now), end = same ? clock(to) : moment(to, now);
  return start === end ? start : start + '–' + end;
}

/** The length of a bucket. */
export function step(seconds) {
  if (seconds < 60) return fixed(seconds, seconds % 1 ? 1 : 0) + ' s';
  if (seconds < 3600) return fixed(seconds / 60, seconds % 60 ? 1 : 0) + ' min';
  return fixed(seconds / 3600, seconds % 3600 ? 1 : 0) + ' h';
}

/** Bytes a second. */
export function rate(value) {
  return typeof value === 'number' && Number.isFinite(value) ? bytes(value) + '/s' : UNKNOWN;
}

/** Bytes in units of a thousand. */
export function bytes(value) {
  if (typeof value !== 'number' || !Number.isFinite(value)) return UNKNOWN;
  for (const [size, unit] of [[1e12, 'TB'], [1e9, 'GB'], [1e6, 'MB'], [1e3, 'kB']]) {
    if (Math.abs(value) >= size) return fixed(value / size, 1).replace('.0', '') + ' ' + unit;
  }
  return fixed(value, 0) + ' B';
}

export function plural(count, one, many = one + 's') {
  return `${grouped(count)} ${count === 1 ? one : many}`;
}

export function capital(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
