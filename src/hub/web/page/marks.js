// What happened in a range: gaps, stretches that arrived late, reboots, bars of under-voltage; in the lane above the
// charts, over them, and as a list.

import {gaps} from './chart.js';
import {moment, span} from './format.js';
import {now} from './model.js';
import {el} from './dom.js';

/** A character of a label, about; the height of the lane's rows. */
const LETTER_PX = 6.6;
const ROW_PX = 20;

/** All marks of the range in time: `{kind, from, to, text, crit, row}`; `to` null: still. `bars` have a row of the lane each. */
export function marksOf(host, {primary, bars, from, to}) {
	const marks = [], t = now(), mark = (kind, start, end, text, more) => marks.push({kind, from: start, to: end, text, ...more});
	const times = primary.flatMap(s => s.t.filter((_, i) => s.avg[i] !== null)).sort((a, b) => a - b), hole = Math.max(1, ...primary.map(s => s.hole));
	for (const gap of gaps(times, hole, to)) mark('gap', gap.from, gap.to, gap.to === null ? `no reports since ${moment(gap.from, t)}` : `no reports, ${span(gap.from, gap.to, t)}`);
	const [begin] = times;
	if (begin - from > Math.max(hole, 15)) {
		if (host?.first_heard < begin - hole) mark('gap', Math.max(from, host.first_heard), begin, `no reports before ${moment(begin, t)}`);
		else mark('first', begin, begin, `first report ${moment(begin, t)}`);
	}
	for (const {at} of host?.boots ?? []) if (at >= from) mark('reboot', at, at, `reboot ${moment(at, t)}`);
	for (const {at} of host?.restarts ?? []) if (at >= from) mark('restart', at, at, `agent restarted ${moment(at, t)}`);
	for (const late of host?.filled ?? []) if (late.to >= from) mark('late', late.from, late.to, `arrived late, ${span(late.from, late.to, t)}`);
	let row = 0;
	for (const {text, crit, s} of bars) {
		const list = stretches(s, to);
		for (const bar of list) mark('bar', bar.from, bar.to, `${text} ${bar.to === null ? 'since ' + moment(bar.from, t) : span(bar.from, bar.to, t)}`, {crit, row});
		if (list.length) row++;
	}
	return marks.sort((a, b) => a.from - b.from);
}

/** Puts the marks into `lane`, `over` and `list` of the stack. `width`: of the charts, in pixels. */
export function drawMarks({stack, lane, over, list}, marks, from, to, width) {
	const x = time => Math.max(0, Math.min(1, ((time ?? to) - from) / (to - from))) * width;
	const rows = Math.max(1, ...marks.map(mark => (mark.row ?? 0) + 1)), used = Array.from({length: rows + 1}, () => []), inLane = [], inOver = [];
	const put = (node, left, right, row) => {
		node.style.left = left + 'px';
		if (right > left) node.style.width = right - left + 'px';
		if (row !== undefined) node.style.top = 3 + row * ROW_PX + 'px';
		return node;
	};
	for (const {kind, from, to, row} of marks) if (kind === 'bar') used[row].push([x(from), x(to)]);
	// The newest have their names first.
	for (const mark of marks.toReversed()) {
		const left = x(mark.from), right = x(mark.to), kind = mark.crit ? 'bar crit' : mark.kind, row = mark.row ?? rows, wide = mark.text.length * LETTER_PX + 8, fits = mark.kind === 'bar' && right - left > wide;
		inOver.push(put(el('i', {class: kind}), left, right));
		if (mark.kind === 'late' || mark.kind === 'bar') inLane.push(put(el('span', {class: kind}, fits && mark.text), left, right, row));
		const start = fits ? undefined : [mark.to === null ? left + 6 : right + 6, left - wide].find(start => start >= 0 && start + wide <= width && !used[row].some(([a, b]) => start < b && start + wide > a));
		if (start === undefined) continue;
		used[row].push([start, start + wide]);
		inLane.push(put(el('span', {class: mark.kind === 'late' ? 'note filled' : 'note'}, mark.text), start, start, row));
	}
	stack.style.setProperty('--lane', (rows + 1) * ROW_PX + 4 + 'px');
	lane.replaceChildren(...inLane);
	over.replaceChildren(...inOver);
	list.replaceChildren(...marks.map(({kind, crit, text}) => el('li', el('i', {class: crit ? 'bar crit' : kind}), text)));
}

/** Stretches in which a truth value was true at all; `to` null where it still is. */
function stretches(s, end) {
	const list = [];
	let open = null;
	for (let i = 0; i < s.t.length; i++) {
		if (s.max[i] > 0) open = {from: open?.from ?? s.t[i], to: s.t[i]};
		else if (open) { list.push(open); open = null; }
	}
	if (open) list.push({from: open.from, to: end - open.to <= s.hole * 2 ? null : open.to});
	return list;
}
