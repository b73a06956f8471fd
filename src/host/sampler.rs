//! Opens the kernel files once, reads them again in place, and makes reports of them.
//!
//! After [`Sampler::open`] nothing is allocated: a report is made of a few `pread(2)`, and at
//! secondary ticks a dump of addresses, in buffers that live as long as the sampler.

use std::cell::RefCell;
use std::net::IpAddr;
use std::path::Path;
use std::rc::Rc;

use log::{debug, info};

use crate::conf::reports::Reports;
use crate::conf::tags::Tags;
use crate::figures::basic::Schedule;
use crate::figures::{Figures, Tick};
use crate::machine::cores::Processors;
use crate::machine::memory::Memory;
use crate::machine::source::{Failure, Source, Watch};
use crate::machine::thermometer::Thermometer;
use crate::machine::{Asker, Machine, name_in};
use psistats_core::kernel::addresses::Addresses;
use psistats_core::kernel::{Fixed, Hundredths, Tenths, Thousandths, boot_id, uptime};
use psistats_core::limits;
use psistats_core::report::{self, CpuRate, Members, Report};
use psistats_core::time::Instant;

/// Makes the reports of one machine.
#[derive(Debug)]
pub struct Sampler {
    machine: Rc<RefCell<Machine>>,
    hostname: String,
    boot_id: String,
    timestamps: bool,
    /// As JSON; empty: none.
    tags: Box<[u8]>,

    cpu_due: Schedule,
    mem_due: Schedule,
    cpu_temp_due: Schedule,
    uptime_due: Schedule,
    ipaddr_due: Schedule,

    uptime: Source,
    /// None: `[cpu_temp] enabled=no`.
    thermometer: Option<Thermometer>,
    figures: Figures,

    cpu_watch: Watch,
    mem_watch: Watch,
    cpu_temp_watch: Watch,
    uptime_watch: Watch,
    ipaddr_watch: Watch,

    cpu: CpuRate,
    // On the heap, once: in here each future around the sampler would have a copy on the stack.
    json: Box<[u8]>,
}

impl Sampler {
    /// One of the machine under `root`, which is `/` for the running system, that shares it with nobody.
    pub fn open(root: &Path, settings: &Reports) -> Self {
        Self::of(Machine::open(root), settings)
    }

    /// Opens every further source of `shared`. Never fails: a source that is missing costs its figure, and
    /// is logged when that is first due.
    pub fn of(shared: Rc<RefCell<Machine>>, settings: &Reports) -> Self {
        let mut borrowed = shared.borrow_mut();
        let machine = &mut *borrowed;
        let figures = Figures::open(machine, &settings.figures);
        let root = &machine.root;
        if let Some(addresses) = &mut machine.addresses {
            addresses.with_ipv6 = settings.ipv6;
        } else if settings.ipaddr.enabled {
            info!(
                "ipaddr stays empty in reports: the addresses of this machine are not those of {}",
                root.path("").display()
            );
        }
        let thermometer = settings.cpu_temp.enabled.then(|| Thermometer::find(root));
        for (name, label) in thermometer.iter().flat_map(Thermometer::sensors) {
            debug!("candidate for cpu_temp: {} ({label})", root.path(name).display());
        }
        let hostname = machine.hostname.clone();
        let boot_id = name_in(root, "proc/sys/kernel/random/boot_id", boot_id::parse);
        let uptime = Source::open(root, "proc/uptime");
        drop(borrowed);
        Self {
            machine: shared,
            hostname,
            boot_id: boot_id.unwrap_or_else(|| "no-boot-id".into()),
            timestamps: settings.timestamp,
            tags: tags(&settings.tags),
            cpu_due: Schedule::primary(settings.cpu),
            mem_due: Schedule::primary(settings.mem),
            cpu_temp_due: Schedule::primary(settings.cpu_temp),
            uptime_due: Schedule::secondary(settings.uptime),
            ipaddr_due: Schedule::secondary(settings.ipaddr),
            uptime,
            thermometer,
            figures,
            cpu_watch: Watch::new("cpu"),
            mem_watch: Watch::new("mem"),
            cpu_temp_watch: Watch::new("cpu_temp"),
            uptime_watch: Watch::new("uptime"),
            ipaddr_watch: Watch::new("ipaddr"),
            cpu: CpuRate::default(),
            json: vec![0; limits::REPORT].into_boxed_slice(),
        }
    }

    /// The host name: of the root, else of the running system. Never empty.
    pub fn hostname(&self) -> &str {
        &self.hostname
    }

    /// The id of this start of the machine, or `no-boot-id`.
    pub fn boot_id(&self) -> &str {
        &self.boot_id
    }

    /// Reads the counters that the next report is measured against.
    pub fn prime(&mut self, now: Instant) {
        let machine = self.machine.clone();
        let machine = &mut *machine.borrow_mut();
        if self.cpu_due.is_enabled() {
            self.cpu(machine, now, false);
        }
        self.figures.prime(machine, now);
    }

