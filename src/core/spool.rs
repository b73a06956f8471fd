//! A copy of an outbox in a file of fixed size, which a kill or a power cut leaves whole.
//!
//! The file is an array of pages of [`PAGE`] bytes, each with a checksum. All but the last two are for pages that are
//! full, one after the other, and then from the first again; each is written once. The page that is not full yet is
//! written to one of the last two places, and the next time to the other:
//!
//! ```text
//! | full 8 | full 5 | full 6 | full 7 |   not full: 9, as it was   |   not full: 9, as it is   |
//! ```
//!
//! So a write, which is all pages that have changed since the previous one, replaces nothing that the previous one
//! needs. When it is torn, the file is as it was before, with some of the new reports. The owner does the I/O:
//!
//! ```text
//! let mut flush = spool.begin(&outbox, at_risk);
//! loop { let written = flush.page(&outbox, &runs, &mut page); write page at written.at; if written.is_last { break } }
//! sync; spool = flush.end();        an error: begin again later
//! ```
//!
//! and [`restore`] reads the file after a start. A new run of the program begins a file of its own.

use core::cmp::min;

use crc::{CRC_32_ISCSI, Crc, NoTable};

use crate::bytes::{Reader, Short, Writer};
use crate::limits;
use crate::outbox::{Outbox, Place, Record, Run};

/// Bytes of a page: of a block of a file system, and of a page of most flash memories or a part of one.
pub const PAGE: usize = 4096;

/// Runs of the program of which a file has reports at the most.
pub const RUNS: usize = 32;

/// Bytes of a run's id.
pub const RUN_ID: usize = 64;

/// With which each page begins: the format, and its version.
const MAGIC: &[u8; 4] = b"psS1";

/// Where the bytes begin that have the checksum, after the magic.
const SUMMED: usize = 8;

/// Where the fields of a page's head are, each a u64: which write it is of, which page it is; the oldest report that
/// was not confirmed, up to which one all are written, how many of these were not confirmed; how many may have come
/// after that; bytes of the contents.
const GENERATION: usize = SUMMED;
const NUMBER: usize = 16;
const OLDEST: usize = 24;
const UNTIL: usize = 32;
const PENDING: usize = 40;
const AT_RISK: usize = 48;
const USED: usize = 56;

/// Bytes of the head.
const HEAD: usize = 64;

/// Bytes before a piece of a report: sequence u64, sample time i64, length u16, offset u16, length of the run's id
/// u8. Where that is not 0, its `first` u64 and the id follow.
const PIECE: usize = 21;

/// Bytes of the name of a run.
const RUN: usize = 8 + RUN_ID;

/// Without a table, of 1 KB at least: pages are few.
const CRC: Crc<u32, NoTable> = Crc::<u32, NoTable>::new(&CRC_32_ISCSI);

/// Pages of the file of an outbox of `bytes`.
pub const fn pages(bytes: usize) -> usize {
    // Records of the outbox are longer than pieces. Each page names a run, and may end in a piece that was begun in
    // it, and in room that has none. Beyond that each run is named once; and the oldest page may be out of use but
    // for its end, as the youngest may have no more than a beginning.
    let full = PAGE - HEAD - 2 * (PIECE + RUN) - 1;
    (bytes + RUNS * RUN).div_ceil(full) + 2 + OPEN
}

/// Pages of a write of so many new reports of `length` bytes, at the most.
pub const fn pages_of(reports: u64, length: u64) -> u64 {
    let bytes = reports.saturating_mul(PIECE as u64 + length);
    // The page before goes on, and the last is not full.
    bytes.div_ceil((PAGE - HEAD - 2 * (PIECE + RUN)) as u64).saturating_add(1)
}

/// Places for the page that is not full.
const OPEN: usize = 2;

/// What of an outbox is in the file.
#[derive(Clone, Copy, Debug)]
pub struct Spool {
    /// Places for full pages.
    places: u64,
    /// Counts the writes, those that failed with them.
    generation: u64,
    /// The page that is not full, counted from 0, and in which of its two places it is.
    page: u64,
    open: u64,
    /// What it begins with: a report, and how many bytes of it are in the page before.
    from: Place,
    offset: usize,
    /// Up to which report all of them are in the file.
    until: u64,
    /// How many of them were not confirmed when they were written.
    pending: u64,
}

impl Spool {
    /// A file without contents, of an outbox of `bytes`.
    pub fn new(bytes: usize) -> Self {
        let places = (pages(bytes) - OPEN) as u64;
        let from = Place::default();
        Self { places, generation: 0, page: 0, open: 0, from, offset: 0, until: 0, pending: 0 }
    }

    /// The oldest report that is not in the file.
    pub fn unwritten<B: AsRef<[u8]> + AsMut<[u8]>>(&self, outbox: &Outbox<B>) -> Option<u64> {
        let mut pending = outbox.pending_from(self.from).map(|(place, _)| place.sequence());
        pending.find(|sequence| *sequence > self.until)
    }

    /// Whether the file has reports, but all of them are confirmed.
    pub fn is_outdated<B: AsRef<[u8]> + AsMut<[u8]>>(&self, outbox: &Outbox<B>) -> bool {
        self.pending > 0 && oldest(outbox) > self.until
    }

