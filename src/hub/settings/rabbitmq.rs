//! `[rabbitmq]`: the broker that a fleet has, and the queue there that the hub consumes.

use std::path::PathBuf;

use psistats_core::limits;
use psistats_host::conf::hosts::{Host, hosts};
use psistats_host::conf::ini::trim;
use psistats_host::conf::secret::Secret;
use psistats_host::conf::url::{self, AMQP_PORT, AMQPS_PORT, Url};
use psistats_host::conf::values::{boolean, path, text, whole};
use psistats_host::conf::{Expected, Reading};

use super::{Needs, secret};
use crate::fleet::Source;

/// The section.
pub(super) const NAME: &str = "rabbitmq";

/// The most queues of other hubs: each has a thread and a connection.
const STANDBY: usize = 32;

/// `[rabbitmq]`
#[derive(Clone, Debug, PartialEq)]
pub struct Rabbitmq {
    /// Of `url`: nodes of one cluster, tried in turn. At least one.
    pub hosts: Vec<Host>,
    /// Of `url`: amqps, TLS with a certificate that is for the host's name.
    pub has_tls: bool,
    /// `tls_ca`: whom it trusts with TLS; None: the system's bundle.
    pub tls_ca: Option<PathBuf>,
    /// Of `url`: the virtual host, 1 to 255 bytes.
    pub vhost: String,
    /// Of `url`: the user, 1 to 255 bytes.
    pub user: String,
    /// Of `url`, or `pass`.
    pub pass: Secret,
    /// `queue`, 1 to 255 bytes.
    pub queue: String,
    /// `standby`: queues of other hubs, for the time that these are gone.
    pub standby: Vec<String>,
    /// Whether `queue` is such a one.
    pub is_standby: bool,
    /// `type` (`x-queue-type`): quorum or classic.
    pub kind: &'static str,
    /// `single_active_consumer` (`x-single-active-consumer`): of several hubs one gets all reports. With `standby` always.
    pub single_active_consumer: bool,
    /// `declare`: whether to declare exchange and queue and to bind them; where not, the queue is only used.
    pub declare: bool,
    /// `exchange`, 1 to 255 bytes: where the boards publish to.
    pub exchange: String,
    /// `exchange_type`: topic, direct, fanout, headers, or a plugin's.
    pub exchange_type: String,
    /// `exchange_durable`
    pub exchange_durable: bool,
    /// `key`: of each binding. At least one.
    pub keys: Vec<String>,
    /// `prefetch`: reports on their way to the disk. It commits twice a second, which limits the rate to twice as many.
    pub prefetch: u16,
}

impl Default for Rabbitmq {
    /// Exchange and binding fit what the boards declare by default.
    fn default() -> Self {
        let Url { host, vhost, user, pass, .. } = Url::default();
        Self {
            hosts: vec![host],
            has_tls: false,
            tls_ca: None,
            vhost,
            user,
            pass,
            queue: "psistats-hub".into(),
            standby: Vec::new(),
            is_standby: false,
            kind: "quorum",
            single_active_consumer: false,
            declare: true,
            exchange: "psistats".into(),
            exchange_type: "topic".into(),
            exchange_durable: false,
            keys: vec!["#".into()],
            prefetch: 5000,
        }
    }
}

impl Rabbitmq {
    /// The same for each queue, its own first.
    pub fn queues(&self) -> impl Iterator<Item = Self> {
        let standby = self.standby.iter();
        let standby = standby.map(|queue| Self { queue: queue.clone(), is_standby: true, ..self.clone() });
        std::iter::once(self.clone()).chain(standby)
    }

    /// The way by which the reports of its queue come.
    pub fn source(&self) -> Source {
        if self.is_standby { Source::Standby } else { Source::Rabbitmq }
    }
}

