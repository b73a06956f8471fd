//! The samples of one board for an hour.
//!
//! A row is one report: its time, and the samples of some series. The newest rows stand in a tail, in the order of
//! their times; [`ROWS`] of them are sealed into a block, column by column, all series in one allocation. A late
//! report goes into the tail like any other, so that blocks may overlap in time: a query puts that in order.
//!
//! ```text
//! block:  times (integers), then for each series that it has, by slot:
//! column: slot - slot before (varint), length (varint), present (1 byte: all, or 8 bytes of bits follow), numbers
//! ```

use std::collections::VecDeque;

use crate::fleet::series::{
    ROWS, decode, decode_integers, encode, encode_integers, read_varint, write_varint,
};

/// How long a sample is kept, at least.
pub const HOUR_MS: i64 = 3_600_000;

/// The most blocks of a board: an hour of reports four times a second.
const BLOCKS: usize = 256;

/// The most times of late rows that are remembered.
const LATE: usize = 256;

/// [`ROWS`] rows that are sealed.
#[derive(Debug)]
struct Block {
    from_ms: i64,
    to_ms: i64,
    bytes: Box<[u8]>,
}

/// The samples of one board.
#[derive(Debug, Default)]
pub struct Recent {
    blocks: VecDeque<Block>,
    /// Of the bytes of the blocks.
    sealed: usize,
    /// The time of each row of the tail.
    times: Vec<i64>,
    /// Where the samples of each row end.
    ends: Vec<usize>,
    slots: Vec<u16>,
    values: Vec<f64>,
    /// The newest time that ever came.
    until_ms: i64,
    /// The times of the last rows that came after a newer one, and how many there were of these.
    late: VecDeque<i64>,
    late_rows: u64,
}

impl Recent {
    /// Adds a row at its place in time. `now_ms` is the board's time: what is an hour older than that goes.
    pub fn push(&mut self, at_ms: i64, samples: &[(u16, f64)], now_ms: i64) {
        if samples.is_empty() || !is_near(at_ms, now_ms) {
            return;
        }
        if at_ms < self.until_ms {
            self.late_rows += 1;
            self.late.push_back(at_ms);
            if self.late.len() > LATE {
                self.late.pop_front();
            }
        }
        self.until_ms = self.until_ms.max(at_ms);
        let row = self.times.partition_point(|time| *time <= at_ms);
        let start = row.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        self.times.insert(row, at_ms);
        self.ends.insert(row, start);
        for end in self.ends.iter_mut().skip(row) {
            *end += samples.len();
        }
        if start == self.slots.len() {
            self.slots.extend(samples.iter().map(|(slot, _)| slot));
            self.values.extend(samples.iter().map(|(_, value)| value));
        } else {
            self.slots.splice(start..start, samples.iter().map(|(slot, _)| *slot));
            self.values.splice(start..start, samples.iter().map(|(_, value)| *value));
        }
        if self.times.len() == ROWS {
            self.seal();
            self.blocks.retain(|block| is_near(block.to_ms, now_ms) || is_near(block.from_ms, now_ms));
            while self.blocks.len() > BLOCKS {
                self.blocks.pop_front();
            }
            self.sealed = self.blocks.iter().map(|block| block.bytes.len()).sum();
        }
    }

    /// Drops the oldest block. False where there is none.
    pub fn evict(&mut self) -> bool {
        let Some(block) = self.blocks.pop_front() else { return false };
        self.sealed -= block.bytes.len();
        true
    }

    /// The bytes that the samples take.
    pub fn bytes(&self) -> usize {
        self.sealed
            + self.blocks.capacity() * size_of::<Block>()
            + (self.times.capacity() + self.ends.capacity() + self.values.capacity()) * 8
            + self.slots.capacity() * 2
    }

