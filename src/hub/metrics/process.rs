//! This process, by the names that every client library of Prometheus has.

use std::fs;

use nix::sys::resource::{Resource, getrlimit};

use crate::metrics::family::Family;
use psistats_core::kernel::{process, stat};
use psistats_host::machine::sys::{page_bytes, ticks_per_second};

/// Families with their values, as far as the system tells them.
pub fn figures() -> Vec<(Family, f64)> {
    let (gauge, counter) = (Family::gauge, Family::counter);
    let text = fs::read("/proc/self/stat").unwrap_or_default();
    let own = process::parse(&text);
    let boot = fs::read("/proc/stat").ok().and_then(|text| stat::boot_time(&text));
    let resident = fs::read("/proc/self/statm").ok().and_then(|text| process::resident_pages(&text));
    let seconds = |ticks: u64| ticks as f64 / ticks_per_second() as f64;
    let files = fs::read_dir("/proc/self/fd").ok();
    let limit = getrlimit(Resource::RLIMIT_NOFILE).ok();
    [
        (
            counter("process_cpu_seconds_total", "Processor time that the hub has used."),
            own.as_ref().map(|own| seconds(own.ticks)),
        ),
        (
            gauge("process_start_time_seconds", "When the hub started."),
            own.as_ref().and_then(|own| Some(boot? as f64 + seconds(own.started))),
        ),
        (
            gauge("process_resident_memory_bytes", "Memory that the hub has."),
            resident.map(|pages| pages as f64 * page_bytes() as f64),
        ),
        // One is the folder that is being read.
        (gauge("process_open_fds", "Open files."), files.map(|files| files.count().saturating_sub(1) as f64)),
        (gauge("process_max_fds", "Most open files."), limit.map(|(soft, _)| soft as f64)),
    ]
    .into_iter()
    .filter_map(|(family, value)| Some((family, value?)))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_tells_all_of_it() {
        let figures = figures();
        let of = |name| figures.iter().find(|(family, _)| family.name == name).unwrap().1;
        assert!(of("process_resident_memory_bytes") > 1e5);
        assert!(of("process_open_fds") >= 3.0 && of("process_open_fds") <= of("process_max_fds"));
        assert!(of("process_cpu_seconds_total") >= 0.0);
        let age = crate::clock::unix_ms() as f64 / 1000.0 - of("process_start_time_seconds");
        // A start is told to a second, and clocks are set.
        assert!(age.abs() < 86_400.0, "{age}");
    }
}
