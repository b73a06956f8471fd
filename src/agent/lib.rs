//! The agent: reports of a machine, made and sent on one thread of smol.
//!
//! [`cli`] reads the command line and lets [`life::service`] start, stop or ask; [`life::run`] joins what lives
//! as long as the agent does: sampling, its [`outlets`] and signals, over one [`net::reactor`]. They share
//! [`life::context`], and nothing else.
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

/// Target of log records about the connection: the original's AMQP library was pika, and existing
/// configurations govern it by that name.
const LOG_AMQP: &str = "pika";
