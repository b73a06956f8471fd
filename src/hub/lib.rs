//! The second program, `psistats-hub`, which watches the boards: their reports come in, and a page shows them.
//!
//! | where | what |
//! |---|---|
//! | [`cli`] | the command line, help, and exit codes |
//! | `serve` | the hub: starts every room, and joins them |
//! | `run` | chasar's master node alone |
//! | [`settings`] | what the configuration says |
//! | `reload` | what SIGHUP takes over of it |
//! | `signals`, `clock`, `complaints` | what their names say |
//! | `logger` | the log, on standard error |
//! | `listeners` | listening sockets, and their options |
//! | `descriptors` | the limit of open files |
//! | `intake` | where reports come from |
//! | [`fleet`] | the state of all boards |
//! | [`history`] | what every board said, on disk: minutes for two weeks, quarters of an hour for a year |
//! | [`alerts`] | which boards need somebody, and who is told |
//! | [`metrics`] | what the boards say, for Prometheus |
//! | [`mqtt`] | the same over MQTT, and as devices of Home Assistant |
//! | [`remote_write`] | the same, sent to Prometheus, Mimir, VictoriaMetrics ... |
//! | `peers` | other hubs, and their worst boards |
//! | [`http`] | HTTP and TLS to wherever the hub tells something |
//! | [`relay`] | chasar's master node, on a thread of its own |
//! | [`web`] | the page and the API over HTTP |
//! | [`tls`] | certificates and keys, and whom they are for |
//! | `top` | the wall in a terminal, which asks a hub's API |
//!
//! The main thread has a runtime of tokio, and so has the relay's. They share nothing: a room of this program is
//! told messages, answers with snapshots, and holds no lock while anything waits.
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

pub mod alerts;
mod answers;
pub mod cli;
mod clock;
mod complaints;
mod descriptors;
pub mod fleet;
mod intake;
pub mod history;
pub mod http;
mod listeners;
mod logger;
pub mod metrics;
pub mod mqtt;
mod peers;
pub mod relay;
mod reload;
pub mod remote_write;
mod run;
mod serve;
pub mod settings;
mod signals;
pub mod tls;
mod top;
pub mod web;
