//! The further figures of a report: one file each, and the table of all of them.
//!
//! A new figure is a file here that reads it, and its line in the table. Kernel text of its own is a file in
//! `kernel`, JSON that is more than a number one in `report`.

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
mod figure;
mod hddspace;
mod hddtemp;
mod load;
pub mod mounts;
mod net;
mod os;
mod percpu;
mod pressure;
mod readonly;
pub mod schedule;
mod sensors;
mod swap;
mod throttled;
mod wifi;

use crate::figures::figure::Figure;
pub use crate::figures::figure::{Options, Tick};
use crate::machine::source::Root;

/// A line of the table: one further figure, which is off until the configuration enables it.
#[derive(Debug)]
pub struct Entry {
    /// Its key in a report, and the name of its section; but for `percpu`.
    pub name: &'static str,
    /// From one read to the next where the section has no `interval`, seconds.
    pub interval_s: u64,
    open: fn(&Root, &Options) -> Box<dyn Figure>,
}

impl Entry {
    /// The section of it, and the key there that switches it on.
    pub fn switch(&self) -> (&'static str, &'static str) {
        if self.name == "percpu" { ("cpu", self.name) } else { (self.name, "enabled") }
    }
}

macro_rules! table {
    ($($name:literal, $interval_s:literal, $figure:ty, $summary:literal;)*) => {
        /// All, in the order in which a report has them.
        pub static FIGURES: &[Entry] = &[$(Entry {
            name: $name,
            interval_s: $interval_s,
            open: |root, options| Box::new(<$figure>::open(root, options)),
        }),*];

        /// What each says, for documents; no program has it.
        pub const SUMMARIES: &[&str] = &[$($summary),*];
    };
}

// Name, seconds, type, summary. 1 s for what changes by the second, 60 for what is slow or costs more to read, 3600
// for what stays.
table! {
    "load", 1, load::Load, "tasks that ran or waited, on average over 1, 5 and 15 minutes";
    "percpu", 1, percpu::PerCpu, "percent of each core's time since the previous report, by core number";
    "swap", 1, swap::Swap, "percent in use";
    "cpu_freq", 1, cpu_freq::CpuFreq, "MHz of each core, by core number";
    "pressure", 1, pressure::Pressure, "percent of the last 10 s in which tasks waited for processor, disks and memory";
    // Each read may be a question to the firmware.
    "throttled", 10, throttled::Throttled, "which limits hold a Raspberry Pi back, now and since it started";
    "sensors", 1, sensors::Sensors, "what hwmon and the thermal zones measure: degrees Celsius, rpm, V, A, W, %";
    "fan", 1, fan::Fan, "revolutions a minute";
    "disk", 60, disk::Disk, "bytes of file systems, by mount point";
    "hddspace", 60, hddspace::HddSpace, "percent in use of each file system on a block device, as psistats 0.2 sent it";
    // As often as the original's file had it. To ask a drive may keep it from its sleep.
    "hddtemp", 30, hddtemp::HddTemp, "degrees Celsius of drives, as psistats 0.2 sent it";
    "readonly", 60, readonly::ReadOnly, "whether file systems became read-only, and the errors that ext4 has counted";
    "diskio", 1, diskio::DiskIo, "bytes a second of each disk, and percent of the time at work";
    "net", 1, net::Net, "bytes a second of each interface; packets with errors and dropped ones";
    "wifi", 60, wifi::Wifi, "quality of each Wi-Fi interface; level and noise in dBm";
    "card", 3600, card::Cards, "percent of its life that each eMMC chip has used";
    // It moves when the clock is set.
    "boot", 60, boot::Boot, "Unix seconds of the start";
    "clock", 60, clock::Clock, "whether the clock is synchronised, and seconds that it is off";
    "board", 3600, board::Board, "model, serial number and revision";
    "os", 3600, os::Os, "name of the operating system";
}
