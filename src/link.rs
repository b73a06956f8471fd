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

use crate::time::Instant;

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

    /// When [`Link::timed_out`] is due at the latest, if ever. Moves with everything that happens;
    /// it has passed while an event waits that no received byte has brought.
    fn deadline(&self) -> Option<Instant>;

    /// The time is `now`; whatever was due is done.
    fn timed_out(&mut self, now: Instant);
}
