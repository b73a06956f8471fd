//! One board, as far as its reports tell.

use std::net::IpAddr;
use std::sync::Arc;

use crate::fleet::cells::{Cells, Paths, Reading, Value};
use crate::fleet::heard::{Heard, Source};
use crate::fleet::presence::{self, NOT_HEARD, State};
use crate::fleet::recent::Recent;
use crate::fleet::report::Reader;
use crate::fleet::roster::{Interval, Roster, Turn};
use psistats_core::time::is_clock_set;

/// The series that tells by how many seconds the board's clock is before the hub's.
pub const CLOCK_DIFFERENCE: &str = "clock_difference";

/// The last millisecond of the year 9999.
const LAST_MS: i64 = 253_402_300_799_999;

/// What a board needs of its fleet while it takes a report.
#[derive(Debug)]
pub(super) struct Desk<'f> {
    /// When the report came.
    pub now_ms: i64,
    /// That of the view.
    pub generation: u64,
    /// Of all boards.
    pub paths: &'f mut Paths,
    /// The board may have one more series.
    pub has_room: bool,
    /// Where the numbers of the report go.
    pub samples: &'f mut Vec<(u16, f64)>,
}

/// One board. Times are Unix milliseconds by the hub's clock, but where it says otherwise.
#[derive(Debug)]
pub struct Board {
    /// Its host name.
    pub name: Arc<str>,
    /// Its series.
    pub cells: Cells,
    /// Their samples of the last hour.
    pub recent: Recent,
    /// Which of its reports came.
    pub roster: Roster,
    /// How often they are made.
    pub interval: Interval,
    /// How often any come: several may come at once, in one message or on one connection.
    pub(super) arrivals: Interval,
    /// When one came last, since the start of the hub.
    arrived_ms: Option<i64>,
    /// So long the board waits for more to send with a report, as was known before the last pause.
    gathers_ms: i64,
    /// How the newest one came.
    pub source: Source,
    /// Where it came from, of what is known of that.
    pub address: Option<IpAddr>,
    /// When the first one came.
    pub first_heard_ms: i64,
    /// When the last one came.
    pub heard_ms: i64,
    /// When the newest one was sampled, by the board's clock.
    pub sampled_ms: i64,
    /// How it is.
    pub state: State,
    /// Since when; of a board that is lost, when it was last heard.
    pub since_ms: i64,
    /// Why it is not well.
    pub why: String,
    /// The generations in which it came, was heard, and changed its state.
    pub born: u64,
    /// See `born`.
    pub touched: u64,
    /// See `born`.
    pub turned: u64,
    /// When it was noted last.
    pub(super) noted_ms: i64,
    /// Of the report that came last, when it was sampled.
    pub(super) last_ms: i64,
    /// The number of the newest report.
    number: Option<u64>,
    difference: Option<u16>,
}

impl Board {
    /// A board that nothing was heard of before `now_ms`.
    pub fn new(name: &str, source: Source, now_ms: i64, generation: u64) -> Self {
        Self {
            name: name.into(),
            cells: Cells::default(),
            recent: Recent::default(),
            roster: Roster::default(),
            interval: Interval::default(),
            arrivals: Interval::default(),
            arrived_ms: None,
            gathers_ms: 0,
            source,
            address: None,
            first_heard_ms: now_ms,
            heard_ms: now_ms,
            sampled_ms: i64::MIN,
            state: State::Well,
            since_ms: now_ms,
            why: String::new(),
            born: generation,
            touched: generation,
            turned: generation,
            noted_ms: now_ms,
            last_ms: i64::MIN,
            number: None,
            difference: None,
        }
    }

    /// Takes the report that `reader` has just read. Gives what it is, and when it was sampled.
    pub(super) fn take(&mut self, heard: &Heard, reader: &Reader, desk: &mut Desk<'_>) -> (Turn, i64) {
        let (now_ms, generation) = (desk.now_ms, desk.generation);
        let told_ms = sampled(heard.sampled_ms, reader.ts_ms);
        let at_ms = told_ms.filter(|told| is_possible(*told, now_ms)).unwrap_or(now_ms).clamp(0, LAST_MS);
        let in_step = self.is_in_step(at_ms, now_ms);
        let peer = heard.peer.map(|peer| peer.ip().to_canonical());
        let mut turn = self.roster.note(heard.id, peer, at_ms, now_ms);
        let pause_ms = self.arrived_ms.map(|arrived_ms| now_ms.saturating_sub(arrived_ms));
        // Those of one message come together.
        if let Some(pause_ms) = pause_ms.filter(|pause_ms| *pause_ms > self.interval.ms() / 4) {
            let usual_ms = if self.arrivals.is_settled() { self.arrivals.ms() } else { 0 };
            self.gathers_ms = usual_ms.saturating_sub(self.interval.ms()).max(0);
            self.arrivals.note(pause_ms);
        }
        self.arrived_ms = Some(now_ms);
        self.heard_ms = now_ms;
        self.touched = generation;
        if turn == Turn::Duplicate {
            return (turn, at_ms);
        }
        // Without a number the time has to tell. A clock that was set back is believed at the second report.
        if heard.id.is_none() && at_ms < self.sampled_ms && !in_step {
            turn = Turn::Late;
            self.roster.late += 1;
        }
        self.last_ms = at_ms;
        if told_ms.is_some() {
            let ahead_ms = self.ahead_ms().unwrap_or(0);
            let late_ms = now_ms.saturating_sub(at_ms).saturating_add(ahead_ms);
            self.roster.note_delay(at_ms, late_ms.saturating_sub(self.gathers_ms));
        }
        let numbers = reader.readings().filter_map(|(slot, reading)| Some((slot, reading.number()?)));
        desk.samples.extend(numbers);
        if turn == Turn::New {
            self.note_interval(at_ms, heard.id.map(|id| id.number));
            (self.source, self.address) = (heard.source, peer.or(self.address));
            self.sampled_ms = at_ms;
            for (slot, reading) in reader.readings() {
                self.cells.say(slot, reading, generation, desk.paths);
            }
            for whole in reader.empty() {
                self.cells.end_members(whole, generation);
            }
            if self.cells.moved {
                self.cells.sweep(generation);
            }
            if let Some(told_ms) = told_ms
                && in_step
            {
                self.note_difference(told_ms.saturating_sub(now_ms), desk);
            }
            self.cells.extend(desk.samples, at_ms);
        }
        self.recent.push(at_ms, desk.samples, self.sampled_ms);
        self.judge(now_ms, generation);
        (turn, at_ms)
    }

