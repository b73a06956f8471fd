//! Keys to [`Settings`]: what each section takes, and what must fit together.

use std::env;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use crate::conf::chasar::chasar;
use crate::conf::figures::figures;
use crate::conf::ini::trim;
use crate::conf::loggers;
use crate::conf::password::{self, Unread, is_doubtful, is_elsewhere};
use crate::conf::problem::Severity;
use crate::conf::reader::Reader;
use crate::conf::reading::{Expected, Reading, near, shown};
use crate::conf::settings::{App, Exchange, Queue, QueueKind, Secret, Server, Settings};
use crate::conf::tags::tags;
use crate::conf::url;
use crate::conf::values::{AMQP_PORT, PORT, boolean, hosts, optional, path, seconds, stream, text, whole};
use psistats_core::limits;

/// Seconds of a timer: from a millisecond to a week.
pub(super) const TIMER: RangeInclusive<Duration> = Duration::from_millis(1)..=WEEK;

const WEEK: Duration = Duration::from_secs(604_800);

const BACKLOG: (RangeInclusive<u64>, &str) =
    (limits::BACKLOG_MIN as u64..=limits::BACKLOG_MAX as u64, "bytes");

/// Bytes of `[queue] prefix`: a queue's name, `prefix.hostname`, is a short string.
const PREFIX: usize = limits::SHORTSTR - 1 - limits::HOSTNAME;

/// Reads every section. What is wrong is noted in `r`; then the settings are not to be used.
///
/// Each is written over its defaults where they are: moved there, they would take 3 KB of a board's binary.
pub(super) fn settings(r: &mut Reading<'_>, reader: Reader) -> Settings {
    let mut settings = Settings::default();
    server(r, reader, &mut settings.server);
    exchange(r, &mut settings.exchange);
    queue(r, &mut settings.queue);
    r.set("message", "timestamp", &mut settings.message.timestamp, boolean);
    r.set("message", "persistent", &mut settings.message.persistent, boolean);
    r.set("backlog", "bytes", &mut settings.backlog.bytes, whole(&BACKLOG));
    app(r, &mut settings.app);
    let basic = [
        ("cpu", &mut settings.cpu),
        ("mem", &mut settings.mem),
        ("cpu_temp", &mut settings.cpu_temp),
        ("uptime", &mut settings.uptime),
        ("ipaddr", &mut settings.ipaddr),
    ];
    for (section, figure) in basic {
        r.set(section, "enabled", &mut figure.enabled, boolean);
        r.set(section, "interval", &mut figure.interval, |text| seconds(&TIMER)(text).map(Some));
    }
    r.set("ipaddr", "ipv6", &mut settings.ipv6, boolean);
    settings.tags = tags(r);
    figures(r, settings.cpu, &mut settings.figures);
    chasar(r, &mut settings.chasar);
    settings.logging = loggers::logging(r);
    settings
}

/// The line of the password that the file holds, if it holds one.
pub(super) fn password_line(r: &mut Reading<'_>) -> Option<usize> {
    let url = r.entry("server", "url").filter(|e| url::parse(&e.value).is_ok_and(|url| url.with_pass));
    let pass = r.entry("server", "pass").filter(|e| !e.value.is_empty() && !is_elsewhere(&e.value));
    url.or(pass).map(|entry| entry.line)
}

fn server(r: &mut Reading<'_>, reader: Reader, server: &mut Server) {
    const NAME: &str = "server";
    r.set(NAME, "enabled", &mut server.enabled, boolean);
    let mut port = AMQP_PORT;
    r.set(NAME, "port", &mut port, whole(&PORT));
    server.hosts.iter_mut().for_each(|host| host.port = port);
    r.set(NAME, "host", &mut server.hosts, |text| hosts(text, port));
    r.set(NAME, "path", &mut server.vhost, text(&(1..=limits::SHORTSTR)));
    r.set(NAME, "user", &mut server.user, text(&(1..=limits::SHORTSTR)));
    pass(r, NAME, &mut server.pass, reader);
    r.set(NAME, "heartbeat", &mut server.heartbeat, whole(&(0..=u16::MAX as u64, "seconds")));
    for key in ["pass", "url"] {
        if let Some(entry) = r.entry(NAME, key).filter(|e| e.commented) {
            let text = format_args!(
                "[{NAME}] {key}: ` ;` starts a comment and what follows is no part of the value; \
                 a ; right after another character is"
            );
            r.warn(entry.line, text);
        }
    }
    from_url(r, NAME, server);
}

fn pass(r: &mut Reading<'_>, section: &str, pass: &mut Secret, reader: Reader) {
    let Some(entry) = r.entry(section, "pass") else { return };
    let text = trim(&entry.value);
    let credentials = env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
    match password::read(text, credentials.as_deref()) {
        Ok(password) => {
            *pass = password.secret;
            if let Some(file) = password.exposed.map(|file| file.display().to_string()) {
                let text = format_args!("everyone on this machine can read this password: chmod 640 {file}");
                r.warn(entry.line, text);
            }
        }
        Err(Unread::Elsewhere(_)) if reader == Reader::Checker => {
            let text = format_args!(
                "[{section}] pass: a credential is for the service alone to read: not checked here"
            );
            r.tell(Severity::Note, entry.line, text);
        }
        Err(expected) => {
            // What prints reports needs no broker.
            let severity = if reader == Reader::Printer { Severity::Warning } else { Severity::Error };
            r.tell(severity, entry.line, format_args!("[{section}] pass: expected {expected}"));
        }
    }
    if is_doubtful(text) {
        let text = format_args!(
            "[{section}] pass: is taken as it stands; only @file:PATH and @credential:NAME name a file"
        );
        r.warn(entry.line, text);
    }
}