    /// Adds the samples of a series from one time until another, both included, in the order of their times. Of
    /// several at one time the one that came last is given.
    pub fn samples(&self, slot: u16, from_ms: i64, to_ms: i64, out: &mut Vec<(i64, f64)>) {
        let begin = out.len();
        self.each(Some(slot), from_ms, to_ms, |_, time, value| out.push((time, value)));
        let mut added = out.split_off(begin);
        // Stable, and reversed by arrival: the last that came is the first of its time.
        added.reverse();
        added.sort_by_key(|(time, _)| *time);
        added.dedup_by_key(|(time, _)| *time);
        out.append(&mut added);
    }

    /// All samples from one time until another, both included: slots, times and values, in the order of slots, and of
    /// times for each. Of several at one time the one that came last is given.
    pub fn all(&self, from_ms: i64, to_ms: i64) -> Vec<(u16, i64, f64)> {
        let mut all = Vec::new();
        self.each(None, from_ms, to_ms, |slot, time, value| all.push((slot, time, value)));
        all.reverse();
        all.sort_by_key(|(slot, time, _)| (*slot, *time));
        all.dedup_by_key(|(slot, time, _)| (*slot, *time));
        all
    }

    /// When the oldest sample was taken; None where there is none.
    pub fn oldest_ms(&self) -> Option<i64> {
        self.blocks.iter().map(|block| block.from_ms).chain(self.times.first().copied()).min()
    }

    /// When the newest sample was taken.
    pub fn newest_ms(&self) -> Option<i64> {
        self.blocks.iter().map(|block| block.to_ms).chain(self.times.last().copied()).max()
    }

    /// What was pushed so far was read back: none of it came late.
    pub fn begin(&mut self) {
        self.late.clear();
        self.late_rows = 0;
    }

    /// How many rows came after a newer one.
    pub fn late_rows(&self) -> u64 {
        self.late_rows
    }

    /// The times of the last `count` of them, as far as they are remembered.
    pub fn late_ms(&self, count: u64) -> impl Iterator<Item = i64> {
        let count = usize::try_from(count).unwrap_or(LATE).min(self.late.len());
        self.late.iter().skip(self.late.len() - count).copied()
    }

    /// A time after `after_ms` before which there is no sample later than that; None where there is none at all.
    pub fn next_ms(&self, after_ms: i64) -> Option<i64> {
        let sealed = self.blocks.iter().filter(|block| block.to_ms > after_ms);
        let sealed = sealed.map(|block| block.from_ms.max(after_ms + 1));
        let tail = self.times.get(self.times.partition_point(|time| *time <= after_ms)).copied();
        sealed.chain(tail).min()
    }

    /// Gives the samples of a series, or of all, in the order in which they came.
    fn each(&self, slot: Option<u16>, from_ms: i64, to_ms: i64, mut give: impl FnMut(u16, i64, f64)) {
        let times = from_ms..=to_ms;
        for block in &self.blocks {
            if block.from_ms <= to_ms && block.to_ms >= from_ms {
                // What was sealed here can be read.
                let _ = block.read(slot, |slot, time, value| {
                    if times.contains(&time) {
                        give(slot, time, value);
                    }
                });
            }
        }
        let mut start = 0;
        for (time, end) in self.times.iter().zip(&self.ends) {
            if times.contains(time) {
                let samples = self.slots.iter().zip(&self.values).skip(start).take(end - start);
                let wanted = samples.filter(|(has, _)| slot.is_none_or(|slot| slot == **has));
                wanted.for_each(|(slot, value)| give(*slot, *time, *value));
            }
            start = *end;
        }
    }

