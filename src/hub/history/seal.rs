//! What is to be done beside taking reports, in small steps.
//!
//! 1. Seal: an hour that has been over for two minutes, and what came late since, become blocks of an hour.
//! 2. Join: the hours of a day that is over are merged into its block of a day, and into the quarters of an hour of
//!    its sixteen days, and deleted.
//! 3. Expire: blocks that are too old, or too much, are deleted, the oldest first.

use log::{error, warn};

use super::block;
use super::slots::Columns;
use super::store::{Change, Folded, Key, Level, Unavailable};
use super::{History, Hours, MINUTE_DAYS, MINUTE_MS, QUARTER_DAYS, hour_of};

/// How long after its end an hour is sealed: most of what comes late has come by then.
const GRACE_MS: i64 = 2 * MINUTE_MS;
/// The journal keeps this much, and what comes late is sealed this often.
const HOUR_MS: i64 = 60 * MINUTE_MS;
/// After a failure of the store, the next attempt.
const RETRY_MS: i64 = MINUTE_MS;
/// How many blocks a step makes, so that it takes some milliseconds.
const BLOCKS_A_STEP: usize = 32;
/// How many boards' days a step joins: each is one block that is compressed, and one that is merged.
const BOARDS_A_STEP: usize = 8;
/// How many blocks a step deletes.
const DELETED_A_STEP: usize = 256;

/// What of it is going on.
#[derive(Debug)]
pub struct Work {
    sealing: Option<Sealing>,
    sealed_ms: i64,
    retry_ms: Option<i64>,
    /// Blocks of an hour that are to be joined, by board.
    joining: Vec<Key>,
    /// After something was sealed: whether there are days to join, blocks to delete.
    join: bool,
    expire: bool,
    /// Days, and spans of sixteen days, before these are deleted since there was too much.
    cut: (u32, u32),
    warned: bool,
}

#[derive(Debug)]
struct Sealing {
    folded: Folded,
    hours: Hours,
    slots: usize,
    /// Blocks of those that come before `next`.
    blocks: Vec<(Key, Vec<u8>)>,
    next: Option<(u32, u32)>,
}

impl Work {
    pub const fn new(now_ms: i64) -> Self {
        Self {
            sealing: None,
            sealed_ms: now_ms,
            retry_ms: None,
            joining: Vec::new(),
            join: true,
            expire: true,
            cut: (0, 0),
            warned: false,
        }
    }

    /// Slots that are being sealed.
    pub fn slots(&self) -> usize {
        self.sealing.as_ref().map_or(0, |sealing| sealing.slots)
    }

    /// Slots that are being sealed.
    pub fn hours(&self) -> Option<&Hours> {
        self.sealing.as_ref().map(|sealing| &sealing.hours)
    }
}

impl History {
    /// Does a step of what is to be done, and says whether there is more of it. Between commits is the time for it.
    pub fn tend(&mut self, now_ms: i64) -> bool {
        if self.work.retry_ms.is_some_and(|retry| (retry - RETRY_MS..retry).contains(&now_ms)) {
            return false;
        }
        self.work.retry_ms = None;
        self.begin_to_seal(now_ms);
        let step = if self.work.sealing.is_some() {
            self.seal(now_ms)
        } else if self.work.join {
            self.join(now_ms)
        } else if self.work.expire {
            self.expire(now_ms)
        } else {
            return false;
        };
        if step.is_err() {
            self.work.retry_ms = Some(now_ms + RETRY_MS);
        }
        step.is_ok()
    }

    /// Makes what is in memory blocks as far as it is due, joins and deletes: all of it, at once.
    pub fn tend_all(&mut self, now_ms: i64) {
        while self.tend(now_ms) {}
    }

