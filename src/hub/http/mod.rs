//! HTTP/1.1 as a client: every question that the hub asks elsewhere, with TLS where the URL is `https://`.
//!
//! | where | what |
//! |---|---|
//! | [`place`] | where something is: a URL |
//! | [`tls`] | whom a server's certificate has to be signed by; it is always checked |
//!
//! A redirect is an answer like any other: nothing is followed. What an answer may take, in bytes and in time, its
//! caller says.

pub mod place;
pub mod tls;

use std::convert::Infallible;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time;

pub use self::place::Place;
pub use self::tls::Trust;
use psistats_host::conf::secret::Secret;
use psistats_host::output::Reason;

/// Bytes of a connection's buffer, and so of an answer's headers.
const BUFFER: usize = 64 * 1024;

/// Why there is no answer.
#[derive(Debug)]
pub enum Failure {
    /// The name has no address, or nothing listens there.
    Unreachable(io::Error),
    /// TLS: the certificate is not to be trusted, or there is no TLS there. What happened, and what to do.
    Untrusted(String),
    /// The authorities that a certificate is to be signed by cannot be read.
    Authorities(String),
    /// The connection broke, or what came is no HTTP.
    Broken(hyper::Error),
    /// No answer within this time.
    Late(Duration),
    /// The answer is longer than its caller takes.
    Long,
}

impl std::error::Error for Failure {}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(error) => write!(f, "{}: is it running there?", Reason(error)),
            Self::Untrusted(why) | Self::Authorities(why) => f.write_str(why),
            Self::Broken(error) if error.is_parse() => {
                write!(f, "expected HTTP, got something else: {error}")
            }
            Self::Broken(error) => write!(f, "the connection broke: {error}"),
            Self::Late(within) => write!(f, "no answer within {} s", within.as_secs()),
            Self::Long => f.write_str("the answer is too long"),
        }
    }
}

/// What is sent: some bytes, perhaps none.
#[derive(Debug, Default)]
pub struct Whole(Option<Bytes>);

impl<B: Into<Bytes>> From<B> for Whole {
    fn from(bytes: B) -> Self {
        Self(Some(bytes.into()).filter(|bytes| !bytes.is_empty()))
    }
}

impl Body for Whole {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}

/// An answer, all of it.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Vec<u8>,
}

/// A socket, or TLS on top of it.
pub(crate) trait Channel: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Channel for T {}

/// A task that ends with its owner.
#[derive(Debug)]
struct Driver(JoinHandle<()>);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A connection for one question after the other. It has to be polled within a runtime of tokio.
#[derive(Debug)]
pub struct Connection {
    sender: SendRequest<Whole>,
    host: HeaderValue,
    _driver: Driver,
}

impl Connection {
    /// Finds the address, connects, and does the handshake of TLS. The caller sets a limit to the time.
    ///
    /// # Errors
    /// There is no connection.
    pub async fn open(place: &Place, trust: &Trust) -> Result<Self, Failure> {
        let stream = TcpStream::connect((place.host(), place.port())).await.map_err(Failure::Unreachable)?;
        // A request is written at once, and waits for its answer.
        let _ = stream.set_nodelay(true);
        let channel: Box<dyn Channel> = match place.has_tls() {
            true => Box::new(trust.wrap(place.host(), stream).await?),
            false => Box::new(stream),
        };
        let mut http = http1::Builder::new();
        http.max_buf_size(BUFFER);
        let (sender, connection) = http.handshake(TokioIo::new(channel)).await.map_err(Failure::Broken)?;
        let driver = Driver(tokio::spawn(async move { drop(connection.await) }));
        // A host that a URL may have is one that a header may have.
        let host = HeaderValue::try_from(place.authority()).unwrap_or(HeaderValue::from_static(""));
        Ok(Self { sender, host, _driver: driver })
    }

    /// Asks, and gives the answer once its headers are here. What was answered before has been read to its end.
    ///
    /// # Errors
    /// There is no answer. The connection is of no use any more.
    pub async fn ask(&mut self, mut request: Request<Whole>) -> Result<Response<Incoming>, Failure> {
        let agent = HeaderValue::from_static(concat!("psistats-hub/", env!("CARGO_PKG_VERSION")));
        request.headers_mut().insert(header::HOST, self.host.clone());
        request.headers_mut().insert(header::USER_AGENT, agent);
        self.sender.ready().await.map_err(Failure::Broken)?;
        self.sender.send_request(request).await.map_err(Failure::Broken)
    }

    /// Asks, and gives the whole answer, whose body has at most `most` bytes.
    ///
    /// # Errors
    /// There is none, or it is longer. The connection is of no use any more.
    pub async fn exchange(&mut self, request: Request<Whole>, most: usize) -> Result<Answer, Failure> {
        let (head, mut incoming) = self.ask(request).await?.into_parts();
        let mut body = Vec::new();
        while let Some(bytes) = next(&mut incoming).await? {
            if body.len() + bytes.len() > most {
                return Err(Failure::Long);
            }
            body.extend_from_slice(&bytes);
        }
        Ok(Answer { status: head.status, headers: head.headers, body })
    }
}

/// The next bytes of a body; None at its end.
///
/// # Errors
/// The connection broke.
pub async fn next(incoming: &mut Incoming) -> Result<Option<Bytes>, Failure> {
    loop {
        let frame = poll_fn(|cx| Pin::new(&mut *incoming).poll_frame(cx)).await;
        match frame.transpose().map_err(Failure::Broken)? {
            None => return Ok(None),
            Some(frame) => {
                if let Ok(bytes) = frame.into_data() {
                    return Ok(Some(bytes));
                }
            }
        }
    }
}

/// Sends one request over a connection of its own, and gives the answer's status. Its body is not read.
///
/// # Errors
/// There is no answer within that time.
pub async fn status(
    place: &Place,
    trust: &Trust,
    request: Request<Whole>,
    within: Duration,
) -> Result<StatusCode, Failure> {
    let asked = async { Ok(Connection::open(place, trust).await?.ask(request).await?.status()) };
    time::timeout(within, asked).await.map_err(|_| Failure::Late(within))?
}

/// The header Authorization with a token; None where a header cannot have it.
pub fn bearer(token: &Secret) -> Option<HeaderValue> {
    sensitive(&format!("Bearer {}", token.reveal()))
}

/// The header Authorization with a name and a password (RFC 7617).
pub fn basic(user: &str, pass: &Secret) -> Option<HeaderValue> {
    sensitive(&format!("Basic {}", STANDARD.encode(format!("{user}:{}", pass.reveal()))))
}

fn sensitive(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::try_from(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_encoded_and_not_shown() {
        let header = basic("Aladdin", &Secret::new("open sesame".into())).unwrap();
        // The example of RFC 7617 §2.
        assert_eq!(header.to_str().unwrap(), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert_eq!(format!("{header:?}"), "Sensitive");
        assert!(bearer(&Secret::new("a\nb".into())).is_none());
    }
}
