//! Where a message goes, and how it is sent there once.

use std::process::Stdio;
use std::time::Duration;

use hyper::header::{self, HeaderValue};
use hyper::{Method, Request, StatusCode};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use tokio::time;

use crate::alerts::alert::Turn;
use crate::alerts::email::Email;
use crate::alerts::message::Message;
use crate::alerts::rules::Severity;
use crate::http::{self, Place, Trust};
use psistats_host::conf::Expected;
use psistats_host::conf::secret::Secret;
use psistats_host::output::Reason;

/// From the name server's question to the answer's status; and a command's life.
const PATIENCE: Duration = Duration::from_secs(10);

/// What kind of receiver it is.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// It gets a message as JSON.
    Webhook(Http),
    /// A topic of an ntfy server.
    Ntfy(Http),
    /// A program and its arguments, which gets a message as JSON at its standard input, and in its environment.
    Command(Vec<String>),
    /// A mail server.
    Email(Box<Email>),
}

/// A place that is posted to, or got.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Http {
    place: Place,
    /// The topic of ntfy.
    topic: String,
    /// For the header Authorization.
    pub token: Option<Secret>,
    /// `tls_ca`
    pub trust: Trust,
}

/// Why a message was not delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What happened, and what to do.
    pub why: String,
    /// Whether it may help to try again later.
    pub is_passing: bool,
}

impl Failure {
    pub(super) fn passing(why: impl Into<String>) -> Self {
        Self { why: why.into(), is_passing: true }
    }

    pub(super) fn lasting(why: impl Into<String>) -> Self {
        Self { why: why.into(), is_passing: false }
    }
}

impl Http {
    /// Reads `http://HOST[:PORT]/PATH`, or the same with `https://`.
    ///
    /// # Errors
    /// What was expected, without anything of the text.
    pub fn parse(text: &str) -> Result<Self, Expected> {
        Ok(Self { place: Place::parse(text)?, ..Self::default() })
    }

    /// Reads `http://HOST[:PORT]/TOPIC`, or the same with `https://`, as people know a topic of ntfy.
    ///
    /// # Errors
    /// What was expected, without anything of the text.
    pub fn parse_topic(text: &str) -> Result<Self, Expected> {
        let place = Place::parse(text)?;
        let (folder, topic) = place.path().rsplit_once('/').unwrap_or_default();
        if topic.is_empty() || topic.contains('?') {
            return Err("http://HOST[:PORT]/TOPIC or https://HOST[:PORT]/TOPIC".into());
        }
        let (topic, path) = (topic.to_owned(), format!("{folder}/"));
        Ok(Self { place: place.with_path(path), topic, ..Self::default() })
    }

    async fn deliver(&self, body: String) -> Result<String, Failure> {
        self.ask(Method::POST, body).await
    }

    /// Gets it, and reads nothing of the answer but its status, which is what it gives.
    ///
    /// # Errors
    /// Why not; after ten seconds at the latest.
    pub async fn ping(&self) -> Result<String, Failure> {
        self.ask(Method::GET, String::new()).await
    }

    async fn ask(&self, method: Method, body: String) -> Result<String, Failure> {
        let place = &self.place;
        let mut request = Request::builder()
            .method(method)
            .uri(place.path())
            .header(header::CONNECTION, HeaderValue::from_static("close"));
        if !body.is_empty() {
            request = request.header(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        if let Some(token) = &self.token {
            let token = http::bearer(token);
            let token = token.ok_or_else(|| Failure::lasting("the token is none for a header"))?;
            request = request.header(header::AUTHORIZATION, token);
        }
        let request = request.body(body.into()).map_err(|error| Failure::lasting(error.to_string()))?;
        let status = http::status(place, &self.trust, request, PATIENCE).await;
        let status = status.map_err(|failure| Failure::passing(format!("{place}: {failure}")))?;
        let said = format!("{place} answered {status}");
        match status {
            _ if status.is_success() => Ok(said),
            _ if status.is_server_error() => Err(Failure::passing(said)),
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => Err(Failure::passing(said)),
            _ if status.is_redirection() => Err(Failure::lasting(format!(
                "{said}: redirects are not followed, set url to where it leads"
            ))),
            _ => Err(Failure::lasting(format!("{said}: check url and token"))),
        }
    }
}

impl Kind {
    /// As `type` of the configuration has it.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Webhook(_) => "webhook",
            Self::Ntfy(_) => "ntfy",
            Self::Command(_) => "command",
            Self::Email(_) => "email",
        }
    }

