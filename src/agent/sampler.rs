//! Opens the kernel files once, reads them again in place, and makes reports of them.
//!
//! After [`Sampler::open`] nothing is allocated: a report is made of a few `pread(2)`, and at
//! secondary ticks a dump of addresses, in buffers that live as long as the sampler.

use std::ops::ControlFlow;
use std::path::Path;

use log::{debug, info};
use nix::sys::utsname::uname;
use nix::unistd::{SysconfVar, sysconf};

use super::addresses::AddressReader;
use super::figures::{Figures, Tick};
use super::source::{Failure, Root, Source, Watch};
use super::thermometer::Thermometer;
use crate::config::Settings;
use crate::limits;
use crate::report::{CpuRate, Report, percent};
use crate::sample::addresses::Addresses;
use crate::sample::stat::CpuTimes;
use crate::sample::{
    Fixed, Hundredths, Tenths, Thousandths, boot_id, hostname, meminfo, stat, uptime, zoneinfo,
};
use crate::time::Instant;

/// Makes the reports of one machine.
#[derive(Debug)]
pub struct Sampler {
    root: Root,
    hostname: String,
    boot_id: String,
    page_bytes: u64,
    timestamps: bool,

    stat: Source,
    meminfo: Source,
    zoneinfo: Source,
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
        let page_bytes = sysconf(SysconfVar::PAGE_SIZE).ok().flatten();
        Self {
            hostname: machine_name(&root),
            boot_id: read_name(&root, "proc/sys/kernel/random/boot_id", boot_id::parse)
                .unwrap_or_else(|| "no-boot-id".into()),
            page_bytes: page_bytes.and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or(4096),
            timestamps: settings.message.timestamp,
            stat: Source::open(&root, "proc/stat"),
            meminfo: Source::open(&root, "proc/meminfo"),
            zoneinfo: Source::open(&root, "proc/zoneinfo"),
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
        for (watch, source) in [
            (&self.cpu_watch, &mut self.stat),
            (&self.mem_watch, &mut self.meminfo),
            (&self.uptime_watch, &mut self.uptime),
        ] {
            if watch.is_missing() {
                source.reopen(&self.root);
            }
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
        let info = self.meminfo.read(&mut self.text, 0);
        let info = info.and_then(|text| meminfo::parse(text).ok_or(Failure::Content));
        let info = self.mem_watch.pass(info, || self.root.path(self.meminfo.name()), secondary)?;
        let low_watermark = if info.wants_low_watermark() { self.low_watermark_bytes() } else { None };
        let used = info.total_bytes.saturating_sub(info.available(low_watermark));
        Some(percent(used, info.total_bytes))
    }

    /// The sum of the zones' low watermarks. None where it is missing, as psutil goes on without it, or endless.
    fn low_watermark_bytes(&mut self) -> Option<u64> {
        let mut pages = Some(0_u64);
        let read = self.zoneinfo.pieces(&mut self.text, limits::ZONEINFO, |text| {
            pages = pages.and_then(|sum| sum.checked_add(zoneinfo::low_pages(text)?));
            if pages.is_some() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        read.ok().and(pages)?.checked_mul(self.page_bytes)
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
fn machine_name(root: &Root) -> String {
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
