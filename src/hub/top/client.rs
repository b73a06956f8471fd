//! Asks the hub's API over HTTP/1.1: a connection for each question, and one for the events.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http1;
use hyper::header::{self, HeaderValue};
use hyper::{Request, Response, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::text::Text;

/// Where a hub is unless it is said.
pub const DEFAULT: &str = "http://127.0.0.1:8666";

/// The port of a hub that is named without a URL.
const PORT: u16 = 8666;

/// Where a token comes from. Arguments are seen by every user of the machine.
pub const TOKEN: &str = "PSISTATS_HUB_TOKEN";

/// Time to connect, to the head of an answer, and to each part of an answer that has an end.
const PATIENCE: Duration = Duration::from_secs(10);

/// Octets of a connection's buffer, and so of an answer's head.
const BUFFER: usize = 64 * 1024;

/// Most octets of an answer that has an end: a board has 1,000 series at most.
const ANSWER: usize = 4 * 1024 * 1024;

/// Most octets of an error's answer.
const ERROR: usize = 4 * 1024;

/// Where a hub is.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Address {
    host: String,
    port: u16,
    /// As it goes into the header `Host`.
    authority: String,
    /// In front of `/api`, without a slash at its end.
    path: String,
}

impl Address {
    /// Of `http://HOST[:PORT][/PATH]`, or `HOST[:PORT]`.
    fn parse(url: &str) -> Result<Self, String> {
        // What follows may be a secret, and is not repeated.
        if url.contains('@') || url.contains('?') {
            return Err(format!("expected no login in the URL: a token is read from ${TOKEN}"));
        }
        let wrong = || format!("expected a hub as {DEFAULT}, got {}", Text::of(url));
        let uri: Uri = url.parse().map_err(|_| wrong())?;
        let usual = match uri.scheme_str() {
            Some("http") => 80,
            None if !url.starts_with('/') => PORT,
            Some("https") => {
                return Err(
                    "https is not spoken here: open a tunnel, as ssh -L 8666:127.0.0.1:8666 HUB, and leave out the URL"
                        .into(),
                );
            }
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
        Ok(Self {
            host: host.trim_matches(['[', ']']).to_owned(),
            port,
            authority: if port == 80 { host.to_owned() } else { format!("{host}:{port}") },
            path: uri.path().trim_end_matches('/').to_owned(),
        })
    }
}

/// Why there is no answer.
#[derive(Debug)]
pub enum Trouble {
    /// Nothing listens there, or no way leads there.
    Unreachable(String, io::Error),
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
                write!(f, "cannot connect to {address}: {}: {hint}", reason(error))
            }
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

/// An error without the number that Rust adds, in a sentence.
fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let text = text.strip_prefix("failed to lookup address information: ").unwrap_or(text);
    text.chars().next().map(|c| c.to_lowercase().chain(text.chars().skip(1)).collect()).unwrap_or_default()
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
            let bearer = token.to_str().map(|token| format!("Bearer {}", token.trim()));
            let mut header = bearer.and_then(|bearer| HeaderValue::try_from(bearer).ok())?;
            header.set_sensitive(true);
            Some(header)
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
    pub fn authority(&self) -> &str {
        &self.address.authority
    }

    /// The events without end.
    ///
    /// # Errors
    /// There are none.
    pub async fn events(&self) -> Result<Body, Trouble> {
        let answer = self.get("/api/v1/events").await?;
        let kind = answer.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        if !kind.is_some_and(|kind| kind.starts_with("text/event-stream")) {
            return Err(Trouble::Strange("expected server-sent events"));
        }
        Ok(Body(answer.into_body()))
    }

    /// The JSON at a path, which is encoded.
    ///
    /// # Errors
    /// There is none.
    pub async fn ask<T: DeserializeOwned>(&self, path: &str) -> Result<T, Trouble> {
        let body = Body(self.get(path).await?.into_body()).whole(ANSWER).await?;
        serde_json::from_slice(&body).map_err(|_| Trouble::Strange("expected other JSON"))
    }

    async fn get(&self, path: &str) -> Result<Response<Incoming>, Trouble> {
        let answer = timeout(PATIENCE, self.send(path)).await.map_err(|_| Trouble::Silent)??;
        let status = answer.status();
        match status {
            StatusCode::OK => return Ok(answer),
            StatusCode::UNAUTHORIZED => return Err(Trouble::Login(self.token.is_some())),
            StatusCode::NOT_FOUND => return Err(Trouble::Unknown),
            _ => {}
        }
        #[derive(serde::Deserialize)]
        struct Error {
            error: Text,
        }
        let body = Body(answer.into_body()).whole(ERROR).await.unwrap_or_default();
        let said = serde_json::from_slice(&body).map(|Error { error }| error);
        Err(Trouble::Refused(status, said.unwrap_or_else(|_| Text::of("is this the URL of a psistats-hub?"))))
    }

    async fn send(&self, path: &str) -> Result<Response<Incoming>, Trouble> {
        let Address { host, port, authority, path: base } = &self.address;
        let stream = TcpStream::connect((host.as_str(), *port)).await;
        let stream = stream.map_err(|error| Trouble::Unreachable(authority.clone(), error))?;
        let mut builder = http1::Builder::new();
        let connected = builder.max_buf_size(BUFFER).handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = connected.map_err(broken)?;
        // It ends with the answer, or where nobody reads that any more.
        tokio::spawn(connection);
        let mut request = Request::get(format!("{base}{path}")).header(header::HOST, authority);
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, token);
        }
        let request = request.body(String::new()).map_err(|_| Trouble::Strange("this is no path"))?;
        sender.send_request(request).await.map_err(broken)
    }
}

fn broken(error: hyper::Error) -> Trouble {
    if error.is_parse() {
        return Trouble::Strange("expected HTTP");
    }
    Trouble::Broken(error.to_string())
}

/// What comes of an answer.
#[derive(Debug)]
pub struct Body(Incoming);

impl Body {
    /// The next octets; None at the end.
    ///
    /// # Errors
    /// The connection broke.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Trouble> {
        loop {
            let frame = poll_fn(|cx| Pin::new(&mut self.0).poll_frame(cx)).await;
            match frame.transpose().map_err(broken)? {
                None => return Ok(None),
                Some(frame) => {
                    if let Ok(octets) = frame.into_data() {
                        return Ok(Some(octets));
                    }
                }
            }
        }
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
            ("pi", "pi", 8666, "pi:8666", ""),
            ("192.0.2.7:80", "192.0.2.7", 80, "192.0.2.7", ""),
            ("http://[::1]:8666", "::1", 8666, "[::1]:8666", ""),
        ] {
            let (host, authority, path) = (host.into(), authority.into(), path.into());
            assert_eq!(Address::parse(url), Ok(Address { host, port, authority, path }), "{url}");
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
            ("https://pi", "ssh -L 8666"),
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
