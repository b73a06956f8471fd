//! The further figures of a report: one file each, and here when they are read.
//!
//! A new figure is a variant of [`FigureName`], a file here that reads it, and what its kernel text
//! and its JSON are in `sample` and `report`.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use log::warn;

use crate::conf;
use crate::conf::figures::{self, FigureName, Wanted};
use crate::machine::Machine;
use crate::machine::cores::Processors;
use crate::machine::memory::Memory;
use crate::machine::source::{Failure, Root, Watch};
use psistats_core::bytes::Short;
use psistats_core::report;
use psistats_core::time::{Instant, Periodic};

pub mod basic;
mod board;
mod boot;
mod card;
mod clock;
mod cpu_freq;
mod disk;
mod diskio;
mod external;
mod fan;
mod hddspace;
mod hddtemp;
mod load;
pub mod mounts;
mod net;
mod os;
mod percpu;
mod pressure;
mod readonly;
mod sensors;
mod swap;
mod throttled;
mod wifi;

/// Between two readings that are each worth a line in the log.
pub const SELDOM: Duration = Duration::from_secs(30);

/// A further figure. Its files are open and its buffers are as large as they will ever be.
trait Figure {
    /// What it is read from, under the root.
    fn source(&self) -> &str;

    /// The same for a message, which goes on with what became of it.
    fn place(&self, root: &Root) -> PathBuf {
        root.path(self.source())
    }

    /// Opens anew what may have gone away or come since, without an allocation. What reports have too
    /// they open anew themselves.
    fn reopen(&mut self, _: &Root) {}

    /// Whether a part of it could not be read, which may come back when it is opened anew.
    fn is_incomplete(&self) -> bool {
        false
    }

    /// Reads what the first report is measured against, where it is a rate.
    fn prime(&mut self, _: Reading<'_>) {}

    /// Reads it, and keeps what was read.
    fn read(&mut self, reading: Reading<'_>) -> Result<(), Failure>;

    /// Writes what was read as a JSON value, and returns its length in bytes.
    fn encode(&self, buf: &mut [u8]) -> Result<usize, Short>;
}

/// What a figure may use while it is read.
struct Reading<'a> {
    /// Room for kernel text, [`KERNEL_FILE`](crate::limits::KERNEL_FILE) bytes.
    text: &'a mut [u8],
    /// By the monotonic clock.
    now: Instant,
    /// For what is opened for a moment only.
    root: &'a Root,
    /// What reports and messages have too.
    processors: &'a mut Processors,
    /// Likewise.
    memory: &'a mut Memory,
}

impl<'a> Reading<'a> {
    fn of(machine: &'a mut Machine, now: Instant) -> Self {
        let Machine { root, text, processors, memory, .. } = machine;
        Self { text, now, root, processors, memory }
    }
}

/// When a report is made.
#[derive(Clone, Copy, Debug)]
pub struct Tick {
    /// By the wall clock, milliseconds.
    pub unix_ms: i64,
    /// By the monotonic clock.
    pub now: Instant,
    /// When it was due. By this, which does not waver, a figure is due too.
    pub due: Instant,
    /// Whether the secondary timer is due as well.
    pub secondary: bool,
}

/// The figures that the configuration asks for.
#[derive(Debug)]
pub struct Figures {
    all: Vec<Scheduled>,
}

impl Figures {
    /// Opens the sources of those that are wanted.
    pub fn open(machine: &mut Machine, settings: &figures::Figures) -> Self {
        let wanted = settings.wanted.iter().map(|wanted| Scheduled::open(machine, settings, *wanted));
        let mut all: Vec<_> = wanted.collect();
        all.extend(settings.externals.iter().map(|external| Scheduled::of(&machine.root, external)));
        Self { all }
    }

    /// Reads what the first report is measured against.
    pub fn prime(&mut self, machine: &mut Machine, now: Instant) {
        for scheduled in &mut self.all {
            scheduled.figure.prime(Reading::of(machine, now));
        }
    }