    /// Begins to write what the outbox has now. `at_risk`: at most so many reports will come before the next write;
    /// 0 where no more come.
    pub fn begin<B: AsRef<[u8]> + AsMut<[u8]>>(&mut self, outbox: &Outbox<B>, at_risk: u64) -> Flush {
        // A write that fails leaves pages behind, which the next one is not taken for.
        self.generation += 1;
        let (open, until, pending) = (1 - self.open, outbox.last(), outbox.counters().pending);
        let after = Self { open, until, pending, ..*self };
        Flush { after, oldest: oldest(outbox), at_risk }
    }

    /// Begins to write that what is in the file [is outdated](Self::is_outdated), and nothing else: reports that have
    /// come since are most likely confirmed soon.
    pub fn clear(&mut self, at_risk: u64) -> Flush {
        self.generation += 1;
        Flush { after: Self { open: 1 - self.open, pending: 0, ..*self }, oldest: self.until + 1, at_risk }
    }
}

/// The sequence number of the oldest report that is not confirmed, or else of the next one.
fn oldest<B: AsRef<[u8]> + AsMut<[u8]>>(outbox: &Outbox<B>) -> u64 {
    let oldest = outbox.pending_from(Place::default()).next();
    oldest.map_or(outbox.last() + 1, |(place, _)| place.sequence())
}

/// A write that has begun.
#[derive(Clone, Copy, Debug)]
pub struct Flush {
    after: Spool,
    oldest: u64,
    at_risk: u64,
}

/// Where a page belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// Bytes from the start of the file.
    pub at: u64,
    /// No further page has changed.
    pub is_last: bool,
}

