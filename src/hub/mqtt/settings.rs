//! `[mqtt]`: the broker, and where what is published there.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::settings::{Needs, secret};
use psistats_core::limits;
use psistats_host::conf::hosts::{Host, host};
use psistats_host::conf::secret::Secret;
use psistats_host::conf::values::{boolean, path, seconds, text};
use psistats_host::conf::{Expected, Reading};

/// The section.
pub const NAME: &str = "mqtt";

/// From one message of a series to the next.
const INTERVALS: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(3600);

/// `[mqtt]`
#[derive(Clone, Debug, PartialEq)]
pub struct Mqtt {
    /// `url`
    pub broker: Broker,
    /// `user`
    pub user: Option<String>,
    /// `pass`
    pub pass: Secret,
    /// `tls_ca`: whom it trusts with TLS; None: the system's bundle.
    pub tls_ca: Option<PathBuf>,
    /// `prefix`: what all topics but those of discovery begin with.
    pub prefix: String,
    /// `discovery`: what Home Assistant's topics of discovery begin with; None: it is told nothing.
    pub discovery: Option<String>,
    /// `interval`: from one message of a series to the next.
    pub interval: Duration,
}

/// `mqtt://HOST[:PORT]` or `mqtts://HOST[:PORT]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broker {
    /// Where it is.
    pub host: Host,
    /// Whether it is spoken to with TLS.
    pub has_tls: bool,
}

impl fmt::Display for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", if self.has_tls { "mqtts" } else { "mqtt" }, self.host)
    }
}

impl Mqtt {
    fn of(broker: Broker) -> Self {
        Self {
            broker,
            user: None,
            pass: Secret::new(String::new()),
            tls_ca: None,
            prefix: "psistats".into(),
            discovery: Some("homeassistant".into()),
            interval: Duration::from_secs(10),
        }
    }
}

/// Reads the section. None where there is no `url`.
pub fn read(r: &mut Reading<'_>, needs: Needs) -> Option<Mqtt> {
    let url = r.entry(NAME, "url");
    let mut to = Mqtt::of(Broker { host: Host { name: String::new(), port: 0 }, has_tls: false });
    r.set(NAME, "url", &mut to.broker, broker);
    r.set(NAME, "user", &mut to.user, |value| text(&(1..=limits::SHORTSTR))(value).map(Some));
    if let Some(entry) = r.entry(NAME, "pass") {
        if to.user.is_none() {
            r.error(entry.line, format_args!("[{NAME}] pass: expected user, too: there is none"));
        } else if needs == Needs::Password {
            to.pass = secret(r, NAME, entry).unwrap_or_else(|| to.pass.clone());
        }
    }
    r.set(NAME, "tls_ca", &mut to.tls_ca, |value| path(value).map(Some));
    r.set(NAME, "prefix", &mut to.prefix, topic);
    r.set(NAME, "discovery", &mut to.discovery, |value| match boolean(value) {
        Ok(false) => Ok(None),
        _ => topic(value).map(Some).map_err(|expected| format!("{expected}; or no").into()),
    });
    r.set(NAME, "interval", &mut to.interval, seconds(&INTERVALS));
    if url.is_none()
        && let Some(line) = r.section_line(NAME)
    {
        r.error(line, format_args!("[{NAME}]: expected url=mqtt://HOST or mqtts://HOST"));
    }
    url.map(|_| to)
}

fn broker(text: &str) -> Result<Broker, Expected> {
    let expected = "mqtt://HOST[:PORT] or mqtts://HOST[:PORT]";
    let (scheme, place) = text.split_once("://").ok_or(expected)?;
    let (has_tls, port) = match scheme.to_ascii_lowercase().as_str() {
        "mqtt" => (false, 1883),
        "mqtts" => (true, 8883),
        _ => return Err(expected.into()),
    };
    if place.contains('@') {
        return Err("no user and password in the URL: set user= and pass=".into());
    }
    let host = host(place.strip_suffix('/').unwrap_or(place), port).map_err(|_| expected)?;
    if has_tls && host.name.contains(':') {
        return Err("mqtts:// with a host name or an address of IPv4, which the certificate is for".into());
    }
    Ok(Broker { host, has_tls })
}

/// The beginning of topics: levels that no subscription takes for a wildcard.
fn topic(value: &str) -> Result<String, Expected> {
    let expected = "levels of a topic, as psistats or home/psistats, without +, #, $ and blanks";
    let is_fine = |level: &str| !level.is_empty() && level.bytes().all(|octet| octet.is_ascii_graphic());
    let fits = value.len() <= limits::SHORTSTR && !value.contains(['+', '#', '$']);
    if fits && value.split('/').all(is_fine) { Ok(value.to_owned()) } else { Err(expected.into()) }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use psistats_host::conf::ini;

    use super::*;

    fn load(keys: &str) -> Result<Option<Mqtt>, String> {
        let file = Path::new("f");
        let ini = ini::parse(format!("[mqtt]\n{keys}\n").as_bytes(), file).unwrap();
        let mut reading = Reading::new(&ini, file);
        let read = read(&mut reading, Needs::Password);
        reading.finish().map_err(|problems| problems.to_string()).map(|_| read)
    }

    #[test]
    fn a_url_alone_is_enough() {
        let read = load("url=mqtt://broker").unwrap().unwrap();
        assert_eq!((read.broker.to_string().as_str(), read.user), ("mqtt://broker:1883", None));
        let read = load("url=mqtts://broker:1").unwrap().unwrap();
        assert_eq!(read.broker.to_string(), "mqtts://broker:1");
        assert_eq!(load("url=mqtt://[::1]/").unwrap().unwrap().broker.to_string(), "mqtt://[::1]:1883");
    }

    #[test]
    fn every_key_is_read_and_a_wrong_one_says_what_is_expected() {
        let keys = "url=mqtt://b\nuser=hub\npass=secret\ntls_ca=/ca.pem\nprefix=home/boards\ndiscovery=no\ninterval=2.5";
        let read = load(keys).unwrap().unwrap();
        assert_eq!((read.user.as_deref(), read.pass.reveal()), (Some("hub"), "secret"));
        assert_eq!((read.prefix.as_str(), read.discovery), ("home/boards", None));
        assert_eq!((read.tls_ca, read.interval), (Some("/ca.pem".into()), Duration::from_millis(2500)));
        for (wrong, says) in [
            ("prefix=a", "expected url="),
            ("url=tcp://b", "mqtt://HOST"),
            ("url=mqtt://", "mqtt://HOST"),
            ("url=mqtts://[::1]", "a host name"),
            ("url=mqtt://me:hidden@b", "set user= and pass="),
            ("url=mqtt://b\npass=hidden", "expected user"),
            ("url=mqtt://b\nprefix=a/+", "levels of a topic"),
            ("url=mqtt://b\nprefix=$SYS", "levels of a topic"),
            ("url=mqtt://b\ndiscovery=a//b", "or no"),
            ("url=mqtt://b\ninterval=0.5", "interval"),
        ] {
            let problems = load(wrong).unwrap_err();
            assert!(problems.contains(says) && !problems.contains("hidden"), "{problems}");
        }
    }
}
