//! Opens the kernel files once, reads them again in place, and makes reports of them.
//!
//! After [`Sampler::open`] nothing is allocated: a report is made of a few `pread(2)`, and at
//! secondary ticks a dump of addresses, in buffers that live as long as the sampler.

use std::path::Path;

use log::{debug, info};
use nix::sys::utsname::uname;

use super::addresses::AddressReader;
use super::figures::{Figures, Tick};
use super::memory::Memory;
use super::source::{Failure, Root, Source, Watch};
use super::thermometer::Thermometer;
use crate::config::Settings;
use crate::limits;
use crate::report::{CpuRate, Report, percent};
use crate::sample::addresses::Addresses;
use crate::sample::stat::CpuTimes;
use crate::sample::{Fixed, Hundredths, Tenths, Thousandths, boot_id, hostname, stat, uptime};
use crate::time::Instant;

/// Makes the reports of one machine.
#[derive(Debug)]
pub struct Sampler {
    root: Root,
    hostname: String,
    boot_id: String,
    timestamps: bool,

    stat: Source,
    memory: Memory,
    uptime: Source,
    /// None: `[cpu_temp] enabled=no`.
    thermometer: Option<Thermometer>,
    /// None under another root than `/`: addresses are not a file.
    addresses: Option<AddressReader>,
    figures: Figures,

    cpu_watch: Watch,
    mem_watch: Watch,
    cpu_temp_watch: Watch,
    uptime_watch: Watch,
    ipaddr_watch: Watch,

    cpu: CpuRate,
    found: Addresses,
    // On the heap, once: in here each future around the sampler would have a copy on the stack.
    text: Box<[u8]>,
    json: Box<[u8]>,
}

