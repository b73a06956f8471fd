//! Peers that refuse, misbehave or attack: what the agent logs, and that no report is lost.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::cast_possible_truncation
)]

mod confirms;
mod floods;
mod handshake;
mod publishing;
mod refusals;
mod slow;
mod walk;
