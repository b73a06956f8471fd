//! Remote write: what the boards say, sent to Prometheus, Mimir, Thanos, VictoriaMetrics or whoever else takes the
//! protocol (prometheus.io/docs/specs/prw/remote_write_spec, version 1.0).
//!
//! | where | what |
//! |---|---|
//! | [`settings`] | the sections of the configuration |
//! | [`names`] | the labels of each series, by the table of [`crate::metrics`] |
//! | [`protobuf`] | a request as bytes |
//! | [`chunk`] | samples of one board, and how they are divided |
//! | [`position`] | how far each board has been sent, on the disk |
//! | `source` | what comes next of a board: from memory, or from the history |
//! | `receiver` | one request, tried until it is decided |
//! | `writer` | the task of one section: everything in order, without end |
//!
//! ```text
//!  fleet: each sample of the last hour --+--> Source --> chunks --> Receiver
//!  history: minutes of 14 days ----------+      ^                      |
//!                                           positions <--- taken, or dropped
//! ```
//!
//! A series has to come in the order of its times, and by the clock of its board. So each board has a position of its
//! own: the time of its last sample that the receiver has taken. While the receiver is not there, nothing moves; what
//! has left the memory by then comes from the history, an average (of a counter, the maximum) for each minute. Boards are
//! kept within half an hour of each other, since a receiver may refuse what is much older than its newest sample. What
//! comes late, when a newer sample has been sent, is sent by itself: a receiver that takes it has no gap.

pub mod chunk;
pub mod names;
pub mod position;
pub mod protobuf;
mod receiver;
pub mod settings;
mod source;
mod writer;

use std::path::Path;
use std::rc::Rc;

use log::info;
use tokio::task::spawn_local;

pub use self::settings::Section;
pub use self::writer::{Counters, Writer};
use crate::intake::Door;

/// Starts a task for each section, in the current [`tokio::task::LocalSet`]. Positions are kept in the folder `data`.
pub fn start(sections: Vec<Section>, door: &Rc<Door>, data: Option<&Path>) -> Vec<Rc<Writer>> {
    let writers = sections.into_iter().map(|section| {
        info!("[{}]: samples go to {}", section.name, section.place);
        let writer = Rc::new(Writer::new(section, door.clone(), data));
        spawn_local({
            let writer = writer.clone();
            async move { writer.run().await }
        });
        writer
    });
    writers.collect()
}
