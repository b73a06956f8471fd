//! Keys to [`Settings`]: what each section takes, and what must fit together.

use std::env;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use super::chasar::chasar;
use super::figures::figures;
use super::ini::is_blank;
use super::loggers;
use super::password::{self, Unread, is_doubtful, is_elsewhere};
use super::problem::Severity;
use super::reader::Reader;
use super::reading::{Expected, Reading, near, shown};
use super::settings::{
    App, Backlog, BasicFigure, Exchange, Message, Queue, QueueKind, Secret, Server, Settings,
};
use super::tags::tags;
use super::url;
use super::values::{AMQP_PORT, boolean, hosts, optional, path, seconds, stream, text, whole};
use crate::limits;

/// Seconds of a timer: from a millisecond to a week.
pub(super) const TIMER: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(604_800);

/// Bytes of `[queue] prefix`: a queue's name, `prefix.hostname`, is a short string.
const PREFIX: usize = limits::SHORTSTR - 1 - limits::HOSTNAME;

/// Reads every section. What is wrong is noted in `r`; then the settings are not to be used.
pub(super) fn settings(r: &mut Reading<'_>, reader: Reader) -> Settings {
    let cpu = basic(r, "cpu");
    Settings {
        server: server(r, reader),
        exchange: exchange(r),
        queue: queue(r),
        message: message(r),
        backlog: backlog(r),
        app: app(r),
        cpu,
        mem: basic(r, "mem"),
        cpu_temp: basic(r, "cpu_temp"),
        uptime: basic(r, "uptime"),
        ipaddr: basic(r, "ipaddr"),
        ipv6: ipv6(r),
        tags: tags(r),
        figures: figures(r, cpu),
        chasar: chasar(r),
        logging: loggers::logging(r),
    }
}

/// The line of the password that the file holds, if it holds one.
pub(super) fn password_line(r: &mut Reading<'_>) -> Option<usize> {
    let url = r.entry("server", "url").filter(|e| url::parse(&e.value).is_ok_and(|url| url.with_pass));
    let pass = r.entry("server", "pass").filter(|e| !e.value.is_empty() && !is_elsewhere(&e.value));
    url.or(pass).map(|entry| entry.line)
}

fn server(r: &mut Reading<'_>, reader: Reader) -> Server {
    const NAME: &str = "server";
    let mut port = AMQP_PORT;
    r.set(NAME, "port", &mut port, whole(1..=u16::MAX, "a port"));
    let mut server = Server::default();
    server.hosts.iter_mut().for_each(|host| host.port = port);
    r.set(NAME, "host", &mut server.hosts, |text| hosts(text, port));
    r.set(NAME, "path", &mut server.vhost, text(1..=limits::SHORTSTR));
    r.set(NAME, "user", &mut server.user, text(1..=limits::SHORTSTR));
    pass(r, NAME, &mut server.pass, reader);
    r.set(NAME, "heartbeat", &mut server.heartbeat, whole(0..=u16::MAX, "seconds"));
    for key in ["pass", "url"] {
        if let Some(entry) = r.entry(NAME, key).filter(|e| e.commented) {
            let text = format!(
                "[{NAME}] {key}: ` ;` starts a comment and what follows is no part of the value; \
                 a ; right after another character is"
            );
            r.warn(entry.line, text);
        }
    }
    from_url(r, NAME, &mut server);
    server
}

fn pass(r: &mut Reading<'_>, section: &str, pass: &mut Secret, reader: Reader) {
    let Some(entry) = r.entry(section, "pass") else { return };
    let text = entry.value.trim_matches(is_blank);
    let credentials = env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
    match password::read(text, credentials.as_deref()) {
        Ok(password) => {
            *pass = password.secret;
            if let Some(file) = password.exposed.map(|file| file.display().to_string()) {
                let text = format!("everyone on this machine can read this password: chmod 640 {file}");
                r.warn(entry.line, text);
            }
        }
        Err(Unread::Elsewhere(_)) if reader == Reader::Checker => {
            let text =
                format!("[{section}] pass: a credential is for the service alone to read: not checked here");
            r.tell(Severity::Note, entry.line, text);
        }
        Err(expected) => {
            // What prints reports needs no broker.
            let severity = if reader == Reader::Printer { Severity::Warning } else { Severity::Error };
            r.tell(severity, entry.line, format!("[{section}] pass: expected {expected}"));
        }
    }
    if is_doubtful(text) {
        let text = format!(
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
                r.warn(entry.line, format!("[{section}] url: what follows the ? has no effect"));
            }
        }
        Err(expected) => r.wrong(section, entry, &expected),
    }
    for key in ["host", "port", "path", "user", "pass"] {
        if let Some(other) = r.entry(section, key) {
            let text = format!("[{section}] {key}: has no effect beside url on line {}", entry.line);
            r.warn(other.line, text);
        }
    }
}

