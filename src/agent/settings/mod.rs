//! What the agent reads of psistats.conf: its own sections, and those that it shares with the hub.
//!
//! ```text
//! find -> ini -> password resolved -> sections read -> Settings, or every error and warning
//! ```

mod app;
mod configuration;
mod fields;
mod needs;
mod password;
mod server;
#[cfg(feature = "tls")]
mod tls;
#[cfg(not(feature = "tls"))]
#[path = "no_tls.rs"]
mod tls;
mod topology;

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use app::{App, DEFAULT_PIDFILE};
pub use configuration::Configuration;
pub use fields::{Fields, Value};
pub use needs::Needs;
use needs::PasswordNeed;
use psistats_core::spool;
use psistats_host::conf::chasar::{self, Chasar};
use psistats_host::conf::curve::Role;
use psistats_host::conf::find::{self, find};
use psistats_host::conf::logging::Logging;
use psistats_host::conf::reports::{self, Reports};
use psistats_host::conf::values::{WEEK, boolean, optional, path, seconds, whole};
use psistats_host::conf::{Expected, Problem, Problems, Reading, Severity, ini, loggers};
use psistats_host::limits;
pub use server::Server;
pub use tls::Tls;
pub use topology::{Exchange, HOSTNAME, Queue, QueueKind};

/// What the configuration says to the agent. The default is the original's documented one.
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
    /// `[cpu]` and the like, `[tags]`: what reports have.
    pub reports: Reports,
    /// `[chasar]`
    pub chasar: Chasar,
    /// `[logging]`, `[handlers]`, `[formatters]` and the sections they name; none of them: `None`.
    pub logging: Option<Logging>,
}

/// `[message]`, but for what each report has of it ([`Reports::timestamp`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// `persistent`: delivery mode 2 even where the queue is not durable.
    pub persistent: bool,
    /// `headers`
    pub headers: Fields,
    /// `batch`, 1 to 100 reports of a message.
    pub batch: usize,
}

impl Default for Message {
    fn default() -> Self {
        Self { persistent: false, headers: Fields::new(), batch: 1 }
    }
}

/// The most reports of a message.
const BATCH: u64 = 100;

/// Fewest bytes of the outbox with messages of several reports: one of these, and the next largest report.
const BATCH_BACKLOG: usize = 32 * 1024;

/// `[backlog]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backlog {
    /// `bytes` of the ring of unconfirmed reports; allocated once, at the start.
    pub bytes: usize,
    /// `file`: the spool, opened at the start.
    pub file: Option<PathBuf>,
    /// `spool_interval`, 1 to 604,800 seconds.
    pub spool_interval: Duration,
}

impl Default for Backlog {
    /// A minute is what a power cut may cost, for some 30 MB a day while there is no broker.
    fn default() -> Self {
        Self { bytes: limits::BACKLOG_DEFAULT, file: None, spool_interval: Duration::from_secs(60) }
    }
}

impl Backlog {
    /// Reports, one each `timer`, that come between two writes of the spool, at the most.
    pub fn reports_between_writes(&self, timer: Duration) -> u64 {
        // In 64 bits, which hold the microseconds of a week.
        let micros = |time: Duration| time.as_secs() * 1_000_000 + u64::from(time.subsec_micros());
        micros(self.spool_interval).div_ceil(micros(timer).max(1)) + 1
    }

    /// Megabytes that the spool writes a day while there is no broker, at the most, where reports, one each `timer`,
    /// have `length` bytes.
    pub fn megabytes_a_day(&self, timer: Duration, length: u64) -> u64 {
        let pages = spool::pages_of(self.reports_between_writes(timer), length);
        let pages = pages.min(spool::pages(self.bytes) as u64);
        let bytes = (pages * spool::PAGE as u64).saturating_mul(86_400);
        (bytes / self.spool_interval.as_secs().max(1)).div_ceil(1_000_000)
    }
}

impl Settings {
    /// The spool's file, where there is to be one.
    pub fn spool(&self) -> Option<&Path> {
        self.backlog.file.as_deref().filter(|_| cfg!(feature = "spool") && self.server.enabled)
    }
}

/// Settings, and where they came from.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Loaded {
    /// What counts.
    pub settings: Settings,
    /// The file, absolute so that a daemon in another directory finds it again; none: built-in defaults.
    pub source: Option<PathBuf>,
    /// What the operator should know and nothing stops at.
    pub warnings: Vec<Problem>,
}

impl Loaded {
    /// One line that says where the settings came from.
    pub fn origin(&self) -> String {
        match &self.source {
            Some(path) => format!("configuration: {}", path.display()),
            None => format!("no {} in the places that --help names: built-in defaults", find::NAME),
        }
    }
}

/// Reads `explicit` (`--config`), or else the first file of the usual places, or else gives the defaults. To read a
/// configuration again, pass the [`Loaded::source`] of the first time.
///
/// # Errors
/// Everything that is wrong with the file, and its warnings.
pub fn load(explicit: Option<&Path>, needs: Needs) -> Result<Loaded, Problems> {
    let mut loaded = Loaded::default();
    let (found, warnings) = find(explicit, needs.is_optional)?;
    loaded.warnings = warnings;
    if let Some(found) = found {
        let path = &found.path;
        let (mut warnings, password_line) = read(&found.bytes, path, needs, &mut loaded.settings)?;
        loaded.warnings.append(&mut warnings);
        if let Some(line) = password_line.filter(|_| found.is_public) {
            let text =
                format!("everyone on this machine can read this password: chmod 640 {}", path.display());
            loaded.warnings.push(Problem::at(path, line, text).but(Severity::Warning));
        }
        loaded.source = Some(found.absolute());
    }
    Ok(loaded)
}

