//! `boot`: when the machine was started.

use std::ops::ControlFlow;

use crate::figures::Options;
use crate::figures::figure::Figure;
use crate::limits;
use crate::machine::snapshot::Snapshot;
use crate::machine::source::{ReadError, Root, Source};
use psistats_core::bytes::Short;
use psistats_core::kernel::stat;
use psistats_core::report::json_of;

#[derive(Debug)]
pub struct Boot {
    source: Source,
    seconds: Option<u64>,
}

impl Boot {
    /// Opens `/proc/stat`.
    pub fn open(root: &Root, _: &Options) -> Self {
        Self { source: Source::open(root, "proc/stat"), seconds: None }
    }
}

impl Figure for Boot {
    fn source(&self) -> &str {
        self.source.name()
    }

    fn reopen(&mut self, root: &Root) {
        self.source.reopen(root);
    }

    fn read(&mut self, snapshot: &mut Snapshot<'_>) -> Result<(), ReadError> {
        self.seconds = None;
        self.source.pieces(snapshot.text, limits::CPU_LINES, |text| {
            self.seconds = stat::boot_time(text);
            if self.seconds.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        self.seconds.map(|_| ()).ok_or(ReadError::Content)
    }

    fn encode(&self, buf: &mut [u8]) -> Result<usize, Short> {
        json_of(&self.seconds, buf)
    }
}
