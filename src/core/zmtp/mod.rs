//! ZMTP 2.0, 3.0 and 3.1 (ZeroMQ RFC 15, 23 and 37): PUB and SUB, in clear (NULL) or encrypted (CURVE, RFC 25 and 26).
//!
//! [`Publisher`] is a PUB with one topic and one peer in fixed memory: a [`Link`](crate::link::Link), driven as
//! [`crate::link`] says.
//!
//! [`Session`] is one side of one connection, PUB or SUB: greeting, READY, frames, heartbeats. It holds no
//! received bytes and no messages, so that whoever has ten thousand of them chooses where these lie; it is what a
//! `Publisher` is made of. [`Subscriptions`] counts what a peer has subscribed to.
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
//! `Curve`, with the crate's feature `curve`, is given to a session or a publisher before it is driven. From then on its
//! peer has the right keys, or it ends: there is no way back to NULL. Commands and frames are the same, each in a box.
//!
//! ZMTP has no orderly end: a connection that is closed has ended. A message that finds no room is dropped as a whole,
//! as a PUB does (RFC 29).
//!
//! Not supported: other mechanisms (PLAIN, GSSAPI), other patterns, ZMTP 1.0.

mod command;
#[cfg(feature = "curve")]
mod curve;
#[cfg(not(feature = "curve"))]
#[path = "no_curve.rs"]
mod curve;
mod error;
mod frame;
mod greeting;
mod publisher;
mod session;
mod socket_type;
mod subscriptions;

pub use curve::{Curve, Sealed};
#[cfg(feature = "curve")]
pub use curve::{KEY, NotAKey, PublicKey, RANDOM, Revealed, SecretKey};
pub use error::{Error, Step, Violation};
pub use frame::put_message;
pub use publisher::{Buffers, Outcome, Publisher, PublisherEvent};
pub use session::{Event, HANDSHAKE, Session};
pub use socket_type::SocketType;
pub use subscriptions::Subscriptions;
