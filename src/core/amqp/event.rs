//! What the owner of a client learns.

use crate::amqp::error::Error;
use crate::bytes::Text;

/// What the owner learns.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// Everything is declared; confirms are on. Publish.
    Ready {
        /// The agreed heartbeat, seconds; 0: none.
        heartbeat_s: u16,
    },
    /// The broker has stored this delivery tag (`multiple`: and all before it).
    Confirmed {
        /// Delivery tag.
        tag: u64,
        /// Also all before it.
        multiple: bool,
    },
    /// The broker has not stored this delivery tag: it has refused it, and the connection ends once all others
    /// are answered, see [`Client::is_draining`](super::Client::is_draining); or nobody knows, see
    /// [`Client::has_returned`](super::Client::has_returned).
    Refused {
        /// Delivery tag.
        tag: u64,
        /// Also all before it.
        multiple: bool,
    },
    /// A message came back, since no queue is bound for it, and none of ours could be declared again. Those in
    /// flight come as refused, and messages are tried one at a time until one is confirmed.
    Returned {
        /// Reply code.
        code: u16,
        /// Reply text.
        text: Text,
    },
    /// The broker wants no publishes from now on (memory or disk alarm).
    Blocked(Text),
    /// The broker takes publishes again.
    Unblocked,
    /// The end, the last event. Bytes that are still [`outgoing`](crate::link::Link::outgoing) may be written,
    /// as a courtesy.
    Ended(Result<(), Error>),
}
