// What happened in a range: gaps, stretches that arrived late, reboots, bars of under-voltage; in the lane above the
// charts, over them, and as a list.

import { gaps } from './chart.js';
import { clock, moment, span } from './format.js';
import { now } from './model.js';
import { el } from './dom.js';

const LABEL_PX = 7; // a character of a label, about

/** All marks of the range as `{kind, from, to, text, crit}`, in time; `to` null: still. */
export function marksOf({ host, data, from, to }) {
  const marks = [], t = now(), within = (time) => time >= from && time <= to;
  const times = heardTimes(data), hole = Math.max(...data.primary.map((s) => s.hole), 1);
  for (const gap of gaps(times, hole, to)) {
    const text = gap.to === null ? `no reports since ${moment(gap.from, t)}` : `no reports, ${span(gap.from, gap.to, t)}`;
    marks.push({ kind: 'gap', ...gap, text });
  }
  const begin = times[0], first = host?.first_heard;
  if (begin !== undefined && begin - from > Math.max(hole, 15)) {
    if (first < begin - hole && first > from) marks.push({ kind: 'gap', from: first, to: begin, text: `no reports, ${span(first, begin, t)}` });
    else if (first < from) marks.push({ kind: 'gap', from, to: begin, text: `no reports before ${moment(begin, t)}` });
    else marks.push({ kind: 'first', from: begin, to: begin, text: `first report ${moment(begin, t)}` });
  }
  for (const { at: time } of host?.boots ?? []) if (within(time)) marks.push({ kind: 'reboot', from: time, to: time, text: `reboot ${moment(time, t)}` });
  for (const { at: time } of host?.restarts ?? []) if (within(time)) marks.push({ kind: 'restart', from: time, to: time, text: `agent restarted ${moment(time, t)}` });
  for (const late of host?.filled ?? []) if (late.to >= from && late.from <= to) marks.push({ kind: 'late', from: late.from, to: late.to, text: `arrived late, ${span(late.from, late.to, t)}` });
  for (const { name, crit, series } of data.bars) {
    for (const bar of stretches(series, to)) marks.push({ kind: 'bar', crit, ...bar, text: bar.to === null ? `${name} since ${clock(bar.from)}` : `${name} ${span(bar.from, bar.to, t)}` });
  }
  return marks.sort((a, b) => a.from - b.from);
}

/** Puts the marks into `lane`, `over` and `list`. `width`: of the charts, in pixels. */
export function drawMarks({ lane, over, list }, marks, from, to, width) {
  const x = (time) => Math.max(0, Math.min(1, ((time ?? to) - from) / (to - from))) * width;
  const used = { up: [], down: [] }, inLane = [], inOver = [];
  for (const mark of marks) {
    const left = x(mark.from), right = x(mark.to), kind = `${mark.kind}${mark.crit ? ' crit' : ''}`;
    inOver.push(put(el('i', { class: kind }), left, right - left));
    if (mark.kind === 'late') inLane.push(put(el('i', { class: 'late' }), left, right - left));
    if (mark.kind === 'bar') {
      const fits = right - left > mark.text.length * LABEL_PX + 10;
      inLane.push(put(el('span', { class: kind, text: fits ? mark.text : '' }), left, right - left));
      used.up.push([left, right]);
      if (fits) continue;
    }
    const row = mark.kind === 'bar' ? 'up' : 'down', place = free(used[row], left, right, mark.text.length * LABEL_PX, width);
    if (place === null) continue;
    const label = el('span', { class: `note ${row}${mark.kind === 'late' ? ' filled' : ''}`, text: mark.text });
    label.style.left = place + 'px';
    inLane.push(label);
  }
  lane.replaceChildren(...inLane);
  over.replaceChildren(...inOver);
  list.replaceChildren(...marks.map((mark) => el('li', {}, el('i', { class: `${mark.kind}${mark.crit ? ' crit' : ''}` }), mark.text)));
}

/** Where a label of `wide` pixels has room: right of its mark, else left of it, else nowhere. */
function free(used, left, right, wide, width) {
  for (const start of [right + 6, left - wide - 6]) {
    const end = start + wide;
    if (start < 0 || end > width || used.some(([a, b]) => start < b && end > a)) continue;
    used.push([start, end]);
    return start;
  }
  return null;
}

function put(node, left, width) {
  node.style.left = left + 'px';
  if (width > 0) node.style.width = width + 'px';
  return node;
}

/** Times at which the board was heard: those of any of its main series. */
function heardTimes({ primary }) {
  const times = [];
  for (const s of primary) for (let i = 0; i < s.t.length; i++) if (s.avg[i] !== null) times.push(s.t[i]);
  return times.sort((a, b) => a - b);
}

/** Stretches in which a truth value was true at all; `to` null where it still is. */
function stretches(s, end) {
  const list = [];
  let open = null;
  for (let i = 0; i < s.t.length; i++) {
    if (s.max[i] > 0) open = open ? { from: open.from, to: s.t[i] } : { from: s.t[i], to: s.t[i] };
    else if (open) { list.push({ from: open.from, to: s.avg[i] === null ? open.to : s.t[i] }); open = null; }
  }
  if (open) list.push({ from: open.from, to: end - open.to <= s.hole * 2 ? null : open.to });
  return list;
}
