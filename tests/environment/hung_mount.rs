//! A file system that never answers (fault 34).

use std::fs;
use std::path::Path;
use std::process::Command;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::place::{Place, count, wait_until};
use support::PATIENCE;
use support::agent::Config;
use support::process::{Process, Stream};
use support::refusing::Refusing;
use support::reports::Counters;

#[test]
#[ignore = "needs root and /dev/fuse: tests/run"]
fn fault_34_a_hung_mount_is_null_and_logged_once_while_the_other_figures_go_on() {
    let place = Place::new("");
    let [hung, below, small, bound] = ["hung", "hung/below", "small", "bound"].map(|name| place.path(name));
    for directory in [&hung, &small, &bound] {
        fs::create_dir(directory).unwrap();
    }
    let [hung, below, small, bound] = [hung, below, small, bound].map(|path| path.display().to_string());
    place.configure(format!(
        "[app]\nprimary_timer=0.05\n[hddspace]\nenabled=yes\ninterval=0.05\n[disk]\nenabled=yes\ninterval=0.05\nmounts=/ {hung} {below} {small} {bound}\n[value:far]\nfile={hung}/value\ninterval=0.05\n"
    ));
    // A FUSE connection without a server. A process that uses it blocks until it is killed.
    let setup = format!(
        "exec 3<>/dev/fuse
         mount -i -t fuse.never -o fd=3,rootmode=40000,user_id=0,group_id=0 never '{hung}'
         mount -t tmpfs -o size=64k small '{small}'
         mount --bind '{bound}' '{bound}' # as systemd does for ProtectHome=read-only
         timeout --signal=KILL 0.5 stat -f '{hung}' && exit 1 || test $? = 137"
    );
    let mut command = place.psistats_after(&setup, "start-local");
    let agent = Process::start(command.arg("--stdout"));
    let reports = agent.wait_for_lines_of(Stream::Stdout, 10, PATIENCE);
    for report in reports {
        let report: Value = serde_json::from_str(&report).unwrap();
        let disk = &report["disk"];
        assert!(disk["/"]["used"].as_u64().unwrap() > 0, "{report}");
        assert_eq!(disk[&small]["total"], json!(65536));
        assert!(!report["hddspace"].as_array().unwrap().iter().any(|one| one.get(&hung).is_some()));
        for null in [&hung, &below, &bound] {
            assert_eq!(disk.get(null), Some(&Value::Null), "{null}");
        }
        assert_eq!(report.get("far"), Some(&Value::Null));
    }
    let said = agent.lines_of(Stream::Stderr);
    for words in [
        format!("{hung} (fuse.never): skipped"),
        format!("{below} (fuse.never): skipped"),
        format!("{hung}/value (fuse.never): skipped"),
        format!("{bound}: nothing is mounted there"),
    ] {
        assert_eq!(count(&said, &words), 1, "{words}: {said:#?}");
    }
}

/// A file system that never answers, mounted over `directory` in the mount namespace of `agent`. When it is
/// dropped, every access there fails instead.
fn hang(agent: &Process, directory: &Path) -> Process {
    let script = format!(
        "exec 3<>/dev/fuse
         mount -i -t fuse.never -o fd=3,rootmode=40000,user_id=0,group_id=0 never '{}'
         echo hung
         exec sleep 3600",
        directory.display()
    );
    let hung = Process::start(&mut in_namespace_of(agent, &["sh", "-euc", &script]));
    hung.wait_for_line("hung", PATIENCE);
    hung
}

fn in_namespace_of(agent: &Process, command: &[&str]) -> Command {
    let mut nsenter = Command::new("nsenter");
    nsenter.args(["--mount", "--target", &agent.pid().to_string(), "--"]).args(command);
    nsenter
}

/// Waits for a few more reports.
fn reports_go_on(agent: &Process) {
    let so_far = agent.lines_of(Stream::Stdout).len();
    agent.wait_for_lines_of(Stream::Stdout, so_far + 20, PATIENCE);
}

