//! `start-local --stdout`: reports without a broker.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Command;

use nix::sys::signal::Signal;
use tempfile::TempDir;

use support::PATIENCE;
use support::agent::Config;
use support::process::{Process, Stream};

/// A machine whose reports are larger than a pipe takes in one piece (`PIPE_BUF`, 4096 bytes): it has 48
/// sensors with the longest names.
fn large_machine(root: &Path) {
    let chip = root.join("sys/class/hwmon/hwmon0");
    fs::create_dir_all(&chip).unwrap();
    fs::write(chip.join("name"), "made\n").unwrap();
    for n in 1..=48 {
        fs::write(chip.join(format!("temp{n}_input")), "41000\n").unwrap();
        fs::write(chip.join(format!("temp{n}_label")), format!("{n:_>31}\n")).unwrap();
    }
}

/// A shell that runs `script`, in which $0 is the program. The configuration is in the working directory and
/// asks for a report every 2 ms. The machine below `root` has large reports.
fn shell(script: &str) -> (Process, TempDir) {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    large_machine(&dir.path().join("root"));
    let config = Config::new(1, "/").set("app", "primary_timer", "0.002");
    let config = config.set("sensors", "enabled", "yes").set("sensors", "interval", "0.002");
    fs::write(dir.path().join("psistats.conf"), config.to_string()).unwrap();
    let mut bash = Command::new("bash");
    bash.args(["-c", script, env!("CARGO_BIN_EXE_psistats")]).current_dir(dir.path());
    (Process::start(&mut bash), dir)
}

#[test]
#[ignore = "needs jq: tests/run"]
fn jq_reads_a_figure_of_every_line_as_it_is_printed() {
    let script = r#""$0" start-local --stdout | jq --unbuffered --exit-status .cpu | head -n 5
        exit "${PIPESTATUS[0]}""#;
    let (mut shell, _dir) = shell(script);
    for figure in shell.wait_for_lines_of(Stream::Stdout, 5, PATIENCE) {
        let percent: f64 = figure.parse().unwrap_or_else(|e| panic!("{e}: {figure}"));
        assert!((0.0..=100.0).contains(&percent));
    }
    assert_eq!(shell.wait(PATIENCE).code(), Some(0), "a reader that has enough is no failure");
}

#[test]
#[ignore = "needs python3: tests/run"]
fn a_standard_output_that_nobody_reads_does_not_delay_a_stop() {
    for root in ["", "--root root"] {
        // The program itself has the reading end of the pipe, and does not read. A page holds less than a large
        // report.
        let script = r#"mkfifo pipe; exec 3<>pipe; python3 -c 'import fcntl; fcntl.fcntl(3, 1031, 4096)'
            exec "$0" start-local --stdout"#;
        let (mut agent, _dir) = shell(&format!("{script} {root} >&3"));
        agent.wait_for_line("standard output is full", PATIENCE);
        agent.signal(Signal::SIGTERM);
        assert!(agent.wait(PATIENCE).success());
    }
}

#[test]
fn a_late_reader_gets_whole_reports_and_the_number_of_dropped_ones_is_logged() {
    let (agent, dir) = shell(r#"mkfifo pipe && exec "$0" start-local --stdout --root root 1<>pipe"#);
    agent.wait_for_line("standard output is full", PATIENCE);
    let mut reader = BufReader::new(File::open(dir.path().join("pipe")).unwrap()).lines();
    let mut line = || reader.next().unwrap().unwrap();
    // The reports in the pipe, the one that was cut at its end, and more.
    for _ in 0..50 {
        let line = line();
        assert!(line.len() > 4096, "{line}");
        serde_json::from_str::<serde_json::Value>(&line).unwrap_or_else(|e| panic!("{e}: {line}"));
    }
    let told = agent.wait_for_line("standard output is read again: ", PATIENCE);
    let (_, dropped) = told.split_once("again: ").unwrap();
    assert!(dropped.split(' ').next().unwrap().parse::<u64>().unwrap() > 0, "{told}");
}