    /// One report as JSON, without a line end. At a secondary tick it has uptime and addresses too, unless these
    /// have an interval of their own.
    pub fn report(&mut self, tick: Tick) -> &[u8] {
        let machine = self.machine.clone();
        let machine = &mut *machine.borrow_mut();
        let Tick { now, secondary, .. } = tick;
        if secondary {
            self.reopen_missing(machine);
        }
        let cpu = self.cpu_due.due(tick).map(|tell| self.cpu(machine, now, tell));
        let mem = self.mem_due.due(tick).map(|tell| self.memory(machine, now, tell));
        let cpu_temp = self.cpu_temp_due.due(tick).and_then(|tell| self.temperature(machine, tell));
        let uptime = self.uptime_due.due(tick).map(|tell| self.uptime(machine, tell));
        let ipaddr = self.ipaddr_due.due(tick);
        let report = Report {
            hostname: &self.hostname,
            cpu,
            mem,
            cpu_temp,
            uptime,
            ipaddr: ipaddr.map(|tell| addresses(machine, &mut self.ipaddr_watch, now, tell)),
            ts: self.timestamps.then_some(Fixed(tick.unix_ms)),
        };
        // limits::REPORT holds any report; further figures may find no room.
        let mut length = report.encode(&mut self.json).unwrap_or_default();
        if !self.tags.is_empty() {
            let tags = &self.tags;
            let longer = report::add(&mut self.json, length, "tags", &|buf| report::copy_of(tags, buf));
            length = longer.unwrap_or(length);
        }
        let length = self.figures.add(&mut self.json, length, tick, machine);
        self.json.get(..length).unwrap_or_default()
    }

    /// A descriptor may be what fails: of a driver that was unloaded, or that was not loaded yet.
    fn reopen_missing(&mut self, machine: &mut Machine) {
        let Machine { root, processors, memory, .. } = machine;
        if self.cpu_watch.is_missing() {
            processors.reopen(root);
        }
        if self.mem_watch.is_missing() {
            memory.reopen(root);
        }
        if self.uptime_watch.is_missing() {
            self.uptime.reopen(root);
        }
        if let Some(thermometer) = &mut self.thermometer
            && self.cpu_temp_watch.is_missing()
        {
            *thermometer = Thermometer::find(root);
        }
    }

    fn cpu(&mut self, machine: &mut Machine, now: Instant, tell: bool) -> Option<Tenths> {
        let times = machine.processors.all(Asker::Report, now, &mut machine.text);
        let times = self.cpu_watch.pass(times, || machine.root.path(Processors::NAME), tell);
        self.cpu.next(times)
    }

    fn memory(&mut self, machine: &mut Machine, now: Instant, tell: bool) -> Option<Tenths> {
        let read = machine.memory.ask(Asker::Report, now, &mut machine.text);
        let bytes = read.and_then(|read| read.bytes.ok_or(Failure::Content));
        let bytes = self.mem_watch.pass(bytes, || machine.root.path(Memory::NAME), tell)?;
        Some(bytes.percent_used())
    }

    fn temperature(&mut self, machine: &mut Machine, tell: bool) -> Option<Option<Thousandths>> {
        let thermometer = self.thermometer.as_ref()?;
        let celsius = thermometer.read(&mut machine.text);
        Some(self.cpu_temp_watch.pass(celsius, || machine.root.path(thermometer.name()), tell))
    }

    fn uptime(&mut self, machine: &mut Machine, tell: bool) -> Option<Hundredths> {
        let seconds = self.uptime.read(&mut machine.text, 0);
        let seconds = seconds.and_then(|text| uptime::parse(text).ok_or(Failure::Content));
        self.uptime_watch.pass(seconds, || machine.root.path(self.uptime.name()), tell)
    }
}

/// The object of `tags`; empty without any.
fn tags(tags: &Tags) -> Box<[u8]> {
    let mut json = [0; limits::TAGS * (limits::TAG_NAME + 2 * limits::TAG + 8)];
    let object = Members(tags.iter().map(|(name, text)| (name.as_str(), text.as_str())));
    let length = if tags.is_empty() { Ok(0) } else { report::json_of(&object, &mut json) };
    json.get(..length.unwrap_or_default()).unwrap_or_default().into()
}

/// The addresses; none where they cannot be read.
fn addresses<'m>(machine: &'m mut Machine, watch: &mut Watch, now: Instant, tell: bool) -> &'m [IpAddr] {
    let Machine { addresses, text, .. } = machine;
    let Some(addresses) = addresses else { return &[] };
    let found = addresses.ask(Asker::Report, now, text);
    watch.pass(found, || "rtnetlink".into(), tell).map_or(&[], Addresses::as_slice)
}