/// `url`, which counts before the other keys of who and where the broker is.
fn from_url(r: &mut Reading<'_>, section: &str, server: &mut Server) {
    let Some(entry) = r.entry(section, "url") else { return };
    match url::parse(&entry.value) {
        Ok(url) => {
            server.hosts = Vec::from([url.host]);
            server.vhost = url.vhost;
            server.user = url.user;
            server.pass = url.pass;
            if url.with_query {
                r.warn(entry.line, format_args!("[{section}] url: what follows the ? has no effect"));
            }
        }
        Err(expected) => r.wrong(section, entry, &expected),
    }
    for key in ["host", "port", "path", "user", "pass"] {
        if let Some(other) = r.entry(section, key) {
            let text = format_args!("[{section}] {key}: has no effect beside url on line {}", entry.line);
            r.warn(other.line, text);
        }
    }
}

fn exchange(r: &mut Reading<'_>, exchange: &mut Exchange) {
    const NAME: &str = "exchange";
    r.set(NAME, "name", &mut exchange.name, text(&(1..=limits::SHORTSTR)));
    r.set(NAME, "type", &mut exchange.kind, text(&(1..=limits::SHORTSTR)));
    exchange_type(r, NAME, &exchange.kind);
    r.set(NAME, "declare", &mut exchange.declare, boolean);
    r.set(NAME, "durable", &mut exchange.durable, boolean);
    r.set(NAME, "autodelete", &mut exchange.autodelete, boolean);
}

/// Types are these (AMQP 0-9-1 §3.1.3), or `x-` and a plugin's.
fn exchange_type(r: &mut Reading<'_>, section: &str, kind: &str) {
    const TYPES: [&str; 4] = ["direct", "fanout", "headers", "topic"];
    let Some(entry) = r.entry(section, "type") else { return };
    if !TYPES.contains(&kind) && !kind.starts_with("x-") {
        let hint = near(&kind.to_ascii_lowercase(), TYPES.into_iter());
        let hint = hint.map(|near| format!(", did you mean {near}?")).unwrap_or_default();
        let (types, found) = (TYPES.join(", "), shown(kind));
        let text =
            format_args!("[{section}] type: expected {types}, or a plugin's x-TYPE, found \"{found}\"{hint}");
        r.warn(entry.line, text);
    }
}

fn queue(r: &mut Reading<'_>, queue: &mut Queue) {
    const NAME: &str = "queue";
    r.set(NAME, "prefix", &mut queue.prefix, text(&(1..=PREFIX)));
    r.set(NAME, "declare", &mut queue.declare, boolean);
    r.set(NAME, "exclusive", &mut queue.exclusive, boolean);
    r.set(NAME, "durable", &mut queue.durable, boolean);
    r.set(NAME, "autodelete", &mut queue.autodelete, boolean);
    r.set(NAME, "ttl", &mut queue.ttl, optional(whole(&(0..=u32::MAX as u64, "milliseconds"))));
    r.set(NAME, "type", &mut queue.kind, optional(kind));
    fits_together(r, NAME, queue);
}

fn kind(text: &str) -> Result<QueueKind, Expected> {
    [QueueKind::Classic, QueueKind::Quorum, QueueKind::Stream]
        .into_iter()
        .find(|kind| kind.as_str().eq_ignore_ascii_case(text))
        .ok_or("classic, quorum or stream".into())
}

/// What RabbitMQ answers with 406 anyway (its guides "Quorum Queues" and "Streams": durable only,
/// neither exclusive nor auto-delete; a stream has no message TTL).
fn fits_together(r: &mut Reading<'_>, section: &str, queue: &Queue) {
    let Some(kind) = queue.kind.filter(|&kind| kind != QueueKind::Classic) else { return };
    let Some(line) = r.entry(section, "type").map(|entry| entry.line) else { return };
    for (fits, key, needed) in [
        (queue.durable, "durable", "durable=yes"),
        (!queue.exclusive, "exclusive", "exclusive=no"),
        (!queue.autodelete, "autodelete", "autodelete=no"),
        (kind != QueueKind::Stream || queue.ttl.is_none(), "ttl", "ttl= with no value"),
    ] {
        if !fits {
            let found = match r.entry(section, key) {
                Some(other) => format!("line {} says otherwise", other.line),
                None => "without it the default is otherwise".to_string(),
            };
            r.error(line, format_args!("[{section}] type: {} needs {needed}; {found}", kind.as_str()));
        }
    }
}

fn app(r: &mut Reading<'_>, app: &mut App) {
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
