//! What can be configured, as types. [`Settings::default`] is the original's documented default.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::conf::chasar::Chasar;
use crate::conf::figures::Figures;
use crate::conf::logging::Logging;
use crate::conf::tags::Tags;
use psistats_core::limits;

/// Everything that psistats.conf says.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Settings {
    /// `[server]`
    pub server: Server,
    /// `[exchange]`
    pub exchange: Exchange,
    /// `[queue]`
    pub queue: Queue,
    /// `[message]`
    pub message: Message,
    /// `[backlog]`
    pub backlog: Backlog,
    /// `[app]`
    pub app: App,
    /// `[cpu]`
    pub cpu: BasicFigure,
    /// `[mem]`
    pub mem: BasicFigure,
    /// `[cpu_temp]`
    pub cpu_temp: BasicFigure,
    /// `[uptime]`
    pub uptime: BasicFigure,
    /// `[ipaddr]`
    pub ipaddr: BasicFigure,
    /// `[ipaddr] ipv6`: whether reports have global IPv6 addresses too.
    pub ipv6: bool,
    /// `[tags]`
    pub tags: Tags,
    /// `[load]` and the like: none unless configured.
    pub figures: Figures,
    /// `[chasar]`
    pub chasar: Chasar,
    /// `[logging]`, `[handlers]`, `[formatters]` and the sections they name; none of them: `None`.
    pub logging: Option<Logging>,
}

/// `[server]`: the broker, and who we are there.
#[derive(Clone, Debug, PartialEq)]
pub struct Server {
    /// `enabled`: whether reports are published.
    pub enabled: bool,
    /// `host`: nodes of one cluster, tried in turn. At least one.
    pub hosts: Vec<Host>,
    /// `path`: the virtual host, 1 to 255 bytes.
    pub vhost: String,
    /// `user`, 1 to 255 bytes.
    pub user: String,
    /// `pass`, at most 255 bytes; itself, or read from `@file:PATH` or `@credential:NAME`.
    pub pass: Secret,
    /// `heartbeat`, seconds: the broker's, where that is shorter. 0 switches heartbeats off.
    pub heartbeat: u16,
}

/// One node: a name or an address, and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// Name, IPv4 or IPv6 address (without brackets).
    pub name: String,
    /// TCP port.
    pub port: u16,
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.name.contains(':') {
            write!(f, "[{}]:{}", self.name, self.port)
        } else {
            write!(f, "{}:{}", self.name, self.port)
        }
    }
}

/// A text that no message, log or debug output shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Hides `text`.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The text itself, for the one place that sends it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// `[exchange]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// `name`, 1 to 255 bytes.
    pub name: String,
    /// `type`: topic, direct, fanout, headers, or a plugin's.
    pub kind: String,
    /// `declare`: whether to declare it; where not, it must exist.
    pub declare: bool,
    /// `durable`
    pub durable: bool,
    /// `autodelete`
    pub autodelete: bool,
}

/// `[queue]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queue {
    /// `prefix`: the queue is `prefix.hostname`. 1 to 190 bytes, so that this is a short string.
    pub prefix: String,
    /// `declare`: whether to declare and bind it; where not, reports go to the exchange alone.
    pub declare: bool,
    /// `exclusive`
    pub exclusive: bool,
    /// `durable`
    pub durable: bool,
    /// `autodelete`
    pub autodelete: bool,
    /// `ttl`, milliseconds (`x-message-ttl`); empty: none.
    pub ttl: Option<u32>,
    /// `type` (`x-queue-type`); empty: the broker's default.
    pub kind: Option<QueueKind>,
}

/// `x-queue-type`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueKind {
    /// On one node.
    Classic,
    /// Replicated; must be durable.
    Quorum,
    /// A log; must be durable.
    Stream,
}

impl QueueKind {
    /// As RabbitMQ spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Classic => "classic",
            Self::Quorum => "quorum",
            Self::Stream => "stream",
        }
    }
}

/// `[message]`
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Message {
    /// `timestamp`: also put `ts` into each body.
    pub timestamp: bool,
    /// `persistent`: delivery mode 2 even where the queue is not durable.
    pub persistent: bool,
}

/// `[backlog]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backlog {
    /// `bytes` of the ring of unconfirmed reports; allocated once, at the start.
    pub bytes: usize,
}

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

/// A figure that reports have unless it is disabled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BasicFigure {
    /// `enabled`
    pub enabled: bool,
    /// `interval`, 0.001 to 604,800 seconds. None: it is in each report, or in each of the secondary timer.
    pub interval: Option<Duration>,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            enabled: true,
            hosts: vec![Host { name: "localhost".into(), port: 5672 }],
            vhost: "/".into(),
            user: "guest".into(),
            pass: Secret::new("guest".into()),
            heartbeat: 60,
        }
    }
}

impl Default for Exchange {
    fn default() -> Self {
        Self {
            name: "psistats".into(),
            kind: "topic".into(),
            declare: true,
            durable: false,
            autodelete: false,
        }
    }
}

impl Default for Queue {
    fn default() -> Self {
        Self {
            prefix: "psistats".into(),
            declare: true,
            exclusive: true,
            durable: false,
            autodelete: true,
            ttl: Some(10_000),
            kind: None,
        }
    }
}

impl Default for Backlog {
    fn default() -> Self {
        Self { bytes: limits::BACKLOG_DEFAULT }
    }
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

impl Default for BasicFigure {
    fn default() -> Self {
        Self { enabled: true, interval: None }
    }
}
