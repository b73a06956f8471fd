//! `load`: how many tasks wanted to run, on average over 1, 5 and 15 minutes.

use crate::figures::Options;
use crate::figures::figure::Figure;
use crate::machine::snapshot::Snapshot;
use crate::machine::source::{ReadError, Root, Source};
use psistats_core::bytes::Short;
use psistats_core::kernel::{Hundredths, loadavg};
use psistats_core::report::json_of;

#[derive(Debug)]
pub struct Load {
    source: Source,
    averages: Option<[Hundredths; 3]>,
}

impl Load {
    /// Opens `/proc/loadavg`.
    pub fn open(root: &Root, _: &Options) -> Self {
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

    fn read(&mut self, snapshot: &mut Snapshot<'_>) -> Result<(), ReadError> {
        self.averages = loadavg::parse(self.source.read(snapshot.text, 0)?);
        if self.averages.is_some() { Ok(()) } else { Err(ReadError::Content) }
    }

    fn encode(&self, buf: &mut [u8]) -> Result<usize, Short> {
        json_of(&self.averages, buf)
    }
}
