//! `chasar clientnode start` as a process, and libzmq (through Debian's python3-zmq) at the other end.

#![cfg(feature = "agent")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod both;
#[path = "../support/mod.rs"]
mod support;

use std::io::Write;
use std::net::TcpListener;
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::Value;

use support::PATIENCE;
use support::master::Master;
use support::process::Process;
use support::refusing::Refusing;

/// A client node of the master at `port`.
fn node(port: u16) -> Process {
    let mut command = Command::new(env!("CARGO_BIN_EXE_psistats"));
    Process::start(command.args(["chasar", "clientnode", "start", "127.0.0.1"]).arg(port.to_string()))
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
        assert!(us.into_iter().any(|process| process["pid"] == node.pid()), "it is among its processes");
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
    let mut node = node(port);
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

#[test]
fn a_peer_that_is_no_master_is_named_as_what_it_is_and_ends_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut node = node(listener.local_addr().unwrap().port());
    let (mut stream, _) = listener.accept().unwrap();
    stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
    let line = node.wait_for_line("expected ZeroMQ", PATIENCE);
    assert!(line.contains("HTTP/1.1 400 Bad") && line.contains("check the port"), "{line}");
    stop(&mut node);
}
