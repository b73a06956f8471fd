//! The task of one section: all boards in turn, each in the order of its time.

use std::cell::Cell;
use std::io;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use log::{error, warn};
use tokio::task::spawn_blocking;
use tokio::time;

use super::chunk::{self, Chunk};
use super::position::{self, Positions};
use super::receiver::{Outcome, Receiver};
use super::settings::Section;
use super::source::Source;
use crate::clock::unix_ms;
use crate::history::MINUTE_DAYS;
use crate::intake::Door;

/// Boards are kept within this of each other: Prometheus takes what is up to an hour older than its newest sample.
const WINDOW_MS: i64 = 30 * 60_000;
/// A request has about so many samples.
const SAMPLES: usize = 10_000;
/// The most requests that one that was refused is divided into.
const PARTS: usize = 2_048;
/// What is dropped first of a board whose samples were refused: those of so long. Then twice as many.
const OLDEST_MS: i64 = 1_000;
/// What the history can know of a board.
const HISTORY_MS: i64 = MINUTE_DAYS as i64 * 86_400_000;

/// What was sent to a receiver, since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Samples that it has taken.
    pub samples: u64,
    /// Samples that it has refused.
    pub dropped: u64,
    /// Requests that it has taken, or refused.
    pub requests: u64,
    /// Requests that failed, and were sent again.
    pub failures: u64,
    /// When the oldest sample was taken that waits to be sent: Unix milliseconds. None: nothing waits.
    pub waits_since_ms: Option<i64>,
}

/// Writes to one receiver.
pub struct Writer {
    section: Section,
    door: Rc<Door>,
    start: Cell<Option<Positions>>,
    counters: Rc<Cell<Counters>>,
}

/// What the task has of its own.
struct Task<'w> {
    writer: &'w Writer,
    source: Source,
    positions: Positions,
    receiver: Receiver,
    /// What a refused request may be divided into: less after one of which nothing was taken.
    parts: usize,
    is_unwritable: bool,
}

impl Writer {
    /// The one of a section, with positions in the folder `data`.
    pub fn new(section: Section, door: Rc<Door>, data: Option<&Path>) -> Self {
        let (positions, read) = Positions::open(&section.name, data);
        if let Err(error) = read {
            warn!("[{}]: its positions cannot be read: {error}; it begins with what comes now", section.name);
        }
        Self { section, door, start: Cell::new(Some(positions)), counters: Rc::default() }
    }

    /// The section's name.
    pub fn name(&self) -> &str {
        &self.section.name
    }

    /// What was sent.
    pub fn counters(&self) -> Counters {
        self.counters.get()
    }

    fn count(&self, change: impl FnOnce(&mut Counters)) {
        count(&self.counters, change);
    }

    /// Sends everything, without end.
    pub async fn run(&self) {
        let Some(positions) = self.start.take() else { return };
        let mut task = Task {
            writer: self,
            source: Source::new(self.door.clone()),
            positions,
            receiver: Receiver::new(self.section.clone(), self.counters.clone()),
            parts: PARTS,
            is_unwritable: false,
        };
        loop {
            if !task.round().await {
                time::sleep(self.section.interval).await;
            }
        }
    }
}

/// Changes counters.
pub fn count(counters: &Cell<Counters>, change: impl FnOnce(&mut Counters)) {
    let mut changed = counters.get();
    change(&mut changed);
    counters.set(changed);
}

