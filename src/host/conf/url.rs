//! `amqp://user:pass@host:port/vhost?name=value&name=value` (RabbitMQ's "URI specification").

use crate::conf::hosts::{Host, host};
use crate::conf::reading::Expected;
use crate::conf::secret::{Secret, secret};
use crate::conf::values;
use psistats_core::limits;

/// AMQP's port without TLS (IANA).
pub const AMQP_PORT: u16 = 5672;

/// AMQP's port with TLS (IANA).
pub const AMQPS_PORT: u16 = 5671;

/// What a URL says.
#[derive(Debug)]
pub struct Url {
    /// Whether it is amqps.
    pub tls: bool,
    /// Where the broker is.
    pub host: Host,
    /// The virtual host, 1 to 255 bytes.
    pub vhost: String,
    /// 1 to 255 bytes.
    pub user: String,
    /// At most 255 bytes.
    pub pass: Secret,
    /// Whether it names a password itself.
    pub with_pass: bool,
    /// What follows a `?`, for [`parameters`].
    pub query: String,
}

/// What a URL leaves out, and what counts where nothing is configured.
impl Default for Url {
    fn default() -> Self {
        Self {
            tls: false,
            host: Host { name: "localhost".into(), port: AMQP_PORT },
            vhost: "/".into(),
            user: "guest".into(),
            pass: Secret::new("guest".into()),
            with_pass: false,
            query: String::new(),
        }
    }
}

/// Reads a URL. An error says what was expected and shows nothing of the text.
pub fn parse(text: &str) -> Result<Url, Expected> {
    let (scheme, rest) = text.split_once("://").ok_or("amqp://user:pass@host:port/vhost")?;
    let (tls, port) = match scheme.to_ascii_lowercase().as_str() {
        "amqp" => (false, AMQP_PORT),
        "amqps" => (true, AMQPS_PORT),
        _ => return Err("amqp://user:pass@host:port/vhost".into()),
    };
    let (rest, query) = rest.split_once('?').map_or((rest, ""), |(rest, query)| (rest, query));
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (login, place) = authority.rsplit_once('@').map_or((None, authority), |(l, h)| (Some(l), h));
    let host = host(place, port)
        .map_err(|_| "amqp://user:pass@host:port/vhost, with / @ : in user and pass as %2f %40 %3a")?;
    let mut url = Url { tls, host, query: query.to_owned(), ..Url::default() };
    if let Some(login) = login {
        let (name, word) = login.split_once(':').map_or((login, None), |(u, p)| (u, Some(p)));
        url.user = shortstr(name, "the user")?;
        if let Some(word) = word {
            let word = decoded(word)?;
            url.with_pass = !word.is_empty();
            url.pass = secret(&word)?;
        }
    }
    // Neither amqp://host nor amqp://host/ names a virtual host; by the letter the second would be
    // the one with the empty name, which pika never meant.
    // With an @ it is rather a / in a password, of which nothing is to come to be seen.
    if path.contains(['/', '@']) {
        return Err(
            "one name after the host: / and @ in a virtual host or password are written %2f and %40".into()
        );
    }
    if !path.is_empty() {
        url.vhost = shortstr(path, "the virtual host")?;
    }
    Ok(url)
}

/// The names and values of a [`Url::query`], decoded.
///
/// # Errors
/// What was expected.
pub fn parameters(query: &str) -> Result<Vec<(String, String)>, Expected> {
    let given = query.split('&').filter(|parameter| !parameter.is_empty());
    given
        .map(|parameter| {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            Ok((decoded(name)?, decoded(value)?))
        })
        .collect()
}

/// A decoded part of 1 to 255 bytes (AMQP 0-9-1 §4.2.5.3).
fn shortstr(part: &str, what: &str) -> Result<String, Expected> {
    let text = decoded(part)?;
    values::text(&(1..=limits::SHORTSTR))(&text)
        .map_err(|expected| std::format!("{what} as {expected}").into())
}

/// Percent-decoding (RFC 3986 §2.1).
fn decoded(part: &str) -> Result<String, Expected> {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.bytes();
    while let Some(byte) = rest.next() {
        let byte = match byte {
            b'%' => hex(rest.next()).zip(hex(rest.next())).map(|(high, low)| high << 4 | low),
            other => Some(other),
        };
        bytes.push(byte.ok_or("two hexadecimal digits after each % (a % itself is %25)")?);
    }
    String::from_utf8(bytes).map_err(|_| "UTF-8 in what % encodes".into())
}

fn hex(digit: Option<u8>) -> Option<u8> {
    char::from(digit?).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (String, String, String, String) {
        let url = parse(text).unwrap();
        (std::format!("{}", url.host), url.vhost, url.user, url.pass.reveal().into())
    }

    fn all(host: &str, vhost: &str, user: &str, pass: &str) -> (String, String, String, String) {
        (host.into(), vhost.into(), user.into(), pass.into())
    }

    #[test]
    fn what_a_url_leaves_out_is_the_default() {
        assert_eq!(read("amqp://localhost"), all("localhost:5672", "/", "guest", "guest"));
        assert_eq!(read("AMQP://u@h:1/"), all("h:1", "/", "u", "guest"));
        assert_eq!(read("amqp://guest:guest@localhost/%2f"), all("localhost:5672", "/", "guest", "guest"));
        assert_eq!(read("amqp://u:@[::1]:9/boards"), all("[::1]:9", "boards", "u", ""));
    }

    #[test]
    fn user_password_and_virtual_host_are_decoded() {
        assert_eq!(
            read("amqp://a%40b:p%3a%2F%25+%c3%bc:@h/%2Fx%20y"),
            all("h:5672", "/x y", "a@b", "p:/%+\u{fc}:")
        );
    }

    #[test]
    fn amqps_has_a_port_of_its_own_and_parameters_are_decoded() {
        let url = parse("AMQPS://u@h/v?cacertfile=%2fa%20b.pem&verify=verify_peer&&x").unwrap();
        assert_eq!((url.tls, url.host.port, url.vhost.as_str()), (true, 5671, "v"));
        let given = parameters(&url.query).unwrap();
        let given: Vec<_> = given.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(given, [("cacertfile", "/a b.pem"), ("verify", "verify_peer"), ("x", "")]);
        assert_eq!(parse("amqps://h:1").unwrap().host.port, 1);
        assert!(!parse("amqp://h").unwrap().tls);
        assert!(parameters("a=1&b=%x").unwrap_err().contains("hexadecimal"));
    }

    #[test]
    fn a_wrong_url_says_what_is_expected_and_shows_nothing() {
        for (url, expected) in [
            ("amqps://u:hidden@", "amqp://user"),
            ("http://u:hidden@h", "amqp://user"),
            ("u:hidden@h", "amqp://user"),
            ("amqp://u:hid/den@h", "%2f"),
            ("amqp://u:hidden@", "amqp://user"),
            ("amqp://u:hidden%zz@h", "hexadecimal"),
            ("amqp://u:hidden%f@h", "hexadecimal"),
            ("amqp://u:hidden%ff@h", "UTF-8"),
            ("amqp://u:hidden@h/a/b", "%2f"),
            ("amqp://:hidden@h/a", "the user"),
            ("amqp://u:hidden@h/a%00", "the virtual host"),
        ] {
            let error = parse(url).unwrap_err();
            assert!(error.contains(expected), "{url}: {error}");
            assert!(!error.contains("hid"), "{error}");
        }
    }
}
