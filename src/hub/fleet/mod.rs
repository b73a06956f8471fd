//! The state of all boards, with one owner: reports go in, views come out. It does no I/O and reads no clock.
//!
//! | where | what |
//! |---|---|
//! | [`heard`] | what an intake hands in |
//! | [`name`] | whose report it is |
//! | [`report`] | from JSON to series; [`chasar`] has the paths of chasar's messages |
//! | [`cells`] | the series of a board, and what each said last |
//! | [`roster`] | which reports came: reboots, restarts, losses, duplicates |
//! | [`recent`] | the samples of the last hour, compressed by [`series`]; [`points`] of a chart from them |
//! | [`presence`] | well, warning, critical, lost |
//! | [`board`] | all that, of one board |
//! | [`note`] | what is kept of a board over a restart of the hub |
//! | [`public`] | what of it identifies a board |
//! | [`view`] | JSON for the API, whole and what changed |
//!
//! ```text
//! at the start:     restore(note) for each board; recall(report) for each of the last hour; open(now)
//! for each report:  take(heard, now)         its samples are for the store
//! once a second:    tick(now); close()       then changes(since, now) is a frame
//! ```

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::Arc;

pub mod heard;
pub mod name;
pub mod report;
pub mod chasar;
pub mod cells;
pub mod roster;
pub mod recent;
pub mod series;
pub mod points;
pub mod presence;
pub mod board;
pub mod note;
pub mod public;
pub mod view;

pub use board::Board;
use board::Desk;
use cells::Paths;
pub use cells::Value;
pub use heard::{Heard, MessageId, Source};
pub use points::Points;
pub use presence::State;
pub use public::Audience;
use report::Reader;
pub use roster::{Roster, Turn};

/// What a fleet may grow to.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// The most boards.
    pub boards: usize,
    /// The most series of a board.
    pub series_a_board: usize,
    /// The most series of all boards.
    pub series: usize,
    /// The most bytes of the samples of the last hour; beyond, that hour is shorter.
    pub bytes: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { boards: 12_000, series_a_board: 512, series: 1_000_000, bytes: 1 << 30 }
    }
}

/// What has come, and what was refused of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Reports that were taken, once each.
    pub reports: u64,
    /// Reports that came again.
    pub duplicates: u64,
    /// Reports that came after newer ones.
    pub late: u64,
    /// Bodies that are no JSON object.
    pub malformed: u64,
    /// Reports without a host name.
    pub nameless: u64,
    /// Reports of boards beyond the bound.
    pub refused_boards: u64,
    /// Values of series beyond the bounds.
    pub refused_series: u64,
    /// Values whose path is too long.
    pub refused_paths: u64,
    /// Objects and arrays that lie too deep.
    pub refused_depth: u64,
    /// Blocks of samples that went before their hour was over.
    pub evicted: u64,
}

/// Why a report was not taken.
#[derive(Debug)]
pub enum Refusal {
    /// The body is not one JSON object.
    Malformed(serde_json::Error),
    /// It has no key `hostname` with a text of 1 to 255 bytes.
    Nameless,
    /// It is of a new board, and there are too many.
    Boards(usize),
}

impl std::error::Error for Refusal {}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(error) => write!(f, "not a JSON object: {error}"),
            Self::Nameless => f.write_str("a report without a hostname"),
            Self::Boards(most) => write!(f, "a new board beyond the limit of {most} boards"),
        }
    }
}

/// A report that was taken, for the store.
#[derive(Debug)]
pub struct Taken<'f> {
    /// The board's host name.
    pub name: &'f Arc<str>,
    /// What it is. A duplicate has no samples.
    pub turn: Turn,
    /// Its board was not known before.
    pub is_new_board: bool,
    /// When it was sampled, by the board's clock: Unix milliseconds.
    pub at_ms: i64,
    samples: &'f [(u16, f64)],
    paths: &'f [Arc<str>],
}