fn exchange(r: &mut Reading<'_>) -> Exchange {
    const NAME: &str = "exchange";
    let mut exchange = Exchange::default();
    r.set(NAME, "name", &mut exchange.name, text(1..=limits::SHORTSTR));
    r.set(NAME, "type", &mut exchange.kind, text(1..=limits::SHORTSTR));
    exchange_type(r, NAME, &exchange.kind);
    r.set(NAME, "declare", &mut exchange.declare, boolean);
    r.set(NAME, "durable", &mut exchange.durable, boolean);
    r.set(NAME, "autodelete", &mut exchange.autodelete, boolean);
    exchange
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
            format!("[{section}] type: expected {types}, or a plugin's x-TYPE, found \"{found}\"{hint}");
        r.warn(entry.line, text);
    }
}

fn queue(r: &mut Reading<'_>) -> Queue {
    const NAME: &str = "queue";
    let mut queue = Queue::default();
    r.set(NAME, "prefix", &mut queue.prefix, text(1..=PREFIX));
    r.set(NAME, "declare", &mut queue.declare, boolean);
    r.set(NAME, "exclusive", &mut queue.exclusive, boolean);
    r.set(NAME, "durable", &mut queue.durable, boolean);
    r.set(NAME, "autodelete", &mut queue.autodelete, boolean);
    r.set(NAME, "ttl", &mut queue.ttl, optional(whole(0..=u32::MAX, "milliseconds")));
    r.set(NAME, "type", &mut queue.kind, optional(kind));
    fits_together(r, NAME, &queue);
    queue
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
            r.error(line, format!("[{section}] type: {} needs {needed}; {found}", kind.as_str()));
        }
    }
}

fn message(r: &mut Reading<'_>) -> Message {
    let mut message = Message::default();
    r.set("message", "timestamp", &mut message.timestamp, boolean);
    r.set("message", "persistent", &mut message.persistent, boolean);
    message
}

fn backlog(r: &mut Reading<'_>) -> Backlog {
    let mut backlog = Backlog::default();
    let range = limits::BACKLOG_MIN..=limits::BACKLOG_MAX;
    r.set("backlog", "bytes", &mut backlog.bytes, whole(range, "bytes"));
    backlog
}

fn app(r: &mut Reading<'_>) -> App {
    const NAME: &str = "app";
    let mut app = App::default();
    r.set(NAME, "primary_timer", &mut app.primary_timer, seconds(TIMER));
    r.set(NAME, "secondary_timer", &mut app.secondary_timer, seconds(TIMER));
    r.set(NAME, "retry_timer", &mut app.retry_timer, seconds(TIMER));
    r.set(NAME, "pidfile", &mut app.pidfile, path);
    r.set(NAME, "pidfile_timeout", &mut app.pidfile_timeout, seconds(Duration::ZERO..=*TIMER.end()));
    r.set(NAME, "stdin_path", &mut app.stdin_path, stream);
    r.set(NAME, "stdout_path", &mut app.stdout_path, stream);
    r.set(NAME, "stderr_path", &mut app.stderr_path, stream);
    app
}

fn basic(r: &mut Reading<'_>, section: &str) -> BasicFigure {
    let mut figure = BasicFigure::default();
    r.set(section, "enabled", &mut figure.enabled, boolean);
    r.set(section, "interval", &mut figure.interval, |text| seconds(TIMER)(text).map(Some));
    figure
}

fn ipv6(r: &mut Reading<'_>) -> bool {
    let mut ipv6 = false;
    r.set("ipaddr", "ipv6", &mut ipv6, boolean);
    ipv6
}
