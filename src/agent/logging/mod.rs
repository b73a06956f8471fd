//! Python's logging configuration, behind the `log` facade.
//!
//! A record about the AMQP connection (target `pika` or below) belongs to the logger pika where that is
//! configured. Every other record belongs to root. The logger's level decides whether a record passes.
//! Then each of the logger's handlers writes it as one line, if the record's level is at least the
//! handler's. Where the logger propagates, root's handlers do so too. Rust's `warn` is WARNING, and
//! `trace` counts as DEBUG.
//!
//! Logging never ends the program and never blocks it. When a handler fails (disk full, pipe closed,
//! syslog gone), its lines are lost. The first failure is reported on standard error, or to syslog where
//! that is closed; further ones are suppressed until the handler has recovered. A thread writes the files,
//! because a file server may be behind them.

mod file;
pub mod format;
mod loggers;
mod queue;
pub mod rotate;
mod syslog;
mod trouble;

use std::borrow::Cow;
use std::io;
use std::os::fd::AsFd as _;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use log::{Metadata, Record};

pub use loggers::{Error, Loggers, message};
pub use trouble::Fallback;

use psistats_host::conf::logging::{Format, Handler, Level, Logger, Logging, SyslogAddress, Target};
use psistats_host::output::is_journal;
use psistats_host::output::localtime::Zone;

/// Time that [`log::Log::flush`] gives the queued lines to reach their files.
const FLUSH: Duration = Duration::from_millis(500);

/// Installs the loggers of `config`, or replaces the present ones. On an error the present ones stay.
pub fn install(config: Option<&Logging>, fallback: Fallback) -> Result<(), Error> {
    replace(open(config, fallback)?).map(drop)
}

/// Opens the loggers of `config`. This can block: it reads the time zone, resolves the host names of
/// SysLogHandlers and opens files. Files with mode `w` are emptied at the first call only.
pub fn open(config: Option<&Logging>, fallback: Fallback) -> Result<Loggers, Error> {
    let unconfigured = || Cow::Owned(default_for(fallback, Path::new(syslog::DEV_LOG)));
    let config = config.map_or_else(unconfigured, Cow::Borrowed);
    let first = FACADE.active().is_none();
    Loggers::open(&config, fallback, Zone::local(), first, SystemTime::now())
}

/// Makes `loggers` those of this process, and returns the previous ones. Dropping these closes their files, which
/// can block.
pub fn replace(loggers: Loggers) -> Result<Option<Loggers>, Error> {
    let mut active = FACADE.active();
    if active.is_none() {
        log::set_logger(&FACADE).map_err(|_| Error::Taken)?;
    }
    log::set_max_level(loggers.max_level());
    Ok(active.replace(loggers))
}

/// The logger that the `log` facade calls. The loggers behind it can be replaced.
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
        // The text is made before the lock is taken, since an argument's Display may log, too.
        let message = message(record);
        if let Some(loggers) = self.active().as_mut() {
            loggers.write(record, &message, SystemTime::now());
        }
    }

    /// Waits until the queued lines are in their files, at most [`FLUSH`].
    fn flush(&self) {
        if let Some(loggers) = self.active().as_ref() {
            loggers.flush(Instant::now() + FLUSH);
        }
    }
}

/// The configuration without a `[logging]` section: root at INFO with the one handler of `fallback`. `dev_log` is
/// the socket of the system's syslog.
fn default_for(fallback: Fallback, dev_log: &Path) -> Logging {
    let (target, format) = if fallback == Fallback::Syslog && dev_log.exists() {
        let address = SyslogAddress::Path(dev_log.into());
        (Target::Syslog { address, facility: syslog::DAEMON }, "psistats[%(process)d]: %(message)s")
    } else if is_journal(io::stderr().as_fd()) {
        // An entry of the journal has a time and a name, and takes its level from the priority.
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
    fn an_unconfigured_daemon_logs_to_syslog_or_else_to_standard_error() {
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
