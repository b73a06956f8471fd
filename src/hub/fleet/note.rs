//! What is kept of a board over a restart of the hub, beside its samples: a note of some hundred bytes to some
//! kilobytes of JSON. A board is noted every half hour that it is heard, and when it is lost, so that one that was lost
//! long ago is still shown with what it said last.
//!
//! The reports since then are told one by one with [`Fleet::recall`]: the journal of the history has them for an hour.

use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::fleet::board::Board;
use crate::fleet::cells::{Paths, Reading, Value};
use crate::fleet::heard::{MessageId, Source};
use crate::fleet::presence::State;
use crate::fleet::roster::{Interval, Roster, Turn};
use crate::fleet::{Fleet, is_among, report};

/// From one note about a board to the next: half of what the journal has.
const EVERY_MS: i64 = 30 * 60_000;

#[derive(Serialize, Deserialize)]
struct Note {
    source: Source,
    address: Option<IpAddr>,
    first_heard_ms: i64,
    heard_ms: i64,
    sampled_ms: i64,
    interval: Interval,
    #[serde(default)]
    arrivals: Interval,
    roster: Roster,
    /// Paths, and what they said last.
    values: Vec<(Box<str>, Option<Noted>)>,
}

/// A [`Value`] that is not null.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Noted {
    Truth(bool),
    Number(f64),
    Text(Box<str>),
}

impl Noted {
    fn of(value: &Value) -> Option<Self> {
        match value {
            Value::Unsaid | Value::Missing => None,
            Value::Number(number) => Some(Self::Number(*number)),
            Value::Truth(truth) => Some(Self::Truth(*truth)),
            Value::Text(text) => Some(Self::Text(text.clone())),
        }
    }

    fn reading(&self) -> Reading<'_> {
        match self {
            Self::Truth(truth) => Reading::Truth(*truth),
            Self::Number(number) => Reading::Number(*number),
            Self::Text(text) => Reading::Text(text),
        }
    }
}

impl Board {
    fn is_to_be_noted(&self, now_ms: i64) -> bool {
        let is_due = now_ms.saturating_sub(self.noted_ms) >= EVERY_MS || self.state == State::Lost;
        self.heard_ms >= self.noted_ms && is_due
    }

    fn note(&self) -> Note {
        let values = self.cells.paths.iter().zip(&self.cells.cells);
        let values = values.filter(|(_, cell)| cell.value != Value::Unsaid);
        Note {
            source: self.source,
            address: self.address,
            first_heard_ms: self.first_heard_ms,
            heard_ms: self.heard_ms,
            sampled_ms: self.sampled_ms,
            interval: self.interval,
            arrivals: self.arrivals,
            roster: self.roster.clone(),
            values: values.map(|(path, cell)| ((**path).into(), Noted::of(&cell.value))).collect(),
        }
    }
}

impl Fleet {
    /// Notes about at most `most` boards of which one is due. All that were heard since their last one are due where
    /// `is_end`.
    pub fn notes(&mut self, now_ms: i64, most: usize, is_end: bool) -> Vec<(Arc<str>, Vec<u8>)> {
        let is_due =
            |board: &&mut Board| board.is_to_be_noted(now_ms) || is_end && board.heard_ms >= board.noted_ms;
        let due = self.boards.iter_mut().filter(is_due).take(most);
        due.filter_map(|board| {
            board.noted_ms = now_ms;
            // Every key is a text, and every number finite or null.
            Some((board.name.clone(), serde_json::to_vec(&board.note()).ok()?))
        })
        .collect()
    }

    /// Takes over a note about a board that was not heard since the start; an empty one is about one that was forgotten.
    /// False where it cannot be read, or there are too many boards or series.
    pub fn restore(&mut self, name: &str, note: &[u8]) -> bool {
        if note.is_empty() {
            self.gone.push_back((0, name.into()));
            return true;
        }
        let Ok(note) = serde_json::from_slice::<Note>(note) else { return false };
        let series = note.values.len();
        let has_room = series < self.bounds.series_a_board && self.series + series <= self.bounds.series;
        if self.index.contains_key(name) || self.boards.len() >= self.bounds.boards || !has_room {
            return false;
        }
        let mut board = Board::new(name, note.source, note.heard_ms, self.generation);
        board.restore(note, self.generation, &mut self.paths);
        self.series += board.cells.cells.len();
        self.add(board);
        true
    }

