//! Whether messages find a queue, where none of ours is declared that could be declared again.
//!
//! A Return names no delivery tag, and precedes the Ack of what came back. So after one no Ack is believed until
//! all have come; then a single message is tried, after waits that grow.
//!
//! ```text
//!  Open --Return--> Returned --settled()--> Waiting --time--> Next --published()--> Tried --Ack--> Open
//!                      ^                                                              |
//!                      +------------------------------Return--------------------------+
//! ```

use core::time::Duration;

use crate::time::{Backoff, Instant};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// As far as is known there is a queue.
    Open,
    /// A message came back; there may be more, and answers say nothing.
    Returned,
    /// Nothing is in flight.
    Waiting,
    /// One message may be published.
    Next,
    /// It waits for its answer.
    Tried,
}

/// The way to a queue.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    state: State,
    until: Instant,
    backoff: Backoff,
}

impl Route {
    /// Open. After the first Return a message is tried `retry` later, after further ones later still.
    pub fn new(retry: Duration) -> Self {
        Self { state: State::Open, until: Instant::default(), backoff: Backoff::new(retry) }
    }

    /// Whether a message may be published now.
    pub fn can_publish(&self) -> bool {
        matches!(self.state, State::Open | State::Next)
    }

    /// One was published.
    pub fn published(&mut self) {
        if self.state == State::Next {
            self.state = State::Tried;
        }
    }

    /// One came back at `now`. Whether that is news: it was open before.
    pub fn returned(&mut self, now: Instant) -> bool {
        let before = core::mem::replace(&mut self.state, State::Returned);
        if before != State::Returned {
            // Each publisher has a time of its own, when its first message came back: no need of chance.
            self.until = now + self.backoff.next(u32::MAX, Duration::ZERO);
        }
        before == State::Open
    }

    /// Whether answers say nothing, for a message came back.
    pub fn has_returned(&self) -> bool {
        self.state == State::Returned
    }

    /// One was stored.
    pub fn stored(&mut self) {
        if self.state == State::Tried {
            self.state = State::Open;
            self.backoff.reset();
        }
    }

    /// Nothing is in flight.
    pub fn settled(&mut self) {
        if self.state == State::Returned {
            self.state = State::Waiting;
        }
    }

    /// When [`Route::timed_out`] is due.
    pub fn deadline(&self) -> Option<Instant> {
        (self.state == State::Waiting).then_some(self.until)
    }

    /// The wait is over.
    pub fn timed_out(&mut self) {
        if self.state == State::Waiting {
            self.state = State::Next;
        }
    }
}
