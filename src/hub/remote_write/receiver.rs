//! One request, tried until it is decided.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use hyper::header::{self, HeaderValue};
use hyper::{Request, StatusCode};
use log::{info, warn};
use tokio::time;

use super::settings::{Login, Section};
use super::writer::{Counters, count};
use crate::http::{self, Answer, Connection, Failure, Whole};

/// From connecting to the end of an answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// Bytes of an answer.
const ANSWER: usize = 64 * 1024;
/// Characters of an answer that a message has.
const SHOWN: usize = 300;
/// From the first failure to the next attempt; each further one takes twice as long, up to [`LAST`].
const FIRST: Duration = Duration::from_millis(500);
const LAST: Duration = Duration::from_secs(10);
/// The longest time that a receiver may ask for.
const ASKED: Duration = Duration::from_secs(600);

/// What became of a request.
#[derive(Debug)]
pub enum Outcome {
    /// The receiver has the samples.
    Taken,
    /// It says that there is something wrong with them: it is of no use to send them again.
    Refused(String),
}

/// Where samples are sent.
pub struct Receiver {
    section: Section,
    connection: Option<Connection>,
    is_failing: bool,
    counters: Rc<Cell<Counters>>,
}

/// What an answer asks for.
enum Verdict {
    Done(Outcome),
    /// After so long, or the usual pause.
    Again(Option<Duration>, String),
}

impl Receiver {
    /// The one of that section, whose failures are counted.
    pub const fn new(section: Section, counters: Rc<Cell<Counters>>) -> Self {
        Self { section, connection: None, is_failing: false, counters }
    }

    /// Sends a request until the receiver takes it or refuses its samples. While that is not reached, or says that it
    /// cannot take any, or not from us, the request waits.
    pub async fn send(&mut self, body: Bytes) -> Outcome {
        let mut pause = FIRST;
        loop {
            let (asked, why) = match self.attempt(&body).await {
                Ok(answer) => match verdict(&answer) {
                    Verdict::Done(outcome) => {
                        self.recovered();
                        return outcome;
                    }
                    Verdict::Again(asked, why) => (asked, why),
                },
                Err(failure) => (None, failure.to_string()),
            };
            count(&self.counters, |counters| counters.failures += 1);
            if !self.is_failing {
                self.is_failing = true;
                let Section { name, place, .. } = &self.section;
                warn!(
                    "[{name}]: {place}: {why}; samples wait, and further failures are suppressed until it recovers"
                );
            }
            time::sleep(asked.unwrap_or(pause)).await;
            pause = (pause * 2).min(LAST);
        }
    }

    fn recovered(&mut self) {
        if self.is_failing {
            info!("[{}]: {} takes samples again", self.section.name, self.section.place);
        }
        self.is_failing = false;
    }

    async fn attempt(&mut self, body: &Bytes) -> Result<Answer, Failure> {
        let attempt = async {
            if let Some(connection) = self.connection.take() {
                match self.exchange(connection, body).await {
                    // It has been closed while nothing was sent.
                    Err(Failure::Broken(_)) => {}
                    other => return other,
                }
            }
            let connection = Connection::open(&self.section.place, &self.section.trust).await?;
            self.exchange(connection, body).await
        };
        time::timeout(PATIENCE, attempt).await.map_err(|_| Failure::Late(PATIENCE))?
    }

    async fn exchange(&mut self, mut connection: Connection, body: &Bytes) -> Result<Answer, Failure> {
        let answer = connection.exchange(request(&self.section, body), ANSWER).await?;
        self.connection = Some(connection);
        Ok(answer)
    }
}

fn request(section: &Section, body: &Bytes) -> Request<Whole> {
    let mut request = Request::new(Whole::from(body.clone()));
    *request.method_mut() = hyper::Method::POST;
    *request.uri_mut() = section.place.path().parse().unwrap_or_default();
    let headers = request.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
    headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("snappy"));
    headers.insert("x-prometheus-remote-write-version", HeaderValue::from_static("0.1.0"));
    let login = match &section.login {
        Login::None => None,
        Login::Bearer(token) => http::bearer(token),
        Login::Basic(user, pass) => http::basic(user, pass),
    };
    if let Some(login) = login {
        headers.insert(header::AUTHORIZATION, login);
    }
    request
}

fn verdict(answer: &Answer) -> Verdict {
    let status = answer.status;
    let said = format!("answered {status}{}", shown(&answer.body));
    let hint = match status {
        _ if status.is_success() => return Verdict::Done(Outcome::Taken),
        StatusCode::BAD_REQUEST
        | StatusCode::CONFLICT
        | StatusCode::PAYLOAD_TOO_LARGE
        | StatusCode::UNPROCESSABLE_ENTITY => return Verdict::Done(Outcome::Refused(said)),
        StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => "",
        _ if status.is_server_error() => "",
        _ if status.is_redirection() => ": redirects are not followed, set url to where it leads",
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => ": check token, or user and pass",
        StatusCode::NOT_FOUND => {
            ": check url, and that it takes remote write (prometheus --web.enable-remote-write-receiver)"
        }
        _ => ": check url",
    };
    Verdict::Again(retry_after(answer), said + hint)
}

/// What the header Retry-After says in seconds (RFC 9110 §10.2.3). A date is not read.
fn retry_after(answer: &Answer) -> Option<Duration> {
    let value = answer.headers.get(header::RETRY_AFTER)?.to_str().ok()?;
    Some(Duration::from_secs(value.trim().parse().ok()?).clamp(FIRST, ASKED))
}

/// The beginning of what was said, in one line.
fn shown(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let line = text.trim().lines().next().unwrap_or_default();
    let line: String =
        line.chars().take(SHOWN).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if line.is_empty() { line } else { format!(": {line}") }
}
