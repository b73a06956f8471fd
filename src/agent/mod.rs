//! The agent: the core on one thread of smol.

pub mod addresses;
pub mod cli;
pub mod logging;
pub mod mailbox;
pub mod sampler;
pub mod service;
pub mod source;
pub mod thermometer;
