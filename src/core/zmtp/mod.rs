//! ZMTP 2.0, 3.0 and 3.1 (ZeroMQ RFC 15, 23 and 37): the NULL mechanism, PUB and SUB.
//!
//! [`Session`] is one side of one connection: greeting, READY, frames, heartbeats. It holds no
//! received bytes and no messages, so that whoever has ten thousand of them chooses where these lie.
//! [`Publisher`] is a PUB in fixed memory, a [`Link`](crate::link::Link), for a client node.
//!
//! ```text
//!  new --greeting--> Greeting --READY--> Handshake --READY from the peer--> Ready
//!                                                                             |
//!    messages, SUBSCRIBE and CANCEL, PING and PONG <--------------------------+
//!    ERROR, a breach of protocol, silence --> Ended
//! ```
//!
//! ZMTP 2.0 has no commands: it is Ready after the greeting, which has socket type and identity in it.
//!
//! ZMTP has no orderly end: a connection that is closed has ended. Not supported: other mechanisms
//! (PLAIN, CURVE), other patterns, ZMTP 1.0.

mod command;
mod error;
mod frame;
mod greeting;
mod publisher;
mod session;
mod subscriptions;

pub use error::{Error, Step, Violation};
pub use frame::put_message;
pub use publisher::{Buffers, Outcome, Publisher, PublisherEvent};
pub use session::{Event, HANDSHAKE, Session, SocketType};
pub use subscriptions::Subscriptions;
