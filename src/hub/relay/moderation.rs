//! Fewer and larger turns, as a network card has by moderating its interrupts.
//!
//! A thousand boards send at a thousand times a second. To wake up for each costs ten times what there is
//! to do for it; a report that comes a millisecond later is as good.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Least time from one turn to the next, where little comes.
const LEAST: Duration = Duration::from_millis(5);

/// Bytes in a turn that are much: whoever sends so fast is not to be slowed down.
const MUCH: usize = 64 * 1024;

/// What is known of the turn that ends when there is nothing more to do.
#[derive(Debug)]
pub struct Moderation {
    begin: Instant,
    /// When the turn began, nanoseconds after `begin`.
    turn: AtomicU64,
    /// Bytes received in it.
    received: AtomicUsize,
}

impl Moderation {
    /// Nothing yet.
    pub fn new() -> Self {
        Self { begin: Instant::now(), turn: AtomicU64::new(0), received: AtomicUsize::new(0) }
    }

    /// So many bytes were received.
    pub fn received(&self, bytes: usize) {
        self.received.fetch_add(bytes, Ordering::Relaxed);
    }

    /// There is nothing more to do. Returns when it is time to look for more.
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
