//! A directory for each test with a configuration, and functions that run the program there.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::unistd::geteuid;
use tempfile::TempDir;

use support::PATIENCE;
use support::agent::Config;

pub const PSISTATS: &str = env!("CARGO_BIN_EXE_psistats");

pub struct Place(TempDir);

impl Place {
    /// Only the owner can read the configuration, as psistats expects.
    pub fn new(config: impl AsRef<[u8]>) -> Self {
        let place = Self(tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap());
        place.configure(config);
        place
    }

    pub fn of(config: &Config) -> Self {
        Self::new(config.to_string())
    }

    pub fn configure(&self, config: impl AsRef<[u8]>) {
        fs::write(self.config(), config).unwrap();
        fs::set_permissions(self.config(), Permissions::from_mode(0o600)).unwrap();
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn config(&self) -> PathBuf {
        self.path("psistats.conf")
    }

    pub fn dir(&self) -> &Path {
        self.0.path()
    }

    /// The command `psistats COMMAND --config FILE` with this configuration.
    pub fn psistats(&self, command: &str) -> Command {
        let mut psistats = Command::new(PSISTATS);
        self.complete(&mut psistats, command);
        psistats
    }

    /// The same in a mount namespace, in which the shell script `setup` runs first.
    pub fn psistats_after(&self, setup: &str, command: &str) -> Command {
        assert!(geteuid().is_root(), "a mount namespace needs root: run tests/run as root");
        let script = format!("{setup}\nexec \"$@\"");
        let mut unshare = Command::new("unshare");
        unshare.args(["--mount", "--propagation", "private", "sh", "-euc", &script, "sh", PSISTATS]);
        self.complete(&mut unshare, command);
        unshare
    }

    fn complete(&self, psistats: &mut Command, command: &str) {
        psistats.arg(command).arg("--config").arg(self.config());
        psistats.current_dir(self.dir()).stdin(Stdio::null());
    }
}

/// The exit code, standard output and standard error of a command.
pub fn answer(command: &mut Command) -> (Option<i32>, String, String) {
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[track_caller]
pub fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let begin = Instant::now();
    while !condition() {
        assert!(begin.elapsed() < PATIENCE, "waited in vain until {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// The number of lines that contain `words`. Lines of counters repeat the last error, so they count only if
/// `words` contains `sampled=`.
pub fn count(lines: &[String], words: &str) -> usize {
    let other = |line: &String| line.contains("sampled=") && !words.contains("sampled=");
    lines.iter().filter(|line| line.contains(words) && !other(line)).count()
}
