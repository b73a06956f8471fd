//! The agent: it makes reports of a machine and sends them, on one thread of smol.
//!
//! [`cli`] reads the command line. [`life::service`] starts, stops and queries the service in the background.
//! [`life::run`] runs what lives as long as the agent does, over one [`net::reactor`]: sampling, the [`outlets`]
//! and signals. These share [`life::context`], and nothing else.
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

pub mod settings;
pub mod logging;
pub mod net;
pub mod outlets;
pub mod life;
pub mod cli;

/// Target of log records about the connection to the broker. The original used the AMQP library pika, and
/// existing configurations set the level of these records by that name.
const LOG_AMQP: &str = "pika";
