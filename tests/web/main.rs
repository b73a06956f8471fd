//! The hub's page and API: over sockets of their own, with a view that is made up.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
#![allow(clippy::cast_possible_truncation)]

mod boards;
mod client;
mod connections;
mod crowd;
mod endpoints;
mod events;
mod login;
mod noise;
mod openapi;
mod refusals;
mod server;
