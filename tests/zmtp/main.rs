//! ZMTP, in clear and encrypted: two endpoints in memory, anything that a peer may say, and libzmq over TCP.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation
)]

mod curve;
mod endpoints;
mod hostile;
mod libzmq;
mod messages;
mod timers;
