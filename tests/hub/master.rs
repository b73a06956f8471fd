//! The master node under test, and programs of libzmq around it.

use std::net::TcpListener;
use std::process::{Command, id};
use std::sync::atomic::{AtomicU16, Ordering};

use nix::sys::signal::Signal;
use serde_json::Value;
use tempfile::TempDir;

use support::PATIENCE;
use support::master::{Libzmq, python_with};
use support::process::{Process, Stream};

/// A free port, below the range that the system uses for outgoing connections, of which these tests make thousands.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    loop {
        let port = 20_000 + (id() % 100) as u16 * 100 + NEXT.fetch_add(1, Ordering::Relaxed) % 100;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// A master node with ports of its own.
pub struct Master {
    pub process: Process,
    pub port: u16,
    pub publish_port: u16,
    folder: TempDir,
}

impl Master {
    /// Starts one, and waits until it is ready; `settings` are further lines of `[chasar]`.
    pub fn start(settings: &str) -> Self {
        Self::start_after("true", settings)
    }

    /// The same, by a shell that runs the command `limits` before.
    pub fn start_after(limits: &str, settings: &str) -> Self {
        let (port, publish_port) = (free_port(), free_port());
        let folder = TempDir::new().unwrap();
        let config = format!("[chasar]\npublish_port={publish_port}\n{settings}\n");
        std::fs::write(folder.path().join("psistats.conf"), config).unwrap();
        let process = start(limits, &folder, port);
        Self { process, port, publish_port, folder }
    }

    /// Kills it, and starts another at the same ports.
    pub fn restart(&mut self) {
        self.process.signal(Signal::SIGKILL);
        self.process.wait(PATIENCE);
        self.process = start("true", &self.folder, self.port);
    }

    /// The present value of a counter.
    pub fn counter(&self, name: &str) -> u64 {
        let seen = self.process.lines().len();
        self.process.signal(Signal::SIGUSR1);
        counter(name, &self.process.wait_for_line_after(seen, "connections=", PATIENCE))
    }

    /// Stops it, and gives the last value of a counter.
    pub fn stop_and_count(&mut self, name: &str) -> u64 {
        self.process.signal(Signal::SIGTERM);
        let line = self.process.wait_for_line("stopping; ", PATIENCE);
        assert!(self.process.wait(PATIENCE).success(), "{:?}", self.process.lines());
        counter(name, &line)
    }

    /// Waits until `wanted` accepts a counter.
    pub fn wait_for(&self, name: &str, wanted: impl Fn(u64) -> bool) {
        let deadline = std::time::Instant::now() + PATIENCE;
        let mut value = self.counter(name);
        while !wanted(value) {
            assert!(std::time::Instant::now() < deadline, "{name}={value}");
            std::thread::sleep(std::time::Duration::from_millis(20));
            value = self.counter(name);
        }
    }

    /// Checks that it still works: a message of libzmq arrives at libzmq.
    pub fn assert_serves(&self) {
        let subscriber = self.subscriber("Chasar-Client", "");
        let publisher = self.publisher("good");
        let body = message(&subscriber, 0);
        assert_eq!(body["from"], "good");
        drop(publisher);
    }

    /// A subscriber of libzmq, which prints each message as `TOPIC BODY`; `options` are lines of Python that
    /// set up `socket`.
    pub fn subscriber(&self, prefix: &str, options: &str) -> Process {
        self.subscriber_of(Libzmq::V4, prefix, options)
    }

    /// The same, with that version of libzmq.
    pub fn subscriber_of(&self, libzmq: Libzmq, prefix: &str, options: &str) -> Process {
        let script = format!(
            "
socket = context.socket(zmq.SUB)
{options}
socket.connect('tcp://127.0.0.1:{}')
socket.setsockopt(zmq.SUBSCRIBE, b'{prefix}')
while True:
    topic, body = socket.recv_multipart()
    print(topic.decode(), body.decode())
",
            self.publish_port
        );
        python_with(libzmq, &script)
    }

    /// A client node of libzmq, which sends a numbered message every 10 ms.
    pub fn publisher(&self, from: &str) -> Process {
        self.publisher_of(Libzmq::V4, from)
    }

    /// The same, with that version of libzmq.
    pub fn publisher_of(&self, libzmq: Libzmq, from: &str) -> Process {
        let script = format!(
            "
socket = context.socket(zmq.PUB)
socket.connect('tcp://127.0.0.1:{}')
n = 0
while True:
    socket.send_multipart([b'status', json.dumps({{'from': '{from}', 'n': n}}).encode()])
    n += 1
    time.sleep(0.01)
",
            self.port
        );
        python_with(libzmq, &script)
    }
}

fn counter(name: &str, line: &str) -> u64 {
    let value = line.split(' ').find_map(|word| word.strip_prefix(&format!("{name}=")));
    value.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no {name} in {line}"))
}

/// The body of the `n`th message that a subscriber prints.
pub fn message(subscriber: &Process, n: usize) -> Value {
    let lines = subscriber.wait_for_lines_of(Stream::Stdout, n + 1, PATIENCE);
    let body = lines[n].strip_prefix("Chasar-Client ").unwrap_or_else(|| panic!("{}", lines[n]));
    serde_json::from_str(body).unwrap()
}

fn start(limits: &str, folder: &TempDir, port: u16) -> Process {
    let script = format!(
        "{limits} && exec {} --config {}/psistats.conf masternode start 127.0.0.1 {port}",
        env!("CARGO_BIN_EXE_psistats-hub"),
        folder.path().display()
    );
    let process = Process::start(Command::new("sh").args(["-c", &script]));
    process.wait_for_line("room for", PATIENCE);
    process
}