    /// Whether as much time passed on the board as here since the report before: not so in a backlog.
    fn is_in_step(&self, at_ms: i64, now_ms: i64) -> bool {
        let there = at_ms.saturating_sub(self.last_ms);
        let here = now_ms.saturating_sub(self.heard_ms);
        there > 0 && here >= there / 2 && here <= there.saturating_mul(2).saturating_add(500)
    }

    fn note_interval(&mut self, at_ms: i64, number: Option<u64>) {
        let before = std::mem::replace(&mut self.number, number);
        let reports = number.zip(before).and_then(|(number, before)| number.checked_sub(before));
        let reports = reports.and_then(|reports| i64::try_from(reports).ok()).unwrap_or(1).max(1);
        self.interval.note(at_ms.saturating_sub(self.sampled_ms) / reports);
    }

    /// The usual time from its last report, or message of several, to the next: milliseconds; 0 where it is not known yet.
    pub fn pause_ms(&self) -> i64 {
        self.interval.ms().max(self.arrivals.ms())
    }

    /// By how much the board's clock is before the hub's, where that is known.
    #[expect(clippy::cast_possible_truncation, reason = "of a difference of two times in milliseconds")]
    fn ahead_ms(&self) -> Option<i64> {
        let seconds = self.cells.value(self.difference?)?.number()?;
        Some((seconds * 1000.0) as i64)
    }

    /// Tenths of a second: a network makes the rest.
    fn note_difference(&mut self, ms: i64, desk: &mut Desk<'_>) {
        if self.difference.is_none() {
            self.difference = self.cells.slot(CLOCK_DIFFERENCE, desk.paths);
        }
        if self.difference.is_none() && desk.has_room {
            self.difference = self.cells.add(CLOCK_DIFFERENCE, false, desk.paths);
        }
        let Some(slot) = self.difference else { return };
        let seconds = (ms as f64 / 100.0).round() / 10.0;
        self.cells.say(slot, Reading::Number(seconds), desk.generation, desk.paths);
        desk.samples.retain(|(has, _)| *has != slot);
        desk.samples.push((slot, seconds));
    }

    /// Finds how it is at `now_ms`.
    pub(super) fn judge(&mut self, now_ms: i64, generation: u64) {
        let (state, since_ms, why) = if presence::is_lost(self.heard_ms, now_ms, self.pause_ms()) {
            (State::Lost, self.heard_ms, NOT_HEARD.to_owned())
        } else {
            match self.cells.limit() {
                Some((rule, why)) => (rule.state(), now_ms, why),
                None => (State::Well, now_ms, String::new()),
            }
        };
        if state != self.state {
            (self.state, self.since_ms, self.turned) = (state, since_ms, generation);
        }
        if why != self.why {
            (self.why, self.turned) = (why, generation);
        }
        if self.turned == generation {
            self.touched = generation;
        }
    }

    /// Where its reports came from: the newest first.
    pub fn addresses(&self) -> Vec<IpAddr> {
        let mut addresses: Vec<_> = self.address.into_iter().collect();
        for address in self.roster.addresses() {
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        addresses
    }

    /// What a series says; None where there is none.
    pub fn value(&self, path: &str, paths: &Paths) -> Option<&Value> {
        self.cells.value(self.cells.slot(path, paths)?)
    }
}

/// Whether a report that comes at `now_ms` can be of that time: no board keeps reports for a year, and none is a day ahead.
/// Before its clock is set it starts in 1970, or at a time that its maker chose. Where it is the hub's that is not set,
/// the board's is as good.
fn is_possible(at_ms: i64, now_ms: i64) -> bool {
    const DAY_MS: i64 = 86_400_000;
    let ahead_ms = at_ms.saturating_sub(now_ms);
    !is_clock_set(now_ms) || (-366 * DAY_MS..=DAY_MS).contains(&ahead_ms)
}

/// The time of the sample: of the message, whose seconds the body may refine.
fn sampled(message_ms: Option<i64>, body_ms: Option<i64>) -> Option<i64> {
    match (message_ms, body_ms) {
        (Some(message), Some(body)) if message.abs_diff(body) > 1_000 => Some(message),
        (message, body) => body.or(message),
    }
}