impl Sampler {
    /// Opens every source under `root`, which is `/` for the running system. Never fails: a source
    /// that is missing costs its figure, and is logged when that is first due.
    pub fn open(root: &Path, settings: &Settings) -> Self {
        let root = Root::open(root);
        let addresses = root.is_live().then(AddressReader::default);
        if addresses.is_none() {
            info!(
                "ipaddr stays empty in reports: the addresses of this machine are not those of {}",
                root.path("").display()
            );
        }
        let thermometer = settings.cpu_temp.enabled.then(|| Thermometer::find(&root));
        for (name, label) in thermometer.iter().flat_map(Thermometer::sensors) {
            debug!("candidate for cpu_temp: {} ({label})", root.path(name).display());
        }
        Self {
            hostname: machine_name(&root),
            boot_id: read_name(&root, "proc/sys/kernel/random/boot_id", boot_id::parse)
                .unwrap_or_else(|| "no-boot-id".into()),
            timestamps: settings.message.timestamp,
            stat: Source::open(&root, "proc/stat"),
            memory: Memory::open(&root),
            uptime: Source::open(&root, "proc/uptime"),
            thermometer,
            addresses,
            figures: Figures::open(&root, &settings.figures),
            cpu_watch: Watch::new("cpu"),
            mem_watch: Watch::new("mem"),
            cpu_temp_watch: Watch::new("cpu_temp"),
            uptime_watch: Watch::new("uptime"),
            ipaddr_watch: Watch::new("ipaddr"),
            cpu: CpuRate::default(),
            found: Addresses::default(),
            text: vec![0; limits::KERNEL_FILE].into_boxed_slice(),
            json: vec![0; limits::REPORT].into_boxed_slice(),
            root,
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
        let times = self.cpu_times(false);
        self.cpu.next(times);
        self.figures.prime(&self.root, &mut self.text, now);
    }

    /// One report as JSON, without a line end. At a secondary tick it has uptime and addresses too.
    pub fn report(&mut self, tick: Tick) -> &[u8] {
        let secondary = tick.secondary;
        if secondary {
            self.reopen_missing();
        }
        let now = self.cpu_times(secondary);
        let cpu = self.cpu.next(now);
        let mem = self.memory(secondary);
        let cpu_temp = self.temperature(secondary);
        let uptime = secondary.then(|| self.uptime());
        if secondary {
            self.find_addresses();
        }
        let report = Report {
            hostname: &self.hostname,
            cpu,
            mem,
            cpu_temp,
            uptime,
            ipaddr: secondary.then_some(self.found.as_slice()),
            ts: self.timestamps.then_some(Fixed(tick.unix_ms)),
        };
        // limits::REPORT holds any report; further figures may find no room.
        let length = report.encode(&mut self.json).unwrap_or_default();
        let length = self.figures.add(&mut self.json, length, tick, &self.root, &mut self.text);
        self.json.get(..length).unwrap_or_default()
    }

    /// A descriptor may be what fails: of a driver that was unloaded, or that was not loaded yet.
    fn reopen_missing(&mut self) {
        if self.cpu_watch.is_missing() {
            self.stat.reopen(&self.root);
        }
        if self.mem_watch.is_missing() {
            self.memory.reopen(&self.root);
        }
        if self.uptime_watch.is_missing() {
            self.uptime.reopen(&self.root);
        }
        if let Some(thermometer) = &mut self.thermometer
            && self.cpu_temp_watch.is_missing()
        {
            *thermometer = Thermometer::find(&self.root);
        }
    }

    fn cpu_times(&mut self, secondary: bool) -> Option<CpuTimes> {
        let (line, _) = self.text.split_at_mut(limits::CPU_LINE);
        let times = self.stat.read(line, 0).and_then(|text| stat::parse(text).ok_or(Failure::Content));
        self.cpu_watch.pass(times, || self.root.path(self.stat.name()), secondary)
    }

    fn memory(&mut self, secondary: bool) -> Option<Tenths> {
        let read = self.memory.read(&mut self.text, |_| ());
        let (bytes, ()) = self.mem_watch.pass(read, || self.root.path(self.memory.name()), secondary)?;
        Some(percent(bytes.total.saturating_sub(bytes.available), bytes.total))
    }

    fn temperature(&mut self, secondary: bool) -> Option<Option<Thousandths>> {
        let thermometer = self.thermometer.as_ref()?;
        let celsius = thermometer.read(&mut self.text);
        Some(self.cpu_temp_watch.pass(celsius, || self.root.path(thermometer.name()), secondary))
    }

    fn uptime(&mut self) -> Option<Hundredths> {
        let seconds = self.uptime.read(&mut self.text, 0);
        let seconds = seconds.and_then(|text| uptime::parse(text).ok_or(Failure::Content));
        self.uptime_watch.pass(seconds, || self.root.path(self.uptime.name()), true)
    }

    fn find_addresses(&mut self) {
        let Some(addresses) = &mut self.addresses else { return };
        let outcome = addresses.read(&mut self.text, &mut self.found);
        if self.ipaddr_watch.pass(outcome, || "rtnetlink".into(), true).is_none() {
            self.found.clear();
        }
    }
}

/// The host name in `root`; else that of the running system, with `?` for bytes that are no text;
/// else `localhost`.
pub(super) fn machine_name(root: &Root) -> String {
    read_name(root, "proc/sys/kernel/hostname", hostname::parse)
        .or_else(|| {
            let system = uname().ok()?;
            let name = system.nodename().as_encoded_bytes();
            let text: String =
                name.iter().map(|byte| if byte.is_ascii() { char::from(*byte) } else { '?' }).collect();
            hostname::parse(text.as_bytes()).map(ToString::to_string)
        })
        .unwrap_or_else(|| "localhost".into())
}

/// A name that is read once.
fn read_name(root: &Root, file: &'static str, parse: fn(&[u8]) -> Option<&str>) -> Option<String> {
    let mut text = [0; limits::KERNEL_VALUE];
    let text = Source::open(root, file).read(&mut text, 0).ok()?;
    parse(text).map(ToString::to_string)
}