    /// Sends a message once. Gives what the receiver said. It has to be polled within a [`tokio::task::LocalSet`].
    ///
    /// # Errors
    /// Why not; after ten seconds at the latest, of e-mail after thirty.
    pub async fn deliver(&self, message: &Message) -> Result<String, Failure> {
        match self {
            Self::Webhook(http) => http.deliver(message.json()).await,
            Self::Ntfy(http) => http.deliver(of_ntfy(message, &http.topic)).await,
            Self::Command(words) => run(words, message).await,
            Self::Email(email) => email.deliver(message).await,
        }
    }
}

/// A message as ntfy publishes JSON (docs.ntfy.sh/publish, "Publish as JSON").
fn of_ntfy(message: &Message, topic: &str) -> String {
    let (priority, tag) = match (message.state, message.severity) {
        (Turn::Cleared, _) => (3, "white_check_mark"),
        (Turn::Raised, Severity::Notice) => (3, "information_source"),
        (Turn::Raised, Severity::Warning) => (4, "warning"),
        (Turn::Raised, Severity::Critical) => (5, "rotating_light"),
    };
    let title = format!("psistats: {}", message.alert);
    serde_json::json!({
        "topic": topic, "title": title, "message": message.text, "priority": priority, "tags": [tag],
    })
    .to_string()
}

/// A process group that is killed with its owner, where it has not ended.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(pid) = self.0 {
            // It has ended meanwhile.
            let _ = killpg(pid, Signal::SIGKILL);
        }
    }
}

async fn run(words: &[String], message: &Message) -> Result<String, Failure> {
    let (program, arguments) = words.split_first().ok_or_else(|| Failure::lasting("no program"))?;
    let state = serde_json::to_value(message.state).unwrap_or_default();
    // The environment takes no NUL.
    let plain = |text: &str| text.replace('\0', "");
    let mut child = Command::new(program)
        .args(arguments)
        .env("PSISTATS_BOARD", plain(message.board.as_deref().unwrap_or_default()))
        .env("PSISTATS_ALERT", &message.alert)
        .env("PSISTATS_STATE", state.as_str().unwrap_or_default())
        .env("PSISTATS_SINCE", message.since.to_string())
        .env("PSISTATS_TEXT", plain(&message.text))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| Failure::passing(format!("{program}: {}", Reason(&error))))?;
    let pid = child.id().and_then(|pid| i32::try_from(pid).ok()).filter(|pid| *pid > 1);
    let mut group = Group(pid.map(Pid::from_raw));
    let mut input = child.stdin.take();
    let ended = time::timeout(PATIENCE, async {
        if let Some(input) = &mut input {
            // Whether it reads that is its own affair.
            let _ = input.write_all(format!("{}\n", message.json()).as_bytes()).await;
        }
        drop(input);
        child.wait().await
    });
    let Ok(ended) = ended.await else {
        return Err(Failure::passing(format!("{program}: did not end within {} s", PATIENCE.as_secs())));
    };
    // What it started itself may live on.
    group.0 = None;
    match ended {
        Ok(status) if status.success() => Ok(format!("{program} ended with {status}")),
        Ok(status) => Err(Failure::passing(format!("{program} ended with {status}"))),
        Err(error) => Err(Failure::passing(format!("{program}: {}", Reason(&error)))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_the_last_part_of_a_path() {
        let topic = Http::parse_topic("https://ntfy.example/sub/boards").unwrap();
        assert_eq!((topic.place.path(), &*topic.topic), ("/sub/", "boards"));
        for wrong in ["http://h/", "http://h/hidden?x", "h/hidden"] {
            let error = Http::parse_topic(wrong).unwrap_err();
            assert!(error.contains("http://HOST") && !error.contains("hidden"), "{wrong}: {error}");
        }
    }
}
