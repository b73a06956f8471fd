//! A Debian tree that lives: with processes of its own, and gone when dropped.

use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use crate::root;
use support::PATIENCE;
use support::process::{Process, Stream};

/// See `tests/packages/tree`.
pub struct Tree {
    /// Its init, as the machine outside counts.
    init: u32,
    /// It has a network of its own.
    offline: bool,
    _life: Process,
}

/// How a command there ended.
#[derive(Debug)]
pub struct Answer {
    pub code: Option<i32>,
    pub text: String,
}

impl Tree {
    /// A copy of what `tests/packages/tree make` has made; `init` as there.
    pub fn live(architecture: &str, init: &str) -> Self {
        let tree = root("target/trees").join(architecture);
        assert!(tree.is_dir(), "{} is missing: tests/packages/tree make {architecture}", tree.display());
        let life =
            Process::start(Command::new(root("tests/packages/tree")).args(["live", architecture, init]));
        let pid = life.wait_for_lines_of(Stream::Stdout, 1, PATIENCE).remove(0);
        let offline = init == "systemd-offline";
        let tree = Self { init: pid.parse().unwrap(), offline, _life: life };
        if init.starts_with("systemd") {
            tree.until("systemctl is-active multi-user.target");
        }
        tree
    }

    /// A path there, for whoever is outside.
    pub fn path(&self, path: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root", self.init)).join(path.trim_start_matches('/'))
    }

    /// Runs lines of its own shell, as root, and with nobody's environment.
    pub fn run(&self, script: &str) -> Answer {
        let output = Command::new("nsenter")
            .args(["-t", &self.init.to_string(), "-U", "-m", "-p", "-C", "-r", "-w"])
            .args(self.offline.then_some("-n"))
            .arg("--")
            .args(["/bin/sh", "-ec", script])
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("DEBIAN_FRONTEND", "noninteractive")
            .output()
            .unwrap();
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        Answer { code: output.status.code(), text }
    }

    /// The same; it must succeed.
    #[track_caller]
    pub fn does(&self, script: &str) -> String {
        let answer = self.run(script);
        assert_eq!(answer.code, Some(0), "{script}: {}", answer.text);
        answer.text
    }

    /// The same; its exit code is told, whatever it prints.
    #[track_caller]
    pub fn ends(&self, script: &str, code: i32) {
        let answer = self.run(script);
        assert_eq!(answer.code, Some(code), "{script}: {}", answer.text);
    }

    /// Waits until a condition of the shell holds.
    #[track_caller]
    pub fn until(&self, condition: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = self.run(condition);
            if answer.code == Some(0) {
                return;
            }
            assert!(Instant::now() < deadline, "waited in vain for {condition}: {}", answer.text);
            thread::sleep(Duration::from_millis(50));
        }
    }
}
