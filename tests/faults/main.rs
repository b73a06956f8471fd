//! Faults of brokers and networks, provoked on real ones, against the real program. What it must
//! do then is what each test's name says.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod alarm;
mod frozen;
mod killed;
mod link;
mod namespace;
mod operator;
mod outage;
mod stop;
mod watch;
