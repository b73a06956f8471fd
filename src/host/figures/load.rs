//! `load`: how many tasks wanted to run, on average over 1, 5 and 15 minutes.

use crate::figures::{Figure, Reading};
use crate::machine::source::{Failure, Root, Source};
use psistats_core::bytes::Short;
use psistats_core::kernel::{Hundredths, loadavg};
use psistats_core::report::json_of;

/// See the module.
#[derive(Debug)]
pub struct Load {
    source: Source,
    averages: Option<[Hundredths; 3]>,
}

impl Load {
    /// Opens `/proc/loadavg`.
    pub fn open(root: &Root) -> Self {
        Self { source: Source::open(root, "proc/loadavg"), averages: None }
    }
}

impl Figure for Load {
    fn source(&self) -> &str {
        self.source.name()
    }

    fn reopen(&mut self, root: &Root) {
        self.source.reopen(root);
    }

    fn read(&mut self, reading: Reading<'_>) -> Result<(), Failure> {
        self.averages = loadavg::parse(self.source.read(reading.text, 0)?);
        if self.averages.is_some() { Ok(()) } else { Err(Failure::Content) }
    }

    fn encode(&self, buf: &mut [u8]) -> Result<usize, Short> {
        json_of(&self.averages, buf)
    }
}