/// Reads the bytes of a file for [`Needs::PUBLISH`]; `name` is what messages call it. Gives the settings and the
/// warnings.
///
/// # Errors
/// Everything that is wrong with the file, and its warnings.
pub fn parse(bytes: &[u8], name: &Path) -> Result<(Settings, Vec<Problem>), Problems> {
    let mut settings = Settings::default();
    let (warnings, _) = read(bytes, name, Needs::PUBLISH, &mut settings)?;
    Ok((settings, warnings))
}

/// Reads what of a file is needed into `settings`. Gives the warnings, and the line of a password if one is there.
fn read(
    bytes: &[u8],
    name: &Path,
    needs: Needs,
    settings: &mut Settings,
) -> Result<(Vec<Problem>, Option<usize>), Problems> {
    let ini = ini::parse_sections(bytes, name, &needs.section)?;
    let mut reading = Reading::new(&ini, name);
    server::read_enabled(&mut reading, &mut settings.server);
    // Nobody logs in where no broker is wanted.
    let password = if settings.server.enabled { needs.password } else { PasswordNeed::None };
    password::resolve(&mut reading, password, &mut settings.server.pass);
    read_sections(&mut reading, needs, settings);
    let password_line = server::password_line(&mut reading);
    reading.warn_of_unknown_defaults();
    Ok((reading.finish()?, password_line))
}

/// The name of a spool, in a program that has one.
fn spool_file(text: &str) -> Result<PathBuf, Expected> {
    const WITHOUT: &str =
        "none, since psistats-tiny has no spool: the package psistats has, and takes the same configuration";
    if cfg!(feature = "spool") { path(text) } else { Err(WITHOUT.into()) }
}

/// What is wrong is noted in `r`; then the settings are not to be used.
///
/// Each is written over its defaults where they are: moved there, they would take 3 KB of a board's binary.
fn read_sections(r: &mut Reading<'_>, needs: Needs, settings: &mut Settings) {
    const HEADERS: [(&str, &str); 3] = [
        ("timestamp_in_ms", "every message has it"),
        ("dropped", "messages have it after a loss"),
        ("clock", "messages have it before the clock is set"),
    ];
    const BACKLOG: (RangeInclusive<u64>, &str) =
        (limits::BACKLOG_MIN as u64..=limits::BACKLOG_MAX as u64, "bytes");
    const SPOOL: RangeInclusive<Duration> = Duration::from_secs(1)..=WEEK;
    if server::is_of_fleet(r) {
        settings.server.retry_spread = Duration::from_secs(60);
        (settings.exchange.declare, settings.queue.declare) = (false, false);
    }
    server::read(r, &mut settings.server);
    topology::read_exchange(r, &mut settings.exchange);
    topology::read_queue(r, &mut settings.queue);
    r.set("message", "persistent", &mut settings.message.persistent, boolean);
    r.set("message", "headers", &mut settings.message.headers, fields::fields(&HEADERS));
    r.set("message", "batch", &mut settings.message.batch, whole(&(1..=BATCH, "reports")));
    r.set("backlog", "bytes", &mut settings.backlog.bytes, whole(&BACKLOG));
    r.set("backlog", "file", &mut settings.backlog.file, optional(spool_file));
    r.set("backlog", "spool_interval", &mut settings.backlog.spool_interval, seconds(&SPOOL));
    app::read(r, &mut settings.app);
    reports::read(r, &mut settings.reports);
    // The message has the time of the first.
    settings.reports.timestamp |= settings.message.batch > 1;
    topology::read_routing_key(r, &mut settings.exchange.routing_key, &settings.reports.tags);
    chasar::read(r, &mut settings.chasar, Role::ClientNode, |is_enabled| needs.keys_where(is_enabled));
    settings.logging = loggers::read(r);
    fits_together(r, settings);
}

/// What would lose reports silently.
fn fits_together(r: &mut Reading<'_>, settings: &Settings) {
    let line = |r: &mut Reading<'_>, section, key| r.entry(section, key).map(|entry| entry.line);
    if settings.server.connects_each_time
        && settings.queue.declare
        && settings.queue.exclusive
        && let Some(line) = line(r, "server", "connect")
    {
        r.error(line, format_args!(
            "[server] connect: with each, an exclusive queue would end with the connection, and the reports in it: set [queue] declare=no or exclusive=no"
        ));
    }
    if settings.message.batch > 1
        && settings.backlog.bytes < BATCH_BACKLOG
        && let Some(line) = line(r, "message", "batch")
    {
        let found = settings.backlog.bytes;
        r.error(line, format_args!(
            "[message] batch: a message of several reports needs [backlog] bytes of at least {BATCH_BACKLOG}, found {found}"
        ));
    }
}
