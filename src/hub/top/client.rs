//! Asks the hub's API over HTTP/1.1: a connection for each question, and one for the events.

use std::fmt;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::{self, HeaderValue};
use hyper::{Request, StatusCode, Uri};
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::text::Text;
use crate::http::{self, Connection, Failure, Place, Trust};
use psistats_host::conf::secret::Secret;
use psistats_host::output::Reason;

/// Where a hub is unless it is said.
pub const DEFAULT: &str = "http://127.0.0.1:8666";

/// The port of a hub that is named without a URL.
const PORT: u16 = 8666;

/// Where a token comes from. Arguments are seen by every user of the machine.
pub const TOKEN: &str = "PSISTATS_HUB_TOKEN";

/// Time to connect, to the head of an answer, and to each part of an answer that has an end.
const PATIENCE: Duration = Duration::from_secs(10);

/// Most octets of an answer that has an end: a board has 1,000 series at most.
const ANSWER: usize = 4 * 1024 * 1024;

/// Most octets of text: six hours of 512 series.
const TEXT: usize = 64 * 1024 * 1024;

/// Most octets of an error's answer.
const ERROR: usize = 4 * 1024;

/// Where a hub is.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Address {
    place: Place,
    /// In front of `/api`, without a slash at its end.
    path: String,
}

impl Address {
    /// Of `http://HOST[:PORT][/PATH]`, the same with `https://`, or `HOST[:PORT]`.
    fn parse(url: &str) -> Result<Self, String> {
        // What follows may be a secret, and is not repeated.
        if url.contains('@') || url.contains('?') {
            return Err(format!("expected no login in the URL: a token is read from ${TOKEN}"));
        }
        let wrong = || format!("expected a hub as {DEFAULT}, got {}", Text::of(url));
        let uri: Uri = url.parse().map_err(|_| wrong())?;
        let (has_tls, usual) = match uri.scheme_str() {
            Some("http") => (false, 80),
            Some("https") => (true, 443),
            None if !url.starts_with('/') => (false, PORT),
            _ => return Err(wrong()),
        };
        let authority = uri.authority().ok_or_else(wrong)?;
        let host = authority.host();
        let port = match authority.as_str().get(host.len()..) {
            Some("" | ":") => usual,
            _ => authority.port_u16().filter(|port| *port != 0).ok_or_else(wrong)?,
        };
        if host.is_empty() {
            return Err(wrong());
        }
        let host = host.trim_matches(['[', ']']).to_owned();
        let path = uri.path().trim_end_matches('/').to_owned();
        Ok(Self { place: Place::of_server(has_tls, host, port), path })
    }
}

/// Why there is no answer.
#[derive(Debug)]
pub enum Trouble {
    /// Nothing listens there, or no way leads there.
    Unreachable(String, io::Error),
    /// TLS: its certificate is not trusted.
    Untrusted(String),
    /// It listens, and does not answer in time.
    Silent,
    /// The connection broke.
    Broken(String),
    /// 401; whether there was a token.
    Login(bool),
    /// 404.
    Unknown,
    /// Another status, and what the hub says of it.
    Refused(StatusCode, Text),
    /// What is no answer of a hub.
    Strange(&'static str),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(address, error) => {
                let hint = match error.kind() {
                    io::ErrorKind::ConnectionRefused => {
                        "is psistats-hub running? Start it, or give the URL of another"
                    }
                    _ => "check the URL, and the way there",
                };
                write!(f, "cannot connect to {address}: {}: {hint}", Reason(error))
            }
            Self::Untrusted(why) => f.write_str(why),
            Self::Silent => write!(f, "no answer within {} s", PATIENCE.as_secs()),
            Self::Broken(why) => write!(f, "the connection broke: {why}"),
            Self::Login(false) => write!(
                f,
                "the hub expects a token: make one there with psistats-hub token add NAME --scope read, and set {TOKEN} \
                 to it; or open a tunnel, as ssh -L 8666:127.0.0.1:8666 HUB, and leave out the URL"
            ),
            Self::Login(true) => write!(
                f,
                "the hub does not know the token in {TOKEN}: make one there with psistats-hub token add NAME --scope read"
            ),
            Self::Unknown => f.write_str("not found: is this the URL of a psistats-hub?"),
            Self::Refused(status, why) => write!(f, "the hub answered {}: {why}", status.as_u16()),
            Self::Strange(what) => write!(f, "{what}: is this the URL of a psistats-hub?"),
        }
    }
}

