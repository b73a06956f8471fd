//! A master node of chasar as the original is one: libzmq's SUB, through Debian's python3-zmq.

use std::cell::Cell;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use super::PATIENCE;
use super::process::{Process, Stream};

/// A client node that has found somebody else at its master's port waits up to a minute.
const LATEST: Duration = PATIENCE.saturating_mul(2);

/// A Python program with a `context` of libzmq, whose lines come at once.
pub fn python(script: &str) -> Process {
    let script = format!("import json, signal, sys, time, zmq\ncontext = zmq.Context()\n{script}");
    Process::start(Command::new("/usr/bin/python3").args(["-u", "-W", "ignore", "-c", &script]))
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
        let process = python(&script);
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
