//! A directory for each test, and the answers of commands that ran there.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, geteuid};

pub const PSISTATS: &str = env!("CARGO_BIN_EXE_psistats");
pub const NOBODY: u32 = 65534;

/// A directory with a configuration. Processes that still use it at the end of the test are killed.
pub struct Place {
    pub directory: tempfile::TempDir,
}

impl Place {
    pub fn new() -> Self {
        Self::with("")
    }

    /// A directory whose configuration has the lines `app` in its last section, `[app]`.
    pub fn with(app: &str) -> Self {
        let place = Self { directory: tempfile::tempdir().unwrap() };
        fs::set_permissions(place.directory.path(), Permissions::from_mode(0o755)).unwrap();
        place.configure(&format!("pidfile={}\n{app}", place.pidfile().display()));
        place
    }

    pub fn configure(&self, app: &str) {
        let timeout = if app.contains("pidfile_timeout=") { "" } else { "pidfile_timeout=0" };
        let text = format!("[server]\nhost=127.0.0.1\nport=1\n\n[app]\n{timeout}\n{app}\n");
        fs::write(self.config(), text).unwrap();
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn config(&self) -> PathBuf {
        self.path("psistats.conf")
    }

    pub fn pidfile(&self) -> PathBuf {
        self.path("psistats.pid")
    }

    /// The socket that `status` connects to.
    pub fn socket(&self) -> PathBuf {
        self.path("psistats.pid.socket")
    }

    pub fn psistats(&self, command: &str) -> Command {
        let mut psistats = Command::new(PSISTATS);
        psistats.arg(command).arg("--config").arg(self.config()).stdin(Stdio::null());
        psistats
    }

    pub fn run(&self, command: &str) -> Answer {
        Answer::of(&mut self.psistats(command))
    }

    /// Starts the service, which must succeed, and returns its PID.
    pub fn start(&self) -> i32 {
        self.run("start").started()
    }

    /// The program run by an unprivileged user. It runs from a copy, because only the owner may be able to
    /// enter the build's directory.
    pub fn psistats_without_rights(&self, command: &str) -> Command {
        let copy = self.path("psistats");
        copy_program(&copy);
        let mut psistats = Command::new(copy);
        psistats.arg(command).arg("--config").arg(self.config()).stdin(Stdio::null());
        if geteuid().is_root() {
            psistats.uid(NOBODY).gid(NOBODY);
        }
        psistats
    }

    /// The PIDs of processes whose command line names this directory.
    pub fn processes(&self) -> Vec<i32> {
        let here = self.directory.path().to_str().unwrap();
        processes()
            .filter(|pid| {
                fs::read_to_string(format!("/proc/{pid}/cmdline")).is_ok_and(|it| it.contains(here))
            })
            .collect()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        for pid in self.processes() {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }
}

/// The exit code and the output of a command.
#[derive(Debug)]
pub struct Answer {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Answer {
    pub fn of(command: &mut Command) -> Self {
        Self::from(command.output().unwrap())
    }

    pub fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    #[track_caller]
    pub fn started(&self) -> i32 {
        assert_eq!((self.code, self.stderr.as_str()), (Some(0), ""), "{self:?}");
        let pid = self.stdout.strip_prefix("psistats started, pid ").unwrap_or_else(|| panic!("{self:?}"));
        pid.split(';').next().unwrap().parse().unwrap()
    }

    /// Asserts that the first line says that `pid` is running.
    #[track_caller]
    pub fn runs(&self, pid: i32) {
        assert_eq!(self.code, Some(0), "{self:?}");
        assert_eq!(self.stdout.lines().next(), Some(&*format!("psistats is running, pid {pid}")), "{self:?}");
    }

    /// Asserts that the command failed with `code`, and that its standard error contains all `words`.
    #[track_caller]
    pub fn complains(&self, code: i32, words: &[&str]) {
        assert_eq!((self.code, self.stdout.as_str()), (Some(code), ""), "{self:?}");
        for word in words {
            assert!(self.stderr.contains(word), "no {word:?} in {self:?}");
        }
        assert!(!self.stderr.contains("panicked"), "{self:?}");
    }

    #[track_caller]
    pub fn says(&self, code: i32, stdout: &str) {
        assert_eq!((self.code, self.stdout.as_str()), (Some(code), stdout), "{self:?}");
    }
}

pub fn processes() -> impl Iterator<Item = i32> {
    fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

/// The fields of /proc/PID/stat (proc(5)), from the third (state) on, because the second can contain any
/// character.
pub fn stat(pid: i32) -> Option<Vec<String>> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    Some(text[text.rfind(')')? + 2..].split_whitespace().map(str::to_owned).collect())
}

pub fn lives(pid: i32) -> bool {
    stat(pid).is_some_and(|fields| fields[0] != "Z" && fields[0] != "X")
}

pub fn status_line(pid: i32, key: &str) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text.lines().find(|line| line.starts_with(key)).unwrap();
    line[key.len()..].trim_start_matches(':').trim().to_owned()
}

#[track_caller]
pub fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let begin = Instant::now();
    while !condition() {
        assert!(begin.elapsed() < Duration::from_secs(60), "waited in vain until {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

#[track_caller]
pub fn kill_hard(pid: i32) {
    kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
    wait_until("the killed process is gone", || !lives(pid));
}

/// Copies the program by another process. If this process had the copy open for writing while another test
/// forks, the copy could not be executed (ETXTBSY).
pub fn copy_program(to: &Path) {
    assert!(Command::new("cp").arg(PSISTATS).arg(to).status().unwrap().success());
}
