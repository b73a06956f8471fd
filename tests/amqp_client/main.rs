//! The AMQP client against a scripted broker in memory: what it does in each state, and with each
//! fault of a broker that a script can play.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::cast_possible_truncation
)]

use support::peer;

mod closing;
mod errors;
mod framing;
mod handshake;
mod own_queue;
mod publishing;
mod timers;

use psistats_core::amqp::{Properties, Publish, Table};

/// A small message.
const MESSAGE: Publish<'static> = Publish { properties: NO_PROPERTIES, body: b"{\"cpu\":1.5}" };

/// Properties of a message that has none.
const NO_PROPERTIES: Properties<'static> = Properties {
    content_type: "",
    content_encoding: "",
    headers: &[],
    fixed_headers: Table::EMPTY,
    persistent: false,
    message_id: "",
    timestamp: None,
    app_id: "",
};

const SECOND: std::time::Duration = std::time::Duration::from_secs(1);
