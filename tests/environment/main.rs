//! The whole program under failures of its machine: name servers, disks, limits, signals, configurations, and
//! the service in the background.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation
)]

mod clock;
mod configuration;
mod disk;
mod hung_mount;
mod name_server;
mod names;
mod original;
mod outage;
mod place;
mod resources;
mod sensors;
mod service;
mod suspended;