impl Task<'_> {
    /// Sends what waits, up to half an hour of it. Whether more may wait.
    async fn round(&mut self) -> bool {
        let now_ms = unix_ms();
        self.deliver_late().await;
        let behind = self.behind(now_ms);
        self.keep().await;
        let Some(base_ms) = behind.iter().map(|(_, position)| *position).min() else { return false };
        let until_ms = base_ms + WINDOW_MS;
        let mut is_more = behind.iter().any(|(_, position)| *position >= until_ms) || until_ms < now_ms;
        let (mut batch, mut samples) = (Vec::new(), 0);
        for (board, mut position) in behind {
            while position + 1 < until_ms {
                match self.source.next(&board, position, until_ms).await {
                    Ok(None) => break,
                    Ok(Some(chunk)) => {
                        position = chunk.to_ms;
                        samples += chunk.len();
                        batch.push(chunk);
                    }
                    Err(_) => {
                        is_more = false;
                        break;
                    }
                }
                if samples >= SAMPLES {
                    self.deliver(std::mem::take(&mut batch)).await;
                    samples = 0;
                }
            }
        }
        self.deliver(batch).await;
        if !is_more {
            self.writer.count(|counters| counters.waits_since_ms = Some(now_ms));
        }
        is_more
    }

    /// The boards that have said something after their positions, and these.
    fn behind(&mut self, now_ms: i64) -> Vec<(Arc<str>, i64)> {
        let fleet = self.writer.door.fleet().borrow();
        let (mut behind, mut oldest_ms) = (Vec::new(), None);
        for board in fleet.boards().iter().filter(|board| !board.name.contains('\0')) {
            let Some(newest_ms) = board.recent.newest_ms() else { continue };
            // Where a clock was set back, it is for the receiver to refuse what is older than what it has.
            let known = self.positions.of(&board.name).map(|position| position.min(newest_ms));
            let position = known.unwrap_or_else(|| {
                // A receiver that is new begins with what comes now; a board that is new, with all that it said.
                let position = if self.positions.is_new() { newest_ms } else { newest_ms - HISTORY_MS };
                self.positions.set(&board.name, position);
                position
            });
            if let Some(next_ms) = board.recent.next_ms(position) {
                let since_ms = known.unwrap_or(next_ms).min(now_ms);
                oldest_ms = Some(oldest_ms.map_or(since_ms, |oldest_ms: i64| oldest_ms.min(since_ms)));
                behind.push((board.name.clone(), position));
            }
        }
        self.positions.begin();
        self.writer.count(|counters| counters.waits_since_ms = oldest_ms);
        behind
    }

    /// Sends what came after its board's position had passed it. Positions stay as they are.
    async fn deliver_late(&mut self) {
        for chunk in self.source.late(|board| self.positions.of(board)) {
            let chunks = [chunk];
            if let Outcome::Refused(why) = self.send(&chunks).await {
                self.dropped(&chunks, &why);
            }
        }
    }

    /// Sends chunks in one request, and then their boards have new positions. Where it is refused as a whole, because of
    /// some board, its halves are sent; of a board that is refused alone, the oldest samples are dropped, and then more
    /// and more, until the rest is taken.
    async fn deliver(&mut self, chunks: Vec<Chunk>) {
        let mut waiting = vec![(chunks, OLDEST_MS)];
        let (mut parts, mut is_taken) = (0, false);
        while let Some((chunks, oldest_ms)) = waiting.pop() {
            let Outcome::Refused(why) = self.send(&chunks).await else {
                is_taken = true;
                self.passed(&chunks).await;
                continue;
            };
            parts += 1;
            if parts >= self.parts {
                self.dropped(&chunks, &why);
                self.passed(&chunks).await;
                continue;
            }
            match chunk::by_boards(chunks) {
                Ok((early, late)) => waiting.extend([(late, OLDEST_MS), (early, OLDEST_MS)]),
                Err(chunks) => {
                    let first_ms = chunk::first_ms(&chunks).unwrap_or(i64::MAX);
                    let (early, late) = chunk::by_time(chunks, first_ms.saturating_add(oldest_ms));
                    self.dropped(&early, &why);
                    self.passed(&early).await;
                    if !late.is_empty() {
                        waiting.push((late, oldest_ms * 2));
                    }
                }
            }
        }
        // One that refuses everything is not asked a thousand times for each request.
        self.parts = if is_taken { PARTS } else { self.parts.div_ceil(4) };
    }

    /// Samples have been sent, or dropped.
    async fn passed(&mut self, chunks: &[Chunk]) {
        // Of one board the last chunk counts.
        chunks.iter().for_each(|chunk| self.positions.set(&chunk.board, chunk.to_ms));
        self.keep().await;
    }

    async fn send(&mut self, chunks: &[Chunk]) -> Outcome {
        let count: usize = chunks.iter().map(Chunk::len).sum();
        if count == 0 {
            return Outcome::Taken;
        }
        let mut request = Vec::with_capacity(count * 64);
        chunks.iter().for_each(|chunk| chunk.put(&mut request));
        // Only 4 GiB are too much.
        let body = snap::raw::Encoder::new().compress_vec(&request).unwrap_or_default();
        let outcome = self.receiver.send(body.into()).await;
        self.writer.count(|counters| {
            counters.requests += 1;
            if matches!(outcome, Outcome::Taken) {
                counters.samples += count as u64;
            }
        });
        outcome
    }

    fn dropped(&self, chunks: &[Chunk], why: &str) {
        let Section { name, place, .. } = &self.writer.section;
        let count: usize = chunks.iter().map(Chunk::len).sum();
        if self.writer.counters().dropped == 0 {
            let board = chunks.first().map_or("", |chunk| &chunk.board);
            let is_one = chunks.iter().all(|chunk| *chunk.board == *board);
            let (board, others) = (board.escape_debug(), if is_one { "" } else { " and other boards" });
            error!(
                "[{name}]: {count} samples of {board}{others} are dropped: {place} {why}; further ones are counted"
            );
        }
        self.writer.count(|counters| counters.dropped += count as u64);
    }

    /// Writes the positions.
    async fn keep(&mut self) {
        let Some((path, bytes)) = self.positions.contents() else { return };
        let written = spawn_blocking(move || position::write(&path, &bytes).map_err(|error| (path, error)));
        let failed = match written.await {
            Ok(Err((path, error))) => Some(format!("{}: {error}", path.display())),
            Ok(Ok(())) => None,
            Err(error) => Some(io::Error::other(error).to_string()),
        };
        if let Some(why) = failed.as_ref().filter(|_| !self.is_unwritable) {
            let name = self.writer.name();
            warn!("[{name}]: {why}; samples may be sent again after a restart; suppressed until it recovers");
        }
        self.is_unwritable = failed.is_some();
    }
}
