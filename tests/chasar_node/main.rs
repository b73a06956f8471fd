//! `chasar clientnode start` as a process, and libzmq (through Debian's python3-zmq) at the other end.

#![cfg(feature = "agent")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

#[path = "../support/mod.rs"]
mod support;

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::Value;

use support::PATIENCE;
use support::process::Process;
use support::refusing::Refusing;

/// A client node of the master at `port`.
fn node(port: u16) -> Process {
    let mut command = Command::new(env!("CARGO_BIN_EXE_psistats"));
    Process::start(command.args(["chasar", "clientnode", "start", "127.0.0.1"]).arg(port.to_string()))
}

/// A master as the original is one: a SUB that binds, is subscribed to everything and prints each message.
struct Master {
    python: Child,
    lines: BufReader<ChildStdout>,
    port: u16,
}

impl Master {
    /// At `port`; 0: at any.
    fn start(port: u16) -> Self {
        let script = format!(
            "
import zmq
socket = zmq.Context().socket(zmq.SUB)
socket.setsockopt(zmq.SUBSCRIBE, b'')
port = {port} or socket.bind_to_random_port('tcp://127.0.0.1')
if {port}: socket.bind('tcp://127.0.0.1:{port}')
print(port, flush=True)
while True:
    topic, body = socket.recv_multipart()
    print(topic.decode(), body.decode(), flush=True)
"
        );
        let mut python = Command::new("/usr/bin/python3")
            .args(["-W", "ignore", "-c", &script])
            .stdout(Stdio::piped())
            .spawn()
            .expect("/usr/bin/python3: apt-get install python3-zmq");
        let mut lines = BufReader::new(python.stdout.take().unwrap());
        let mut line = String::new();
        lines.read_line(&mut line).unwrap();
        let port = line.trim().parse().expect("is python3-zmq installed?");
        Self { python, lines, port }
    }

    /// The next message.
    fn message(&mut self) -> Value {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        let body = line.strip_prefix("status ").expect(&line);
        serde_json::from_str(body).unwrap()
    }
}

impl Drop for Master {
    fn drop(&mut self) {
        self.python.kill().unwrap();
        self.python.wait().unwrap();
    }
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
    let mut master = Master::start(0);
    let mut node = node(master.port);
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
    let mut master = Master::start(port);
    master.message();
    drop(master);
    node.wait_for_line("connection was closed", PATIENCE);
    let mut again = Master::start(port);
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
