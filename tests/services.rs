//! The files of init systems: systemd/psistats.service, systemd/psistats-hub.service, systemd/psistats.init.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread;
use std::time::{Duration, Instant};

use support::PATIENCE;
use support::agent::{Agent, Config};
use support::project::program;
use support::refusing::Refusing;
use support::reports::Counters;

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd").join(name)
}

fn run(command: &mut Command) -> Output {
    command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"))
}

/// Standard output and standard error of a command, which must succeed.
fn text(command: &mut Command) -> String {
    let output = run(command);
    let text =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    assert!(output.status.success(), "{command:?}: {text}");
    text
}

fn analyze(args: &[&str]) -> String {
    text(Command::new("systemd-analyze").args(args).arg("--no-pager"))
}

/// The values of a key in the unit, in the order of its lines.
fn values(key: &str) -> Vec<String> {
    let unit = fs::read_to_string(file("psistats.service")).unwrap();
    let of_key = |line: &str| line.strip_prefix(key)?.strip_prefix('=').map(str::to_owned);
    unit.lines().filter_map(of_key).collect()
}

#[test]
#[ignore = "needs systemd: tests/run"]
fn systemd_analyze_rates_the_exposure_of_the_units_at_most_1_5_of_10() {
    for unit in ["psistats.service", "psistats-hub.service"] {
        analyze(&["security", "--offline=true", "--threshold=15", file(unit).to_str().unwrap()]);
    }
}

#[test]
#[ignore = "needs systemd: tests/run"]
fn systemd_analyze_finds_no_problem_in_the_units() {
    let dir = tempfile::tempdir().unwrap();
    let verified = |name: &str, binary: &str| {
        let installed = dir.path().join(format!("{name}.service"));
        let unit = fs::read_to_string(file(&format!("{name}.service"))).unwrap();
        assert!(unit.contains(&format!("=/usr/bin/{name} ")), "{unit}");
        fs::write(&installed, unit.replace(&format!("/usr/bin/{name} "), &format!("{binary} "))).unwrap();
        assert_eq!(analyze(&["verify", "--man=no", installed.to_str().unwrap()]), "");
        (unit, installed)
    };
    verified("psistats-hub", program("psistats-hub").to_str().unwrap());
    let (unit, installed) = verified("psistats", env!("CARGO_BIN_EXE_psistats"));
    // A misspelt key is found, so the check above means something.
    fs::write(&installed, unit.replace("ProtectClock", "ProtectClocks")).unwrap();
    let output = run(Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&installed));
    assert!(String::from_utf8_lossy(&output.stderr).contains("ProtectClocks"), "{output:?}");
}

/// The system calls of a set of systemd's, including the sets that it contains.
fn calls_of(set: &str) -> BTreeSet<String> {
    let mut calls = BTreeSet::new();
    for line in analyze(&["syscall-filter", set]).lines().map(str::trim).skip(1) {
        match line {
            _ if line.is_empty() || line.starts_with('#') => {}
            _ if line.starts_with('@') => calls.extend(calls_of(line)),
            _ => _ = calls.insert(line.to_owned()),
        }
    }
    calls
}

