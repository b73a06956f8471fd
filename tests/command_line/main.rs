//! The command line and the life of the service, through the real program.
//!
//! There is no broker: the configurations name a port without a listener, and the program runs all the same.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::cast_possible_truncation
)]

mod background;
mod chasar;
mod found;
mod life;
mod pidfile;
mod place;
use support::process;
mod sensors;
mod sysvinit;
mod unit;
mod words;
