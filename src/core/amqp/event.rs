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
    /// The broker has refused to store this delivery tag (Nack). It may be published again where
    /// [`Client::can_publish_again`](super::Client::can_publish_again); others go on.
    Refused {
        /// Delivery tag.
        tag: u64,
        /// Also all before it.
        multiple: bool,
    },
    /// Nobody knows whether the broker has stored this delivery tag, see
    /// [`Client::has_returned`](super::Client::has_returned).
    Doubtful {
        /// Delivery tag.
        tag: u64,
        /// Also all before it.
        multiple: bool,
    },
    /// The broker refuses our queue for now. We publish without it, and ask for it again after waits that grow.
    QueueRefused {
        /// Reply code.
        code: u16,
        /// Reply text.
        text: Text,
    },
    /// There is no answer to the declaration of our queue. We publish without it, until there is one.
    QueueUnanswered,
    /// Our queue is declared and bound after all.
    QueueDeclared,
    /// A message came back, since no queue is bound for it, and none of ours could be declared again. Those in
    /// flight come as doubtful, and messages are tried one at a time until one is confirmed.
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
