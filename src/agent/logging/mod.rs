//! Python's logging configuration at work behind the `log` facade.
//!
//! A record of the AMQP connection (target `pika`, or below it) belongs to the logger pika where
//! one is configured, every other to root. Its logger's level decides whether it counts; then each
//! of the logger's handlers, and where it propagates each of root's, writes it as one line if its
//! level is at least the handler's own. Rust's `warn` is WARNING, `trace` counts as DEBUG.
//!
//! Logging never ends the program and never makes it wait: a handler that fails (disk full, pipe
//! closed, syslog gone) says so once on standard error, or where that is closed to syslog, loses
//! its lines, and says so again only after it has worked in between. Files are written by a thread, since there
//! may be a file server behind them.

mod file;
pub mod format;
mod loggers;
mod queue;
pub mod rotate;
mod syslog;
mod trouble;

use std::borrow::Cow;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};
use std::{fmt, io};

use log::{Metadata, Record};

pub use loggers::{Loggers, message};

use psistats_host::conf::logging::{Format, Handler, Level, Logger, Logging, SyslogAddress, Target};
use psistats_host::output::is_journal;
use psistats_host::output::localtime::Zone;

/// What logging does where psistats.conf says nothing about it, and where its own failures are
/// told in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fallback {
    /// Standard error: `2003-01-23 00:29:50,411 psistats INFO text`, and `<6>text` where that is the journal's.
    /// For the foreground.
    Stderr,
    /// `/dev/log`: `psistats[PID]: text`, facility daemon. For a daemon; standard error where the
    /// system has no syslog.
    Syslog,
}

/// Why logging was not set up.
#[derive(Debug)]
pub enum Error {
    /// A log file cannot be opened.
    File {
        /// Name of the handler.
        handler: String,
        /// The file.
        path: PathBuf,
        /// What the system says.
        reason: io::Error,
    },
    /// The address of a SysLogHandler is of no use.
    Syslog {
        /// Name of the handler.
        handler: String,
        /// `host:port`
        address: String,
        /// What the system says.
        reason: io::Error,
    },
    /// Somebody else has taken the `log` facade of this process.
    Taken,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { handler, path, reason } => write!(
                f,
                "[handler_{handler}] cannot open {} for appending: {reason}; \
                 name a file in a directory that exists and that this user may write",
                path.display()
            ),
            Self::Syslog { handler, address, reason } => write!(
                f,
                "[handler_{handler}] cannot send to syslog at {address}: {reason}; \
                 give an IP address, or a name that resolves when psistats starts"
            ),
            Self::Taken => f.write_str("another logger is installed in this process already"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::File { reason, .. } | Self::Syslog { reason, .. } => Some(reason),
            Self::Taken => None,
        }
    }
}

/// Time for the lines that wait for their files when the program ends.
const FLUSH: Duration = Duration::from_millis(500);

/// Installs the logger, or replaces it. On error the old one stays.
pub fn install(config: Option<&Logging>, fallback: Fallback) -> Result<(), Error> {
    replace(open(config, fallback)?).map(drop)
}

/// Opens what `config` names. That may have to wait: the time zone is read, host names of SysLogHandlers are
/// resolved, and files opened. Those with mode `w` are emptied where there is no logger yet.
pub fn open(config: Option<&Logging>, fallback: Fallback) -> Result<Loggers, Error> {
    let unconfigured = || Cow::Owned(default_for(fallback, Path::new(syslog::DEV_LOG)));
    let config = config.map_or_else(unconfigured, Cow::Borrowed);
    let first = FACADE.active().is_none();
    Loggers::open(&config, fallback, Zone::local(), first, SystemTime::now())
}

/// From now on `loggers` are those of this process. Gives those from before, whose files are closed when they
/// are dropped, and that may have to wait too.
pub fn replace(loggers: Loggers) -> Result<Option<Loggers>, Error> {
    let mut active = FACADE.active();
    if active.is_none() {
        log::set_logger(&FACADE).map_err(|_| Error::Taken)?;
    }
    log::set_max_level(loggers.max_level());
    Ok(active.replace(loggers))
}

/// What meets the `log` facade; the loggers behind it can be replaced.
struct Facade(Mutex<Option<Loggers>>);

static FACADE: Facade = Facade(Mutex::new(None));

impl Facade {
    fn active(&self) -> MutexGuard<'_, Option<Loggers>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl log::Log for Facade {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.active().as_ref().is_some_and(|loggers| loggers.enabled(metadata))
    }

    fn log(&self, record: &Record<'_>) {
        // Before the lock is taken: what an argument's Display does is not ours.
        let message = message(record);
        if let Some(loggers) = self.active().as_mut() {
            loggers.write(record, &message, SystemTime::now());
        }
    }

    /// Gives the lines that wait for their files a bounded time.
    fn flush(&self) {
        if let Some(loggers) = self.active().as_ref() {
            loggers.flush(Instant::now() + FLUSH);
        }
    }
}

/// Root at INFO with the one handler of `fallback`; `dev_log` is where the system's syslog is.
fn default_for(fallback: Fallback, dev_log: &Path) -> Logging {
    let (target, format) = if fallback == Fallback::Syslog && dev_log.exists() {
        let address = SyslogAddress::Path(dev_log.into());
        (Target::Syslog { address, facility: syslog::DAEMON }, "psistats[%(process)d]: %(message)s")
    } else if is_journal(io::stderr().as_fd()) {
        // It has a time and a name of its own, and takes the level from the priority.
        (Target::Stderr, "%(message)s")
    } else {
        (Target::Stderr, "%(asctime)s psistats %(levelname)s %(message)s")
    };
    let format = Format::of(format);
    let handler = Handler { name: "default".into(), level: Level::NotSet, target, format };
    let root =
        Logger { level: Level::Info, handlers: vec![0], propagate: false, qualname: "psistats".into() };
    Logging { handlers: vec![handler], root, pika: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixDatagram;
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn without_configuration_a_daemon_logs_to_syslog_and_without_that_to_standard_error() {
        let folder = tempfile::tempdir().unwrap();
        let dev_log = folder.path().join("log");
        let absent = default_for(Fallback::Syslog, &dev_log);
        assert_eq!(absent, default_for(Fallback::Stderr, &dev_log));

        let daemon = UnixDatagram::bind(&dev_log).unwrap();
        daemon.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let config = default_for(Fallback::Syslog, &dev_log);
        let mut loggers = Loggers::open(&config, Fallback::Syslog, Zone::utc(), true, UNIX_EPOCH).unwrap();
        let args = format_args!("text");
        let record = Record::builder().args(args).level(log::Level::Warn).target("psistats").build();
        loggers.write(&record, &message(&record), UNIX_EPOCH);
        let mut buffer = [0; 64];
        let n = daemon.recv(&mut buffer).unwrap();
        let expected = std::format!("<28>psistats[{}]: text", std::process::id());
        assert_eq!(str::from_utf8(&buffer[..n]), Ok(expected.as_str()));
    }
}
