//! `[app]`: the timers, and the process in the background.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use psistats_host::conf::values::{TIMER, WEEK, path, seconds};
use psistats_host::conf::{Expected, Reading};

/// `[app]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct App {
    /// `primary_timer`, 0.001 to 604,800 seconds.
    pub primary_timer: Duration,
    /// `secondary_timer`, 0.001 to 604,800 seconds.
    pub secondary_timer: Duration,
    /// `retry_timer`, 0.001 to 604,800 seconds.
    pub retry_timer: Duration,
    /// `pidfile`
    pub pidfile: PathBuf,
    /// `pidfile_timeout`, seconds to wait for its lock, 0 to 604,800.
    pub pidfile_timeout: Duration,
    /// `stdin_path`
    pub stdin_path: PathBuf,
    /// `stdout_path`
    pub stdout_path: PathBuf,
    /// `stderr_path`
    pub stderr_path: PathBuf,
}

/// [`App::pidfile`] unless the file says otherwise.
pub const DEFAULT_PIDFILE: &str = "/var/run/psistats.pid";

impl Default for App {
    fn default() -> Self {
        Self {
            primary_timer: Duration::from_secs(1),
            secondary_timer: Duration::from_secs(30),
            retry_timer: Duration::from_secs(5),
            pidfile: DEFAULT_PIDFILE.into(),
            pidfile_timeout: Duration::from_secs(5),
            stdin_path: "/dev/null".into(),
            stdout_path: "/dev/null".into(),
            stderr_path: "/dev/null".into(),
        }
    }
}

/// Reads the section.
pub(super) fn read(r: &mut Reading<'_>, app: &mut App) {
    const NAME: &str = "app";
    const PIDFILE: RangeInclusive<Duration> = Duration::ZERO..=WEEK;
    r.set(NAME, "primary_timer", &mut app.primary_timer, seconds(&TIMER));
    r.set(NAME, "secondary_timer", &mut app.secondary_timer, seconds(&TIMER));
    r.set(NAME, "retry_timer", &mut app.retry_timer, seconds(&TIMER));
    r.set(NAME, "pidfile", &mut app.pidfile, path);
    r.set(NAME, "pidfile_timeout", &mut app.pidfile_timeout, seconds(&PIDFILE));
    r.set(NAME, "stdin_path", &mut app.stdin_path, stream);
    r.set(NAME, "stdout_path", &mut app.stdout_path, stream);
    r.set(NAME, "stderr_path", &mut app.stderr_path, stream);
}

/// The name of a file; empty is `/dev/null`, as later versions of the original wrote it.
fn stream(text: &str) -> Result<PathBuf, Expected> {
    if text.is_empty() { Ok("/dev/null".into()) } else { path(text) }
}
