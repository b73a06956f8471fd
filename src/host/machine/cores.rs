//! What the processors have spent their time on, and how busy each core was between two snapshots.

use heapless::Vec as Fixed;
use log::warn;

use crate::limits;
use crate::machine::snapshot::Snapshot;
use crate::machine::source::{ReadError, Root, Source};
use crate::machine::wanted::Wanted;
use crate::output::once::Once;
use psistats_core::kernel::Tenths;
use psistats_core::kernel::stat::{self, CpuTimes};
use psistats_core::report::CpuRate;

/// `/proc/stat`.
#[derive(Debug)]
pub struct ProcessorReader {
    /// The times of all processors together, as they were read last.
    pub all: Result<CpuTimes, ReadError>,
    /// Whether there were more cores than [`limits::CORES`].
    pub has_more_cores: bool,
    source: Source,
    /// Whether `all` failed when it was last read.
    failed: bool,
    each: Result<(), ReadError>,
    /// By number, as far as one is online.
    cores: Vec<Option<CpuTimes>>,
}

impl ProcessorReader {
    /// Where it is read, under the root.
    pub const NAME: &str = "proc/stat";

    /// Opens it.
    pub fn open(root: &Root) -> Self {
        Self {
            all: Err(ReadError::Content),
            has_more_cores: false,
            source: Source::open(root, Self::NAME),
            failed: false,
            each: Err(ReadError::Content),
            cores: Vec::with_capacity(limits::CORES),
        }
    }

    /// Reads what is wanted of it: its first line alone, unless each core is wanted.
    pub fn read(&mut self, wanted: Wanted, root: &Root, text: &mut [u8]) {
        if wanted.has(Wanted::REOPENED) && self.failed {
            self.source.reopen(root);
        }
        self.cores.clear();
        self.has_more_cores = false;
        (self.all, self.each) = (Err(ReadError::Content), Err(ReadError::Content));
        if wanted.has(Wanted::CORES) {
            self.read_each(text);
        } else if wanted.has(Wanted::CPU) {
            let (line, _) = text.split_at_mut(limits::CPU_LINE);
            self.all = self.source.read(line, 0).and_then(all_of);
        } else {
            return;
        }
        self.failed = self.all.is_err();
    }

    /// The times of each core that were read last.
    ///
    /// # Errors
    /// Those of the file.
    pub fn cores(&self) -> Result<&[Option<CpuTimes>], ReadError> {
        self.each.map(|()| self.cores.as_slice())
    }

    fn read_each(&mut self, text: &mut [u8]) {
        let Self { source, all, each, cores, has_more_cores, .. } = self;
        let mut first = None;
        *each = source.pieces(text, limits::CPU_LINES, |text| {
            first.get_or_insert_with(|| all_of(text));
            stat::each_core(text, |number, times| {
                if number >= limits::CORES {
                    *has_more_cores = true;
                    return;
                }
                cores.resize(cores.len().max(number + 1), None);
                if let Some(core) = cores.get_mut(number) {
                    *core = Some(times);
                }
            })
        });
        *all = first.unwrap_or(Err(each.err().unwrap_or(ReadError::Content)));
        if each.is_ok() && cores.is_empty() {
            *each = Err(ReadError::Content);
        }
    }
}

fn all_of(text: &[u8]) -> Result<CpuTimes, ReadError> {
    stat::parse(text).ok_or(ReadError::Content)
}

/// How busy each core was, for one consumer of snapshots.
#[derive(Debug)]
pub struct CoreRates {
    figure: &'static str,
    /// By number, as far as one was ever online.
    all: Fixed<Core, { limits::CORES }>,
    more: Once,
}

#[derive(Debug, Default)]
struct Core {
    rate: CpuRate,
    percent: Option<Tenths>,
}

impl CoreRates {
    /// For `figure`, of whose cores some may have no room.
    pub fn new(figure: &'static str) -> Self {
        Self { figure, all: Fixed::new(), more: Once::default() }
    }

    /// Measures from the snapshot before that this consumer saw to this one, which has [`Wanted::CORES`].
    ///
    /// # Errors
    /// Those of the file.
    pub fn update(&mut self, snapshot: &Snapshot<'_>) -> Result<(), ReadError> {
        self.all.iter_mut().for_each(|core| core.percent = None);
        if snapshot.has_more_cores && self.more.first() {
            warn!("{}: cores from number {} on are left out", self.figure, limits::CORES);
        }
        let cores = snapshot.cores?;
        while self.all.len() < cores.len() && self.all.push(Core::default()).is_ok() {}
        let times = cores.iter().copied().chain(std::iter::repeat(None));
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
