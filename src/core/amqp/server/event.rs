//! What the owner of a server learns.

use crate::amqp::server::{ServerError, Tag};
use crate::bytes::Text;

/// What the owner learns.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServerEvent {
    /// A client wants to log in: see [`Server::login`](super::Server::login).
    Login,
    /// The handshake is done.
    Opened {
        /// The virtual host that the client named. All of them are one.
        vhost: Text,
        /// The agreed heartbeat, seconds; 0: none.
        heartbeat_s: u16,
    },
    /// A message came: see [`Server::message`](super::Server::message).
    Publish(Tag),
    /// A message was too large, so that its channel is closed.
    TooLarge {
        /// The channel.
        channel: u16,
        /// Octets of its body, as its content header says; where already its properties were too many, theirs.
        size: u64,
    },
    /// The end, the last event. Bytes that are still [`outgoing`](crate::link::Link::outgoing) may be written,
    /// as a courtesy. It is Ok where the client closed the connection with 200, or the owner did.
    Ended(Result<(), ServerError>),
}
