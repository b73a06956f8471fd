//! Networks of a test's own.

use std::process::Command;

use super::PATIENCE;
use super::process::Process;

/// A network of its own, which lasts as long as the process that holds it.
pub struct Namespace(Process);

impl Namespace {
    pub fn new() -> Self {
        let mut unshare = Command::new("unshare");
        let process = Process::start(unshare.args(["--net", "sh", "-c", "echo there; exec sleep 1000"]));
        process.wait_for_line("there", PATIENCE);
        Self(process)
    }

    pub fn path(&self) -> String {
        format!("/proc/{}/ns/net", self.0.pid())
    }

    /// What it gets becomes a program there.
    pub fn command(&self) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net={}", self.path())).arg("--");
        command
    }

    /// `ip`, there.
    pub fn ip(&self, arguments: &str) {
        let output = self.command().arg("ip").args(arguments.split(' ')).output().unwrap();
        assert!(output.status.success(), "ip {arguments}: {}", String::from_utf8_lossy(&output.stderr));
    }
}