/// Reads the section. None where there is no `url`.
pub(super) fn read(r: &mut Reading<'_>, needs: Needs) -> Option<Rabbitmq> {
    let mut to = Rabbitmq::default();
    let mut with_pass = false;
    let login = r.entry(NAME, "url");
    match login.map(|entry| (entry, broker(trim(&entry.value)))) {
        Some((_, Ok((url, hosts)))) => {
            with_pass = url.with_pass;
            to = Rabbitmq { hosts, has_tls: url.tls, vhost: url.vhost, user: url.user, pass: url.pass, ..to };
        }
        Some((entry, Err(expected))) => r.wrong(NAME, entry, &expected),
        None => {}
    }
    match r.entry(NAME, "pass") {
        Some(other) if with_pass => {
            r.warn(other.line, format_args!("[{NAME}] pass: has no effect beside the password in url"));
        }
        Some(entry) if needs == Needs::Password => {
            to.pass = secret(r, NAME, entry).unwrap_or_else(|| to.pass.clone());
        }
        _ => {}
    }
    r.set(NAME, "tls_ca", &mut to.tls_ca, |value| path(value).map(Some));
    let name = text(&(1..=limits::SHORTSTR));
    r.set(NAME, "queue", &mut to.queue, &name);
    r.set(NAME, "standby", &mut to.standby, standby);
    r.set(NAME, "type", &mut to.kind, kind);
    r.set(NAME, "single_active_consumer", &mut to.single_active_consumer, boolean);
    r.set(NAME, "declare", &mut to.declare, boolean);
    r.set(NAME, "exchange", &mut to.exchange, &name);
    r.set(NAME, "exchange_type", &mut to.exchange_type, &name);
    r.set(NAME, "exchange_durable", &mut to.exchange_durable, boolean);
    r.set(NAME, "key", &mut to.keys, keys);
    r.set(NAME, "prefetch", &mut to.prefetch, whole(&(1..=u16::MAX as u64, "a number")));
    let with_key = r.entry(NAME, "key").is_some();
    if to.exchange_type == "direct"
        && !with_key
        && let Some(entry) = r.entry(NAME, "exchange_type")
    {
        let text = format_args!(
            "[{NAME}] exchange_type: with a direct exchange, expected key= with the routing key of each board, as \
             key=psistats.pi-1,psistats.pi-2"
        );
        r.error(entry.line, text);
    }
    to.single_active_consumer |= !to.standby.is_empty();
    if login.is_none()
        && let Some(line) = r.section_line(NAME)
    {
        r.error(line, format_args!("[{NAME}]: expected url=amqp://user@host:5672/vhost, or amqps://"));
    }
    login.map(|_| to)
}

/// A URL whose host may be several between commas: `amqp://user:pass@a,b:5673/vhost`.
fn broker(text: &str) -> Result<(Url, Vec<Host>), Expected> {
    let authority = text.find("://").map_or(0, |at| at + 3);
    let end =
        text.get(authority..).and_then(|rest| rest.find(['/', '?'])).map_or(text.len(), |at| authority + at);
    let (before, after) = text.split_at(end);
    let begin = before.rfind('@').map_or(authority, |at| at + 1);
    let (login, place) = before.split_at(begin);
    let (first, others) =
        place.split_once(',').map_or((place, None), |(first, others)| (first, Some(others)));
    let url = url::parse(&format!("{login}{first}{after}"))?;
    let port = if url.tls { AMQPS_PORT } else { AMQP_PORT };
    let mut all = vec![url.host.clone()];
    if let Some(others) = others {
        all.append(&mut hosts(others, port)?);
    }
    Ok((url, all))
}

fn kind(text: &str) -> Result<&'static str, Expected> {
    let known = ["quorum", "classic"].into_iter().find(|kind| kind.eq_ignore_ascii_case(text));
    known.ok_or("quorum or classic".into())
}

/// Queues between commas.
fn standby(value: &str) -> Result<Vec<String>, Expected> {
    let queues: Vec<_> =
        value.split(',').map(|queue| text(&(1..=limits::SHORTSTR))(trim(queue))).collect::<Result<_, _>>()?;
    if queues.len() > STANDBY { Err(format!("at most {STANDBY} queues").into()) } else { Ok(queues) }
}