#[test]
#[ignore = "needs root and /dev/fuse: tests/run"]
fn a_lost_file_server_under_the_log_blocks_neither_sampling_nor_a_stop_and_lines_arrive_when_it_is_back() {
    let place = Place::new(
        "[app]\nprimary_timer=0.02\n[logging]\nkeys=root\n[logger_root]\nlevel=INFO\nhandlers=file\n\
         [handler_file]\nclass=FileHandler\nfilename=logs/log\n",
    );
    let logs = place.path("logs");
    fs::create_dir(&logs).unwrap();
    let log = || fs::read_to_string(logs.join("log")).unwrap_or_default();
    let mut agent = Process::start(place.psistats_after("", "start-local").arg("--stdout"));
    reports_go_on(&agent);
    wait_until("the log has its first line", || log().contains("configuration: "));

    let hung = hang(&agent, &logs);
    agent.signal(Signal::SIGUSR1);
    reports_go_on(&agent);
    let umount = in_namespace_of(&agent, &["umount", "-l", logs.to_str().unwrap()]).status().unwrap();
    assert!(umount.success());
    drop(hung);
    wait_until("the line is there", || log().contains("sampled="));
    assert_eq!(agent.lines_of(Stream::Stderr), [""; 0], "nothing was lost");

    let _hung = hang(&agent, &logs);
    agent.signal(Signal::SIGUSR1);
    reports_go_on(&agent);
    agent.signal(Signal::SIGTERM);
    assert_eq!(agent.wait(PATIENCE).code(), Some(0));
}

#[test]
#[ignore = "needs root and /dev/fuse: tests/run"]
fn a_lost_file_server_under_the_spool_blocks_neither_a_start_nor_sampling_nor_a_stop() {
    let nobody = Refusing::new();
    let place = Place::new("");
    let folder = place.path("folder");
    let config = Config::new(nobody.port, "/").set("backlog", "file", folder.join("spool").display());
    place.configure(config.set("backlog", "spool_interval", 1).to_string());
    let goes_on = |agent: &Process| {
        let before = Counters::wait_for(agent, |_| true).sampled;
        Counters::wait_for(agent, |c| c.sampled > before + 20);
    };
    // Gone under way.
    let mut agent = Process::start(&mut place.psistats_after("", "start-local"));
    agent.wait_for_line("cannot write the spool", PATIENCE);
    fs::create_dir(&folder).unwrap();
    let hung = hang(&agent, &folder);
    wait_until("the thread of the spool waits there", || {
        let tasks = fs::read_dir(format!("/proc/{}/task", agent.pid())).unwrap();
        let stat = |task: fs::DirEntry| fs::read_to_string(task.path().join("stat")).unwrap_or_default();
        tasks.flatten().any(|task| stat(task).contains(" (spool) D "))
    });
    goes_on(&agent);
    agent.signal(Signal::SIGTERM);
    assert_eq!(agent.wait(PATIENCE).code(), Some(0));
    assert_eq!(count(&agent.lines(), "unconfirmed reports are lost"), 1, "{:#?}", agent.lines());
    drop(hung);

    // Gone from the start.
    let setup = format!(
        "exec 3<>/dev/fuse
         mount -i -t fuse.never -o fd=3,rootmode=40000,user_id=0,group_id=0 never '{}'",
        folder.display()
    );
    let mut agent = Process::start(&mut place.psistats_after(&setup, "start-local"));
    let complaint = agent.wait_for_line("no spool at", PATIENCE);
    assert!(complaint.contains("the file system does not answer"), "{complaint}");
    goes_on(&agent);
    agent.signal(Signal::SIGTERM);
    assert_eq!(agent.wait(PATIENCE).code(), Some(0));
}

#[test]
#[ignore = "needs root and /dev/fuse: tests/run"]
fn a_lost_file_server_under_the_configuration_blocks_neither_sampling_nor_a_stop_and_a_reload_waits_for_it() {
    let place = Place::new("[app]\nprimary_timer=0.02\n");
    let mut agent = Process::start(place.psistats_after("", "start-local").arg("--stdout"));
    reports_go_on(&agent);

    let hung = hang(&agent, place.dir());
    agent.signal(Signal::SIGHUP);
    wait_until("the configuration is being read", || agent.status("Threads") == 2);
    reports_go_on(&agent);
    agent.signal(Signal::SIGHUP);
    agent.wait_for_line("SIGHUP: the configuration is still being read", PATIENCE);
    reports_go_on(&agent);
    let umount = in_namespace_of(&agent, &["umount", "-l", place.dir().to_str().unwrap()]).status().unwrap();
    assert!(umount.success());
    drop(hung);
    agent.wait_for_line("the configuration was reloaded", PATIENCE);
    wait_until("nobody reads it any more", || agent.status("Threads") == 1);

    let _hung = hang(&agent, place.dir());
    agent.signal(Signal::SIGHUP);
    wait_until("the configuration is being read", || agent.status("Threads") == 2);
    agent.signal(Signal::SIGTERM);
    assert_eq!(agent.wait(PATIENCE).code(), Some(0));
}
