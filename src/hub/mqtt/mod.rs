//! Boards over MQTT, as devices of Home Assistant.
//!
//! | where | what |
//! |---|---|
//! | [`settings`] | `[mqtt]` of the configuration |
//! | [`topics`] | where what is published; names from outside made safe for topics |
//! | [`entities`] | what Home Assistant is told of a series: name, class, unit |
//! | [`discovery`] | what it is told of a board: one retained message |
//! | [`book`] | what the broker was told, and is to be told now |
//! | [`publisher`] | from the fleet to the connection |
//! | [`connection`] | the broker, and how it is reached again |
//!
//! ```text
//!  fleet --once a second--> Publisher --16 messages at most--> connection --> broker
//!                               ^                                   |
//!                               +------- number of the session -----+
//! ```
//!
//! Everything has quality of service 0: over TCP that is lost with its connection alone, and in a new one everything
//! that is retained is published again. The hub subscribes to nothing, so that a broker can tell it nothing.

pub mod book;
pub mod connection;
pub mod discovery;
pub mod entities;
pub mod publisher;
pub mod settings;
pub mod topics;

use std::rc::Rc;

use tokio::sync::watch;
use tokio::task::spawn_local;

use self::connection::Connection;
use self::publisher::Publisher;
use self::settings::Mqtt;
use crate::intake::Door;

/// Starts publishing, as tasks of the current [`tokio::task::LocalSet`].
pub fn start(settings: Mqtt, door: Rc<Door>) {
    let session = watch::Sender::new(None);
    let sessions = session.subscribe();
    let settings = Rc::new(settings);
    let (connection, client) = Connection::new(settings.clone(), session);
    spawn_local(connection.run());
    spawn_local(Publisher::new(settings, door, client).run(sessions));
}