/// Routing keys between commas.
fn keys(value: &str) -> Result<Vec<String>, Expected> {
    value.split(',').map(|key| text(&(0..=limits::SHORTSTR))(trim(key))).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use psistats_host::conf::ini;

    use super::*;

    fn load(keys: &str) -> Result<(Option<Rabbitmq>, Vec<String>), String> {
        let (ini, file) =
            (ini::parse(format!("[rabbitmq]\n{keys}").as_bytes(), Path::new("f")), Path::new("f"));
        let ini = ini.unwrap();
        let mut reading = Reading::new(&ini, file);
        let read = read(&mut reading, Needs::Password);
        let warnings = reading.finish().map_err(|problems| problems.to_string())?;
        Ok((read, warnings.into_iter().map(|warning| warning.text).collect()))
    }

    #[test]
    fn a_url_alone_is_enough_and_names_one_host_or_several() {
        let (read, warnings) = load("url=amqp://rabbit\n").unwrap();
        let rabbit = Host { name: "rabbit".into(), port: 5672 };
        assert_eq!(read, Some(Rabbitmq { hosts: vec![rabbit], ..Rabbitmq::default() }));
        assert!(warnings.is_empty(), "{warnings:?}");
        let (read, _) = load("url=amqp://me:a%2cb@a,[::1]:7,c:5673/boards\n").unwrap();
        let read = read.unwrap();
        let hosts: Vec<_> = read.hosts.iter().map(ToString::to_string).collect();
        assert_eq!(hosts, ["a:5672", "[::1]:7", "c:5673"]);
        assert_eq!((&*read.vhost, &*read.user, read.pass.reveal()), ("boards", "me", "a,b"));
        let (read, _) = load("url=amqps://a,b:7\ntls_ca=/ca.pem\n").unwrap();
        let read = read.unwrap();
        let hosts: Vec<_> = read.hosts.iter().map(ToString::to_string).collect();
        assert_eq!(
            (hosts, read.has_tls, read.tls_ca),
            (vec!["a:5671".into(), "b:7".into()], true, Some("/ca.pem".into()))
        );
    }

    #[test]
    fn the_password_need_not_stand_in_the_url() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "hidden\n").unwrap();
        let pass = format!("pass=@file:{}\n", file.path().display());
        let (read, _) = load(&format!("url=amqp://me@rabbit\n{pass}")).unwrap();
        assert_eq!(read.unwrap().pass.reveal(), "hidden");
        let (read, warnings) = load(&format!("url=amqp://me:own@rabbit\n{pass}")).unwrap();
        assert_eq!(read.unwrap().pass.reveal(), "own");
        assert_eq!(warnings, ["[rabbitmq] pass: has no effect beside the password in url"]);
    }

    #[test]
    fn every_key_is_read_and_a_wrong_one_says_what_is_expected() {
        let keys = "url=amqp://h\nqueue=q\nstandby=r, s\ntype=Classic\nsingle_active_consumer=no\ndeclare=no\nexchange=e\n\
                    exchange_type=direct\nexchange_durable=yes\nkey=a, b\nprefetch=7\n";
        let expected = Rabbitmq {
            hosts: vec![Host { name: "h".into(), port: 5672 }],
            queue: "q".into(),
            standby: vec!["r".into(), "s".into()],
            kind: "classic",
            single_active_consumer: true,
            declare: false,
            exchange: "e".into(),
            exchange_type: "direct".into(),
            exchange_durable: true,
            keys: vec!["a".into(), "b".into()],
            prefetch: 7,
            ..Rabbitmq::default()
        };
        let queues: Vec<_> = expected.queues().map(|one| (one.queue, one.is_standby)).collect();
        assert_eq!(queues, [("q".into(), false), ("r".into(), true), ("s".into(), true)]);
        assert_eq!(load(keys).unwrap(), (Some(expected), vec![]));
        for (wrong, says) in [
            ("queue=q", "expected url=amqp://"),
            ("url=amqps://me:hidden@h\ntls_ca=", "the name of a file"),
            ("url=amqp://me:hidden@h,", "a host, or hosts"),
            ("url=amqp://h\ntype=stream", "quorum or classic"),
            ("url=amqp://h\nprefetch=0", "a number from 1 to 65535"),
            ("url=amqp://h\nexchange_type=direct", "the routing key of each board"),
        ] {
            let problems = load(wrong).unwrap_err();
            assert!(problems.contains(says) && !problems.contains("hidden"), "{problems}");
        }
    }
}