    /// Adds those that are due to the report that `json` begins with and that is `length` bytes long.
    /// Returns its new length.
    pub fn add(&mut self, json: &mut [u8], mut length: usize, tick: Tick, machine: &mut Machine) -> usize {
        for figure in &mut self.all {
            if figure.is_due(tick.due) {
                length = figure.add(json, length, tick, machine);
            }
        }
        length
    }
}

/// Whether it was told that there is more than a figure has room for.
#[derive(Debug, Default)]
struct Crowd(bool);

impl Crowd {
    /// Tells it once.
    #[cold]
    fn tell(&mut self, figure: &str, limit: usize) {
        if !self.0 {
            self.0 = true;
            warn!("{figure}: there are more than {limit} of them; reports have the first");
        }
    }
}

struct Scheduled {
    figure: Box<dyn Figure>,
    interval: Duration,
    /// None before the first report, which has all.
    timer: Option<Periodic>,
    /// Of its key in a report.
    watch: Watch,
    /// Whether it was told that a report had no room.
    crowded: bool,
}

// Not of the figure: in its table of functions nobody would call it, and a dozen take kilobytes.
impl fmt::Debug for Scheduled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scheduled").field("watch", &self.watch).finish_non_exhaustive()
    }
}

impl Scheduled {
    fn open(machine: &mut Machine, settings: &figures::Figures, wanted: Wanted) -> Self {
        let root = &machine.root;
        let figure: Box<dyn Figure> = match wanted.name {
            FigureName::Load => Box::new(load::Load::open(root)),
            FigureName::PerCpu => Box::new(percpu::PerCpu::of(&mut machine.processors)),
            FigureName::Swap => Box::new(swap::Swap::of(&mut machine.memory)),
            FigureName::CpuFreq => Box::new(cpu_freq::CpuFreq::open(root)),
            FigureName::Pressure => Box::new(pressure::Pressure::open(root)),
            FigureName::Boot => Box::new(boot::Boot::open(root)),
            FigureName::Clock => Box::new(clock::Clock::default()),
            FigureName::Board => Box::new(board::Board::open(root)),
            FigureName::Os => Box::new(os::Os::open(root)),
            FigureName::Throttled => Box::new(throttled::Throttled::open(root)),
            FigureName::Sensors => Box::new(sensors::Sensors::open(root, &settings.sensors)),
            FigureName::Fan => Box::new(fan::Fan::open(root)),
            FigureName::Disk => Box::new(disk::Disk::open(root, &settings.mounts)),
            FigureName::HddSpace => Box::new(hddspace::HddSpace::open(root)),
            FigureName::HddTemp => Box::new(hddtemp::HddTemp::default()),
            FigureName::ReadOnly => Box::new(readonly::ReadOnly::open(root, &settings.mounts)),
            FigureName::DiskIo => Box::new(diskio::DiskIo::open(root, settings.disk_counters)),
            FigureName::Net => Box::new(net::Net::open(root, settings.net_counters)),
            FigureName::Wifi => Box::new(wifi::Wifi::open(root)),
            FigureName::Card => Box::new(card::Cards::default()),
        };
        Self {
            figure,
            interval: wanted.interval,
            timer: None,
            watch: Watch::new(wanted.name.as_str()),
            crowded: false,
        }
    }

    fn of(root: &Root, configured: &conf::external::External) -> Self {
        Self {
            figure: Box::new(external::External::open(root, configured)),
            interval: configured.interval,
            timer: None,
            watch: Watch::of(configured.name.clone()),
            crowded: false,
        }
    }

    fn is_due(&mut self, due: Instant) -> bool {
        self.timer.get_or_insert_with(|| Periodic::new(due, self.interval)).due(due)
    }

    fn add(&mut self, json: &mut [u8], length: usize, tick: Tick, machine: &mut Machine) -> usize {
        // What is seldom read may tell each time that it is back.
        let tell = tick.secondary || self.interval >= SELDOM;
        if tell && (self.watch.is_missing() || self.figure.is_incomplete()) {
            self.figure.reopen(&machine.root);
        }
        let outcome = self.figure.read(Reading::of(machine, tick.now));
        let found = self.watch.pass(outcome, || self.figure.place(&machine.root), tell).is_some();
        let key = self.watch.figure();
        let longer = report::add(json, length, key, &|buf| {
            if found { self.figure.encode(buf) } else { report::json_of(&None::<u8>, buf) }
        });
        longer.unwrap_or_else(|Short| {
            if !self.crowded {
                self.crowded = true;
                warn!("{key}: reports have no room for it; disable another figure");
            }
            length
        })
    }
}
