//! The one shape of a protocol's end: a state machine that does no I/O and reads no clock.
//!
//! # How to drive a link
//!
//! **Change once, drain fully, then wait.** After anything has changed (octets came, the transport took some, a
//! deadline passed, something was published), the owner drains, in this order:
//!
//! 1. [`Link::poll_event`] until it has no more. This is what looks at received octets and makes room for others;
//! 2. [`Link::outgoing`] to the transport, and [`Link::sent`] with as many octets as it took, until nothing is left or
//!    the transport takes no more. A partial write is data, not an error.
//!
//! Then it waits for the first of three, and drains again:
//!
//! - octets: it reads into [`Link::recv_space`] and calls [`Link::received`], or [`Link::disconnected`] at the end of
//!   the stream or after an error of it;
//! - the transport takes octets again, where some wait;
//! - [`Link::deadline`]: it calls [`Link::timed_out`]. The deadline moves with everything that happens, so that it is
//!   asked for before each wait.
//!
//! ```text
//!             +--------------------------------- wait <----------------------------+
//!             |                  |                                |                |
//!   read -> received      writable -> (nothing)      deadline -> timed_out         |
//!             |                  |                                |                |
//!             +------------------+----> poll_event until None <---+                |
//!                                       outgoing -> write -> sent, until empty ----+
//! ```
//!
//! A link that has ended says so by its last event and is then dropped: there is no way back, and a new connection
//! makes a new one. What is [`Link::outgoing`] at that time may be written as a courtesy. `now` never goes back from
//! call to call.
//!
//! # How large buffers are
//!
//! The caller gives each link two, which may serve one connection after another. The receive buffer bounds what the
//! peer may say at once (AMQP: its longest method; ZMTP: its longest subscription), not how much it may say. The send
//! buffer holds at least the largest message with its envelope; what goes beyond that lets one system call carry many
//! messages, or is the high-water mark. [`crate::limits`] has sizes that work.

use core::fmt;

use crate::bytes::{Short, Writer};
use crate::time::Instant;

/// After a link has ended: how soon another attempt makes sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// The cause may pass by itself.
    Soon,
    /// After half a minute at least: an operator has to change something.
    Slow,
}

/// A protocol endpoint without I/O; the [module](self) says how to drive it.
pub trait Link {
    /// What the owner learns.
    type Event;

    /// Where to put bytes from the peer. Empty only while events wait to be drained, or after
    /// the end.
    fn recv_space(&mut self) -> &mut [u8];

    /// `n` bytes were put into [`Link::recv_space`].
    fn received(&mut self, n: usize, now: Instant);

    /// The next thing that happened, or none until something is received, sent, or times out.
    fn poll_event(&mut self, now: Instant) -> Option<Self::Event>;

    /// Bytes that wait for the peer.
    fn outgoing(&self) -> &[u8];

    /// The first `n` bytes of [`Link::outgoing`] were taken by the transport.
    fn sent(&mut self, n: usize, now: Instant);

    /// The transport has ended. The event of the end follows.
    fn disconnected(&mut self);

    /// When [`Link::timed_out`] is due at the latest, if ever. Moves with everything that happens;
    /// it is in the past while an event is pending that did not come from received bytes.
    fn deadline(&self) -> Option<Instant>;

    /// The time is `now`; whatever was due is done.
    fn timed_out(&mut self, now: Instant);
}

/// What writes something. Not generic: the two protocols write some thirty things, each by a few calls, and a copy
/// of what is around them for each took 3 KB of a board's binary.
pub type Write<'f> = &'f dyn Fn(&mut Writer<'_>);

/// Bytes that wait for the transport, in the caller's buffer.
pub struct SendBuffer<'a> {
    buf: &'a mut [u8],
    start: usize,
    end: usize,
}

impl<'a> SendBuffer<'a> {
    /// An empty one over `buf`.
    pub const fn new(buf: &'a mut [u8]) -> Self {
        Self { buf, start: 0, end: 0 }
    }

    /// The memory, for others.
    pub fn into_inner(self) -> &'a mut [u8] {
        self.buf
    }

    /// What waits.
    pub fn outgoing(&self) -> &[u8] {
        self.buf.get(self.start..self.end).unwrap_or(&[])
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// The first `n` bytes of what waits were taken. They are overwritten: a login may have been among them.
    pub fn sent(&mut self, n: usize) {
        let taken = self.start;
        self.start = self.start.saturating_add(n).min(self.end);
        self.wipe(taken, self.start);
        if self.is_empty() {
            (self.start, self.end) = (0, 0);
        }
    }

    /// Appends what `write` writes: all of it or, where fewer than `reserve` bytes would be left free,
    /// nothing.
    ///
    /// # Errors
    /// [`Short`] while there is no room.
    pub fn append(&mut self, reserve: usize, write: Write<'_>) -> Result<(), Short> {
        // Moving what waits to the front costs nothing while the transport keeps up: it is empty.
        if self.start > 0 {
            self.buf.copy_within(self.start..self.end, 0);
            let moved = self.end - self.start;
            self.wipe(moved.max(self.start), self.end);
            (self.start, self.end) = (0, moved);
        }
        let limit = self.buf.len().saturating_sub(reserve);
        let mut w = Writer::new(self.buf.get_mut(self.end..limit).ok_or(Short)?);
        write(&mut w);
        self.end += w.finish()?;
        Ok(())
    }
}

impl SendBuffer<'_> {
    fn wipe(&mut self, from: usize, to: usize) {
        if let Some(taken) = self.buf.get_mut(from..to) {
            taken.fill(0);
        }
    }
}

/// Tells how much waits, but not what: a login may be among it.
impl fmt::Debug for SendBuffer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendBuffer").field("waiting", &self.outgoing().len()).finish_non_exhaustive()
    }
}
