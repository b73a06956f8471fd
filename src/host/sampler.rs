//! Makes reports of a machine's snapshots.
//!
//! After [`Sampler::open`] nothing is allocated: a report is made of a few `pread(2)`, and at
//! secondary ticks a dump of addresses, in buffers that live as long as the machine and the sampler.

use log::{debug, info};

use crate::conf::reports::Reports;
use crate::conf::tags::Tags;
use crate::figures::Tick;
use crate::figures::basic::Basic;
use crate::figures::schedule::Figures;
use crate::limits;
use crate::machine::cores::ProcessorReader;
use crate::machine::memory::MemoryReader;
use crate::machine::snapshot::Snapshot;
use crate::machine::source::{ReadError, Source};
use crate::machine::thermometer::Thermometer;
use crate::machine::wanted::Wanted;
use crate::machine::{Machine, name_in};
use psistats_core::kernel::addresses::Addresses;
use psistats_core::kernel::{Fixed, boot_id, uptime};
use psistats_core::limits::REPORT;
use psistats_core::report::{self, CpuRate, Members, Report};

/// Makes the reports of one machine: [`Sampler::begin`], then [`Machine::read`] with what that wants, then
/// [`Sampler::report`] of what was read.
#[derive(Debug)]
pub struct Sampler {
    boot_id: String,
    timestamps: bool,
    /// [`Wanted::IPV6`] where reports have such addresses.
    addresses: Wanted,
    /// As JSON; empty: none.
    tags: Box<[u8]>,

    cpu: Basic,
    mem: Basic,
    cpu_temp: Basic,
    uptime: Basic,
    ipaddr: Basic,

    cpu_rate: CpuRate,
    uptime_source: Source,
    thermometer: Thermometer,
    figures: Figures,
    // On the heap, once: in here each future around the sampler would have a copy on the stack.
    json: Box<[u8]>,
}

impl Sampler {
    /// Opens every source that no snapshot has. Never fails: a source that is missing costs its figure, and
    /// is logged when that is first due.
    pub fn open(machine: &Machine, settings: &Reports) -> Self {
        let root = machine.root();
        let figures = Figures::open(root, &settings.figures);
        if settings.ipaddr.enabled && !root.is_live() {
            info!(
                "ipaddr stays empty in reports: the addresses of this machine are not those of {}",
                root.path("").display()
            );
        }
        let thermometer =
            if settings.cpu_temp.enabled { Thermometer::find(root) } else { Thermometer::default() };
        for (name, label) in thermometer.sensors() {
            debug!("candidate for cpu_temp: {} ({label})", root.path(name).display());
        }
        let boot_id = name_in(root, "proc/sys/kernel/random/boot_id", boot_id::parse);
        Self {
            boot_id: boot_id.unwrap_or_else(|| "no-boot-id".into()),
            timestamps: settings.timestamp,
            addresses: Wanted::IPV4 | Wanted::IPV6.when(settings.ipv6),
            tags: tags(&settings.tags),
            cpu: Basic::primary("cpu", settings.cpu),
            mem: Basic::primary("mem", settings.mem),
            cpu_temp: Basic::primary("cpu_temp", settings.cpu_temp),
            uptime: Basic::secondary("uptime", settings.uptime),
            ipaddr: Basic::secondary("ipaddr", settings.ipaddr),
            cpu_rate: CpuRate::default(),
            uptime_source: Source::open(root, "proc/uptime"),
            thermometer,
            figures,
            json: vec![0; REPORT].into_boxed_slice(),
        }
    }

    /// The id of this start of the machine, or `no-boot-id`.
    pub fn boot_id(&self) -> &str {
        &self.boot_id
    }

    /// What [`Sampler::prime`] takes from a snapshot.
    pub fn counters(&self) -> Wanted {
        let figures = self.figures.wanted().only(Wanted::CORES);
        Wanted::CPU.when(self.cpu.is_enabled()) | figures
    }

