//! Kernel files that fail while the program runs (fault 33).

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::symlink;
use std::path::Path;

use serde_json::Value;

use crate::place::{Place, count, wait_until};
use support::PATIENCE;
use support::process::{Process, Stream};

const ZONE: &str = "root/sys/class/thermal/thermal_zone0";

/// A root directory with a processor, memory, uptime, and a thermal zone whose temperature is missing.
fn machine() -> Place {
    let place = Place::new("[app]\nprimary_timer=0.02\nsecondary_timer=0.04\n");
    let put = |name: &str, text: &str| {
        let path = place.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    put("root/proc/stat", "cpu  10 0 10 80 0 0 0 0 0 0\n");
    put("root/proc/meminfo", "MemTotal: 1000 kB\nMemFree: 500 kB\nMemAvailable: 750 kB\n");
    put("root/proc/uptime", "12.50 3.00\n");
    put("root/proc/sys/kernel/hostname", "board\n");
    put(&format!("{ZONE}/type"), "cpu-thermal\n");
    place
}

/// Runs the program on that root directory, without a broker.
fn start(place: &Place) -> Process {
    let mut psistats = place.psistats("start-local");
    Process::start(psistats.arg("--stdout").arg("--root").arg(place.path("root")))
}

/// Waits for the `n`th report, and returns the newest.
fn report(agent: &Process, n: usize) -> Value {
    let lines = agent.wait_for_lines_of(Stream::Stdout, n, PATIENCE);
    serde_json::from_str(lines.last().unwrap()).unwrap()
}

/// Waits until a report has the temperature `celsius`.
fn wait_for(agent: &Process, celsius: &Value) -> usize {
    let has = |line: &String| serde_json::from_str::<Value>(line).unwrap()["cpu_temp"] == *celsius;
    wait_until("the temperature is as expected", || agent.lines_of(Stream::Stdout).last().is_some_and(has));
    agent.lines_of(Stream::Stdout).len()
}

/// Asserts that only this figure is null in the next twenty reports, and that it was logged once.
fn only_the_temperature_is_missing(agent: &Process, error: &str) {
    let so_far = wait_for(agent, &Value::Null);
    let report = report(agent, so_far + 20);
    assert_eq!((&report["hostname"], &report["mem"]), (&"board".into(), &25.0.into()));
    assert!(report["cpu"].is_f64() && report["cpu_temp"].is_null(), "{report}");
    let lines = agent.lines_of(Stream::Stderr);
    assert_eq!(count(&lines, error), 1, "{error} in {lines:#?}");
}

#[test]
fn fault_33_a_sensor_that_fails_with_einval_is_null_and_logs_one_line_until_it_recovers() {
    let place = machine();
    let temp = place.path(ZONE).join("temp");
    // This is a real file of sysfs that fails: the loopback interface has no speed.
    let failing = Path::new("/sys/class/net/lo/speed");
    assert_eq!(fs::read(failing).unwrap_err().kind(), ErrorKind::InvalidInput);
    symlink(failing, &temp).unwrap();
    let agent = start(&place);
    only_the_temperature_is_missing(&agent, "invalid argument");

    // The sensor works again. That is noticed at a secondary interval.
    fs::write(place.path("root/temp"), "48312\n").unwrap();
    fs::rename(place.path("root/temp"), &temp).unwrap();
    wait_for(&agent, &48.312.into());
    agent.wait_for_line("cpu_temp is back in reports", PATIENCE);
}

#[test]
fn fault_33_a_sensor_that_is_not_a_file_is_null_and_logs_one_line() {
    let place = machine();
    fs::create_dir(place.path(ZONE).join("temp")).unwrap();
    only_the_temperature_is_missing(&start(&place), "is a directory");
}

#[test]
fn fault_33_an_implausible_reading_is_null_and_logs_one_line_each_time_that_it_begins() {
    let place = machine();
    let temp = place.path(ZONE).join("temp");
    fs::write(&temp, "51000\n").unwrap();
    let agent = start(&place);
    wait_for(&agent, &51.0.into());
    fs::write(&temp, "-40000\n").unwrap();
    only_the_temperature_is_missing(&agent, "cpu_temp until it can be read");
    fs::write(&temp, "52000\n").unwrap();
    wait_for(&agent, &52.0.into());
    agent.wait_for_line("cpu_temp is back in reports", PATIENCE);
}