/// A hub that is asked.
#[derive(Clone, Debug)]
pub struct Client {
    address: Address,
    token: Option<HeaderValue>,
}

impl Client {
    /// For the hub at `url`, with the token of the environment.
    ///
    /// # Errors
    /// The URL or the token is none. The text says what was expected.
    pub fn new(url: &str) -> Result<Self, String> {
        let token = std::env::var_os(TOKEN).filter(|token| !token.is_empty());
        let token = token.map(|token| {
            let token = token.to_str().map(|token| Secret::new(token.trim().to_owned()))?;
            http::bearer(&token)
        });
        let token = match token {
            Some(None) => {
                return Err(format!("expected a token in {TOKEN}, got other characters than those of one"));
            }
            token => token.flatten(),
        };
        Ok(Self { address: Address::parse(url)?, token })
    }

    /// The hub's address and port.
    pub fn authority(&self) -> String {
        self.address.place.authority()
    }

    /// The events without end.
    ///
    /// # Errors
    /// There are none.
    pub async fn events(&self) -> Result<Body, Trouble> {
        let (kind, body) = self.get("/api/v1/events").await?;
        if !kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream")) {
            return Err(Trouble::Strange("expected server-sent events"));
        }
        Ok(body)
    }

    /// The JSON at a path, which is encoded.
    ///
    /// # Errors
    /// There is none.
    pub async fn ask<T: DeserializeOwned>(&self, path: &str) -> Result<T, Trouble> {
        let body = self.get(path).await?.1.whole(ANSWER).await?;
        serde_json::from_slice(&body).map_err(|_| Trouble::Strange("expected other JSON"))
    }

    /// The text at a path.
    ///
    /// # Errors
    /// There is none.
    pub async fn text(&self, path: &str) -> Result<String, Trouble> {
        let body = self.get(path).await?.1.whole(TEXT).await?;
        String::from_utf8(body).map_err(|_| Trouble::Strange("expected UTF-8"))
    }

    /// The type and the body of an answer.
    async fn get(&self, path: &str) -> Result<(Option<HeaderValue>, Body), Trouble> {
        let (status, kind, body) =
            timeout(PATIENCE, self.send(path)).await.map_err(|_| Trouble::Silent)??;
        match status {
            StatusCode::OK => return Ok((kind, body)),
            StatusCode::UNAUTHORIZED => return Err(Trouble::Login(self.token.is_some())),
            StatusCode::NOT_FOUND => return Err(Trouble::Unknown),
            _ => {}
        }
        #[derive(serde::Deserialize)]
        struct Error {
            error: Text,
        }
        let body = body.whole(ERROR).await.unwrap_or_default();
        let said = serde_json::from_slice(&body).map(|Error { error }| error);
        Err(Trouble::Refused(status, said.unwrap_or_else(|_| Text::of("is this the URL of a psistats-hub?"))))
    }

    async fn send(&self, path: &str) -> Result<(StatusCode, Option<HeaderValue>, Body), Trouble> {
        let Address { place, path: base } = &self.address;
        let mut request = Request::get(format!("{base}{path}"));
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, token);
        }
        let request = request.body(http::Whole::default());
        let request = request.map_err(|_| Trouble::Strange("this is no path"))?;
        let connected = Connection::open(place, &Trust::default()).await;
        let mut connection = connected.map_err(|failure| self.trouble(failure))?;
        let (head, incoming) =
            connection.ask(request).await.map_err(|failure| self.trouble(failure))?.into_parts();
        let kind = head.headers.get(header::CONTENT_TYPE).cloned();
        Ok((head.status, kind, Body { incoming, _connection: connection }))
    }

    fn trouble(&self, failure: Failure) -> Trouble {
        match failure {
            Failure::Unreachable(error) => Trouble::Unreachable(self.authority(), error),
            Failure::Untrusted(why) | Failure::Authorities(why) => Trouble::Untrusted(why),
            failure => broken(failure),
        }
    }
}

