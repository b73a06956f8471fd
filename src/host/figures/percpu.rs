//! `percpu`: how busy each core was since the report before.

use crate::figures::{Figure, Reading};
use crate::machine::Asker;
use crate::machine::cores::{Cores, Processors};
use crate::machine::source::Failure;
use psistats_core::bytes::Short;
use psistats_core::report::{Sequence, json_of};

/// See the module.
#[derive(Debug)]
pub struct PerCpu(Cores);

impl PerCpu {
    /// Those of `processors`.
    pub fn of(processors: &mut Processors) -> Self {
        Self(Cores::of(processors, Asker::Figure, "percpu"))
    }
}

impl Figure for PerCpu {
    fn source(&self) -> &str {
        Processors::NAME
    }

    fn prime(&mut self, reading: Reading<'_>) {
        // A failure shows again with the first report.
        let _ = self.read(reading);
    }

    fn read(&mut self, reading: Reading<'_>) -> Result<(), Failure> {
        self.0.read(reading.processors, reading.now, reading.text)
    }

    fn encode(&self, buf: &mut [u8]) -> Result<usize, Short> {
        json_of(&Sequence(self.0.percent()), buf)
    }
}
