//! Loggers and handlers of one configuration: which record goes where.

use core::fmt::{Arguments, Write};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use std::{io, process};

use log::{LevelFilter, Metadata, Record};

use super::file::LogFile;
use super::format::{Entry, Line, unix_seconds, write_entry};
use super::rotate::Schedule;
use super::syslog::{DAEMON, DEV_LOG, Syslog, priority};
use super::{Error, Fallback};
use crate::agent::localtime::Zone;
use crate::config::logging::{Field, Format, Handler, Level, Logger, Logging, Piece, SyslogAddress, Target};
use crate::output::write_stream;

/// One configuration at work.
#[derive(Debug)]
pub struct Loggers {
    handlers: Vec<Output>,
    root: Route,
    pika: Option<Route>,
    zone: Zone,
    started: Duration,
    fallback: Fallback,
}

/// A logger: what passes, and the handlers that get it.
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
    sink: Sink,
    /// The last line did not get through, and that has been said.
    failing: bool,
}

#[derive(Debug)]
enum Sink {
    Stderr,
    Stdout,
    File(LogFile),
    Syslog { to: Syslog, facility: u8 },
    Null,
}

/// A record's text, escaped.
pub fn message(record: &Record<'_>) -> Line {
    escaped(*record.args())
}

impl Loggers {
    /// Opens everything that `config` names; what fails ends it before anything is written.
    ///
    /// `zone` is for times and rotation, `empty` says whether files with mode `w` are emptied, and
    /// failures of handlers are told as `fallback` says.
    pub fn open(
        config: &Logging,
        fallback: Fallback,
        zone: Zone,
        empty: bool,
        now: SystemTime,
    ) -> Result<Self, Error> {
        let open = |handler: &Handler| Output::open(handler, &zone, empty);
        let mut handlers = config.handlers.iter().map(open).collect::<Result<Vec<_>, _>>()?;
        let last_resort = handlers.len();
        handlers.push(Output::last_resort());
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
        Ok(Self { handlers, root, pika, zone, started, fallback })
    }

    /// The most verbose level that any handler would write.
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
                handler.write(&entry, &self.zone, self.fallback);
            }
        }
    }
}

impl Output {
    fn open(handler: &Handler, zone: &Zone, empty: bool) -> Result<Self, Error> {
        let sink = Sink::open(handler, zone, empty)?;
        Ok(Self { level: handler.level, format: handler.format.clone(), sink, failing: false })
    }

    /// Python's `lastResort`: what writes where no handler is configured at all.
    fn last_resort() -> Self {
        let pieces =
            vec![Piece::Field { field: Field::Message, width: 0, zeros: false, precision: None, kind: 's' }];
        let format = Format { pieces, datefmt: None };
        Self { level: Level::Warning, format, sink: Sink::Stderr, failing: false }
    }

    /// Writes `entry`, and tells the first failure of a row.
    fn write(&mut self, entry: &Entry<'_>, zone: &Zone, fallback: Fallback) {
        let mut line = Line::default();
        if let Sink::Syslog { facility, .. } = &self.sink {
            let _ = write!(line, "<{}>", priority(*facility, entry.level));
        }
        write_entry(&mut line, &self.format, entry, zone);
        let result = self.sink.write(&mut line, unix_seconds(entry.time));
        if let Err(reason) = &result
            && !self.failing
        {
            tell(&self.sink, reason, fallback);
        }
        self.failing = result.is_err();
    }
}

impl Sink {
    fn open(handler: &Handler, zone: &Zone, empty: bool) -> Result<Self, Error> {
        let file = match &handler.target {
            Target::Stderr => return Ok(Self::Stderr),
            Target::Stdout => return Ok(Self::Stdout),
            Target::Null => return Ok(Self::Null),
            Target::Syslog { address, facility } => {
                let to = Syslog::open(address).map_err(|reason| Error::Syslog {
                    handler: handler.name.clone(),
                    address: match address {
                        SyslogAddress::Path(path) => path.display().to_string(),
                        SyslogAddress::Udp(host, port) => format!("{host}:{port}"),
                    },
                    reason,
                })?;
                return Ok(Self::Syslog { to, facility: *facility });
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
        file.map(Self::File).map_err(failed)
    }

    fn write(&mut self, line: &mut Line, now: i64) -> io::Result<()> {
        if let Self::Syslog { to, .. } = self {
            return to.send(line.as_bytes());
        }
        line.end();
        match self {
            Self::Stderr => write_stream(io::stderr(), line.as_bytes()),
            Self::Stdout => write_stream(io::stdout(), line.as_bytes()),
            Self::File(file) => file.write(line.as_bytes(), now),
            Self::Syslog { .. } | Self::Null => Ok(()),
        }
    }
}

/// Says that `sink` fails: on standard error or to syslog, whichever `fallback` prefers and works.
fn tell(sink: &Sink, reason: &io::Error, fallback: Fallback) {
    let name = match sink {
        Sink::File(file) => escaped(format_args!("{}", file.path().display())),
        Sink::Syslog { to: Syslog::Unix { path, .. }, .. } => escaped(format_args!("{}", path.display())),
        Sink::Syslog { to: Syslog::Udp { to, .. }, .. } => escaped(format_args!("syslog at {to}")),
        Sink::Stderr => escaped(format_args!("standard error")),
        Sink::Stdout => escaped(format_args!("standard output")),
        Sink::Null => return,
    };
    let failure = |start: Arguments<'_>| {
        let mut line = Line::default();
        let _ = write!(
            line,
            "{start}trouble with logging to {}: {reason}; said again only after it has worked",
            name.as_str()
        );
        line
    };
    let to_stderr = || {
        let mut line = failure(format_args!("psistats: "));
        line.end();
        write_stream(io::stderr(), line.as_bytes())
    };
    let to_syslog = || {
        let pri = priority(DAEMON, Level::Error);
        let line = failure(format_args!("<{pri}>psistats[{}]: ", process::id()));
        Syslog::unix(DEV_LOG.as_ref()).send(line.as_bytes())
    };
    // Where neither works there is nobody to tell.
    let _ = match fallback {
        Fallback::Stderr => to_stderr().or_else(|_| to_syslog()),
        Fallback::Syslog => to_syslog().or_else(|_| to_stderr()),
    };
}

/// A text in a bounded line, with everything escaped that could forge one.
fn escaped(text: Arguments<'_>) -> Line {
    struct Escaping(Line);
    impl Write for Escaping {
        fn write_str(&mut self, text: &str) -> core::fmt::Result {
            self.0.push_escaped(text);
            Ok(())
        }
    }
    let mut line = Escaping(Line::default());
    let _ = line.write_fmt(text);
    line.0
}

/// Rust's levels in Python's terms.
const fn python_level(level: log::Level) -> Level {
    match level {
        log::Level::Error => Level::Error,
        log::Level::Warn => Level::Warning,
        log::Level::Info => Level::Info,
        log::Level::Debug | log::Level::Trace => Level::Debug,
    }
}

/// The logger of a target: pika for the room of the AMQP connection, root for the rest.
fn governing<'a>(root: &'a Route, pika: Option<&'a Route>, target: &str) -> &'a Route {
    let below = target.strip_prefix("pika");
    let is_pika =
        below.is_some_and(|rest| rest.is_empty() || rest.starts_with("::") || rest.starts_with('.'));
    pika.filter(|_| is_pika).unwrap_or(root)
}
