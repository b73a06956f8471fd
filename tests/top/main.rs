//! `psistats-hub top` in tmux, which says what a terminal shows: against the hub as a process with boards by pika, and
//! against hubs that are made up.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
#![allow(clippy::cast_possible_truncation)]

mod boards;
mod command_line;
mod hostile;
#[path = "../hub/hub.rs"]
#[allow(dead_code)]
mod hub;
#[path = "../hub/master.rs"]
#[allow(dead_code)]
mod master;
mod outage;
mod scripted;
mod terminal;
mod views;
