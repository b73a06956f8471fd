//! The AMQP server against a scripted client in memory, whose words are encoded and decoded by amq-protocol;
//! against anything; and programs that publish to it unchanged.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::cast_possible_truncation
)]

use support::peer;

mod closing;
mod fuzz;
mod guest;
mod handshake;
mod programs;
mod publishing;
mod requests;
mod timers;

const SECOND: std::time::Duration = std::time::Duration::from_secs(1);
