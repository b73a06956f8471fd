//! `start-local --stdout`: reports without a broker.

use std::process::Command;

use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::support::PATIENCE;
use crate::support::agent::Config;
use crate::support::process::{Process, Stream};

/// A shell that runs `script`, in which $0 is the program; its configuration lies in the working
/// directory and asks for a report every 2 ms.
fn shell(script: &str) -> (Process, TempDir) {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let config = Config::new(1, "/").set("app", "primary_timer", "0.002");
    std::fs::write(dir.path().join("psistats.conf"), config.to_string()).unwrap();
    let mut bash = Command::new("bash");
    bash.args(["-c", script, env!("CARGO_BIN_EXE_psistats")]).current_dir(dir.path());
    (Process::start(&mut bash), dir)
}

#[test]
#[ignore = "needs jq: tests/run"]
fn jq_reads_a_figure_of_every_line_as_it_comes() {
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
fn a_reader_that_does_not_read_does_not_keep_a_stop_waiting() {
    // The pipe's only reader is the program itself, which does not read it.
    let (mut agent, _dir) = shell(r#"mkfifo pipe && exec "$0" start-local --stdout 1<>pipe"#);
    agent.wait_for_line("standard output is full", PATIENCE);
    agent.signal(Signal::SIGTERM);
    assert!(agent.wait(PATIENCE).success());
}
