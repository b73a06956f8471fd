//! `swap`: percent in use.

use crate::figures::Options;
use crate::figures::figure::Figure;
use crate::machine::memory::MemoryReader;
use crate::machine::snapshot::Snapshot;
use crate::machine::source::{ReadError, Root};
use crate::machine::wanted::Wanted;
use psistats_core::bytes::Short;
use psistats_core::kernel::Tenths;
use psistats_core::report::{json_of, percent};

#[derive(Debug)]
pub struct Swap(Option<Tenths>);

impl Swap {
    /// The snapshot has it.
    pub fn open(_: &Root, _: &Options) -> Self {
        Self(None)
    }
}

impl Figure for Swap {
    fn source(&self) -> &str {
        MemoryReader::NAME
    }

    fn wanted(&self) -> Wanted {
        Wanted::SWAP
    }

    fn read(&mut self, snapshot: &mut Snapshot<'_>) -> Result<(), ReadError> {
        let swap = snapshot.memory?.swap.ok_or(ReadError::Content)?;
        self.0 = Some(percent(swap.total_bytes.saturating_sub(swap.free_bytes), swap.total_bytes));
        Ok(())
    }

    fn encode(&self, buf: &mut [u8]) -> Result<usize, Short> {
        json_of(&self.0, buf)
    }
}
