//! How busy each core was since the reading before.

use heapless::Vec;
use log::warn;

use super::source::{Failure, Root, Source};
use crate::limits;
use crate::report::CpuRate;
use crate::sample::{Tenths, stat};

/// The cores of `/proc/stat`.
#[derive(Debug)]
pub struct Cores {
    figure: &'static str,
    source: Source,
    /// By number, as far as one was ever online.
    all: Vec<Core, { limits::CORES }>,
    /// Whether it was told that there are more.
    told: bool,
}

#[derive(Debug, Default)]
struct Core {
    rate: CpuRate,
    percent: Option<Tenths>,
    online: bool,
}

impl Cores {
    /// Opens `/proc/stat`, for `figure`.
    pub fn open(root: &Root, figure: &'static str) -> Self {
        Self { figure, source: Source::open(root, "proc/stat"), all: Vec::new(), told: false }
    }

    /// Where it is read, under the root.
    pub fn name(&self) -> &'static str {
        self.source.name()
    }

    /// Opens it again.
    pub fn reopen(&mut self, root: &Root) {
        self.source.reopen(root);
    }

    /// Reads the counters.
    ///
    /// # Errors
    /// Those of the file.
    pub fn read(&mut self, text: &mut [u8]) -> Result<(), Failure> {
        self.all.iter_mut().for_each(|core| core.online = false);
        let mut more = false;
        self.source.pieces(text, limits::CPU_LINES, |text| {
            stat::each_core(text, |number, times| {
                if number >= limits::CORES {
                    more = true;
                    return;
                }
                while self.all.len() <= number && self.all.push(Core::default()).is_ok() {}
                if let Some(core) = self.all.get_mut(number) {
                    core.percent = core.rate.next(Some(times));
                    core.online = true;
                }
            })
        })?;
        // What an offline core's counters do until it is back is not told.
        self.all.iter_mut().filter(|core| !core.online).for_each(|core| *core = Core::default());
        if more && !self.told {
            self.told = true;
            warn!("{}: cores from number {} on are left out", self.figure, limits::CORES);
        }
        if self.all.iter().any(|core| core.online) { Ok(()) } else { Err(Failure::Content) }
    }

    /// Percent by the core's number; null: offline, or seen for the first time.
    pub fn percent(&self) -> impl Iterator<Item = Option<Tenths>> + Clone {
        self.all.iter().map(|core| core.percent)
    }
}
