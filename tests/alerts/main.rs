//! Alerts: the rules in made-up time, and a hub as a process with receivers that nobody here wrote.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
#![allow(clippy::cast_possible_truncation)]

#[cfg(not(debug_assertions))] // it measures
mod cost;
mod crowds;
mod email;
mod hub;
mod quiet;
mod receivers;
mod rules;
mod settings;
mod tls;
mod world;
