//! The agent: the core on one thread of smol.
//!
//! [`cli`] reads the command line and lets [`service`] start, stop or ask; [`run`] joins what lives
//! as long as the agent does: sampling, its connections and signals, over one [`reactor`]. They share
//! [`context`], and nothing else.

// What the kernel says:
pub mod source;
pub mod numbered;
pub mod sys;
pub mod thermometer;
pub mod hwmon;
pub mod addresses;
pub mod cores;
pub mod memory;
pub mod processes;
pub mod machine;
pub mod figures;
pub mod basic;
pub mod sampler;
pub mod chasar;
// The broker:
pub mod reactor;
pub mod status;
pub mod context;
pub mod aside;
pub mod resolve;
pub mod connect;
pub mod attempts;
pub mod wire;
pub mod publisher;
// The program:
pub mod logging;
pub mod configuration;
pub mod notify;
pub mod sampling;
pub mod run;
pub mod pidfile;
pub mod service;
pub mod listing;
pub mod cli;

/// Target of log records about the connection: the original's AMQP library was pika, and existing
/// configurations govern it by that name.
const LOG_AMQP: &str = "pika";
