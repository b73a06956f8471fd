//! Debian's mosquitto, as a process with a port and a folder of its own, and its clients.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::hub::Hub;
use crate::master::free_port;
use support::PATIENCE;
use support::process::{Process, Stream};

pub struct Broker {
    process: Process,
    pub port: u16,
    pub folder: TempDir,
}

impl Broker {
    /// Without persistence: it forgets everything with its process. `more`: what its listener has besides.
    pub fn start(more: &str) -> Self {
        Self::with(|_| more.to_owned())
    }

    /// The same, with what its folder is to have.
    pub fn with(more: impl FnOnce(&std::path::Path) -> String) -> Self {
        let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
        let more = more(folder.path());
        let access = if more.contains("password_file") { "" } else { "allow_anonymous true\n" };
        // As root it would become a user that may not read the folder.
        let text = format!("user root\nlistener {port} 127.0.0.1\n{access}{more}\n");
        fs::write(folder.path().join("mosquitto.conf"), text).unwrap();
        let process = run(folder.path().join("mosquitto.conf"));
        Self { process, port, folder }
    }

    pub fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    pub fn kill(&mut self) {
        self.process.signal(Signal::SIGKILL);
        self.process.wait(PATIENCE);
    }

    pub fn start_again(&mut self) {
        self.process = run(self.folder.path().join("mosquitto.conf"));
    }

    /// A hub that publishes to it, with `more` in its `[mqtt]`.
    pub fn hub(&self, more: &str) -> Hub {
        Hub::start(&format!("self=no\n[mqtt]\nurl=mqtt://127.0.0.1:{}\ninterval=1\n{more}", self.port))
    }

    /// Whoever listens to these topics, from now on and of what is retained.
    pub fn subscriber(&self, topics: &[&str]) -> Subscriber {
        let mut command = Command::new("/usr/bin/mosquitto_sub");
        command.args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-F", "%r %t %p"]);
        command.args(topics.iter().flat_map(|topic| ["-t", topic]));
        Subscriber(Process::start(&mut command))
    }
}

fn run(config: PathBuf) -> Process {
    let process = Process::start(Command::new("/usr/sbin/mosquitto").arg("-c").arg(config).arg("-v"));
    process.wait_for_line("running", PATIENCE);
    process
}

/// One message: its topic, its payload, and whether it was retained.
pub type Message = (String, String, bool);

pub struct Subscriber(Process);

impl Subscriber {
    pub fn messages(&self) -> Vec<Message> {
        let lines = self.0.lines_of(Stream::Stdout);
        let messages = lines.iter().map(|line| {
            let mut words = line.splitn(3, ' ');
            let is_retained = words.next().unwrap() == "1";
            let topic = words.next().unwrap().to_owned();
            (topic, words.next().unwrap().to_owned(), is_retained)
        });
        messages.collect()
    }

    /// The first message on a topic that is so, after the first `seen`.
    #[track_caller]
    pub fn wait_for(&self, seen: usize, topic: &str, is_so: impl Fn(&str, bool) -> bool) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let messages = self.messages();
            let found = messages.iter().skip(seen).find(|(of, said, kept)| of == topic && is_so(said, *kept));
            if let Some((_, said, _)) = found {
                return said.clone();
            }
            assert!(Instant::now() < deadline, "{topic}: {messages:#?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}
