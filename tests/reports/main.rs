//! What consumers see of the agent, read by independent consumers.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::cast_possible_truncation
)]

mod address;
mod batches;
mod body;
mod declarations;
mod properties;
mod reload;
mod stdout;
mod switched_off;

use std::time::{Duration, Instant};

use support::PATIENCE;
use support::reports::sequence;

/// This machine's host name, from the kernel.
fn hostname() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap().trim().into()
}

/// Waits until `found` returns true, and fails after a timeout.
fn eventually(what: &str, mut found: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !found() {
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
