//! The second program, `psistats-hub`, which watches the boards. So far it is chasar's master node.
//!
//! | where | what |
//! |---|---|
//! | [`cli`] | the command line, help, and exit codes |
//! | `run` | the main thread: starts everything, handles signals |
//! | `logger` | the log, on standard error |
//! | `listeners` | listening sockets, and their options |
//! | `descriptors` | the limit of open files |
//! | [`history`] | what every board said, on disk: minutes for two weeks, quarters of an hour for a year |
//! | [`relay`] | chasar's master node, on a thread of its own |
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

pub mod cli;
mod descriptors;
pub mod history;
mod listeners;
mod logger;
pub mod relay;
mod run;
mod settings;
