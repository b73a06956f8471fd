//! `percpu`: how busy each core was since the report before.

use super::{Figure, Reading};
use crate::agent::cores::Cores;
use crate::agent::source::{Failure, Root};
use crate::bytes::Short;
use crate::report::{Sequence, json_of};

/// See the module.
#[derive(Debug)]
pub struct PerCpu(Cores);

impl PerCpu {
    /// Opens `/proc/stat`.
    pub fn open(root: &Root) -> Self {
        Self(Cores::open(root, "percpu"))
    }
}

impl Figure for PerCpu {
    fn source(&self) -> &str {
        self.0.name()
    }

    fn reopen(&mut self, root: &Root) {
        self.0.reopen(root);
    }

    fn prime(&mut self, reading: Reading<'_>) {
        // A failure shows again with the first report.
        let _ = self.read(reading);
    }

    fn read(&mut self, reading: Reading<'_>) -> Result<(), Failure> {
        self.0.read(reading.text)
    }

    fn encode(&self, buf: &mut [u8]) -> Result<usize, Short> {
        json_of(&Sequence(self.0.percent()), buf)
    }
}
