//! Whether messages find a queue, where none of ours is declared that could be declared again.
//!
//! A Return names no delivery tag, and precedes the Ack of what came back. So after one no Ack is believed until
//! all have come; then a single message is tried, after waits that grow. Answers for those before it are not
//! believed later either: their messages may have made room for newer ones meanwhile, and their answers be late.
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
    /// The delivery tag from which on answers are believed: that of the message that was tried last.
    first: u64,
    until: Instant,
    backoff: Backoff,
}

impl Route {
    /// Open. After the first Return a message is tried `retry` later, after further ones later still.
    pub fn new(retry: Duration) -> Self {
        Self { state: State::Open, first: 0, until: Instant::default(), backoff: Backoff::new(retry) }
    }

    /// Whether a message may be published now.
    pub fn can_publish(&self) -> bool {
        matches!(self.state, State::Open | State::Next)
    }

    /// The one with this delivery tag was published.
    pub fn published(&mut self, tag: u64) {
        if self.state == State::Next {
            self.state = State::Tried;
            self.first = tag;
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

    /// An Ack came for this delivery tag. Whether it is believed: that the message is stored.
    pub fn acknowledged(&mut self, tag: u64) -> bool {
        if tag < self.first || !matches!(self.state, State::Open | State::Tried) {
            return false;
        }
        if self.state == State::Tried {
            self.state = State::Open;
            self.backoff.reset();
        }
        true
    }

    /// A queue has been bound: the next one need not wait.
    pub fn opened(&mut self) {
        self.until = Instant::default();
    }

    /// Nothing is in flight.
    pub fn settled(&mut self) {
        if self.state == State::Returned {
            self.state = State::Waiting;
        }
    }

    /// No answer comes any more to what was published: its channel is gone. What was tried is followed by another.
    pub fn abandoned(&mut self) {
        if self.state == State::Tried {
            self.state = State::Next;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_what_was_tried_is_never_answered_since_its_channel_is_gone_another_is_tried() {
        let mut route = Route::new(Duration::from_secs(1));
        route.published(1);
        route.returned(Instant::default());
        route.settled();
        route.timed_out();
        route.published(2);
        // It made room for newer ones, so that nothing was in flight, and the channel was replaced.
        route.abandoned();
        assert!(route.can_publish());
        route.published(3);
        assert!(!route.can_publish());
        assert!(!route.acknowledged(2) && route.acknowledged(3) && route.can_publish());
    }

    #[test]
    fn a_late_answer_for_a_message_from_before_the_one_that_is_tried_is_not_believed() {
        let mut route = Route::new(Duration::from_secs(1));
        route.published(1);
        assert!(route.returned(Instant::default()));
        // The message made room for newer ones, so that nothing is in flight any more.
        route.settled();
        assert!(!route.acknowledged(1), "while it waits");
        route.timed_out();
        assert!(!route.acknowledged(1), "before the next is tried");
        route.published(2);
        assert!(!route.acknowledged(1), "while the next is tried");
        assert!(!route.can_publish());
        assert!(route.acknowledged(2));
        assert!(route.can_publish());
        assert!(!route.acknowledged(1), "afterwards");
    }
}
