//! The agent: the core on one thread of smol.

pub mod cli;
pub mod localtime;
pub mod logging;
pub mod sampler;
pub mod service;
