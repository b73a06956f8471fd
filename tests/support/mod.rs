//! What the tests stand on: real peers, scripted peers, and the program under test.
#![allow(
    dead_code, // each test program uses its part of it
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::cast_possible_truncation
)]

pub mod agent;
pub mod broker;
pub mod consumer;
pub mod master;
pub mod memory;
pub mod namespace;
pub mod process;
pub mod proxy;
pub mod raw;
pub mod refusing;
pub mod reports;
pub mod scripted;
pub mod service_manager;

use std::time::Duration;

/// How long a test waits for what must come. Generous: it is only ever used up by a failure.
pub const PATIENCE: Duration = Duration::from_secs(60);
