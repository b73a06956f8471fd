//! AMQP 0-9-1, as much of it as a publisher needs: one codec, two ends.
//!
//! [`server`] is the end that publishers connect to. The rest of this page is about [`Client`], which has one connection,
//! publishes on one channel, and opens another only to ask for its queue again. It is a [`Link`](crate::link::Link), driven as [`crate::link`] says: it logs in, declares what its
//! [`Options`] name, and switches confirms on; from [`Event::Ready`] on [`Client::publish`] gives each message a
//! delivery tag, which an event confirms or refuses. [`delivery`] does that for an [outbox](crate::outbox).
//!
//! Section numbers refer to the AMQP 0-9-1 specification, "the reference" is the one that belongs to it; the Confirm
//! class, Nack and Blocked are RabbitMQ's extensions.
//!
//! ```text
//!  new --header--> Start --Start-Ok--> Tune --Tune-Ok, Open--> Open --Channel.Open--> Channel
//!                                                                                        |
//!    Ready <--Select-Ok-- Confirm <-- Bind <-- Queue <-- Exchange <----------------------+
//!      |                                (each only where it is to be declared)
//!      +-- publish, Ack, Nack, Return, Blocked, Unblocked, heartbeats
//!      |
//!      +-- close(), Channel.Close, an error of ours --Connection.Close--> Closing --Close-Ok--> Ended
//!      +-- Connection.Close --Close-Ok--> Ended
//! ```
//!
//! Every way out leads to Ended: a new connection is a new [`Client`]. [`Error::retry`] says how soon it makes sense.
//!
//! Every message is mandatory. One that comes back (Basic.Return) ends the connection where a queue was declared,
//! since declaring it again may help; where none was, messages are tried one at a time until one is confirmed.
//!
//! A queue that is refused since another connection holds it or its node is down, or about which there is no answer,
//! holds nothing back ([`Event::QueueRefused`], [`Event::QueueUnanswered`]). A message that is refused (Nack) waits to be
//! published again by itself, while others go on; where nothing is confirmed meanwhile, on another channel. One that is not answered at all ends the connection, after
//! [`Options::confirm_timeout`]: such a node is cut off from its peers, and another may do.
//!
//! A body has at most the length of the send buffer less 2 KiB, and goes in as many frames as the broker's frame-max
//! asks for. Server properties and returned content are passed over, whatever their length.
//!
//! Not supported, because a publisher does not need it: consuming, transactions, several channels
//! that publish, SASL mechanisms other than PLAIN and EXTERNAL, several routing keys on one connection. TLS stands between client and
//! socket.

mod error;
mod event;
mod options;
mod field;
mod properties;
mod method;
mod frames;
mod receive;
mod send;
mod heartbeats;
mod route;
mod confirms;
mod client;
pub mod delivery;
pub mod server;

pub use client::Client;
pub use error::{Error, Scope, Step, Violation};
pub use event::Event;
pub use field::{Table, Value};
pub use options::{Buffers, Exchange, Mechanism, Options, Queue};
pub use properties::{Properties, ReceivedProperties};
pub use send::Publish;
pub use server::{Server, ServerBuffers, ServerError, ServerEvent, ServerOptions};

/// Frame types (§2.3.5).
mod frame {
    /// What a client says first, and a server to whoever says something else (§4.2.2).
    pub const PROTOCOL_HEADER: &[u8; 8] = b"AMQP\0\0\x09\x01";
    pub const METHOD: u8 = 1;
    pub const HEADER: u8 = 2;
    pub const BODY: u8 = 3;
    pub const HEARTBEAT: u8 = 8;
    /// Last octet of every frame.
    pub const END: u8 = 0xCE;
    /// Octets before the payload: type u8, channel u16, size u32.
    pub const PREFIX: usize = 7;
    /// Smallest frame-max that either side may ask for (§4.2.3, `FRAME-MIN-SIZE`).
    pub const MIN_MAX: u32 = 4096;
    /// The client's first channel. Class Connection speaks on channel 0, all others on this one, or on the second.
    pub const CHANNEL: u16 = 1;
}