    fn begin_to_seal(&mut self, now_ms: i64) {
        if self.work.sealing.is_some() {
            return;
        }
        let hour = hour_of(now_ms - GRACE_MS).saturating_sub(1).max(self.folded.hour);
        let is_due = hour > self.folded.hour || (now_ms - self.work.sealed_ms).abs() >= HOUR_MS;
        if !is_due && self.open_slots <= self.limits.slots / 2 {
            return;
        }
        let later = self.open.split_off(&(hour + 1, 0));
        let hours = std::mem::replace(&mut self.open, later);
        if hours.is_empty() && !is_due {
            return;
        }
        let slots = hours.values().flat_map(|columns| columns.0.values()).map(Vec::len).sum();
        self.open_slots -= slots;
        let folded = Folded { commit: self.journal.last(), hour };
        let next = hours.keys().next().copied();
        self.work.sealing = Some(Sealing { folded, hours, slots, blocks: Vec::new(), next });
    }

    fn seal(&mut self, now_ms: i64) -> Result<(), Unavailable> {
        let Some(mut sealing) = self.work.sealing.take() else { return Ok(()) };
        let done = self.seal_some(&mut sealing, now_ms);
        if done != Ok(true) {
            self.work.sealing = Some(sealing);
            return done.map(|_| ());
        }
        self.folded = sealing.folded;
        self.work.sealed_ms = now_ms;
        self.work.join = true;
        self.work.expire = true;
        self.journal.delete(|segment| {
            let is_folded = segment.last <= sealing.folded.commit && segment.hour <= sealing.folded.hour;
            is_folded && (now_ms - segment.written_ms).abs() > HOUR_MS
        });
        Ok(())
    }

    /// Whether everything of `sealing` is in the store.
    fn seal_some(&mut self, sealing: &mut Sealing, now_ms: i64) -> Result<bool, Unavailable> {
        if let Some(next) = sealing.next {
            let mut some = sealing.hours.range(next..);
            for ((start, board), columns) in some.by_ref().take(BLOCKS_A_STEP) {
                let key = Key { level: Level::Hour, start: *start, board: *board };
                if let Some(block) = self.merged(key, columns, now_ms)? {
                    sealing.blocks.push((key, block));
                }
                sealing.next = Some((*start, board + 1));
            }
            sealing.next = some.next().map(|(next, _)| *next);
            return Ok(false);
        }
        let put = std::mem::take(&mut sealing.blocks);
        let change = Change { put, delete: Vec::new(), folded: Some(sealing.folded) };
        let applied = self.store.apply(&change, &self.boards, &self.series, now_ms);
        sealing.blocks = change.put;
        applied.map(|()| true)
    }

    /// The block of `key` with `columns` merged into it.
    fn merged(&mut self, key: Key, columns: &Columns, now_ms: i64) -> Result<Option<Vec<u8>>, Unavailable> {
        let encoded = match self.columns(key, None, now_ms)? {
            Some(mut known) => {
                known.merge(columns);
                block::encode(&known)
            }
            None => block::encode(columns),
        };
        Ok(encoded.ok())
    }

    /// The block of `key`, where there is one that is whole.
    pub(super) fn columns(
        &mut self,
        key: Key,
        series: Option<u32>,
        now_ms: i64,
    ) -> Result<Option<Columns>, Unavailable> {
        let Some(bytes) = self.store.get(key, now_ms)? else { return Ok(None) };
        let columns = block::decode(&bytes, series).ok();
        if columns.is_none() {
            if self.counts.damaged == 0 {
                let board = self.boards.name(key.board).map_or("?", |name| name);
                warn!(
                    "the history of {board} has a block with a wrong checksum, which is left out; further ones are counted"
                );
            }
            self.counts.damaged += 1;
        }
        Ok(columns)
    }

