//! chasar's master node.

mod client;
mod connection;
mod fanout;
mod guests;
pub mod master;
mod moderation;
mod payload;
mod ring;
mod subscriber;