impl Flush {
    /// Makes the next page that has changed. Reports that are confirmed meanwhile are left out.
    pub fn page<B: AsRef<[u8]> + AsMut<[u8]>>(
        &mut self,
        outbox: &Outbox<B>,
        runs: &[Run<'_>],
        page: &mut [u8; PAGE],
    ) -> Written {
        let number = self.after.page;
        let (head, contents) = page.split_at_mut(HEAD);
        let (used, goes_on) = self.fill(outbox, runs, contents);
        contents.get_mut(used..).unwrap_or_default().fill(0);
        let Spool { places, generation, open, until, pending, .. } = self.after;
        let mut w = Writer::new(head);
        w.bytes(MAGIC);
        w.u32(0);
        for value in [generation, number, self.oldest, until, pending, self.at_risk, used as u64] {
            w.u64(value);
        }
        let sum = sum(page);
        if let Some(room) = page.get_mut(MAGIC.len()..SUMMED) {
            room.copy_from_slice(&sum.to_be_bytes());
        }
        let place = match goes_on {
            Some((from, offset)) => {
                (self.after.from, self.after.offset) = (from, offset);
                self.after.page += 1;
                number % places
            }
            None => places + open,
        };
        Written { at: place * PAGE as u64, is_last: goes_on.is_none() }
    }

    /// Reports that are in the file then.
    pub fn reports(&self) -> u64 {
        self.after.pending
    }

    /// Everything is in the file, and safe there.
    pub fn end(self) -> Spool {
        self.after
    }

    /// Fills a page. Gives the bytes, and with what the next page begins, where this one is full.
    fn fill<B: AsRef<[u8]> + AsMut<[u8]>>(
        &self,
        outbox: &Outbox<B>,
        runs: &[Run<'_>],
        contents: &mut [u8],
    ) -> (usize, Option<(Place, usize)>) {
        let (mut used, mut named) = (0, None);
        let Spool { from, until, .. } = self.after;
        let records = outbox.pending_from(from).take_while(|(place, _)| place.sequence() <= until);
        for (place, record) in records {
            let mut offset = if place == from { self.after.offset } else { 0 };
            let run = Run::of(runs, record.sequence);
            let name = (named != Some(run.first)).then_some(run);
            let room = contents.get_mut(used..).unwrap_or_default();
            let Ok(length) = piece(&record, offset, name, room) else { return (used, Some((place, offset))) };
            used += length.head + length.body;
            offset += length.body;
            if offset < record.body.len() {
                return (used, Some((place, offset)));
            }
            named = Some(run.first);
        }
        (used, None)
    }
}

/// Bytes of a piece.
struct Length {
    head: usize,
    body: usize,
}

/// Writes what of a report fits, from its byte `offset` on, after the `name` of its run.
fn piece(
    record: &Record<'_>,
    offset: usize,
    name: Option<Run<'_>>,
    room: &mut [u8],
) -> Result<Length, Short> {
    let id = name.map_or("", |run| run.id);
    let head = PIECE + name.map_or(0, |_| 8 + id.len());
    let rest = record.body.get(offset..).unwrap_or_default();
    let body = min(rest.len(), room.len().saturating_sub(head));
    // One without bytes would bring the report no nearer to its end.
    if body == 0 && !rest.is_empty() {
        return Err(Short);
    }
    let mut w = Writer::new(room);
    w.u64(record.sequence);
    w.bytes(&record.sampled_ms.to_be_bytes());
    w.u16(u16::try_from(record.body.len()).map_err(|_| Short)?);
    w.u16(u16::try_from(offset).map_err(|_| Short)?);
    w.u8(u8::try_from(id.len()).map_err(|_| Short)?);
    if let Some(run) = name {
        w.u64(run.first);
        w.bytes(id.as_bytes());
    }
    w.bytes(rest.get(..body).unwrap_or_default());
    w.finish()?;
    Ok(Length { head, body })
}

fn sum(page: &[u8; PAGE]) -> u32 {
    CRC.checksum(page.get(SUMMED..).unwrap_or_default())
}

/// A field of a page's head.
fn field(page: &[u8; PAGE], at: usize) -> u64 {
    page.get(at..).and_then(|bytes| bytes.first_chunk()).map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

/// The contents of a page that is what was written; else none.
fn contents(page: &[u8; PAGE]) -> Option<&[u8]> {
    let mut r = Reader::new(page);
    let is_whole = r.take(MAGIC.len()).ok()? == MAGIC && r.u32().ok()? == sum(page);
    // No sequence number comes near to where numbers end.
    if !is_whole || field(page, UNTIL) > u64::MAX / 2 {
        return None;
    }
    page.get(HEAD..)?.get(..usize::try_from(field(page, USED)).ok()?)
}

/// What came of reading a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// Reports that were read.
    pub reports: u64,
    /// Reports that were written, but not whole, or damaged since, at the most.
    pub damaged: u64,
    /// Reports that may have come after the last write, at the most. 0: the program had stopped in order.
    pub at_risk: u64,
}

/// Reads the reports of a file, and hands them to `each` in their order, with the runs that have made them.
///
/// None where no page of the file is one.
pub fn restore(file: &[u8], each: &mut dyn FnMut(Run<'_>, Record<'_>)) -> Option<Restored> {
    let (pages, _) = file.as_chunks::<PAGE>();
    let places = pages.len().checked_sub(OPEN).filter(|places| *places > 0)?;
    let written = pages.iter().filter(|page| contents(page).is_some());
    let latest = written.max_by_key(|page| (field(page, GENERATION), field(page, NUMBER)))?;
    let mut pieces = Pieces { latest, last: 0, reports: 0, body: [0; limits::REPORT], has: 0 };
    let last = field(latest, NUMBER);
    for number in last.saturating_sub(places as u64)..=last {
        let place = usize::try_from(number % places as u64).unwrap_or(0);
        let candidates = [place, places, places + 1].into_iter().filter_map(|at| pages.get(at));
        let these = candidates.filter(|page| field(page, NUMBER) == number && contents(page).is_some());
        if let Some(page) = these.max_by_key(|page| field(page, GENERATION)) {
            // What is beside the form ends the page, though not the file: others have forms of their own.
            let _ = pieces.read(contents(page).unwrap_or_default(), each);
        }
    }
    let Pieces { reports, .. } = pieces;
    let damaged = field(latest, PENDING).saturating_sub(reports);
    Some(Restored { reports, damaged, at_risk: field(latest, AT_RISK) })
}

/// Reports, put together of pieces.
struct Pieces<'a> {
    latest: &'a [u8; PAGE],
    /// The report of which there was a piece last.
    last: u64,
    reports: u64,
    /// Its body, as far as it is there.
    body: [u8; limits::REPORT],
    has: usize,
}

impl Pieces<'_> {
    fn read(&mut self, contents: &[u8], each: &mut dyn FnMut(Run<'_>, Record<'_>)) -> Result<(), Short> {
        let mut r = Reader::new(contents);
        let mut run = None;
        while !r.rest().is_empty() {
            let (sequence, sampled_ms) = (r.u64()?, i64::from_be_bytes(r.array()?));
            let [length, offset] = [r.u16()?, r.u16()?].map(usize::from);
            let name = usize::from(r.u8()?);
            if name > 0 {
                let first = r.u64()?;
                let id = str::from_utf8(r.take(name)?).map_err(|_| Short)?;
                run = Some(Run { first, id });
            }
            let piece = r.take(min(length.checked_sub(offset).ok_or(Short)?, r.rest().len()))?;
            let run = run.filter(|run| (1..=sequence).contains(&run.first)).ok_or(Short)?;
            let is_wanted = (field(self.latest, OLDEST)..=field(self.latest, UNTIL)).contains(&sequence);
            // Its pieces follow each other; and one that is whole is not read again.
            let is_next = match offset {
                0 => sequence > self.last,
                _ => sequence == self.last && offset == self.has,
            };
            let Some(room) = self.body.get_mut(offset..offset + piece.len()).filter(|_| is_wanted && is_next)
            else {
                continue;
            };
            room.copy_from_slice(piece);
            (self.last, self.has) = (sequence, offset + piece.len());
            if self.has == length {
                let body = self.body.get(..length).unwrap_or_default();
                each(run, Record { sequence, sampled_ms, body });
                self.reports += 1;
                // There is no piece that begins here.
                self.has = usize::MAX;
            }
        }
        Ok(())
    }
}