    fn join(&mut self, now_ms: i64) -> Result<(), Unavailable> {
        // A day is over when all of its hours are sealed.
        let today = (self.folded.hour + 1) / 24;
        if self.work.joining.is_empty() {
            let first = self.store.keys(Level::Hour, 0..today * 24, 1, now_ms)?;
            let Some(day) = first.first().map(|key| key.start / 24) else {
                self.work.join = false;
                return Ok(());
            };
            let mut keys = self.store.keys(Level::Hour, day * 24..(day + 1) * 24, usize::MAX, now_ms)?;
            keys.sort_by_key(|key| (key.board, key.start));
            self.work.joining = keys;
        }
        let mut change = Change::default();
        let mut rest = self.work.joining.len();
        let joining = std::mem::take(&mut self.work.joining);
        let boards = joining.chunk_by(|one, other| one.board == other.board);
        for hours in boards.rev().take(BOARDS_A_STEP) {
            self.join_board(hours, today, &mut change, now_ms)?;
            rest -= hours.len();
        }
        self.store.apply(&change, &self.boards, &self.series, now_ms)?;
        self.work.joining = joining;
        self.work.joining.truncate(rest);
        Ok(())
    }

    /// Merges the `hours` of one board and day.
    fn join_board(
        &mut self,
        hours: &[Key],
        today: u32,
        change: &mut Change,
        now_ms: i64,
    ) -> Result<(), Unavailable> {
        let Some(Key { start, board, .. }) = hours.first().copied() else { return Ok(()) };
        let day = start / 24;
        let mut minutes = Columns::default();
        for hour in hours {
            if let Some(columns) = self.columns(*hour, None, now_ms)? {
                minutes.merge(&columns);
            }
            change.delete.push(*hour);
        }
        let quarters = Key { level: Level::Quarters, start: day / 16, board };
        if let Some(block) = self.merged(quarters, &minutes.quarters(), now_ms)? {
            change.put.push((quarters, block));
        }
        let key = Key { level: Level::Day, start: day, board };
        if day + MINUTE_DAYS >= today
            && let Some(block) = self.merged(key, &minutes, now_ms)?
        {
            change.put.push((key, block));
        }
        Ok(())
    }

    fn expire(&mut self, now_ms: i64) -> Result<(), Unavailable> {
        // By the newest block, where this machine's clock is ahead of it: a wrong clock deletes nothing.
        let newest = self.store.starts(Level::Day, now_ms)?.map_or(0, |(_, last)| last) + 1;
        let today = newest.min((self.folded.hour + 1) / 24);
        let days = today.saturating_sub(MINUTE_DAYS).max(self.work.cut.0);
        let spans = (today.saturating_sub(QUARTER_DAYS) / 16).max(self.work.cut.1);
        let mut delete = self.store.keys(Level::Day, 0..days, DELETED_A_STEP, now_ms)?;
        if delete.is_empty() {
            delete = self.store.keys(Level::Quarters, 0..spans, DELETED_A_STEP, now_ms)?;
        }
        if delete.is_empty() {
            self.work.expire = self.cut(now_ms)?;
            return Ok(());
        }
        let change = Change { delete, ..Change::default() };
        self.store.apply(&change, &self.boards, &self.series, now_ms)
    }

    /// Where the blocks are too much, marks the oldest quarter of them, by time, for deletion.
    fn cut(&mut self, now_ms: i64) -> Result<bool, Unavailable> {
        let (stored, limit) = (self.store.stored(), self.limits.bytes);
        if stored < limit / 10 * 9 {
            self.work.warned = false;
            return Ok(false);
        }
        if stored < limit {
            if !self.work.warned {
                warn!(
                    "the history has {stored} bytes of at most {limit}: soon the oldest quarter of it will be \
                     deleted; give it more, or report less"
                );
            }
            self.work.warned = true;
            return Ok(false);
        }
        let mut marked = false;
        for level in [Level::Day, Level::Quarters] {
            let Some((first, last)) = self.store.starts(level, now_ms)? else { continue };
            if first == last {
                continue;
            }
            let cut = first + (last - first + 1).div_ceil(4);
            error!(
                "the history has {stored} bytes of at most {limit}: its {} before {} days ago are deleted",
                if level == Level::Day { "minutes" } else { "quarters of an hour" },
                (last + 1 - cut) * level.hours() / 24
            );
            if level == Level::Day {
                self.work.cut.0 = cut;
            } else {
                self.work.cut.1 = cut;
            }
            marked = true;
        }
        Ok(marked)
    }
}
