//! `percpu`: how busy each core was since the previous report.

use crate::figures::Options;
use crate::figures::figure::Figure;
use crate::machine::cores::{CoreRates, ProcessorReader};
use crate::machine::snapshot::Snapshot;
use crate::machine::source::{ReadError, Root};
use crate::machine::wanted::Wanted;
use psistats_core::bytes::Short;
use psistats_core::report::{Sequence, json_of};

#[derive(Debug)]
pub struct PerCpu(CoreRates);

impl PerCpu {
    /// The snapshot has it.
    pub fn open(_: &Root, _: &Options) -> Self {
        Self(CoreRates::new("percpu"))
    }
}

impl Figure for PerCpu {
    fn source(&self) -> &str {
        ProcessorReader::NAME
    }

    fn wanted(&self) -> Wanted {
        Wanted::CORES
    }

    fn prime(&mut self, snapshot: &mut Snapshot<'_>) {
        // A failure shows again with the first report.
        let _ = self.read(snapshot);
    }

    fn read(&mut self, snapshot: &mut Snapshot<'_>) -> Result<(), ReadError> {
        self.0.update(snapshot)
    }

    fn encode(&self, buf: &mut [u8]) -> Result<usize, Short> {
        json_of(&Sequence(self.0.percent()), buf)
    }
}
