//! The end that publishers connect to: it takes whatever they publish, and tells them what is stored.
//!
//! [`Server`] is a [`Link`](crate::link::Link) of one connection, driven as [`crate::link`] says. It is an intake and no
//! broker: every exchange, queue and binding that is asked for is agreed to and forgotten, and every message is an event,
//! wherever it was published to. A publisher that knows RabbitMQ notices no difference; mandatory messages are never
//! returned, since all are taken.
//!
//! ```text
//!  new --header, Start--> StartOk --Start-Ok--> Login --accept(), Tune--> TuneOk --Tune-Ok--> Open --Open, Open-Ok--+
//!                                                 |                                                                 |
//!                                                 +-- refuse() --Close 403--> Closing                             Ready
//!                                                                                                                   |
//!    channels: Closed --Open--> Open --Close--> Closed                 <--------------------------------------------+
//!                                |--a message too large: Close 311--> Closing --Close-Ok--> Closed
//!                                |
//!                                +-- declare, bind, ... : agreed to;  publish : an event;  consume, get, tx : Close 540
//!
//!    close(), a breach of protocol --Connection.Close--> Closing --Close-Ok, or a second--> Ended
//!    Connection.Close --Close-Ok--> Ended
//!    another protocol --our header--> Ended
//! ```
//!
//! # What the owner does
//! - [`ServerEvent::Login`]: it looks at [`Server::login`], and answers with [`Server::accept`] or [`Server::refuse`].
//!   Nothing else is read before.
//! - [`ServerEvent::Publish`]: it takes what it needs of [`Server::message`], which is there until the next
//!   [`poll_event`](crate::link::Link::poll_event), and keeps the [`Tag`].
//! - Once a message is stored it calls [`Server::confirm`] with its tag. That holds for all messages before it on the
//!   same channel too: they are stored in the order in which they came. What was confirmed by the time that the owner
//!   drains goes as one Ack, and waits while a peer does not read; so the tag of the last of a group is enough, and that
//!   of each costs no more.
//! - [`Server::block`] and [`Server::unblock`] while it cannot store; what is published nevertheless is an event as ever.
//!
//! # Memory
//! It is the caller's [`ServerBuffers`]; none of it grows. The messages' part is divided by the number of channels, and
//! such a share holds one message: exchange, routing key, properties and body together. A larger one closes its channel
//! with 311, and the connection lives. Messages of several channels may come mixed, as §4.2.6 allows. The receive buffer
//! holds the longest method, that is Start-Ok with the client's properties or a declaration with its arguments: 4096
//! octets, which is more than any known client needs. The send buffer holds replies: 2048 octets or more; a peer that
//! sends requests without reading the replies ends with [`Violation::Flood`](super::Violation::Flood).
//!
//! # Not supported
//! Consuming and transactions, which are answered with 540 and a text of the owner's; SASL mechanisms other than PLAIN;
//! returning and refusing messages (Basic.Return, Basic.Nack); Channel.Flow of our own; `immediate`, which is passed
//! over. TLS stands between server and socket. Whether user and virtual host may be used is the owner's business.

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
