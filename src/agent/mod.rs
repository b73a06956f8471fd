//! The agent: the core on one thread of smol.

pub mod cli;
pub mod configuration;
pub mod logging;
pub mod pidfile;
pub mod run;
pub mod sampler;
pub mod service;