    fn seal(&mut self) {
        // By counting: where the column of each slot begins, and then each sample to its place there.
        let columns = self.slots.iter().max().map_or(0, |slot| usize::from(*slot) + 1);
        let mut begins = vec![0; columns + 1];
        for slot in &self.slots {
            if let Some(count) = begins.get_mut(usize::from(*slot) + 1) {
                *count += 1;
            }
        }
        let mut sum = 0;
        for begin in &mut begins {
            sum += *begin;
            *begin = sum;
        }
        let mut places = begins.clone();
        let mut rows = vec![0_u8; self.slots.len()];
        let mut values = vec![0.0; self.slots.len()];
        let mut samples = self.slots.iter().zip(&self.values);
        let mut start = 0;
        for (row, end) in (0..).zip(&self.ends) {
            for (slot, value) in samples.by_ref().take(end - start) {
                let Some(place) = places.get_mut(usize::from(*slot)) else { continue };
                if let (Some(rows), Some(values)) = (rows.get_mut(*place), values.get_mut(*place)) {
                    (*rows, *values) = (row, *value);
                }
                *place += 1;
            }
            start = *end;
        }
        let mut bytes = Vec::with_capacity(self.slots.len() + 64);
        encode_integers(&self.times, &mut bytes);
        let (mut before, mut column) = (0, Vec::new());
        for (slot, (begin, end)) in (0_u64..).zip(begins.iter().zip(begins.iter().skip(1))) {
            let (rows, values) = (rows.get(*begin..*end), values.get(*begin..*end));
            let (Some(rows @ [_, ..]), Some(values)) = (rows, values) else { continue };
            column.clear();
            if rows.len() == self.times.len() {
                column.push(1);
            } else {
                let present = rows.iter().fold(0_u64, |present, row| present | 1 << row);
                column.push(0);
                column.extend(present.to_le_bytes());
            }
            encode(values, &mut column);
            write_varint(slot - before, &mut bytes);
            write_varint(column.len() as u64, &mut bytes);
            bytes.append(&mut column);
            before = slot;
        }
        self.blocks.push_back(Block {
            from_ms: self.times.first().copied().unwrap_or_default(),
            to_ms: self.times.last().copied().unwrap_or_default(),
            bytes: bytes.into_boxed_slice(),
        });
        // The next tail is as long, if the reports stay as they are.
        self.slots.shrink_to_fit();
        self.values.shrink_to_fit();
        self.times.clear();
        self.ends.clear();
        self.slots.clear();
        self.values.clear();
    }
}

impl Block {
    /// Gives the samples of a series, if it has any, or of all.
    fn read(&self, wanted: Option<u16>, mut give: impl FnMut(u16, i64, f64)) -> Option<()> {
        let mut rest = &*self.bytes;
        let mut times = [0; ROWS];
        let mut row = times.iter_mut();
        decode_integers(&mut rest, ROWS, |time| {
            if let Some(row) = row.next() {
                *row = time;
            }
        })?;
        let mut slot = 0;
        while !rest.is_empty() {
            slot += u16::try_from(read_varint(&mut rest)?).ok()?;
            let length = usize::try_from(read_varint(&mut rest)?).ok()?;
            let (column, after) = rest.split_at_checked(length)?;
            if wanted.is_none_or(|wanted| wanted == slot) {
                read_column(column, &times, |time, value| give(slot, time, value))?;
            }
            if wanted.is_some_and(|wanted| wanted <= slot) {
                break;
            }
            rest = after;
        }
        Some(())
    }
}

fn read_column(mut column: &[u8], times: &[i64; ROWS], mut give: impl FnMut(i64, f64)) -> Option<()> {
    let (all, after) = column.split_first()?;
    column = after;
    let mut present = (1 << ROWS) - 1;
    if *all == 0 {
        let (bits, after) = column.split_first_chunk()?;
        (present, column) = (u64::from_le_bytes(*bits), after);
    }
    let mut rows = times.iter().enumerate().filter(|(row, _)| present >> row & 1 == 1);
    let count = usize::try_from(present.count_ones()).ok()?;
    decode(&mut column, count, |value| {
        if let Some((_, time)) = rows.next() {
            give(*time, value);
        }
    })
}

fn is_near(at_ms: i64, now_ms: i64) -> bool {
    at_ms.abs_diff(now_ms) <= HOUR_MS.unsigned_abs()
}
