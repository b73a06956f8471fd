//! `[server]`: the broker, and who we are there.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::settings::tls::{self, Tls};
use psistats_core::limits;
use psistats_host::conf::Reading;
use psistats_host::conf::hosts::{Host, hosts};
use psistats_host::conf::secret::{Secret, is_elsewhere};
use psistats_host::conf::url::{self, AMQP_PORT, AMQPS_PORT, Url};
use psistats_host::conf::values::{PORT, WEEK, boolean, seconds, text, whole};

/// The section.
pub(super) const NAME: &str = "server";

const UP_TO_A_WEEK: RangeInclusive<Duration> = Duration::ZERO..=WEEK;

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
    /// `pass`, at most 255 bytes; itself, or read from where it says.
    pub pass: Secret,
    /// `heartbeat`, seconds: the broker's, where that is shorter. 0 switches heartbeats off.
    pub heartbeat: u16,
    /// `confirm_timeout`, 0 to 604,800 seconds: a connection fails where a report is not confirmed for so long.
    /// 0 switches that off.
    pub confirm_timeout: Duration,
    /// `rebalance`, 0 to 604,800 seconds: about so long after it went to another host, the board goes back to its
    /// own. 0 switches that off.
    pub rebalance: Duration,
    /// `retry_spread`, 0 to 604,800 seconds, of which a part by chance comes before the first attempt after a loss, and
    /// is added to every wait.
    pub retry_spread: Duration,
    /// `connect` is each: a connection is made when there is something to send, and closed once that is confirmed.
    pub connects_each_time: bool,
    /// `tls`, or a URL with amqps, and how; none: in the clear.
    pub tls: Option<Tls>,
    /// `auth_mechanism` is EXTERNAL: the certificate logs in.
    pub external: bool,
}

impl Default for Server {
    fn default() -> Self {
        let Url { host, vhost, user, pass, .. } = Url::default();
        Self {
            enabled: true,
            hosts: vec![host],
            vhost,
            user,
            pass,
            heartbeat: 60,
            confirm_timeout: Duration::from_secs(30),
            rebalance: Duration::from_secs(3600),
            retry_spread: Duration::ZERO,
            connects_each_time: false,
            tls: None,
            external: false,
        }
    }
}

/// Reads `enabled`, on which it depends whether a password is needed.
pub(super) fn read_enabled(r: &mut Reading<'_>, server: &mut Server) {
    r.set(NAME, "enabled", &mut server.enabled, boolean);
}

/// Whether `profile` says that the board is one of a fleet, for which other defaults hold.
pub(super) fn is_of_fleet(r: &mut Reading<'_>) -> bool {
    let mut is_of_fleet = false;
    r.set(NAME, "profile", &mut is_of_fleet, |text| match text {
        "board" => Ok(false),
        "fleet" => Ok(true),
        _ => Err("board or fleet".into()),
    });
    is_of_fleet
}

/// Reads the rest of the section, but for `pass`, which [`super::password`] reads.
pub(super) fn read(r: &mut Reading<'_>, server: &mut Server) {
    let mut port = if tls::is_wanted(r) { AMQPS_PORT } else { AMQP_PORT };
    r.set(NAME, "port", &mut port, whole(&PORT));
    server.hosts.iter_mut().for_each(|host| host.port = port);
    r.set(NAME, "host", &mut server.hosts, |text| hosts(text, port));
    r.set(NAME, "path", &mut server.vhost, text(&(1..=limits::SHORTSTR)));
    r.set(NAME, "user", &mut server.user, text(&(1..=limits::SHORTSTR)));
    r.set(NAME, "heartbeat", &mut server.heartbeat, whole(&(0..=u16::MAX as u64, "seconds")));
    r.set(NAME, "confirm_timeout", &mut server.confirm_timeout, seconds(&UP_TO_A_WEEK));
    r.set(NAME, "rebalance", &mut server.rebalance, seconds(&UP_TO_A_WEEK));
    r.set(NAME, "retry_spread", &mut server.retry_spread, seconds(&UP_TO_A_WEEK));
    r.set(NAME, "connect", &mut server.connects_each_time, |text| match text {
        "keep" => Ok(false),
        "each" => Ok(true),
        _ => Err("keep or each".into()),
    });
    for key in ["pass", "url"] {
        if let Some(entry) = r.entry(NAME, key).filter(|e| e.commented) {
            let text = format_args!(
                "[{NAME}] {key}: ` ;` starts a comment and what follows is no part of the value; \
                 a ; right after another character is"
            );
            r.warn(entry.line, text);
        }
    }
    let url = from_url(r, server);
    tls::read(r, url.as_ref(), server);
}

/// What a URL says of TLS.
pub(super) struct OfUrl {
    /// The line of the URL.
    pub line: usize,
    /// Whether it is amqps.
    pub tls: bool,
    /// What follows a `?`.
    pub query: String,
}

/// `url`, which counts before the other keys of who and where the broker is.
fn from_url(r: &mut Reading<'_>, server: &mut Server) -> Option<OfUrl> {
    let entry = r.entry(NAME, "url")?;
    let url = match url::parse(&entry.value) {
        Ok(url) => {
            server.hosts = Vec::from([url.host]);
            server.vhost = url.vhost;
            server.user = url.user;
            server.pass = url.pass;
            Some(OfUrl { line: entry.line, tls: url.tls, query: url.query })
        }
        Err(expected) => {
            r.wrong(NAME, entry, &expected);
            None
        }
    };
    for key in ["host", "port", "path", "user", "pass"] {
        if let Some(other) = r.entry(NAME, key) {
            let text = format_args!("[{NAME}] {key}: has no effect beside url on line {}", entry.line);
            r.warn(other.line, text);
        }
    }
    url
}

/// The line of the password that the file holds, if it holds one.
pub(super) fn password_line(r: &mut Reading<'_>) -> Option<usize> {
    let url = r.entry(NAME, "url").filter(|e| url::parse(&e.value).is_ok_and(|url| url.with_pass));
    let pass = r.entry(NAME, "pass").filter(|e| !e.value.is_empty() && !is_elsewhere(&e.value));
    url.or(pass).map(|entry| entry.line)
}
