//! `boot`: when the machine was started.

use std::ops::ControlFlow;

use crate::figures::{Figure, Reading};
use crate::machine::source::{Failure, Root, Source};
use psistats_core::bytes::Short;
use psistats_core::kernel::stat;
use psistats_core::limits;
use psistats_core::report::json_of;

/// See the module.
#[derive(Debug)]
pub struct Boot {
    source: Source,
    seconds: Option<u64>,
}

impl Boot {
    /// Opens `/proc/stat`.
    pub fn open(root: &Root) -> Self {
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

    fn read(&mut self, reading: Reading<'_>) -> Result<(), Failure> {
        self.seconds = None;
        self.source.pieces(reading.text, limits::CPU_LINES, |text| {
            self.seconds = stat::boot_time(text);
            if self.seconds.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        self.seconds.map(|_| ()).ok_or(Failure::Content)
    }

    fn encode(&self, buf: &mut [u8]) -> Result<usize, Short> {
        json_of(&self.seconds, buf)
    }
}