impl Taken<'_> {
    /// Its numbers and truth values: the series' slot among those of its board, its path, and the value.
    pub fn samples(&self) -> impl Iterator<Item = (u16, &Arc<str>, f64)> {
        self.samples
            .iter()
            .filter_map(|(slot, value)| Some((*slot, self.paths.get(usize::from(*slot))?, *value)))
    }
}

/// So many boards that were forgotten are remembered for those who have to be told.
const GONE: usize = 1_024;

/// All boards.
#[derive(Debug)]
pub struct Fleet {
    bounds: Bounds,
    boards: Vec<Board>,
    index: HashMap<Arc<str>, usize>,
    paths: Paths,
    reader: Reader,
    name: String,
    samples: Vec<(u16, f64)>,
    series: usize,
    bytes: usize,
    counters: Counters,
    /// That which is open: what changes now, changes in it.
    generation: u64,
    gone: VecDeque<(u64, Arc<str>)>,
    /// When it was opened: Unix milliseconds.
    opened_ms: i64,
    /// The newest generation of which some board that went is no longer in `gone`.
    forgotten: u64,
}

impl Fleet {
    /// A fleet without boards.
    pub fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            boards: Vec::new(),
            index: HashMap::new(),
            paths: Paths::default(),
            reader: Reader::default(),
            name: String::new(),
            samples: Vec::new(),
            series: 0,
            bytes: 0,
            counters: Counters::default(),
            generation: 1,
            gone: VecDeque::new(),
            opened_ms: i64::MIN,
            forgotten: 0,
        }
    }

    /// Takes a report that came at `now_ms`: Unix milliseconds by the hub's clock.
    ///
    /// # Errors
    /// It is refused, and counted; the fleet is as before.
    pub fn take(&mut self, heard: &Heard, now_ms: i64) -> Result<Taken<'_>, Refusal> {
        let Some(name) = name::host_name(&heard.body, &mut self.name) else {
            self.counters.nameless += 1;
            return Err(Refusal::Nameless);
        };
        let mut new = None;
        let is_full = self.boards.len() >= self.bounds.boards;
        let known = self.index.get(name).copied();
        let board = match known.and_then(|index| self.boards.get_mut(index)) {
            Some(board) => board,
            None if is_full => {
                self.counters.refused_boards += 1;
                return Err(Refusal::Boards(self.bounds.boards));
            }
            None => {
                let mut board = Board::new(name, heard.source, now_ms, self.generation);
                if is_among(&self.gone, name) {
                    // In the place of the note that it is forgotten.
                    board.noted_ms = i64::MIN;
                }
                new.insert(board)
            }
        };
        let before = (board.cells.cells.len(), board.recent.bytes());
        // One is for the difference of the clocks.
        let room = self.bounds.series_a_board.saturating_sub(before.0 + 1);
        let room = room.min(self.bounds.series.saturating_sub(self.series));
        let is_chasar = heard.source == Source::Chasar;
        let read = self.reader.read(&heard.body, is_chasar, &mut board.cells, &mut self.paths, room);
        if let Err(error) = read {
            self.counters.malformed += 1;
            return Err(Refusal::Malformed(error));
        }
        self.samples.clear();
        let count = board.cells.cells.len();
        let has_room =
            count < self.bounds.series_a_board && self.series + count - before.0 < self.bounds.series;
        let mut desk = Desk {
            now_ms,
            generation: self.generation,
            paths: &mut self.paths,
            has_room,
            samples: &mut self.samples,
        };
        let (turn, at_ms) = board.take(heard, &self.reader, &mut desk);
        match turn {
            Turn::Duplicate => self.counters.duplicates += 1,
            Turn::Late => self.counters.late += 1,
            Turn::New => {}
        }
        self.counters.reports += u64::from(turn != Turn::Duplicate);
        self.series += board.cells.cells.len() - before.0;
        self.bytes = self.bytes + board.recent.bytes() - before.1;
        while self.bytes > self.bounds.bytes {
            let held = board.recent.bytes();
            if !board.recent.evict() {
                break;
            }
            self.bytes -= held - board.recent.bytes();
            self.counters.evicted += 1;
        }
        let is_new_board = new.is_some();
        let index = match (known, new) {
            (None, Some(board)) => self.add(board),
            (index, _) => index.unwrap_or(usize::MAX),
        };
        let board = self.boards.get(index).ok_or(Refusal::Nameless)?;
        Ok(Taken {
            name: &board.name,
            turn,
            is_new_board,
            at_ms,
            samples: &self.samples,
            paths: &board.cells.paths,
        })
    }

    fn add(&mut self, board: Board) -> usize {
        let index = self.boards.len();
        self.index.insert(board.name.clone(), index);
        self.boards.push(board);
        index
    }

    /// Notes who is not heard any more.
    pub fn tick(&mut self, now_ms: i64) {
        for board in &mut self.boards {
            let heard_ms = board.heard_ms.max(self.opened_ms);
            if board.state != State::Lost && presence::is_lost(heard_ms, now_ms, board.pause_ms()) {
                board.judge(now_ms, self.generation);
            }
        }
    }

    /// The boards that are lost here, and came by the queue of another hub: they are back there, or it is for that hub to
    /// say that they are lost.
    pub fn given_back(&self) -> Vec<Arc<str>> {
        let is_one = |board: &&Board| board.state == State::Lost && board.source == Source::Standby;
        self.boards.iter().filter(is_one).map(|board| board.name.clone()).collect()
    }

    /// Forgets a board. False where there is none of that name.
    pub fn forget(&mut self, name: &str) -> bool {
        let Some(index) = self.index.remove(name) else { return false };
        if index >= self.boards.len() {
            return false;
        }
        let mut board = self.boards.swap_remove(index);
        if let Some(moved) = self.boards.get(index) {
            self.index.insert(moved.name.clone(), index);
        }
        self.series -= board.cells.cells.len();
        self.bytes -= board.recent.bytes();
        board.cells.truncate(0, &mut self.paths);
        self.gone.push_back((self.generation, board.name));
        if self.gone.len() > GONE
            && let Some((generation, _)) = self.gone.pop_front()
        {
            self.forgotten = generation;
        }
        true
    }

    /// Where among [`Self::boards`] the board of a name is. It stays there, unless a board is forgotten.
    pub fn place(&self, name: &str) -> Option<usize> {
        self.index.get(name).copied()
    }

    /// The board of a name.
    pub fn board(&self, name: &str) -> Option<&Board> {
        self.boards.get(self.place(name)?)
    }

    /// All boards.
    pub fn boards(&self) -> &[Board] {
        &self.boards
    }

    /// A series of a board, from one time until another: Unix milliseconds. None where there is no such board, or it
    /// has no such series.
    pub fn history(&self, name: &str, path: &str, from_ms: i64, to_ms: i64, points: usize) -> Option<Points> {
        let board = self.board(name)?;
        let slot = board.cells.slot(path, &self.paths)?;
        let mut samples = Vec::new();
        board.recent.samples(slot, from_ms, to_ms, &mut samples);
        Some(Points::of(&samples, from_ms, to_ms, points, board.interval.ms()))
    }

    /// What a series of one of its boards says; None where there is none.
    pub fn value<'b>(&self, board: &'b Board, path: &str) -> Option<&'b Value> {
        board.value(path, &self.paths)
    }

    /// When it was opened: Unix milliseconds. Before every time where it was not.
    pub const fn opened_ms(&self) -> i64 {
        self.opened_ms
    }

    /// How many series all boards have.
    pub fn series(&self) -> usize {
        self.series
    }

    /// The bytes of the samples of the last hour.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// What has come.
    pub fn counters(&self) -> Counters {
        let report::LeftOut { series, paths, depth } = self.reader.left_out;
        Counters { refused_series: series, refused_paths: paths, refused_depth: depth, ..self.counters }
    }

    /// Ends a generation: what changes from now on changes in the next. Gives its number.
    pub fn close(&mut self) -> u64 {
        self.generation += 1;
        self.generation - 1
    }
}

/// Whether a board of that name is among those that were forgotten.
fn is_among(gone: &VecDeque<(u64, Arc<str>)>, name: &str) -> bool {
    gone.iter().any(|(_, gone)| **gone == *name)
}
