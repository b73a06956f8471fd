//! Makes a report of kernel text: text to counters, counters to figures, figures to JSON.
//!
//!     cargo run --package psistats-core --example report
//!
//! Nothing here needs an operating system but `println!`: where the text comes from is the caller's affair.

use psistats_core::bytes::Short;
use psistats_core::kernel::{hostname, loadavg, meminfo, stat, thermal, uptime};
use psistats_core::limits;
use psistats_core::report::{self, CpuRate, Report, Sequence, percent};

fn main() -> Result<(), Short> {
    // A percentage of the processors' time is that between two readings.
    let mut cpu = CpuRate::default();
    cpu.next(stat::parse(b"cpu  1000 0 500 8000 100 0 10 0 0 0\n"));
    let busy = cpu.next(stat::parse(b"cpu  1030 0 510 8158 102 0 10 0 0 0\n"));

    let memory = meminfo::parse(MEMINFO);
    let used = memory.map(|memory| {
        // Kernels before 3.14 do not say what is available; the estimate for these takes a watermark of zoneinfo.
        percent(memory.total_bytes - memory.available(None), memory.total_bytes)
    });

    // Some(None) is a figure whose source failed: `null`. None is one that is not wanted: it has no key.
    let report = Report {
        hostname: hostname::parse(b"raspberrypi\n").unwrap_or("unknown"),
        cpu: Some(busy),
        mem: Some(used),
        cpu_temp: Some(thermal::parse(b"47236\n")),
        uptime: Some(uptime::parse(b"130583.10 501234.56\n")),
        ipaddr: None,
        ts: None,
    };
    let mut buf = [0; limits::REPORT];
    let mut length = report.encode(&mut buf)?;

    // Further figures are further members of the same object.
    if let Some(averages) = loadavg::parse(b"0.39 1.05 12.00 1/159 28834\n") {
        let encode = |room: &mut [u8]| report::json_of(&Sequence(averages.iter()), room);
        length = report::add(&mut buf, length, "load", &encode)?;
    }
    println!("{}", str::from_utf8(buf.get(..length).unwrap_or_default()).unwrap_or_default());
    Ok(())
}

/// The first lines of `/proc/meminfo` of a Raspberry Pi 4.
const MEMINFO: &[u8] = b"\
MemTotal:        3885396 kB
MemFree:         1820412 kB
MemAvailable:    3231956 kB
Buffers:           87532 kB
";
