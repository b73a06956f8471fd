//! Kept history: what every board said, by the minute for 14 days and by the quarter of an hour for 400.
//!
//! | where | what |
//! |---|---|
//! | [`Keeper`] | the thread that all of this runs on, and the bounded channel in front of it |
//! | `journal`, `record` | each commit's reports as they came, appended and synced, until the blocks have them |
//! | `slots` | number, sum, minimum and maximum of the samples of a minute |
//! | `seal` | the way of the slots: of an hour, joined to a day and to sixteen days of quarters, deleted |
//! | `block` | the slots of one board as bytes: columns of pco, and a checksum |
//! | `store`, `pages` | blocks and names in a file of redb, whose pages have checksums |
//! | `range` | questions: a series from then to then, in so many points |
//! | `replay` | questions: all series of a board, in the order of time |
//! | `names`, `bytes`, `lock`, `trouble` | numbers for names; numbers as bytes; one process a folder; one message an outage |
//!
//! A report is in the journal, durable, when [`History::commit`] returns, and in memory in the slots of its hour. An
//! hour that is over becomes blocks in one transaction, which notes how far the journal is folded; so after a kill the
//! journal gives back exactly the slots that no block has. The journal keeps the last hour in any case, for whoever
//! holds each sample of that in memory. What comes late takes the same way and is merged into the blocks that exist.
//!
//! The disk sees two appends a second, a transaction an hour, and a few more after midnight (UTC).

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::sync::Arc;

use log::warn;

mod block;
mod bytes;
mod journal;
mod keeper;
mod lock;
mod names;
mod pages;
mod range;
mod record;
mod replay;
mod seal;
mod slots;
mod store;
mod trouble;

pub use keeper::{Batch, Keeper, Question};
pub use lock::holder;
pub use range::{MAX_POINTS, Range, Tier};
pub use replay::{Replay, Replayed, Rollup};
pub use store::Unavailable;

use journal::Journal;
use names::Names;
use record::Entry;
use seal::Work;
use slots::{Columns, MINUTE_MS, Slot};
use store::{Folded, Store};
use trouble::Trouble;

const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;
/// How long minutes and quarters of an hour are kept.
pub const MINUTE_DAYS: u32 = 14;
/// See [`MINUTE_DAYS`].
pub const QUARTER_DAYS: u32 = 400;
/// A sample that is further ahead of this machine's clock is not kept: it would hold on to the journal until then.
const MAX_AHEAD_MS: i64 = DAY_MS;
/// The longest identity of a report, bytes.
pub const MAX_ID: usize = 64;

/// What one report said in numbers, and when.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// The board's name.
    pub board: Arc<str>,
    /// Unix time in milliseconds.
    pub time_ms: i64,
    /// What tells it from every other report, at most [`MAX_ID`] bytes; may be empty.
    pub id: Vec<u8>,
    /// Series' paths and values, each series once.
    pub samples: Vec<(Arc<str>, f64)>,
}

/// What [`History::open`] finds.
#[derive(Debug)]
pub enum Found<'h> {
    /// The newest note about the board of this name.
    Note(&'h str, &'h [u8]),
    /// A report.
    Report(Report),
}

/// What is to be noted about the board of a name.
pub type Note = (Arc<str>, Vec<u8>);

/// Bounds of memory and disk.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of blocks in the store. At nine tenths there is a warning; at this the oldest quarter is deleted.
    pub bytes: u64,
    /// Boards that have a name here.
    pub boards: usize,
    /// Different series, of all boards together.
    pub series: usize,
    /// Samples that may wait for a commit.
    pub waiting: usize,
    /// Minutes of series that may wait in memory for their block, 32 bytes each.
    pub slots: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 2 << 30, boards: 16_384, series: 65_536, waiting: 1 << 18, slots: 8 << 20 }
    }
}

/// There is no room in memory until the disk takes something: keep the report, do not confirm it, and come again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full;

/// What was not kept, and why.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Samples older than everything that is kept, or far in the future.
    pub out_of_time: u64,
    /// Samples of boards or series beyond the limits, or that are no finite number.
    pub unnamed: u64,
    /// Blocks with a wrong checksum.
    pub damaged: u64,
}

/// Slots by hour and board.
type Hours = BTreeMap<(u32, u32), Columns>;

/// The history in one folder. One thread owns it; no call waits for anything but the disk.
#[derive(Debug)]
pub struct History {
    limits: Limits,
    counts: Counts,
    boards: Names,
    series: Names,
    journal: Journal,
    journal_trouble: Trouble,
    /// Reports for the next commit, their samples, and the newest one's hour.
    waiting: Vec<Entry>,
    waiting_samples: usize,
    /// Slots that no block has, and how many there are.
    open: Hours,
    open_slots: usize,
    store: Store,
    folded: Folded,
    work: Work,
    /// Held as long as this is.
    _lock: File,
}

impl History {
    /// Opens the history in `folder`, or begins one, and gives `each` note, and then each report of the journal in the
    /// order of its commits: those of the last hour at least, with their identities, also where they came late.
    ///
    /// # Errors
    /// The folder is in use by another process (`ResourceBusy`), or the disk does not work. Damage is no error.
    pub fn open(
        folder: &Path,
        limits: Limits,
        now_ms: i64,
        mut each: impl FnMut(Found<'_>),
    ) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let lock = lock::take(folder)?;
        let (mut boards, mut series) = (Names::new(limits.boards), Names::new(limits.series));
        let (mut store, folded) = Store::open(folder, now_ms, &mut boards, &mut series)?;
        // Where the store is unavailable at once after it was opened, it has told that.
        let _ = store.notes(now_ms, |board, note| {
            if let Some(board) = boards.name(board) {
                each(Found::Note(board, note));
            }
        });
        let mut open = Hours::new();
        let mut open_slots = 0;
        let visit = |commit, entry: Entry, boards: &Names, series: &Names| {
            if commit > folded.commit || hour_of(entry.time_ms) > folded.hour {
                open_slots += fold(&mut open, &entry);
            }
            if let Some(report) = report(entry, boards, series) {
                each(Found::Report(report));
            }
        };
        let mut journal = Journal::open(folder, now_ms, &mut boards, &mut series, visit)?;
        journal.skip_to(folded.commit);
        Ok(Self {
            limits,
            counts: Counts::default(),
            boards,
            series,
            journal,
            journal_trouble: Trouble::default(),
            waiting: Vec::new(),
            waiting_samples: 0,
            open,
            open_slots,
            store,
            folded,
            work: Work::new(now_ms),
            _lock: lock,
        })
    }

