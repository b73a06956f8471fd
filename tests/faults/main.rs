//! Failures of real brokers and networks, against the real program. The numbers in the names of tests are those
//! of the list of faults.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod alarm;
mod frozen;
mod killed;
mod link;
mod namespace;
mod operator;
mod outage;
mod spool;
mod stop;
mod watch;
