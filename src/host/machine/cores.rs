//! What the processors have spent their time on, and how busy each was since the reading before.

use heapless::Vec as Fixed;
use log::warn;

use crate::machine::source::{Failure, Root, Source};
use crate::machine::{Asker, Served};
use psistats_core::kernel::Tenths;
use psistats_core::kernel::stat::{self, CpuTimes};
use psistats_core::limits;
use psistats_core::report::CpuRate;
use psistats_core::time::Instant;

/// `/proc/stat`.
#[derive(Debug)]
pub struct Processors {
    source: Source,
    served: Served,
    all: Result<CpuTimes, Failure>,
    each: Result<(), Failure>,
    /// By number, as far as one is online; of no capacity where nobody wants them.
    cores: Vec<Option<CpuTimes>>,
    more: bool,
}

impl Processors {
    /// Where it is read, under the root.
    pub const NAME: &str = "proc/stat";

    /// Opens it.
    pub fn open(root: &Root) -> Self {
        Self {
            source: Source::open(root, Self::NAME),
            served: Served::default(),
            all: Err(Failure::Content),
            each: Err(Failure::Content),
            cores: Vec::new(),
            more: false,
        }
    }

    /// Opens it again.
    pub fn reopen(&mut self, root: &Root) {
        self.source.reopen(root);
    }

    /// The times of all processors together.
    ///
    /// # Errors
    /// Those of the file.
    pub fn all(&mut self, asker: Asker, now: Instant, text: &mut [u8]) -> Result<CpuTimes, Failure> {
        if self.served.is_over(asker, now) {
            self.read(text);
        }
        self.all
    }

    /// The file of one reading: its first line alone, unless each core is wanted.
    fn read(&mut self, text: &mut [u8]) {
        if self.cores.capacity() == 0 {
            let (line, _) = text.split_at_mut(limits::CPU_LINE);
            self.all = self.source.read(line, 0).and_then(all_of);
            return;
        }
        let Self { source, all, cores, more, .. } = self;
        cores.clear();
        *more = false;
        let mut first = None;
        self.each = source.pieces(text, limits::CPU_LINES, |text| {
            first.get_or_insert_with(|| all_of(text));
            stat::each_core(text, |number, times| {
                if number >= cores.capacity() {
                    *more = true;
                    return;
                }
                cores.resize(cores.len().max(number + 1), None);
                if let Some(core) = cores.get_mut(number) {
                    *core = Some(times);
                }
            })
        });
        *all = first.unwrap_or(Err(self.each.err().unwrap_or(Failure::Content)));
        if self.each.is_ok() && cores.is_empty() {
            self.each = Err(Failure::Content);
        }
    }
}

fn all_of(text: &[u8]) -> Result<CpuTimes, Failure> {
    stat::parse(text).ok_or(Failure::Content)
}

/// The cores, for one who asks.
#[derive(Debug)]
pub struct Cores {
    asker: Asker,
    figure: &'static str,
    /// By number, as far as one was ever online.
    all: Fixed<Core, { limits::CORES }>,
    /// Whether it was told that there are more.
    told: bool,
}

#[derive(Debug, Default)]
struct Core {
    rate: CpuRate,
    percent: Option<Tenths>,
}

impl Cores {
    /// Of `processors`, which from now on reads them, for `figure` of this asker.
    pub fn of(processors: &mut Processors, asker: Asker, figure: &'static str) -> Self {
        processors.cores.reserve_exact(limits::CORES);
        Self { asker, figure, all: Fixed::new(), told: false }
    }

    /// Reads the counters.
    ///
    /// # Errors
    /// Those of the file.
    pub fn read(
        &mut self,
        processors: &mut Processors,
        now: Instant,
        text: &mut [u8],
    ) -> Result<(), Failure> {
        self.all.iter_mut().for_each(|core| core.percent = None);
        // What is told of all of them is the report's.
        let _ = processors.all(self.asker, now, text);
        if processors.more && !self.told {
            self.told = true;
            warn!("{}: cores from number {} on are left out", self.figure, limits::CORES);
        }
        processors.each?;
        while self.all.len() < processors.cores.len() && self.all.push(Core::default()).is_ok() {}
        let times = processors.cores.iter().copied().chain(std::iter::repeat(None));
        for (core, times) in self.all.iter_mut().zip(times) {
            match times {
                Some(_) => core.percent = core.rate.next(times),
                // What an offline core's counters do until it is back is not told.
                None => *core = Core::default(),
            }
        }
        Ok(())
    }

    /// Percent by the core's number; null: offline, or seen for the first time.
    pub fn percent(&self) -> impl Iterator<Item = Option<Tenths>> + Clone {
        self.all.iter().map(|core| core.percent)
    }
}