#[test]
#[ignore = "needs systemd: tests/run"]
fn every_system_call_of_a_whole_run_is_allowed_by_the_unit() {
    let filters = values("SystemCallFilter");
    let (refused, permitted): (Vec<_>, Vec<_>) = filters.iter().partition(|sets| sets.starts_with('~'));
    let sets = |filters: Vec<&String>| -> BTreeSet<String> {
        filters.iter().flat_map(|sets| sets.trim_start_matches('~').split(' ')).flat_map(calls_of).collect()
    };
    let (refused, permitted) = (sets(refused), sets(permitted));
    assert!(refused.contains("setpriority") && permitted.contains("epoll_wait"), "{permitted:?}");

    let dir = tempfile::tempdir().unwrap();
    let trace = dir.path().join("trace");
    let nobody = Refusing::new();
    // Resolving a name starts a thread, as a spool does, and a reload reads files. So the run covers everything
    // except publishing.
    let config = Config::new(nobody.port, "/").set("server", "host", "localhost").set(
        "backlog",
        "file",
        dir.path().join("spool").display(),
    );
    let mut command = Command::new("strace");
    // With -D, psistats is the test's child and strace is not.
    command.args(["-D", "-f", "-o"]).arg(&trace).arg(env!("CARGO_BIN_EXE_psistats"));
    let mut agent = Agent::start_by(&mut command, &config, &[]);
    Counters::wait_for(&agent, |c| c.sampled > 10);
    agent.reload(&config);
    agent.wait_for_line("was reloaded", PATIENCE);
    assert!(agent.stop().success());
    let deadline = Instant::now() + PATIENCE;
    let trace = loop {
        let so_far = fs::read_to_string(&trace).unwrap();
        // A PID is padded with blanks to a fixed width.
        if so_far.contains(&format!("{:<5} +++ exited", agent.pid())) {
            break so_far;
        }
        assert!(Instant::now() < deadline, "strace does not end: {so_far}");
        thread::sleep(Duration::from_millis(10));
    };
    let call = |line: &str| Some(line.split_once(' ')?.1.trim().split_once('(')?.0.to_owned());
    let is_name = |call: &String| call.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    let made: BTreeSet<String> = trace.lines().filter_map(call).filter(is_name).collect();
    for call in ["epoll_wait", "statx", "fdatasync"] {
        assert!(made.contains(call), "no {call}: {made:?}");
    }
    let forbidden: Vec<_> = made.iter().filter(|c| refused.contains(*c) || !permitted.contains(*c)).collect();
    assert!(forbidden.is_empty(), "{forbidden:?}");
}

#[test]
fn a_reload_of_the_unit_checks_the_configuration_before_it_signals_the_service() {
    let start = values("ExecStart")[0].replace("start-local", "check-config");
    assert_eq!(values("ExecReload"), [start.as_str(), "/bin/sh -c 'kill -HUP $MAINPID'"]);
}

#[test]
fn the_unit_does_not_hide_the_sources_of_the_figures() {
    assert_eq!(values("ProcSubset"), ["all"], "/proc/stat, meminfo, uptime");
    assert!(values("RestrictAddressFamilies")[0].contains("AF_NETLINK"), "ipaddr");
    // The firmware mailbox can also change settings, so an operator must allow it.
    assert_eq!([values("DeviceAllow"), values("SupplementaryGroups")], [[""; 0]; 2]);
    for falsifies in ["PrivateNetwork", "PrivateDevices", "ProtectHostname", "PrivateIPC", "RootDirectory"] {
        assert_eq!(values(falsifies), [""; 0], "{falsifies}");
    }
}

#[test]
#[ignore = "needs root and logrotate: tests/run"]
fn fault_6_13_logrotate_works_as_the_owner_of_the_log_directory_and_not_as_root() {
    let dir = tempfile::tempdir().unwrap();
    let [logs, config, state] = ["logs", "config", "state"].map(|name| dir.path().join(name));
    fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
    fs::create_dir(&logs).unwrap();
    fs::write(logs.join("psistats.log"), "a line\n").unwrap();
    let (nobody, nogroup) = (Some(65534), Some(65534));
    chown(&logs, nobody, nogroup).unwrap();
    // The file has another owner. The owner of the rotated file shows which user logrotate is: root would keep
    // the owner.
    let example = fs::read_to_string(file("psistats.logrotate")).unwrap();
    let example = example.replace("su psistats psistats", "su nobody nogroup").replace("delaycompress", "");
    fs::write(&config, example.replace("/var/log/psistats", logs.to_str().unwrap())).unwrap();
    text(Command::new("/usr/sbin/logrotate").arg("-f").arg("-s").arg(&state).arg(&config));
    let rotated = fs::metadata(logs.join("psistats.log.1.gz")).unwrap();
    assert_eq!(Some(rotated.uid()), nobody);
}
