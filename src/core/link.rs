//! The one shape of a protocol core.
//!
//! A link does no I/O and reads no clock. Its owner moves bytes and time:
//!
//! 1. read from the peer into [`Link::recv_space`], then [`Link::received`];
//! 2. drain [`Link::poll_event`] until it has none: this is what looks at received bytes, and what
//!    makes room for more;
//! 3. write [`Link::outgoing`] to the peer, then [`Link::sent`] with as much as was taken: a
//!    partial write is data, not an error;
//! 4. at [`Link::deadline`], [`Link::timed_out`]; then 2 and 3 again.
//!
//! Change once, drain fully, then wait. A link that has ended says so by an event; it is then
//! dropped, and a new connection makes a new one.

use core::fmt;

use crate::bytes::{Short, Writer};
use crate::time::Instant;

/// After a link has ended: how soon another attempt makes sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// The cause may pass by itself.
    Soon,
    /// After half a minute at least: somebody has to change something.
    Slow,
    /// What is wanted is held by another connection (AMQP's 405). By our own ghost that passes within
    /// three heartbeats; by somebody else it stays.
    Held,
}

/// A protocol endpoint without I/O. See the module for how to drive it.
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
    /// it has passed while an event waits that no received byte has brought.
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

    /// What waits.
    pub fn outgoing(&self) -> &[u8] {
        self.buf.get(self.start..self.end).unwrap_or(&[])
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// The first `n` bytes of what waits were taken.
    pub fn sent(&mut self, n: usize) {
        self.start = self.start.saturating_add(n).min(self.end);
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
            (self.start, self.end) = (0, self.end - self.start);
        }
        let limit = self.buf.len().saturating_sub(reserve);
        let mut w = Writer::new(self.buf.get_mut(self.end..limit).ok_or(Short)?);
        write(&mut w);
        self.end += w.finish()?;
        Ok(())
    }
}

/// Tells how much waits, but not what: a login may be among it.
impl fmt::Debug for SendBuffer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendBuffer").field("waiting", &self.outgoing().len()).finish_non_exhaustive()
    }
}