    /// Reads the counters that the next report is measured against.
    pub fn prime(&mut self, snapshot: &mut Snapshot<'_>) {
        if self.cpu.is_enabled() {
            // A failure shows again with the first report.
            self.cpu_rate.next(snapshot.cpu.ok());
        }
        self.figures.prime(snapshot);
    }

    /// Finds out what is due at `tick`, and what that takes from a snapshot. At a secondary tick a report has
    /// uptime and addresses too, unless these have an interval of their own.
    pub fn begin(&mut self, tick: Tick) -> Wanted {
        let [cpu, mem, .., ipaddr] =
            [&mut self.cpu, &mut self.mem, &mut self.cpu_temp, &mut self.uptime, &mut self.ipaddr]
                .map(|figure| figure.begin(tick));
        Wanted::CPU.when(cpu)
            | Wanted::MEMORY.when(mem)
            | self.addresses.when(ipaddr)
            // A descriptor may be what fails: of a driver that was unloaded, or that was not loaded yet.
            | Wanted::REOPENED.when(tick.secondary)
            | self.figures.begin(tick)
    }

    /// The report of the tick that was begun last as JSON, without a line end.
    pub fn report(&mut self, tick: Tick, snapshot: &mut Snapshot<'_>) -> &[u8] {
        if tick.secondary {
            self.reopen_missing(snapshot);
        }
        let Self { thermometer, uptime_source, cpu_rate, .. } = self;
        let Snapshot { root, text, .. } = snapshot;
        let cpu = self.cpu.read(|| snapshot.cpu, || root.path(ProcessorReader::NAME));
        let bytes = || snapshot.memory.and_then(|memory| memory.bytes.ok_or(ReadError::Content));
        let mem = self.mem.read(bytes, || root.path(MemoryReader::NAME));
        let celsius = self.cpu_temp.read(|| thermometer.read(text), || root.path(thermometer.name()));
        let seconds = || uptime::parse(uptime_source.read(text, 0)?).ok_or(ReadError::Content);
        let seconds = self.uptime.read(seconds, || root.path(uptime_source.name()));
        let addresses = self.ipaddr.read(|| snapshot.addresses, || "rtnetlink".into());
        let report = Report {
            hostname: snapshot.hostname,
            cpu: cpu.map(|times| cpu_rate.next(times)),
            mem: mem.map(|bytes| bytes.map(|bytes| bytes.percent_used())),
            cpu_temp: celsius,
            uptime: seconds,
            ipaddr: addresses.map(|addresses| addresses.map_or(&[][..], Addresses::as_slice)),
            ts: self.timestamps.then_some(Fixed(tick.unix_ms)),
        };
        // REPORT holds any report; further figures may find no room.
        let mut length = report.encode(&mut self.json).unwrap_or_default();
        if !self.tags.is_empty() {
            let tags = &self.tags;
            let longer = report::add(&mut self.json, length, "tags", &|buf| report::copy_of(tags, buf));
            length = longer.unwrap_or(length);
        }
        let length = self.figures.add(&mut self.json, length, tick, snapshot);
        self.json.get(..length).unwrap_or_default()
    }

    fn reopen_missing(&mut self, snapshot: &Snapshot<'_>) {
        if self.uptime.is_missing() {
            self.uptime_source.reopen(snapshot.root);
        }
        if self.cpu_temp.is_missing() {
            self.thermometer = Thermometer::find(snapshot.root);
        }
    }
}

/// The object of `tags`; empty without any.
fn tags(tags: &Tags) -> Box<[u8]> {
    let mut json = [0; limits::TAGS * (limits::TAG_NAME + 2 * limits::TAG + 8)];
    let object = Members(tags.iter().map(|(name, text)| (name.as_str(), text.as_str())));
    let length = if tags.is_empty() { Ok(0) } else { report::json_of(&object, &mut json) };
    json.get(..length.unwrap_or_default()).unwrap_or_default().into()
}
