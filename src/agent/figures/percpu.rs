//! `percpu`: how busy each core was since the report before.

use heapless::Vec;
use log::warn;
use serde::{Serialize, Serializer};

use super::{Figure, Reading};
use crate::agent::source::{Failure, Root, Source};
use crate::bytes::Short;
use crate::limits;
use crate::report::{CpuRate, json_of};
use crate::sample::{Tenths, stat};

/// See the module.
#[derive(Debug)]
pub struct PerCpu {
    source: Source,
    /// By number, as far as one was ever online.
    cores: Vec<Core, { limits::CORES }>,
    /// Whether it was told that there are more.
    told: bool,
}

#[derive(Debug, Default)]
struct Core {
    rate: CpuRate,
    percent: Option<Tenths>,
    online: bool,
}

impl Serialize for Core {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.percent.serialize(serializer)
    }
}

impl PerCpu {
    /// Opens `/proc/stat`.
    pub fn open(root: &Root) -> Self {
        Self { source: Source::open(root, "proc/stat"), cores: Vec::new(), told: false }
    }
}

impl Figure for PerCpu {
    fn source(&self) -> &str {
        self.source.name()
    }

    fn reopen(&mut self, root: &Root) {
        self.source.reopen(root);
    }

    fn prime(&mut self, reading: Reading<'_>) {
        // A failure shows again with the first report.
        let _ = self.read(reading);
    }

    fn read(&mut self, reading: Reading<'_>) -> Result<(), Failure> {
        self.cores.iter_mut().for_each(|core| core.online = false);
        let mut more = false;
        self.source.pieces(reading.text, limits::CPU_LINES, |text| {
            stat::each_core(text, |number, times| {
                if number >= limits::CORES {
                    more = true;
                    return;
                }
                while self.cores.len() <= number && self.cores.push(Core::default()).is_ok() {}
                if let Some(core) = self.cores.get_mut(number) {
                    core.percent = core.rate.next(Some(times));
                    core.online = true;
                }
            })
        })?;
        // What an offline core's counters do until it is back is not told.
        self.cores.iter_mut().filter(|core| !core.online).for_each(|core| *core = Core::default());
        if more && !self.told {
            self.told = true;
            warn!("percpu: cores from number {} on are left out", limits::CORES);
        }
        if self.cores.iter().any(|core| core.online) { Ok(()) } else { Err(Failure::Content) }
    }

    fn encode(&self, buf: &mut [u8]) -> Result<usize, Short> {
        json_of(self.cores.as_slice(), buf)
    }
}
