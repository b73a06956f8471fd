//! The further figures of a report: when they are due, what a missing source costs, and each against
//! programs that others wrote. One file for each group of figures.
//!
//! What needs Debian's python3-psutil is ignored by a plain `cargo test`, and fails without it.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod board;
mod boot;
mod card;
mod clock;
mod cpu_freq;
mod disk;
mod external;
mod fan;
mod hddtemp;
mod ipaddr;
mod load;
mod os;
mod percpu;
mod pressure;
mod readonly;
mod rates;
mod schedule;
mod sensors;
mod swap;
mod throttled;
mod wifi;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use psistats_host::figures::Tick;
use serde_json::Value;
use support::boards::{START, Sampler, Tree, open_sampler, tick};
use support::python::{assert_near, python};

/// The report of `sampler` at the start.
fn first(sampler: &mut Sampler) -> Value {
    serde_json::from_slice(sampler.report(tick(0, true))).unwrap()
}

/// The report of `sampler` that is due some time after the start.
fn after(sampler: &mut Sampler, time: Duration) -> Value {
    let at = START + time;
    serde_json::from_slice(sampler.report(Tick { unix_ms: 0, now: at, due: at, secondary: true })).unwrap()
}

/// The figure `name` of `tree`'s first report, where a section of its name enables it.
fn figure(tree: &Tree, name: &str) -> Value {
    with_configuration(tree.path(), name, &format!("[{name}]\nenabled=yes\n"))
}

/// The figure `name` of the running machine.
fn live(name: &str) -> Value {
    with_configuration(Path::new("/"), name, &format!("[{name}]\nenabled=yes\n"))
}

/// The figure `name` of the first report under `root`.
fn with_configuration(root: &Path, name: &str, configuration: &str) -> Value {
    let mut sampler = open_sampler(root, configuration);
    sampler.prime(START);
    let mut report = first(&mut sampler);
    report.as_object_mut().unwrap().remove(name).unwrap_or_else(|| panic!("{name} is not in {report}"))
}

/// The first report of the program under `root`, where every `call` of the system succeeds and leaves `answer` where
/// its argument `argument` points to. By strace.
fn with_answer(root: &Path, configuration: &str, call: &str, argument: u32, answer: &[u8]) -> Value {
    let answer = answer.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, configuration).unwrap();
    let mut strace = Command::new("strace")
        .args(["-qq", "-o", "/dev/null", "-e"])
        .arg(format!("trace={call}"))
        .arg("-e")
        .arg(format!("inject={call}:retval=0:poke_exit=@arg{argument}={answer}"))
        .args([env!("CARGO_BIN_EXE_psistats"), "start-local", "--stdout", "--root"])
        .arg(root)
        .arg("--config")
        .arg(file.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| panic!("strace: {error}; apt-get install strace"));
    let first = BufReader::new(strace.stdout.take().unwrap()).lines().next();
    // Its reader is gone: the program ends, and strace with it.
    let report = serde_json::from_str(&first.unwrap().unwrap()).unwrap();
    strace.wait().unwrap();
    report
}

/// Whether this is the test itself: outside it is run once more, by the same program behind the shell's `setup`,
/// in what `unshare` gives it of its own.
fn is_inside(unshare: &[&str], setup: &str, test: &str) -> bool {
    const INSIDE: &str = "PSISTATS_TEST_INSIDE";
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let output = Command::new("unshare")
        .args(unshare)
        .args(["sh", "-ec", &format!("{setup}\nexec \"$0\" --exact --ignored {test}")])
        .arg(std::env::current_exe().unwrap())
        .env(INSIDE, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}{complaint}");
    false
}

/// What `expression`, of Python with psutil, is as JSON.
fn psutil(expression: &str) -> Value {
    python(&format!("import json, os, psutil\nprint(json.dumps({expression}))\n"))
}
