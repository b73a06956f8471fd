//! `chasar clientnode start` as a process, and libzmq (through Debian's python3-zmq) at the other end.

#![cfg(feature = "agent")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod both;
mod faults;
#[allow(dead_code, clippy::cast_possible_truncation)] // the hub's tests use all of it
#[path = "../hub/raw.rs"]
mod raw;
mod subscriptions;
#[path = "../support/mod.rs"]
mod support;

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::Value;

use support::PATIENCE;
use support::master::Master;
use support::process::Process;
use support::refusing::Refusing;
use tempfile::TempDir;

/// A client node of the master at `port`, with these lines in its `[chasar]`.
fn node_with(port: u16, lines: &str) -> Process {
    let place = TempDir::new().unwrap();
    let config = place.path().join("psistats.conf");
    fs::write(&config, format!("[chasar]\n{lines}\n")).unwrap();
    let port = port.to_string();
    let mut command = Command::new(env!("CARGO_BIN_EXE_psistats"));
    command.args(["chasar", "clientnode", "start", "127.0.0.1", &port, "--config"]).arg(config);
    let node = Process::start(&mut command);
    // It has read its configuration by then.
    node.wait_for_line("psistats.conf", PATIENCE);
    node
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
    let mut node = node_with(master.port, "");
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
#[ignore = "needs python3-zmq: tests/run"]
fn a_master_that_comes_late_or_again_is_found() {
    let nobody = Refusing::new();
    let port = nobody.port;
    let mut node = node_with(port, "");
    node.wait_for_line("does a master node run there", PATIENCE);
    drop(nobody);
    let master = Master::start(port);
    master.message();
    drop(master);
    node.wait_for_line("connection was closed", PATIENCE);
    let again = Master::start(port);
    again.message();
    stop(&mut node);
}
