//! The end that publishers connect to: it takes whatever they publish, and confirms what its owner has stored.
//!
//! [`Server`] is a [`Link`](crate::link::Link) of one connection, driven as [`crate::link`] says. It is an intake, not a
//! broker: every exchange, queue and binding that is asked for is agreed to and forgotten, and every message is an
//! event, whatever it was published to. A publisher made for RabbitMQ notices no difference. Mandatory messages are
//! never returned, since all are taken.
//!
//! ```text
//!  new --header, Start--> StartOk --Start-Ok--> Login --accept(), Tune--> TuneOk --Tune-Ok--> Open
//!                                                 |                                             |
//!                            Close 403 <--refuse()+                       Ready <--Open, Open-Ok+
//!
//!  Ready, each channel:   Closed --Channel.Open--> Open --Channel.Close--> Closed
//!                                                    |
//!                                                    +-- declare, bind, delete, ...: Ok
//!                                                    +-- publish: an event; Ack once it is confirmed
//!                                                    +-- consume, get, tx: Connection.Close 540
//!                                                    +-- a message too large: Channel.Close 311
//!                                                          --> Closing --Close-Ok--> Closed
//!
//!  close(), a breach of protocol --Connection.Close--> Closing --Close-Ok, or a second--> Ended
//!  Connection.Close --Close-Ok--> Ended
//!  another protocol --our header--> Ended
//! ```
//!
//! # What the owner does
//! - [`ServerEvent::Login`]: it looks at [`Server::login`], and answers with [`Server::accept`] or [`Server::refuse`].
//!   Nothing else is read before; where the peer fills the receive buffer meanwhile, the connection ends.
//! - [`ServerEvent::Publish`]: it takes what it needs of [`Server::message`], which is there until the next
//!   [`poll_event`](crate::link::Link::poll_event), and keeps the [`Tag`].
//! - Once a message is stored it calls [`Server::confirm`] with its tag, which confirms all messages before it on the
//!   same channel, too: messages are stored in the order in which they come. What has been confirmed when the owner
//!   drains goes as one Ack, and waits while the peer does not read. The last tag of a group is enough.
//! - [`Server::block`] and [`Server::unblock`] while it cannot store. A message that comes nevertheless is an event.
//!
//! # Memory
//! It is the caller's [`ServerBuffers`], and does not grow.
//! - `receive` holds the longest method: Start-Ok with the client's properties, or a declaration with its arguments.
//!   Content may be longer: it is taken in pieces.
//! - `send` holds replies. A peer that sends requests without reading the replies ends with
//!   [`Violation::Flood`](super::Violation::Flood).
//! - `messages` is divided by the number of channels, and each share holds one message: exchange, routing key,
//!   properties and body. A larger one closes its channel with 311, and the connection lives. Messages of several
//!   channels may come mixed (§4.2.6).
//!
//! # Not supported
//! Consuming and transactions, which are answered with 540 and a text of the owner's; SASL mechanisms other than PLAIN and EXTERNAL;
//! returning and refusing messages (Basic.Return, Basic.Nack); Channel.Flow towards the client; `immediate`, which is
//! passed over. TLS stands between server and socket. Which users and virtual hosts there are is the owner's business.

mod channel;
mod conversation;
mod error;
mod event;
mod machine;
mod options;
mod reply;
mod request;

pub use channel::{Message, Tag};
pub use error::{ServerError, ServerStep};
pub use event::ServerEvent;
pub use machine::Server;
pub use options::{CHANNELS, ServerBuffers, ServerOptions};
pub use request::Login;