    /// Takes a report, which the next [`Self::commit`] makes durable. The caller sees to it that none comes twice.
    ///
    /// # Errors
    /// [`Full`]: it was not taken. What can never be kept is taken, and counted.
    pub fn record(&mut self, report: &Report, now_ms: i64) -> Result<(), Full> {
        if self.waiting_samples >= self.limits.waiting || self.slots() >= self.limits.slots {
            return Err(Full);
        }
        let samples = report.samples.len();
        let oldest = now_ms - i64::from(QUARTER_DAYS) * DAY_MS;
        if !(oldest.max(0)..=now_ms + MAX_AHEAD_MS).contains(&report.time_ms) {
            if self.counts.out_of_time == 0 {
                warn!(
                    "samples of {} are left out of the history: their time, {} s, is older than {QUARTER_DAYS} \
                     days or more than a day ahead of this machine's clock; further ones are counted",
                    report.board,
                    report.time_ms / 1000
                );
            }
            self.counts.out_of_time += samples as u64;
            return Ok(());
        }
        let Some(board) = self.boards.number_or_new(&report.board) else {
            self.counts.unnamed += samples as u64;
            return Ok(());
        };
        let mut values = Vec::with_capacity(samples);
        for (series, value) in report.samples.iter().filter(|(_, value)| value.is_finite()) {
            if let Some(series) = self.series.number_or_new(series) {
                values.push((series, *value));
            }
        }
        self.counts.unnamed += (samples - values.len()) as u64;
        self.waiting_samples += values.len() + 1;
        let id = report.id.get(..report.id.len().min(MAX_ID)).unwrap_or_default().to_vec();
        self.waiting.push(Entry { board, time_ms: report.time_ms, id, values });
        Ok(())
    }

    /// Makes all reports that were taken durable, and says how many those are.
    ///
    /// # Errors
    /// The disk's, which is logged once. The reports wait for the next attempt.
    pub fn commit(&mut self, now_ms: i64) -> io::Result<usize> {
        if self.waiting.is_empty() {
            return Ok(0);
        }
        let hour = self.waiting.iter().map(|entry| hour_of(entry.time_ms)).max().unwrap_or(0);
        if let Err(error) = self.journal.commit(&self.waiting, hour, &self.boards, &self.series, now_ms) {
            self.journal_trouble.begin(format_args!("cannot write to the history's journal: {error}"));
            return Err(error);
        }
        self.journal_trouble.end("the history's journal works again");
        for entry in &self.waiting {
            self.open_slots += fold(&mut self.open, entry);
        }
        let count = self.waiting.len();
        self.waiting.clear();
        self.waiting_samples = 0;
        Ok(count)
    }

    /// Notes what the caller wants to know about boards when the history is opened again, in the place of what was
    /// noted before. Does not wait for a commit. What cannot be written is lost, which is told once.
    pub fn note(&mut self, notes: &[Note], now_ms: i64) {
        let known = |(board, note): &Note| Some((self.boards.number(board)?, note.clone()));
        let notes: Vec<_> = notes.iter().filter_map(known).collect();
        let _ = self.store.note(&notes, &self.boards, &self.series, now_ms);
    }

    /// What was not kept so far.
    #[must_use]
    pub const fn counts(&self) -> Counts {
        self.counts
    }

    /// Bytes of all blocks in the store.
    #[must_use]
    pub const fn stored(&self) -> u64 {
        self.store.stored()
    }

    /// Names of all boards that have, or had, a history.
    pub fn boards(&self) -> impl Iterator<Item = &str> {
        self.boards.since(0).map(|(_, name)| name)
    }

    /// Slots in memory, those that are being sealed among them.
    fn slots(&self) -> usize {
        self.open_slots + self.work.slots()
    }
}

/// Folds a report's samples into the slots of their minute, and says how many slots that added.
fn fold(hours: &mut Hours, entry: &Entry) -> usize {
    let columns = hours.entry((hour_of(entry.time_ms), entry.board)).or_default();
    let minute = slot_of(entry.time_ms, MINUTE_MS);
    entry.values.iter().map(|(series, value)| columns.fold(*series, Slot::of(minute, *value))).sum()
}

fn report(entry: Entry, boards: &Names, series: &Names) -> Option<Report> {
    let named = |(number, value): &(u32, f64)| Some((series.name(*number)?.clone(), *value));
    let samples = entry.values.iter().filter_map(named).collect();
    Some(Report { board: boards.name(entry.board)?.clone(), time_ms: entry.time_ms, id: entry.id, samples })
}

/// The number of the hour since 1970 that `time_ms` is in.
fn hour_of(time_ms: i64) -> u32 {
    slot_of(time_ms, HOUR_MS)
}

/// The number of the slot, `step_ms` long, that `time_ms` is in.
fn slot_of(time_ms: i64, step_ms: i64) -> u32 {
    u32::try_from(time_ms.div_euclid(step_ms).max(0)).unwrap_or(u32::MAX)
}
