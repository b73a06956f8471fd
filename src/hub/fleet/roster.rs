//! Which reports of a board have come: exactly once each, however often and in whatever order they arrive.
//!
//! A run is one life of an agent, told by boot and start of its [`MessageId`]. Of each run the highest number and the
//! gaps below it are known, so that a report is new, late (it fills a gap) or a duplicate.

use std::collections::VecDeque;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::fleet::heard::MessageId;

/// The most gaps of a run. The numbers of an older gap are lost for good, and would be taken for duplicates.
pub const GAPS: usize = 64;
/// The most runs of a board that are known.
pub const RUNS: usize = 4;
/// The most reboots and restarts whose times are known.
pub const EVENTS: usize = 16;

/// A report that came so much later than it was sampled was kept by the board meanwhile.
const LATE_MS: i64 = 10_000;
/// Such reports that are no further apart are of one stretch.
const APART_MS: i64 = 120_000;

/// How long two boards of one name are a conflict after both were heard.
const CONFLICT_MS: i64 = 120_000;
/// So often both have to be heard in turn: more than by one report from before a reboot.
const ALTERNATIONS: u32 = 4;

/// What a report is among those of its board.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// The newest of its run, or without an id.
    New,
    /// Newer ones came before it.
    Late,
    /// It was here already.
    Duplicate,
}

/// Numbers that have not come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Gap {
    first: u64,
    last: u64,
    /// They count as lost: not those from before the hub listened.
    lost: bool,
}

/// One life of an agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Run {
    boot: u128,
    start: u128,
    /// The highest number that came.
    last: u64,
    /// In order.
    gaps: VecDeque<Gap>,
    peer: Option<IpAddr>,
}

impl Run {
    fn new(id: MessageId, peer: Option<IpAddr>, lost: bool) -> Self {
        let mut run = Self { boot: id.boot, start: id.start, last: id.number, gaps: VecDeque::new(), peer };
        if id.number > 1 {
            run.gaps.push_back(Gap { first: 1, last: id.number - 1, lost });
        }
        run
    }

    fn turn(&self, number: u64) -> Turn {
        if number > self.last {
            Turn::New
        } else if self.gaps.iter().any(|gap| (gap.first..=gap.last).contains(&number)) {
            Turn::Late
        } else {
            Turn::Duplicate
        }
    }

    /// Notes a number. Gives what that adds to the number of lost reports.
    fn note(&mut self, number: u64) -> i128 {
        if number > self.last {
            let missing = number - self.last - 1;
            if missing > 0 {
                self.gaps.push_back(Gap { first: self.last + 1, last: number - 1, lost: true });
            }
            self.last = number;
            self.bound();
            return i128::from(missing);
        }
        let Some(place) = self.gaps.iter().position(|gap| (gap.first..=gap.last).contains(&number)) else {
            return 0;
        };
        let Some(gap) = self.gaps.remove(place) else { return 0 };
        if number < gap.last {
            self.gaps.insert(place, Gap { first: number + 1, ..gap });
        }
        if number > gap.first {
            self.gaps.insert(place, Gap { last: number - 1, ..gap });
        }
        self.bound();
        -i128::from(gap.lost)
    }

    fn bound(&mut self) {
        while self.gaps.len() > GAPS {
            self.gaps.pop_front();
        }
    }
}

/// Reports that the board kept while it could not send them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stretch {
    /// When the first of them was sampled: Unix milliseconds.
    pub from_ms: i64,
    /// When the last of them was.
    pub to_ms: i64,
}

/// Two boards of one name, heard in turn.
#[derive(Clone, Copy, Debug)]
struct Alternation {
    times: u32,
    at_ms: i64,
    other: Option<IpAddr>,
}

/// The reports of one board. What is kept of it over a restart of the hub is what serde writes.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Roster {
    /// That which was heard last is the last.
    runs: VecDeque<Run>,
    /// Reports that came, once each.
    pub reports: u64,
    /// Numbers that have not come.
    pub lost: u64,
    /// Numbers that were among the lost, and came after all.
    #[serde(default)]
    pub recovered: u64,
    /// Reports that came again.
    pub duplicates: u64,
    /// Reports that came after newer ones.
    pub late: u64,
    /// When the board started again: Unix milliseconds.
    pub boots: VecDeque<i64>,
    /// When the agent started again without the board.
    pub restarts: VecDeque<i64>,
    /// What was filled in after an outage.
    pub filled: VecDeque<Stretch>,
    #[serde(skip)]
    alternation: Option<Alternation>,
}

impl Roster {
    /// What a report is. It is not noted.
    pub fn turn(&self, id: Option<MessageId>) -> Turn {
        let run = id.and_then(|id| Some((self.runs.get(self.place(id)?)?, id)));
        run.map_or(Turn::New, |(run, id)| run.turn(id.number))
    }

