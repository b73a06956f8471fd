//! The second program, `psistats-hub`, for whoever watches the boards: on one thread of tokio.
//!
//! So far it is chasar's master node (`master.rs`):
//!
//! ```text
//!  client nodes --5555--> client ---- one JSON object? ----> fanout --6666--> subscribers
//!                                                               |
//!                                     ring: what some subscriber has not taken yet
//! ```
//!
//! Each connection is a task. Whatever is received is looked at in one buffer that all of them share, so
//! that a connection that is idle has none; whatever is published is in memory once, however many
//! subscribers there are.
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::cast_possible_truncation
    )
)]
#![forbid(unsafe_code)]

pub mod cli;
mod descriptors;
mod listeners;
mod logger;
mod relay;
mod settings;
