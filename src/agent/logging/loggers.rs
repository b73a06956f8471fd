//! The loggers and handlers of one configuration: they decide which record goes where.

use core::fmt::{Arguments, Write};
use std::os::fd::AsFd as _;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use std::{error, fmt, io, process};

use log::{LevelFilter, Metadata, Record};

use crate::logging::file::LogFile;
use crate::logging::format::{Entry, write_entry};
use crate::logging::queue::Queue;
use crate::logging::rotate::Schedule;
use crate::logging::syslog::Syslog;
use crate::logging::trouble::{Fallback, Trouble};
use psistats_host::conf::logging::{Format, Handler, Level, Logger, Logging, SyslogAddress, Target};
use psistats_host::output::line::Line;
use psistats_host::output::localtime::{Zone, unix_seconds};
use psistats_host::output::{Reason, is_journal, priority, python_level, write_stream};

/// Why logging was not set up.
#[derive(Debug)]
pub enum Error {
    /// A log file cannot be opened.
    File {
        /// Name of the handler.
        handler: String,
        /// The file.
        path: PathBuf,
        /// The system's reason.
        reason: io::Error,
    },
    /// The address of a SysLogHandler cannot be used.
    Syslog {
        /// Name of the handler.
        handler: String,
        /// `host:port`
        address: String,
        /// The system's reason.
        reason: io::Error,
    },
    /// Another logger has taken the `log` facade of this process.
    Taken,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { handler, path, reason } => write!(
                f,
                "[handler_{handler}] cannot open {} for appending: {}; \
                 use a file in a directory that exists and that this user can write to",
                path.display(),
                Reason(reason)
            ),
            Self::Syslog { handler, address, reason } => write!(
                f,
                "[handler_{handler}] cannot send to syslog at {address}: {}; \
                 use an IP address, or a name that resolves when psistats starts",
                Reason(reason)
            ),
            Self::Taken => f.write_str("another logger is already installed in this process"),
        }
    }
}

impl error::Error for Error {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::File { reason, .. } | Self::Syslog { reason, .. } => Some(reason),
            Self::Taken => None,
        }
    }
}

/// The loggers and handlers of one configuration.
#[derive(Debug)]
pub struct Loggers {
    handlers: Vec<Output>,
    root: Route,
    pika: Option<Route>,
    zone: Zone,
    started: Duration,
}

/// A logger: the least level that passes, and the handlers that get the record, by index.
#[derive(Debug)]
struct Route {
    level: Level,
    handlers: Vec<usize>,
    name: String,
}

/// A handler.
#[derive(Debug)]
struct Output {
    level: Level,
    format: Format,
    /// The facility of the priority that begins each line. None where the reader knows no priorities.
    facility: Option<u8>,
    sink: Sink,
}

#[derive(Debug)]
enum Sink {
    /// The queue reports its failures itself.
    File(Queue),
    Stderr(Trouble),
    Stdout(Trouble),
    Syslog(Syslog, Trouble),
    Null,
}

/// A record's text, escaped.
pub fn message(record: &Record<'_>) -> Line {
    Line::escaped(*record.args())
}

impl Loggers {
    /// Opens every handler of `config`, or fails before a record is written.
    ///
    /// `zone` is the time zone of times and rotation. `empty` is whether files with mode `w` are emptied.
    /// `fallback` is where failures of handlers are reported.
    pub fn open(
        config: &Logging,
        fallback: Fallback,
        zone: Zone,
        empty: bool,
        now: SystemTime,
    ) -> Result<Self, Error> {
        let last_resort = last_resort();
        let mut handlers = Vec::new();
        for handler in config.handlers.iter().chain([&last_resort]) {
            handlers.push(Output::open(handler, fallback, &zone, empty)?);
        }
        let last_resort = config.handlers.len();
        let known =
            |of: &Logger| of.handlers.iter().copied().filter(|h| *h < last_resort).collect::<Vec<_>>();
        let route = |of: &Logger, level, mut chain: Vec<usize>| {
            if chain.is_empty() {
                chain.push(last_resort);
            }
            Route { level, handlers: chain, name: of.qualname.clone() }
        };
        let root = route(&config.root, config.root.level, known(&config.root));
        let pika = config.pika.as_ref().map(|pika| {
            let mut chain = known(pika);
            if pika.propagate {
                chain.extend(known(&config.root));
            }
            // A logger without a level has its parent's.
            let level = if pika.level == Level::NotSet { config.root.level } else { pika.level };
            route(pika, level, chain)
        });
        let started = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok(Self { handlers, root, pika, zone, started })
    }

    /// The most verbose level that any handler writes.
    pub fn max_level(&self) -> LevelFilter {
        let threshold = |route: &Route| {
            let handlers = route.handlers.iter().filter_map(|index| self.handlers.get(*index));
            handlers.map(|handler| handler.level.max(route.level)).min()
        };
        let routes = [Some(&self.root), self.pika.as_ref()];
        match routes.into_iter().flatten().filter_map(threshold).min() {
            Some(Level::NotSet | Level::Debug) => LevelFilter::Trace,
            Some(Level::Info) => LevelFilter::Info,
            Some(Level::Warning) => LevelFilter::Warn,
            Some(Level::Error) => LevelFilter::Error,
            Some(Level::Critical) | None => LevelFilter::Off,
        }
    }

