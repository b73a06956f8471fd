//! `swap`: percent in use.

use crate::figures::{Figure, Reading};
use crate::machine::Asker;
use crate::machine::memory::Memory;
use crate::machine::source::Failure;
use psistats_core::bytes::Short;
use psistats_core::kernel::Tenths;
use psistats_core::report::{json_of, percent};

/// See the module.
#[derive(Debug)]
pub struct Swap(Option<Tenths>);

impl Swap {
    /// That of `memory`, which from now on reads it.
    pub fn of(memory: &mut Memory) -> Self {
        memory.with_swap = true;
        Self(None)
    }
}

impl Figure for Swap {
    fn source(&self) -> &str {
        Memory::NAME
    }

    fn read(&mut self, reading: Reading<'_>) -> Result<(), Failure> {
        let told = reading.memory.ask(Asker::Figure, reading.now, reading.text)?;
        let swap = told.swap.ok_or(Failure::Content)?;
        self.0 = Some(percent(swap.total_bytes.saturating_sub(swap.free_bytes), swap.total_bytes));
        Ok(())
    }

    fn encode(&self, buf: &mut [u8]) -> Result<usize, Short> {
        json_of(&self.0, buf)
    }
}
