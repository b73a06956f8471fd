//! Responses, and the headers that all have.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body as HyperBody, Frame, SizeHint};
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};

use super::Pieces;
use super::events::Stream;

pub const JSON: HeaderValue = HeaderValue::from_static("application/json");
pub const CSV: HeaderValue = HeaderValue::from_static("text/csv; charset=utf-8");
pub const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
pub const METRICS: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
pub const OPEN_METRICS: HeaderValue =
    HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
pub const EVENTS: HeaderValue = HeaderValue::from_static("text/event-stream");

/// The page's own files, from here alone, and none of its text becomes markup: what boards say is never code. The empty
/// icon of a page is a `data:` URL.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'",
);

/// What goes with every response.
const HEADERS: [(HeaderName, HeaderValue); 4] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
];

/// The body of a response.
#[derive(Default)]
pub enum Body {
    /// Nothing, or nothing any more.
    #[default]
    Empty,
    /// All of it.
    Whole(Bytes),
    /// What is made as it is taken.
    Pieces(Pieces),
    /// Server-sent events without end.
    Events(Stream),
}

impl HyperBody for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let bytes = match &mut *self {
            Self::Empty => None,
            Self::Whole(bytes) => {
                let bytes = bytes.clone();
                *self = Self::Empty;
                Some(bytes)
            }
            Self::Pieces(pieces) => pieces.next(),
            Self::Events(stream) => match stream.poll_next(cx) {
                Poll::Ready(bytes) => bytes,
                Poll::Pending => return Poll::Pending,
            },
        };
        Poll::Ready(bytes.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Empty)
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Pieces(_) | Self::Events(_) => SizeHint::default(),
        }
    }
}

/// Nothing but a cookie.
pub fn cookie(cookie: HeaderValue) -> Response<Body> {
    let mut response = whole(StatusCode::OK, JSON, Bytes::from_static(b"{}\n"));
    response.headers_mut().insert(header::SET_COOKIE, cookie);
    response
}

/// A response that nobody keeps. Its length is said here, since the body of an answer to HEAD is taken away.
pub fn whole(status: StatusCode, kind: HeaderValue, bytes: Bytes) -> Response<Body> {
    let length = HeaderValue::from(bytes.len());
    let mut response = headed(status, kind, Body::Whole(bytes));
    response.headers_mut().insert(header::CONTENT_LENGTH, length);
    response
}

/// JSON that nobody keeps.
pub fn json(bytes: Bytes) -> Response<Body> {
    whole(StatusCode::OK, JSON, bytes)
}

/// `{"error": WHY}`.
pub fn error(status: StatusCode, why: &str) -> Response<Body> {
    // A text always has its JSON.
    let why = serde_json::to_string(why).unwrap_or_default();
    whole(status, JSON, format!("{{\"error\":{why}}}\n").into())
}

/// `{"error": WHY}`, and how to log in.
pub fn unauthorized(why: &str) -> Response<Body> {
    let mut refusal = error(StatusCode::UNAUTHORIZED, why);
    let challenge = HeaderValue::from_static("Bearer realm=\"psistats-hub\"");
    refusal.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    refusal
}

/// Server-sent events.
pub fn events(stream: Stream) -> Response<Body> {
    let mut response = headed(StatusCode::OK, EVENTS, Body::Events(stream));
    // nginx would hold frames back.
    response
        .headers_mut()
        .insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    response
}

/// What is made as it is taken.
pub fn pieces(kind: HeaderValue, pieces: Pieces) -> Response<Body> {
    headed(StatusCode::OK, kind, Body::Pieces(pieces))
}

/// A response that nobody keeps, with the headers that all have.
fn headed(status: StatusCode, kind: HeaderValue, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.extend(HEADERS);
    headers.insert(header::CONTENT_TYPE, kind);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
