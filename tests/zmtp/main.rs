//! ZMTP: two endpoints in memory, anything that a peer may say, and libzmq over TCP.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation
)]

mod endpoints;
mod hostile;
#[cfg(feature = "agent")] // which the support is for
mod libzmq;
mod messages;
#[cfg(feature = "agent")]
#[path = "../support/mod.rs"]
mod support;
mod timers;