    /// Takes over a report from before the start, in the order in which they came, after all notes. Its samples do not
    /// become what the board says now.
    pub fn recall<'s>(
        &mut self,
        name: &str,
        id: Option<MessageId>,
        at_ms: i64,
        samples: impl Iterator<Item = (&'s str, f64)>,
    ) {
        let known = self.index.get(name).copied();
        let index = match known {
            Some(index) => index,
            None if self.boards.len() >= self.bounds.boards || is_among(&self.gone, name) => return,
            None => self.add(Board::new(name, Source::Amqp, at_ms, self.generation)),
        };
        let Some(board) = self.boards.get_mut(index) else { return };
        let is_newer = at_ms > board.sampled_ms;
        let is_known = match id {
            Some(_) => board.roster.turn(id) == Turn::Duplicate,
            None => !is_newer,
        };
        if !is_known {
            board.roster.note(id, None, at_ms, at_ms);
        }
        if is_newer {
            board.sampled_ms = at_ms;
            board.heard_ms = board.heard_ms.max(at_ms);
            board.noted_ms = board.noted_ms.min(board.heard_ms);
        }
        self.refill(index, at_ms, samples);
    }

    fn refill<'s>(&mut self, index: usize, at_ms: i64, samples: impl Iterator<Item = (&'s str, f64)>) {
        let Some(board) = self.boards.get_mut(index) else { return };
        let before = (board.recent.bytes(), board.cells.cells.len());
        self.samples.clear();
        for (path, value) in samples.filter(|(path, _)| path.len() <= report::PATH) {
            let count = board.cells.cells.len();
            let is_full = count + 1 >= self.bounds.series_a_board
                || self.series + count - before.1 >= self.bounds.series;
            let slot = match board.cells.slot(path, &self.paths) {
                None if !is_full => board.cells.add(path, path.contains('.'), &mut self.paths),
                slot => slot,
            };
            self.samples.extend(slot.map(|slot| (slot, value)));
        }
        board.cells.settle(before.1);
        if self.bytes < self.bounds.bytes {
            board.recent.push(at_ms, &self.samples, at_ms.max(board.sampled_ms));
        }
        self.series += board.cells.cells.len() - before.1;
        self.bytes = self.bytes + board.recent.bytes() - before.0;
    }

    /// Begins at `now_ms` with what was restored and recalled. Which boards were lost is judged as of the last report
    /// that came at all; the others have from now on as long as usual to be heard again.
    pub fn open(&mut self, now_ms: i64) {
        self.opened_ms = now_ms;
        let stopped_ms = self.boards.iter().map(|board| board.heard_ms).max().unwrap_or(now_ms).min(now_ms);
        for board in &mut self.boards {
            board.heard_ms = board.heard_ms.min(now_ms);
            board.recent.begin();
            board.judge(stopped_ms, self.generation);
        }
    }
}

impl Board {
    fn restore(&mut self, note: Note, generation: u64, paths: &mut Paths) {
        self.address = note.address;
        (self.first_heard_ms, self.sampled_ms) = (note.first_heard_ms, note.sampled_ms);
        (self.noted_ms, self.last_ms) = (note.heard_ms, note.sampled_ms);
        (self.interval, self.arrivals, self.roster) = (note.interval, note.arrivals, note.roster);
        for (path, value) in &note.values {
            let slot = match self.cells.slot(path, paths) {
                None => self.cells.add(path, path.contains('.'), paths),
                slot => slot,
            };
            let reading = value.as_ref().map_or(Reading::Null, Noted::reading);
            if let Some(slot) = slot {
                self.cells.say(slot, reading, generation, paths);
            }
        }
        self.cells.settle(0);
    }
}
