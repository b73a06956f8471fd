//! What a further figure of a report is.

use std::path::PathBuf;

use log::warn;

use crate::conf::sensors::Device;
use crate::machine::snapshot::Snapshot;
use crate::machine::source::{ReadError, Root};
use crate::machine::wanted::Wanted;
use crate::output::once::Once;
use psistats_core::bytes::Short;
use psistats_core::time::Instant;

/// A further figure, as its `open(&Root, &Options)` made it. Its files are open and its buffers are as large as they will ever be.
pub(super) trait Figure {
    /// What it is read from, under the root.
    fn source(&self) -> &str;

    /// The same for a message, which goes on with what became of it.
    fn place(&self, root: &Root) -> PathBuf {
        root.path(self.source())
    }

    /// What it takes from a snapshot; whatever else it needs it reads itself.
    fn wanted(&self) -> Wanted {
        Wanted::NOTHING
    }

    /// Opens again what may have gone away or come since, without an allocation. The sources of snapshots are
    /// not the figure's.
    fn reopen(&mut self, _: &Root) {}

    /// Whether a part of it could not be read, which may come back when it is opened again.
    fn is_incomplete(&self) -> bool {
        false
    }

    /// Reads what the first report is measured against, where it is a rate.
    fn prime(&mut self, _: &mut Snapshot<'_>) {}

    /// Reads it, and keeps what was read.
    fn read(&mut self, snapshot: &mut Snapshot<'_>) -> Result<(), ReadError>;

    /// Writes what was read as a JSON value, and returns its length in bytes.
    fn encode(&self, buf: &mut [u8]) -> Result<usize, Short>;
}

/// What some figures are to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// `[disk] mounts`: at most [`limits::MOUNTS`](crate::limits::MOUNTS), each of at most
    /// [`limits::MOUNT_POINT`](crate::limits::MOUNT_POINT) bytes.
    pub mounts: Vec<String>,
    /// `[diskio] counters`: the counters behind the rates too.
    pub disk_counters: bool,
    /// `[net] counters`: likewise.
    pub net_counters: bool,
    /// `[sensors] devices[]`: which sensors. None: all that there are.
    pub sensors: Vec<Device>,
}

impl Default for Options {
    fn default() -> Self {
        Self { mounts: vec!["/".into()], disk_counters: false, net_counters: false, sensors: Vec::new() }
    }
}

/// When a report is made.
#[derive(Clone, Copy, Debug)]
pub struct Tick {
    /// By the wall clock, milliseconds.
    pub unix_ms: i64,
    /// By the monotonic clock.
    pub now: Instant,
    /// When it was due. By this, which does not waver, a figure is due too.
    pub due: Instant,
    /// Whether the secondary timer is due as well.
    pub secondary: bool,
}

/// Tells once that there is more than a figure has room for.
#[derive(Debug, Default)]
pub(super) struct Crowd(Once);

impl Crowd {
    #[cold]
    pub(super) fn tell(&self, figure: &str, limit: usize) {
        if self.0.first() {
            warn!("{figure}: there are more than {limit} of them; reports have the first");
        }
    }
}
