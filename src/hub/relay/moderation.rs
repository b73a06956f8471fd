//! Fewer and larger turns of the relay's thread, as a network card moderates its interrupts.
//!
//! A thousand boards send at a thousand moments of a second. To wake up for each costs ten times as much as to relay
//! its message, and a message may well arrive some milliseconds later.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// The shortest time from one turn to the next under light load.
const LEAST: Duration = Duration::from_millis(5);

/// Bytes received in a turn from which on the load is heavy, and the next turn is not delayed.
const MUCH: usize = 64 * 1024;

/// The present turn, which ends when there is nothing more to do.
#[derive(Debug)]
pub struct Moderation {
    begin: Instant,
    /// When the turn began, nanoseconds after `begin`.
    turn: AtomicU64,
    /// Bytes received in it.
    received: AtomicUsize,
}

impl Moderation {
    /// The first turn begins.
    pub fn new() -> Self {
        Self { begin: Instant::now(), turn: AtomicU64::new(0), received: AtomicUsize::new(0) }
    }

    /// Counts bytes that were received.
    pub fn received(&self, bytes: usize) {
        self.received.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Ends the turn: sleeps until the next one may begin.
    pub fn pause(&self) {
        let received = self.received.swap(0, Ordering::Relaxed);
        let elapsed = self.begin.elapsed();
        let turn = elapsed.saturating_sub(Duration::from_nanos(self.turn.load(Ordering::Relaxed)));
        if (1..MUCH).contains(&received) && turn < LEAST {
            thread::sleep(LEAST - turn);
        }
        let now = u64::try_from(self.begin.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.turn.store(now, Ordering::Relaxed);
    }
}
