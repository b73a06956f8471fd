//! Where a message goes, and how it is sent there once.

use std::process::Stdio;
use std::time::Duration;

use hyper::client::conn::http1;
use hyper::header::{self, HeaderValue};
use hyper::{Method, Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::task::spawn_local;
use tokio::time;

use crate::alerts::alert::Turn;
use crate::alerts::email::Email;
use crate::alerts::message::Message;
use crate::alerts::rules::Severity;
use psistats_host::conf::Expected;
use psistats_host::conf::secret::Secret;
use psistats_host::output::Reason;

/// From the name server's question to the answer's status; and a command's life.
const PATIENCE: Duration = Duration::from_secs(10);
/// Of an answer's headers.
const HEAD_BYTES: usize = 16 * 1024;

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
#[derive(Clone, PartialEq, Default)]
pub struct Http {
    host: String,
    port: u16,
    /// Path and query.
    path: String,
    /// The topic of ntfy.
    topic: String,
    /// For the header Authorization.
    pub token: Option<Secret>,
}

/// Path and query may be secrets.
impl std::fmt::Debug for Http {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
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
    /// Reads `http://HOST[:PORT]/PATH`.
    ///
    /// # Errors
    /// What was expected, without anything of the text.
    pub fn parse(text: &str) -> Result<Self, Expected> {
        let expected = "http://HOST[:PORT]/PATH";
        if text.get(..8).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https://")) {
            return Err("http://: TLS is not supported yet".into());
        }
        let uri: Uri = text.parse().map_err(|_| expected)?;
        let host = uri.host().filter(|_| uri.scheme_str() == Some("http")).ok_or(expected)?;
        if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
            return Err("no user and password in the URL: set token=, or let the path have a secret".into());
        }
        // A port that is none reads like no port.
        let has_port = uri.authority().is_some_and(|authority| authority.as_str().len() > host.len());
        let port = if has_port { uri.port_u16().filter(|port| *port > 0).ok_or(expected)? } else { 80 };
        let path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        Ok(Self { host: host.to_owned(), port, path, ..Self::default() })
    }

    /// Reads `http://HOST[:PORT]/TOPIC`, as people know a topic of ntfy.
    ///
    /// # Errors
    /// What was expected, without anything of the text.
    pub fn parse_topic(text: &str) -> Result<Self, Expected> {
        let mut http = Self::parse(text)?;
        let (folder, topic) = http.path.rsplit_once('/').unwrap_or_default();
        if topic.is_empty() || topic.contains('?') {
            return Err("http://HOST[:PORT]/TOPIC".into());
        }
        (http.topic, http.path) = (topic.to_owned(), format!("{folder}/"));
        Ok(http)
    }

    async fn ask(&self, method: Method, body: String) -> Result<StatusCode, Failure> {
        // The name of an IPv6 address has brackets.
        let name = self.host.trim_start_matches('[').trim_end_matches(']');
        let stream = TcpStream::connect((name, self.port)).await.map_err(|error| {
            Failure::passing(format!("{self:?}: {}: is it running there?", Reason(&error)))
        })?;
        let mut request = Request::builder()
            .method(method)
            .uri(&self.path)
            .header(header::HOST, format!("{self:?}"))
            .header(header::USER_AGENT, concat!("psistats-hub/", env!("CARGO_PKG_VERSION")))
            .header(header::CONNECTION, "close");
        if !body.is_empty() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        if let Some(token) = &self.token {
            let value = HeaderValue::try_from(format!("Bearer {}", token.reveal()));
            let mut value = value.map_err(|_| Failure::lasting("the token is none for a header"))?;
            value.set_sensitive(true);
            request = request.header(header::AUTHORIZATION, value);
        }
        let request = request.body(body).map_err(|error| Failure::lasting(error.to_string()))?;
        let broken = |error: hyper::Error| Failure::passing(format!("{self:?}: {error}"));
        let mut http = http1::Builder::new();
        http.max_buf_size(HEAD_BYTES);
        let (mut sender, connection) = http.handshake(TokioIo::new(stream)).await.map_err(broken)?;
        // It ends with the request: nobody reads the body of the answer.
        let connection = Driver(spawn_local(async move { drop(connection.await) }));
        let answer = sender.send_request(request).await.map_err(broken);
        drop(connection);
        answer.map(|answer| answer.status())
    }

    async fn deliver(&self, body: String) -> Result<String, Failure> {
        self.try_to(Method::POST, body).await
    }

    /// Gets it, and reads nothing of the answer but its status, which is what it gives. It has to be polled within a
    /// [`tokio::task::LocalSet`].
    ///
    /// # Errors
    /// Why not; after ten seconds at the latest.
    pub async fn ping(&self) -> Result<String, Failure> {
        self.try_to(Method::GET, String::new()).await
    }

    async fn try_to(&self, method: Method, body: String) -> Result<String, Failure> {
        let late = || format!("{self:?}: no answer within {} s", PATIENCE.as_secs());
        let status =
            time::timeout(PATIENCE, self.ask(method, body)).await.map_err(|_| Failure::passing(late()))??;
        let said = format!("{self:?} answered {status}");
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

/// A task that ends with its owner.
struct Driver(tokio::task::JoinHandle<()>);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Kind {
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
    fn a_url_names_a_host_a_port_and_a_path() {
        let parts = |text: &str| {
            let http = Http::parse(text).unwrap();
            (http.host, http.port, http.path)
        };
        assert_eq!(parts("http://h/a?b=c"), ("h".into(), 80, "/a?b=c".into()));
        assert_eq!(parts("http://[::1]:8080"), ("[::1]".into(), 8080, "/".into()));
        let topic = Http::parse_topic("http://ntfy.example/sub/boards").unwrap();
        assert_eq!((&*topic.path, &*topic.topic), ("/sub/", "boards"));
        for (wrong, expected) in [
            ("https://h/hidden", "TLS is not supported yet"),
            ("ftp://h/hidden", "http://HOST"),
            ("h/hidden", "http://HOST"),
            ("http://h:0/hidden", "http://HOST"),
            ("http://h:70000/hidden", "http://HOST"),
            ("http://u:hidden@h/", "no user and password"),
            ("http:///hidden", "http://HOST"),
        ] {
            let error = Http::parse(wrong).unwrap_err();
            assert!(error.contains(expected) && !error.contains("hidden"), "{wrong}: {error}");
        }
        assert!(Http::parse_topic("http://h/").is_err());
    }
}
