//! Boards over MQTT, between a hub and Debian's mosquitto with its own clients, as Home Assistant would see them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
#![allow(clippy::cast_possible_truncation)]

mod broker;
mod discovery;
#[allow(dead_code)]
#[path = "../hub/hub.rs"]
mod hub;
#[allow(dead_code)]
#[path = "../hub/master.rs"]
mod master;
mod outages;