    /// Waits until every queued line is in its file, at most until `deadline`.
    pub fn flush(&self, deadline: Instant) {
        for handler in &self.handlers {
            if let Sink::File(queue) = &handler.sink {
                queue.flush(deadline);
            }
        }
    }

    /// Whether the record's logger lets it pass.
    pub fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        python_level(metadata.level()) >= governing(&self.root, self.pika.as_ref(), metadata.target()).level
    }

    /// Writes `record`, whose text is `message` (escaped), with the time `now`.
    pub fn write(&mut self, record: &Record<'_>, message: &Line, now: SystemTime) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let route = governing(&self.root, self.pika.as_ref(), record.target());
        let entry = Entry {
            name: &route.name,
            level: python_level(record.level()),
            message: message.as_str(),
            pathname: record.file().unwrap_or_default(),
            module_path: record.module_path().unwrap_or_default(),
            line: record.line().unwrap_or_default(),
            time: now.duration_since(UNIX_EPOCH).unwrap_or_default(),
            started: self.started,
            process: process::id(),
        };
        for index in &route.handlers {
            if let Some(handler) = self.handlers.get_mut(*index).filter(|h| entry.level >= h.level) {
                handler.write(&entry, &self.zone);
            }
        }
    }
}

impl Output {
    fn open(handler: &Handler, fallback: Fallback, zone: &Zone, empty: bool) -> Result<Self, Error> {
        let sink = Sink::open(handler, fallback, zone, empty)?;
        let facility = match (&handler.target, &sink) {
            (Target::Syslog { facility, .. }, _) => Some(*facility),
            (_, Sink::Stderr(_)) => is_journal(io::stderr().as_fd()).then_some(0),
            (_, Sink::Stdout(_)) => is_journal(io::stdout().as_fd()).then_some(0),
            _ => None,
        };
        Ok(Self { level: handler.level, format: handler.format.clone(), facility, sink })
    }

    /// Writes `entry`.
    fn write(&mut self, entry: &Entry<'_>, zone: &Zone) {
        let mut line = Line::default();
        if let Some(facility) = self.facility {
            let _ = write!(line, "<{}>", priority(facility, entry.level));
        }
        write_entry(&mut line, &self.format, entry, zone);
        if let Sink::Syslog(to, trouble) = &mut self.sink {
            return trouble.note(&to.send(line.as_bytes()));
        }
        line.end();
        match &mut self.sink {
            Sink::File(queue) => queue.push(line.as_bytes(), unix_seconds(entry.time)),
            Sink::Stderr(trouble) => trouble.note(&write_stream(io::stderr(), line.as_bytes())),
            Sink::Stdout(trouble) => trouble.note(&write_stream(io::stdout(), line.as_bytes())),
            Sink::Syslog(..) | Sink::Null => {}
        }
    }
}

impl Sink {
    fn open(handler: &Handler, fallback: Fallback, zone: &Zone, empty: bool) -> Result<Self, Error> {
        let trouble = |name: Arguments<'_>| Trouble::new(name, fallback);
        let file = match &handler.target {
            Target::Stderr => return Ok(Self::Stderr(trouble(format_args!("standard error")))),
            Target::Stdout => return Ok(Self::Stdout(trouble(format_args!("standard output")))),
            Target::Null => return Ok(Self::Null),
            Target::Syslog { address, .. } => {
                let to = Syslog::open(address).map_err(|reason| Error::Syslog {
                    handler: handler.name.clone(),
                    address: match address {
                        SyslogAddress::Path(path) => path.display().to_string(),
                        SyslogAddress::Udp(host, port) => format!("{host}:{port}"),
                    },
                    reason,
                })?;
                let trouble = match &to {
                    Syslog::Unix { path, .. } => trouble(format_args!("{}", path.display())),
                    Syslog::Udp { to, .. } => trouble(format_args!("syslog at {to}")),
                };
                return Ok(Self::Syslog(to, trouble));
            }
            Target::File { path, truncate } => (path, LogFile::open(path, *truncate && empty)),
            Target::RotatingFile { path, max_bytes, backups } => {
                (path, LogFile::open(path, false).map(|file| file.by_size(*max_bytes, *backups)))
            }
            Target::TimedRotatingFile { path, when, interval, backups, utc } => {
                let zone = if *utc { Zone::utc() } else { zone.clone() };
                let schedule = Schedule { when: *when, interval: *interval, zone };
                (path, LogFile::open(path, false).and_then(|file| file.by_time(schedule, *backups)))
            }
        };
        let (path, file) = file;
        let failed = |reason| Error::File { handler: handler.name.clone(), path: path.clone(), reason };
        let file = file.map_err(failed)?;
        let trouble = trouble(format_args!("{}", file.path().display()));
        Ok(Self::File(Queue::new(file, trouble)))
    }
}

/// Python's `lastResort`: the handler of a logger that has none.
fn last_resort() -> Handler {
    let format = Format::of("%(message)s");
    Handler { name: String::new(), level: Level::Warning, target: Target::Stderr, format }
}

/// The logger of a target: pika for the AMQP connection where it is configured, root otherwise.
fn governing<'a>(root: &'a Route, pika: Option<&'a Route>, target: &str) -> &'a Route {
    let below = target.strip_prefix("pika");
    let is_pika =
        below.is_some_and(|rest| rest.is_empty() || rest.starts_with("::") || rest.starts_with('.'));
    pika.filter(|_| is_pika).unwrap_or(root)
}
