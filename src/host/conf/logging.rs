//! Python's logging configuration, as types: who writes what, where, in which form.

use std::path::PathBuf;

/// Levels as Python counts them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Everything (also where a logger or handler names no level).
    NotSet = 0,
    /// 10
    Debug = 10,
    /// 20
    Info = 20,
    /// 30
    Warning = 30,
    /// 40
    Error = 40,
    /// 50
    Critical = 50,
}

/// The whole of `[logging]` (or `[loggers]`), `[handlers]`, `[formatters]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Logging {
    /// `[handler_NAME]` of those that a logger uses.
    pub handlers: Vec<Handler>,
    /// `[logger_root]`
    pub root: Logger,
    /// `[logger_pika]`: governs the AMQP connection. None: as root.
    pub pika: Option<Logger>,
}

/// `[logger_NAME]`
#[derive(Clone, Debug, PartialEq)]
pub struct Logger {
    /// `level`: what is below is dropped. Root without one: Warning. pika without one, or with
    /// NOTSET: root's.
    pub level: Level,
    /// `handlers`: indices into [`Logging::handlers`].
    pub handlers: Vec<usize>,
    /// `propagate`: whether root's handlers get its records too. Without meaning for root.
    pub propagate: bool,
    /// `qualname`: what `%(name)s` shows ("root" for a root logger without one).
    pub qualname: String,
}

/// `[handler_NAME]`
#[derive(Clone, Debug, PartialEq)]
pub struct Handler {
    /// `NAME`
    pub name: String,
    /// `level`
    pub level: Level,
    /// `class`, with its arguments.
    pub target: Target,
    /// `formatter`
    pub format: Format,
}

/// `class` of a handler, with `args=(...)` or the keys of the same names.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    /// `StreamHandler` on standard error (Python's default).
    Stderr,
    /// `StreamHandler` with `sys.stdout`.
    Stdout,
    /// `FileHandler`
    File {
        /// `filename`
        path: PathBuf,
        /// `mode` is `w`: empty the file at the start.
        truncate: bool,
    },
    /// `handlers.RotatingFileHandler`
    RotatingFile {
        /// `filename`
        path: PathBuf,
        /// `maxBytes`, at least 1: with 0 it is a [`Target::File`].
        max_bytes: u64,
        /// `backupCount`; 0: never rotates.
        backups: u32,
    },
    /// `handlers.TimedRotatingFileHandler`
    TimedRotatingFile {
        /// `filename`
        path: PathBuf,
        /// `when`
        when: When,
        /// `interval`, at least 1.
        interval: u32,
        /// `backupCount`; 0: old files are kept for ever.
        backups: u32,
        /// `utc`
        utc: bool,
    },
    /// `handlers.SysLogHandler`
    Syslog {
        /// `address`
        address: SyslogAddress,
        /// `facility`, 0 to 23 (RFC 5424 §6.2.1); 1 is user, Python's default.
        facility: u8,
    },
    /// `NullHandler`
    Null,
}

/// `address` of a SysLogHandler.
#[derive(Clone, Debug, PartialEq)]
pub enum SyslogAddress {
    /// A Unix datagram socket: `/dev/log`.
    Path(PathBuf),
    /// UDP: host and port.
    Udp(String, u16),
}

/// `when` of a TimedRotatingFileHandler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// `S`
    Seconds,
    /// `M`
    Minutes,
    /// `H`
    Hours,
    /// `D`
    Days,
    /// `midnight`
    Midnight,
    /// `W0` (Monday) to `W6`
    Weekday(u8),
}

/// `[formatter_NAME]`: a percent format, taken apart once.
#[derive(Clone, Debug, PartialEq)]
pub struct Format {
    /// `format`, in order.
    pub pieces: Vec<Piece>,
    /// `datefmt` for `strftime`; None: `2003-01-23 00:29:50,411`.
    pub datefmt: Option<String>,
}

/// One piece of a format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Literal text (`%%` already one percent sign).
    Text(String),
    /// `%(field)s`, with minimum width (negative: left-aligned; zero: none).
    Field {
        /// Which attribute of the record.
        field: Field,
        /// `%(levelname)-8s` gives -8.
        width: i16,
        /// `%(msecs)03d`: fill up with zeros instead of blanks. Only for `d` and `f`.
        zeros: bool,
        /// `%(created)f`'s or `%(process)d`'s letter: `s`, `d` or `f`. A number with a fraction loses that as `d`, and
        /// has six decimals otherwise.
        kind: char,
    },
}

/// Attributes of a log record (Python's "LogRecord attributes").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// Local time.
    Asctime,
    /// Unix seconds with a fraction.
    Created,
    /// Source file's name.
    Filename,
    /// Here the module's path: functions are not recorded.
    FuncName,
    /// DEBUG, INFO, WARNING, ERROR, CRITICAL.
    Levelname,
    /// 10 to 50.
    Levelno,
    /// Line in the source.
    Lineno,
    /// The text.
    Message,
    /// Source file's name without its ending.
    Module,
    /// Milliseconds of the time.
    Msecs,
    /// Logger's name.
    Name,
    /// Source file's path.
    Pathname,
    /// Process id.
    Process,
    /// `MainProcess`
    ProcessName,
    /// Milliseconds since the start.
    RelativeCreated,
    /// Thread id.
    Thread,
    /// `MainThread`
    ThreadName,
}
