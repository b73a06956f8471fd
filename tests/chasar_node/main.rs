//! `chasar clientnode start` as a process, and libzmq (through Debian's python3-zmq) at the other end.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod both;
mod curve;
mod faults;
mod subscriptions;
use std::fs;
use std::ops::{Deref, DerefMut};
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::Value;

use support::PATIENCE;
use support::master::{Libzmq, Master};
use support::process::Process;
use support::refusing::Refusing;
use tempfile::TempDir;

/// A client node and its configuration.
struct Node {
    process: Process,
    place: TempDir,
}

impl Deref for Node {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.process
    }
}

impl DerefMut for Node {
    fn deref_mut(&mut self) -> &mut Process {
        &mut self.process
    }
}

impl Node {
    /// Configured by other lines from now on, for which it connects anew, at once.
    fn reload(&self, lines: &str) {
        fs::write(self.place.path().join("psistats.conf"), format!("[chasar]\n{lines}\n")).unwrap();
        self.process.signal(Signal::SIGHUP);
    }
}

/// A client node of the master at `port`, with these lines in its `[chasar]`.
fn node_with(port: u16, lines: &str) -> Node {
    let place = TempDir::new().unwrap();
    let config = place.path().join("psistats.conf");
    fs::write(&config, format!("[chasar]\n{lines}\n")).unwrap();
    let port = port.to_string();
    let mut command = Command::new(env!("CARGO_BIN_EXE_psistats"));
    command.args(["chasar", "clientnode", "start", "127.0.0.1", &port, "--config"]).arg(config);
    let process = Process::start(&mut command);
    // It has read its configuration by then.
    process.wait_for_line("psistats.conf", PATIENCE);
    Node { process, place }
}

/// SIGTERM; it ends well and soon.
fn stop(node: &mut Process) {
    let begin = Instant::now();
    node.signal(Signal::SIGTERM);
    let status = node.wait(PATIENCE);
    assert_eq!(status.code(), Some(0), "{:#?}", node.lines());
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
    assert!(node.lines().iter().any(|line| line.contains("stopping; sent=")), "{:#?}", node.lines());
}

#[test]
#[ignore = "needs python3-zmq: tests/run"]
fn a_master_of_libzmq_gets_a_message_a_second_with_all_keys() {
    let master = Master::start(0);
    // By a name that no other test's has: of processes with one name a message tells of one.
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("chasar");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_psistats"), &link).unwrap();
    let words = ["clientnode", "start", "127.0.0.1", &master.port.to_string()];
    let mut node = Process::start(Command::new(link).args(words));
    let messages: Vec<Value> = (0..3).map(|_| master.message()).collect();
    for message in &messages {
        assert_eq!(message.as_object().unwrap().len(), 9);
        assert_eq!(message["hostname"], nix::unistd::gethostname().unwrap().to_str().unwrap());
        let us = message["process"].as_object().unwrap().values();
        // Of client nodes the one with the highest id stands.
        assert!(us.into_iter().any(|process| process["pid"] == std::process::id()), "this is among them");
    }
    let clocks: Vec<&str> = messages.iter().map(|m| m["computer_utc_clock"].as_str().unwrap()).collect();
    assert!(clocks.is_sorted() && clocks[0] != clocks[2], "{clocks:?}");
    stop(&mut node);
}

#[test]
#[ignore = "needs libzmq 3.2: tests/run"]
fn a_master_of_libzmq_3_2_gets_every_message_over_one_connection() {
    let master = Master::of(Libzmq::V3_2, 0, "socket = context.socket(zmq.SUB); socket.subscribe(b'stat')");
    let mut node = node_with(master.port, "interval=0.05");
    for _ in 0..20 {
        assert_eq!(master.message().as_object().unwrap().len(), 9);
    }
    stop(&mut node);
    let connections = node.lines().iter().filter(|line| line.contains("connected to the master")).count();
    assert_eq!(connections, 1, "{:#?}", node.lines());
}

#[test]
#[ignore = "needs python3-zmq: tests/run"]
fn an_interface_that_is_not_there_is_told_once_and_messages_go_without_it() {
    let master = Master::start(0);
    let mut node = node_with(master.port, "interface=eht0\ninterval=0.1");
    for _ in 0..3 {
        assert_eq!(master.message()["mac_address"], Value::Null);
    }
    stop(&mut node);
    let told =
        node.lines().iter().filter(|line| line.contains("[chasar] interface=eht0: there is none")).count();
    assert_eq!(told, 1, "{:#?}", node.lines());
}

#[test]
#[ignore = "needs python3-zmq: tests/run"]
fn a_master_that_comes_late_or_again_is_found() {
    let nobody = Refusing::new();
    let port = nobody.port;
    let mut node = node_with(port, "");
    node.wait_for_line("is a master node running and", PATIENCE);
    drop(nobody);
    let master = Master::start(port);
    master.message();
    drop(master);
    node.wait_for_line("connection was closed", PATIENCE);
    let again = Master::start(port);
    again.message();
    stop(&mut node);
}

#[test]
#[ignore = "needs root and python3-zmq: tests/run"]
fn that_other_users_processes_are_hidden_is_told_and_its_own_are_sent() {
    let master = Master::start(0);
    let script = "mount -t proc -o hidepid=invisible proc /proc && exec setpriv --reuid=65534 --regid=65534 --clear-groups \"$@\"";
    let port = master.port.to_string();
    let mut unshare = Command::new("unshare");
    unshare.env("HOME", "/nonexistent").args([
        "--mount",
        "sh",
        "-c",
        script,
        "sh",
        env!("CARGO_BIN_EXE_psistats"),
    ]);
    let mut node = Process::start(unshare.args(["chasar", "clientnode", "start", "127.0.0.1", &port]));
    node.wait_for_line("messages tell of this user's processes alone", PATIENCE);
    let message = master.message();
    let processes = message["process"].as_object().unwrap();
    assert!(!processes.is_empty() && processes.values().all(|process| process["pid"] != 1), "{processes:?}");
    stop(&mut node);
}