fn broken(failure: Failure) -> Trouble {
    match failure {
        Failure::Broken(error) if error.is_parse() => Trouble::Strange("expected HTTP"),
        Failure::Broken(error) => Trouble::Broken(error.to_string()),
        failure => Trouble::Broken(failure.to_string()),
    }
}

/// What comes of an answer.
#[derive(Debug)]
pub struct Body {
    incoming: Incoming,
    /// It ends with this.
    _connection: Connection,
}

impl Body {
    /// The next octets; None at the end.
    ///
    /// # Errors
    /// The connection broke.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Trouble> {
        http::next(&mut self.incoming).await.map_err(broken)
    }

    async fn whole(mut self, most: usize) -> Result<Vec<u8>, Trouble> {
        let mut whole = Vec::new();
        while let Some(octets) = timeout(PATIENCE, self.next()).await.map_err(|_| Trouble::Silent)?? {
            if whole.len() + octets.len() > most {
                return Err(Trouble::Strange("the answer is too long"));
            }
            whole.extend_from_slice(&octets);
        }
        Ok(whole)
    }
}

/// A part of a path or a query, as RFC 3986 §2.1 has it.
pub fn encode(part: &str) -> String {
    let is_plain = |octet: u8| octet.is_ascii_alphanumeric() || b"-._~".contains(&octet);
    let octets = part
        .bytes()
        .map(|octet| if is_plain(octet) { char::from(octet).into() } else { format!("%{octet:02X}") });
    octets.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hub_is_found_by_its_url_or_its_name() {
        for (url, host, port, authority, path) in [
            (DEFAULT, "127.0.0.1", 8666, "127.0.0.1:8666", ""),
            ("http://pi.local:9000/", "pi.local", 9000, "pi.local:9000", ""),
            ("http://pi/hub/", "pi", 80, "pi", "/hub"),
            ("https://pi/hub/", "pi", 443, "pi", "/hub"),
            ("pi", "pi", 8666, "pi:8666", ""),
            ("192.0.2.7:80", "192.0.2.7", 80, "192.0.2.7", ""),
            ("http://[::1]:8666", "::1", 8666, "[::1]:8666", ""),
        ] {
            let address = Address::parse(url).unwrap();
            let place = &address.place;
            assert_eq!(
                (place.host(), place.port(), &*place.authority(), &*address.path),
                (host, port, authority, path),
                "{url}"
            );
        }
    }

    #[test]
    fn what_is_no_url_of_a_hub_is_refused_without_a_secret_in_it() {
        for (url, expected) in [
            ("", "expected a hub as http://"),
            ("/", "expected a hub as http://"),
            ("ftp://pi", "expected a hub as http://"),
            ("http://pi:0", "expected a hub as http://"),
            ("http://pi:99999", "expected a hub as http://"),
            ("http://:8666", "expected a hub as http://"),
            ("pi\u{1b}[2J", "expected a hub as http://"),
            ("http://user:sesame@pi", "PSISTATS_HUB_TOKEN"),
            ("http://pi?token=sesame", "PSISTATS_HUB_TOKEN"),
        ] {
            let error = Address::parse(url).unwrap_err();
            assert!(
                error.contains(expected) && !error.contains("sesame") && !error.contains('\u{1b}'),
                "{url}: {error}"
            );
        }
    }

    #[test]
    fn names_of_boards_are_encoded() {
        assert_eq!(encode("a b/ü?#%"), "a%20b%2F%C3%BC%3F%23%25");
    }
}
