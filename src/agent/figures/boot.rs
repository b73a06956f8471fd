//! `boot`: when the machine was started.

use std::ops::ControlFlow;

use super::{Figure, Reading};
use crate::agent::source::{Failure, Root, Source};
use crate::bytes::Short;
use crate::limits;
use crate::report::json_of;
use crate::sample::stat;

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
