//! Heartbeats of either end, and the silence by which a dead peer is told (§4.2.7).

use core::time::Duration;

use crate::time::Instant;

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beat {
    /// Nothing was received for two heartbeats.
    Silent,
    /// Nothing could be sent for two heartbeats.
    Stalled,
    /// A heartbeat is to be sent.
    Send,
}

/// When something came and went last.
#[derive(Clone, Copy, Debug)]
pub struct Heartbeats {
    /// The agreed interval, seconds; 0: none.
    pub interval_s: u16,
    received_at: Instant,
    sent_at: Instant,
    /// When what waits to go began to wait.
    waiting_since: Instant,
}

impl Heartbeats {
    pub const fn new(now: Instant) -> Self {
        Self { interval_s: 0, received_at: now, sent_at: now, waiting_since: now }
    }

    pub fn received(&mut self, now: Instant) {
        self.received_at = now;
    }

    pub fn sent(&mut self, now: Instant) {
        (self.sent_at, self.waiting_since) = (now, now);
    }

    /// Something begins to wait to go, where nothing did.
    pub fn waits(&mut self, now: Instant) {
        self.waiting_since = now;
    }

    /// Every deadline that is set. `waiting`: something waits to go.
    pub fn timers(&self, waiting: bool) -> [Option<(Instant, Beat)>; 2] {
        if self.interval_s == 0 {
            return [None; 2];
        }
        let two = 2 * Duration::from_secs(u64::from(self.interval_s));
        // A heartbeat after half of the interval without anything sent; and what waits to be sent for as long as
        // a dead peer is given tells the same about the way there.
        let sending = match waiting {
            true => (self.waiting_since + two, Beat::Stalled),
            false => (self.sent_at + two / 4, Beat::Send),
        };
        [Some((self.received_at + two, Beat::Silent)), Some(sending)]
    }
}
