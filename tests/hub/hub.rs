//! `psistats-hub` as a process, and what its API says.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nix::sys::signal::Signal;
use psistats_hub::fleet::MessageId;
use psistats_hub::history::{Found, History, Limits};
use serde_json::Value;
use tempfile::TempDir;

use crate::master::free_port;
use support::PATIENCE;
use support::agent::Agent;
use support::process::Process;
use support::reports::Counters;

const PROGRAM: &str = env!("CARGO_BIN_EXE_psistats-hub");

/// Debian's pika publishes each line of its input, and ends once the last one is confirmed: then all are on the disk.
const PUBLISHER: &str = "
import pika, sys
p = pika.ConnectionParameters('127.0.0.1', int(sys.argv[1]), credentials=pika.PlainCredentials('guest', 'guest'))
c = pika.BlockingConnection(p).channel()
*lines, last = sys.stdin.read().splitlines()
for line in lines:
    c.basic_publish('', 'x', line.encode())
c.confirm_delivery()
c.basic_publish('', 'x', last.encode())
";

fn run(config: &Path) -> Process {
    Process::start(Command::new(PROGRAM).arg("--config").arg(config))
}

/// A hub with ports and a folder of its own.
pub struct Hub {
    pub process: Process,
    pub page: u16,
    pub amqp: u16,
    pub chasar: u16,
    folder: TempDir,
}

impl Hub {
    /// With `more` in its section.
    pub fn start(more: &str) -> Self {
        let [page, amqp, chasar, publish] = [(); 4].map(|()| free_port());
        Self::at(page, amqp, chasar, publish, more)
    }

    pub fn at(page: u16, amqp: u16, chasar: u16, publish: u16, more: &str) -> Self {
        Self::by(run, [page, amqp, chasar, publish], more)
    }

    /// With its data on a disk of 256 MiB, which [`Self::disk`] leads to.
    pub fn on_a_small_disk() -> Self {
        let run = |config: &Path| {
            let data = config.with_file_name("data");
            std::fs::create_dir(&data).unwrap();
            let script =
                format!("mount -t tmpfs -o size=256m none '{}' && exec \"$0\" \"$@\"", data.display());
            let mut command = Command::new("unshare");
            command.args(["--mount", "sh", "-c", &script, PROGRAM, "--config"]);
            Process::start(command.arg(config))
        };
        Self::by(run, [(); 4].map(|()| free_port()), "self=no")
    }

    /// Where its history is, as it sees that.
    pub fn disk(&self) -> PathBuf {
        let root = PathBuf::from(format!("/proc/{}/root", self.process.pid()));
        root.join(self.data().strip_prefix("/").unwrap())
    }

    fn by(run: impl FnOnce(&Path) -> Process, [page, amqp, chasar, publish]: [u16; 4], more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let text = format!(
            "[hub]\nlisten=127.0.0.1:{page}\namqp=127.0.0.1:{amqp}\nchasar=127.0.0.1:{chasar}\ndata={}\n{more}\n\
             [chasar]\npublish_port={publish}\n",
            folder.path().join("data").display()
        );
        std::fs::write(folder.path().join("psistats-hub.conf"), text).unwrap();
        let process = run(&folder.path().join("psistats-hub.conf"));
        process.wait_for_line(&format!("http://127.0.0.1:{page}"), PATIENCE);
        Self { process, page, amqp, chasar, folder }
    }

    /// A second one with the same folder for its history.
    pub fn beside(&self) -> Process {
        let config = self.folder.path().join("second.conf");
        let data = self.data();
        let text = format!("[hub]\nlisten=127.0.0.1:0\namqp=no\nchasar=no\ndata={}\n", data.display());
        std::fs::write(&config, text).unwrap();
        run(&config)
    }

    /// Publishes reports, and waits until they are on the disk.
    pub fn publish(&self, reports: &[String]) {
        let mut python = Command::new("/usr/bin/python3");
        let python = python.args(["-c", PUBLISHER, &self.amqp.to_string()]).stdin(Stdio::piped());
        let mut python = python.spawn().unwrap();
        python.stdin.take().unwrap().write_all(reports.join("\n").as_bytes()).unwrap();
        assert!(python.wait().unwrap().success());
    }

