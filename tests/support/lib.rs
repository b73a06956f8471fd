//! What the tests stand on: real peers, scripted peers, captured boards, and the programs under test.

pub mod agent;
pub mod boards;
pub mod broker;
pub mod consumer;
pub mod master;
pub mod memory;
pub mod namespace;
pub mod openapi;
pub mod peer;
pub mod pki;
pub mod process;
pub mod processors;
pub mod project;
pub mod proxy;
pub mod python;
pub mod raw;
pub mod refusing;
pub mod reports;
pub mod scripted;
pub mod service_manager;

use std::time::Duration;

/// How long a test waits for what must come. Generous: it is only ever used up by a failure.
pub const PATIENCE: Duration = Duration::from_secs(60);
