//! The agent: the core on one thread of smol.

pub mod addresses;
pub mod attempts;
pub mod cli;
pub mod configuration;
pub mod connect;
pub mod context;
pub mod localtime;
pub mod logging;
pub mod mailbox;
pub mod pidfile;
pub mod publisher;
pub mod reactor;
pub mod resolve;
pub mod run;
pub mod sampler;
pub mod service;
pub mod source;
pub mod thermometer;

/// Target of log records about the connection: the original's AMQP library was pika, and existing
/// configurations govern it by that name.
const LOG_AMQP: &str = "pika";
