//! A master node of chasar as the original is one: libzmq's SUB, through Debian's python3-zmq, or of libzmq 3.2.

use std::cell::Cell;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use super::PATIENCE;
use super::process::{Process, Stream};
use super::project;

/// A client node that has found somebody else at its master's port waits up to a minute.
const LATEST: Duration = PATIENCE.saturating_mul(2);

/// A libzmq as Python has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Libzmq {
    /// 4.3, of Debian's python3-zmq: ZMTP 3.
    V4,
    /// 3.2, which speaks ZMTP 2.0, by `support/zmq_3_2.py`, which has no more than what the tests use.
    V3_2,
}

/// A Python program with a `context` of libzmq, whose lines come at once.
pub fn python(script: &str) -> Process {
    python_with(Libzmq::V4, script)
}

/// The same, with that libzmq.
pub fn python_with(libzmq: Libzmq, script: &str) -> Process {
    let import = match libzmq {
        Libzmq::V4 => "zmq",
        Libzmq::V3_2 => "zmq_3_2 as zmq",
    };
    let script =
        format!("import json, signal, sys, time\nimport {import}\ncontext = zmq.Context()\n{script}");
    let mut command = Command::new("/usr/bin/python3");
    command.args(["-B", "-u", "-W", "ignore", "-c", &script]);
    command.env("PYTHONPATH", project::path("tests/support"));
    Process::start(&mut command)
}

/// Prints each message that it gets.
pub struct Master {
    /// To be stopped, continued, or read.
    pub process: Process,
    /// Where it listens, on 127.0.0.1.
    pub port: u16,
    read: Cell<usize>,
}

impl Master {
    /// Binds `port`, or any where that is 0, and subscribes to everything.
    pub fn start(port: u16) -> Self {
        Self::with(port, "socket = context.socket(zmq.SUB); socket.subscribe(b'')")
    }

    /// The same, with the socket that this Python makes.
    pub fn with(port: u16, socket: &str) -> Self {
        Self::of(Libzmq::V4, port, socket)
    }

    /// The same, of that libzmq.
    pub fn of(libzmq: Libzmq, port: u16, socket: &str) -> Self {
        let script = format!(
            "
{socket}
port = {port} or socket.bind_to_random_port('tcp://127.0.0.1')
if {port}: socket.bind('tcp://127.0.0.1:{port}')
print(port)
if socket.type != zmq.SUB: signal.pause()
while True:
    topic, body = socket.recv_multipart()
    assert topic == b'status', topic
    print(body.decode())
"
        );
        let process = python_with(libzmq, &script);
        let port = process.wait_for_lines_of(Stream::Stdout, 1, PATIENCE)[0].parse().unwrap();
        Self { process, port, read: Cell::new(1) }
    }

    /// Waits until so many have come.
    pub fn wait_for_messages(&self, number: usize) {
        self.process.wait_for_lines_of(Stream::Stdout, 1 + number, PATIENCE);
    }

    /// How many have come.
    pub fn count(&self) -> usize {
        self.process.lines_of(Stream::Stdout).len() - 1
    }

    /// The next message.
    pub fn message(&self) -> Value {
        let number = self.read.get() + 1;
        self.read.set(number);
        let line = self.process.wait_for_lines_of(Stream::Stdout, number, LATEST).pop().unwrap();
        serde_json::from_str(&line).unwrap()
    }
}
