//! What the relay counts, and a snapshot of it for other threads.

use std::cell::Cell;
use std::fmt;

/// Events since the start that no other part of the relay counts.
#[derive(Debug, Default)]
pub struct Counters {
    /// Messages that were valid, and so were published.
    pub valid: Cell<u64>,
    /// Messages that were not valid, and so were dropped.
    pub invalid: Cell<u64>,
    /// Valid messages that the relay's observer did not take.
    pub unobserved: Cell<u64>,
    /// Messages that were dropped for subscribers that have disconnected.
    pub dropped: Cell<u64>,
    /// Connections that were refused because the maximum number was reached.
    pub refused: Cell<u64>,
}

/// Connections at one moment, and events since the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Connections, those in their handshake included.
    pub connections: usize,
    /// Connections of subscribers.
    pub subscribers: usize,
    /// Subscribers whose subscriptions match what is published.
    pub subscribed: usize,
    /// Valid messages.
    pub messages: u64,
    /// Invalid messages.
    pub invalid: u64,
    /// Valid messages that the observer did not take.
    pub unobserved: u64,
    /// Messages that were dropped for slow subscribers: one for each subscriber and message.
    pub dropped: u64,
    /// Connections that were refused.
    pub refused: u64,
    /// Connections that were ended to make room for others.
    pub evicted: u64,
}

/// In one line of the log. Its observer is for the program, and not for the operator.
impl fmt::Display for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            connections, subscribers, subscribed, messages, invalid, dropped, refused, evicted, ..
        } = self;
        write!(
            f,
            "connections={connections} subscribers={subscribers} subscribed={subscribed} messages={messages} \
             invalid={invalid} dropped={dropped} refused={refused} evicted={evicted}"
        )
    }
}
