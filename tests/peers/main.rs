//! Peers that refuse, misbehave or attack: what the agent says, and that it comes through with
//! every report.
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