    /// Waits until that is so.
    pub fn wait_until(&self, is_so: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_so(self) {
            assert!(Instant::now() < deadline, "{:?}", self.process.lines());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Where its history is.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// A new token, which it takes over soon.
    pub fn token(&self, name: &str) -> String {
        let mut command = Command::new(PROGRAM);
        command.arg("--config").arg(self.folder.path().join("psistats-hub.conf"));
        let output = command.args(["token", "add", name]).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        self.process.signal(Signal::SIGKILL);
        self.process.wait(PATIENCE);
    }

    /// SIGTERM, at which it ends well.
    pub fn stop(&mut self) {
        self.process.signal(Signal::SIGTERM);
        assert_eq!(self.process.wait(PATIENCE).code(), Some(0), "{:?}", self.process.lines());
    }

    /// The same again, once it has ended.
    pub fn start_again(&mut self) {
        self.process = run(&self.folder.path().join("psistats-hub.conf"));
        self.process.wait_for_line(&format!("http://127.0.0.1:{}", self.page), PATIENCE);
    }

    /// The status and the body of a GET.
    pub fn get(&self, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.page)).unwrap();
        let port = self.page;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    pub fn json(&self, path: &str) -> Value {
        let (status, body) = self.get(path);
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).unwrap()
    }

    /// What the API says of a board, once that is so.
    pub fn wait_for(&self, board: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let (status, body) = self.get(&format!("/api/v1/hosts/{board}"));
            let board = serde_json::from_str(&body).unwrap();
            if status == 200 && is_so(&board) {
                return board;
            }
            assert!(Instant::now() < deadline, "{body} {:?}", self.process.lines());
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

pub fn own_name() -> String {
    nix::unistd::gethostname().unwrap().into_string().unwrap()
}

/// Ends agents, and gives how many reports of each were confirmed. None was dropped.
pub fn end(mut agents: Vec<Agent>) -> Vec<u64> {
    let ended = agents.iter_mut().map(|agent| {
        assert_eq!(agent.stop().code(), Some(0));
        let counters = Counters::last(&agent.lines()).unwrap();
        assert_eq!(counters.dropped, 0, "{counters:?}");
        counters.confirmed
    });
    ended.collect()
}

/// The history of a hub that has ended has each report of every board once, numbered from 1 without a gap; as many as
/// were confirmed, or some more whose confirm came too late for an agent's end.
pub fn assert_complete(hub: &Hub, confirmed: &[u64]) {
    const HOUR_MS: i64 = 3_600_000;
    let mut numbers: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64;
    let opening = Instant::now();
    let found = |found: Found<'_>| {
        if let Found::Report(report) = found {
            let id = MessageId::from_bytes(&report.id).unwrap();
            numbers.entry(report.board.to_string()).or_default().push(id.number);
        }
    };
    let mut history = History::open(&hub.data(), Limits::default(), now, found).unwrap();
    let opened = opening.elapsed();
    assert_eq!(numbers.len(), confirmed.len());
    let mut sum = 0;
    for (board, mut numbers) in numbers {
        numbers.sort_unstable();
        let expected: Vec<_> = (1..=numbers.len() as u64).collect();
        assert_eq!(numbers, expected, "{board}");
        let n: usize = board.strip_prefix("pi-").unwrap().parse().unwrap();
        assert!(
            expected.len() as u64 >= confirmed[n],
            "{board}: {} confirmed, {} kept",
            confirmed[n],
            expected.len()
        );
        let range = history.range(&board, "mem", now - HOUR_MS, now + HOUR_MS, 200, now);
        assert_eq!(range.samples.iter().sum::<u32>() as usize, expected.len(), "{board}");
        sum += expected.len();
    }
    println!("{sum} reports of {} boards: none lost, none twice; opened in {opened:?}", confirmed.len());
}

/// How often or how many, by an environment variable.
pub fn number(name: &str, usual: u32) -> u32 {
    std::env::var(name).map_or(usual, |text| text.parse().unwrap())
}
