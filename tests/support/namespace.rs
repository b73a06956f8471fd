//! Networks of a test's own.

use std::fs;
use std::process::Command;

use nix::sched::{CloneFlags, unshare};

use super::PATIENCE;
use super::process::Process;

/// A network of its own, which lasts as long as the process that holds it.
pub struct Namespace(Process);

impl Namespace {
    pub fn new() -> Self {
        let mut unshare = Command::new("unshare");
        let process = Process::start(unshare.args(["--net", "sh", "-c", "echo there; exec sleep infinity"]));
        process.wait_for_line("there", PATIENCE);
        Self(process)
    }

    pub fn path(&self) -> String {
        format!("/proc/{}/ns/net", self.0.pid())
    }

    /// What comes before a program and its arguments, to run it there.
    pub fn entered(&self) -> Vec<String> {
        vec!["nsenter".into(), format!("--net={}", self.path()), "--".into()]
    }

    /// What it gets becomes a program there.
    pub fn command(&self) -> Command {
        let [program, arguments @ ..] = &self.entered()[..] else { unreachable!() };
        let mut command = Command::new(program);
        command.args(arguments);
        command
    }

    /// `ip`, there.
    pub fn ip(&self, arguments: &str) {
        self.run("ip", arguments);
    }

    /// `program`, there, with its arguments between spaces.
    pub fn run(&self, program: &str, arguments: &str) {
        let output = self.command().arg(program).args(arguments.split(' ')).output().unwrap();
        assert!(
            output.status.success(),
            "{program} {arguments}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

/// Moves this thread, and whatever it starts from now on, into a network of its own, where the kernel keeps
/// some 64 KB of what a reader does not read, and not megabytes: how long it takes to fill that would depend on
/// how busy the machine is.
pub fn enter_one_with_small_buffers() {
    unshare(CloneFlags::CLONE_NEWNET).unwrap();
    assert!(Command::new("ip").args(["link", "set", "lo", "up"]).status().unwrap().success());
    for buffers in ["tcp_wmem", "tcp_rmem"] {
        fs::write(format!("/proc/sys/net/ipv4/{buffers}"), "4096 32768 32768").unwrap();
    }
}