    /// Notes a report that was sampled at `at_ms` and came at `now_ms`.
    pub fn note(&mut self, id: Option<MessageId>, peer: Option<IpAddr>, at_ms: i64, now_ms: i64) -> Turn {
        let turn = self.turn(id);
        match turn {
            Turn::Duplicate => {
                self.duplicates += 1;
                return turn;
            }
            Turn::Late => self.late += 1,
            Turn::New => {}
        }
        self.reports += 1;
        let Some(id) = id else { return turn };
        let Some(place) = self.place(id) else {
            self.begin(id, peer, at_ms);
            return turn;
        };
        let is_other = place + 1 < self.runs.len();
        if is_other && turn == Turn::New {
            self.alternate(now_ms);
        }
        let Some(mut run) = self.runs.remove(place) else { return turn };
        let change = run.note(id.number);
        self.recovered += u64::from(change < 0);
        self.lost = add(self.lost, change);
        run.peer = peer.or(run.peer);
        // A late report of an earlier run does not make it the present one.
        let place = if turn == Turn::New { self.runs.len() } else { place };
        self.runs.insert(place, run);
        turn
    }

    /// Notes that a report, sampled at `at_ms`, took `late_ms` to come.
    pub fn note_delay(&mut self, at_ms: i64, late_ms: i64) {
        if late_ms < LATE_MS {
            return;
        }
        let near = |stretch: &&mut Stretch| {
            (stretch.from_ms.saturating_sub(APART_MS)..=stretch.to_ms.saturating_add(APART_MS))
                .contains(&at_ms)
        };
        if let Some(stretch) = self.filled.iter_mut().rev().find(near) {
            stretch.from_ms = stretch.from_ms.min(at_ms);
            stretch.to_ms = stretch.to_ms.max(at_ms);
            return;
        }
        self.filled.push_back(Stretch { from_ms: at_ms, to_ms: at_ms });
        if self.filled.len() > EVENTS {
            self.filled.pop_front();
        }
    }

    /// The addresses of two boards that both have this name, as of `now_ms`.
    pub fn conflict(&self, now_ms: i64) -> Option<Vec<IpAddr>> {
        let found = self.alternation.filter(|found| found.times >= ALTERNATIONS)?;
        (now_ms.saturating_sub(found.at_ms) < CONFLICT_MS).then(|| {
            let mut addresses: Vec<_> = self.address().into_iter().chain(found.other).collect();
            addresses.dedup();
            addresses
        })
    }

    /// Where the newest run came from.
    pub fn address(&self) -> Option<IpAddr> {
        self.runs.back()?.peer
    }

    /// Where the runs that are known came from.
    pub fn addresses(&self) -> Vec<IpAddr> {
        let mut addresses: Vec<_> = self.runs.iter().rev().filter_map(|run| run.peer).collect();
        let mut seen = Vec::new();
        addresses.retain(|address| {
            let is_first = !seen.contains(address);
            seen.push(*address);
            is_first
        });
        addresses
    }

    /// The newest number of the newest run, where reports have ids.
    pub fn number(&self) -> Option<u64> {
        Some(self.runs.back()?.last)
    }

    fn place(&self, id: MessageId) -> Option<usize> {
        self.runs.iter().rposition(|run| run.boot == id.boot && run.start == id.start)
    }

    fn begin(&mut self, id: MessageId, peer: Option<IpAddr>, at_ms: i64) {
        if let Some(before) = self.runs.back() {
            let events = if before.boot == id.boot { &mut self.restarts } else { &mut self.boots };
            events.push_back(at_ms);
            if events.len() > EVENTS {
                events.pop_front();
            }
        }
        // Where the hub was there already, it missed what came before the first number.
        let is_known = !self.runs.is_empty();
        if is_known {
            self.lost = add(self.lost, i128::from(id.number.saturating_sub(1)));
        }
        self.runs.push_back(Run::new(id, peer, is_known));
        if self.runs.len() > RUNS {
            self.runs.pop_front();
        }
    }

    /// The run before the last one is heard again, with a new number: both are alive.
    fn alternate(&mut self, now_ms: i64) {
        let recent = self.alternation.filter(|found| now_ms.saturating_sub(found.at_ms) < CONFLICT_MS);
        let times = recent.map_or(0, |found| found.times).saturating_add(1);
        self.alternation = Some(Alternation { times, at_ms: now_ms, other: self.address() });
    }
}

fn add(count: u64, change: i128) -> u64 {
    u64::try_from((i128::from(count) + change).max(0)).unwrap_or(u64::MAX)
}

/// The time between two reports: the median of the last ones, so that an outage or a burst does not change it.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Interval {
    steps: [u32; 9],
    count: usize,
}

impl Interval {
    /// Notes that a report was sampled so long after the one before.
    pub fn note(&mut self, step_ms: i64) {
        if let Ok(step @ 1..) = u32::try_from(step_ms) {
            let place = self.count % self.steps.len();
            if let Some(slot) = self.steps.get_mut(place) {
                *slot = step;
            }
            self.count += 1;
        }
    }

    /// Whether one outage among so many would not change it.
    pub fn is_settled(&self) -> bool {
        self.count >= 3
    }

    /// Milliseconds; 0 where it is not known yet.
    pub fn ms(&self) -> i64 {
        let mut steps = self.steps;
        let Some(known) = steps.get_mut(..self.count.min(self.steps.len())) else { return 0 };
        if known.is_empty() {
            return 0;
        }
        let middle = known.len() / 2;
        i64::from(*known.select_nth_unstable(middle).1)
    }
}
