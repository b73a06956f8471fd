//! E-mail: one message by SMTP (RFC 5321), over TLS.

use std::net::IpAddr;
use std::time::Duration;

use hyper::Uri;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Mailboxes};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};
use tokio::time;

use crate::alerts::alert::Turn;
use crate::alerts::message::Message;
use crate::alerts::target::Failure;
use psistats_host::conf::Expected;
use psistats_host::conf::secret::Secret;

/// From the name server's question to the last answer: servers let strangers wait.
const PATIENCE: Duration = Duration::from_secs(30);
/// Characters of a subject.
const SUBJECT: usize = 200;

/// A mail server, and who gets the mail.
#[derive(Clone, Debug, PartialEq)]
pub struct Email {
    /// Where the server is.
    pub server: Server,
    /// `user` and `pass`: who logs in there.
    pub login: Option<(String, Secret)>,
    /// `from`
    pub from: Mailbox,
    /// `to`
    pub to: Vec<Mailbox>,
}

/// `url`: `smtps://HOST[:PORT]`, where TLS comes first, or `smtp://HOST[:PORT]`, with STARTTLS.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Server {
    host: String,
    port: u16,
    has_tls_first: bool,
}

impl Server {
    /// Reads it.
    ///
    /// # Errors
    /// What was expected, without anything of the text.
    pub fn parse(text: &str) -> Result<Self, Expected> {
        let expected = "smtps://HOST[:PORT] or smtp://HOST[:PORT], and user= and pass= apart";
        let uri: Uri = text.parse().map_err(|_| expected)?;
        // RFC 8314 §3.3, RFC 6409 §3.1
        let (has_tls_first, usual) = match uri.scheme_str() {
            Some("smtps") => (true, 465),
            Some("smtp") => (false, 587),
            _ => return Err(expected.into()),
        };
        let host = uri.host().filter(|host| !host.is_empty()).ok_or(expected)?;
        let rest = uri.authority().map_or("", |authority| authority.as_str());
        let port = match rest.strip_prefix(host) {
            Some("") => usual,
            Some(_) => uri.port_u16().filter(|port| *port > 0).ok_or(expected)?,
            None => return Err(expected.into()),
        };
        let is_bare = uri.path_and_query().is_none_or(|path| ["", "/"].contains(&path.as_str()));
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        if is_bare { Ok(Self { host, port, has_tls_first }) } else { Err(expected.into()) }
    }

    /// Whether it is this machine: nobody is in between.
    fn is_here(&self) -> bool {
        self.host == "localhost" || self.host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
    }

    fn tls(&self) -> Result<Tls, lettre::transport::smtp::Error> {
        Ok(match self.has_tls_first {
            true => Tls::Wrapper(TlsParameters::new(self.host.clone())?),
            false if self.is_here() => Tls::None,
            false => Tls::Required(TlsParameters::new(self.host.clone())?),
        })
    }
}

/// Addresses between commas.
///
/// # Errors
/// What was expected.
pub fn mailboxes(text: &str) -> Result<Vec<Mailbox>, Expected> {
    let all: Result<Mailboxes, _> = text.parse();
    let all = all.map(|all| all.into_iter().collect::<Vec<_>>()).unwrap_or_default();
    if all.is_empty() { Err("addresses between commas, as NAME@EXAMPLE.ORG".into()) } else { Ok(all) }
}

impl Email {
    /// Sends a message once. Gives what the server said.
    ///
    /// # Errors
    /// Why not; after half a minute at the latest.
    pub async fn deliver(&self, message: &Message) -> Result<String, Failure> {
        let Server { host, port, .. } = &self.server;
        let mail = self.mail(message).map_err(|error| Failure::lasting(format!("no mail: {error}")))?;
        let tls = self.server.tls().map_err(|error| Failure::passing(error.to_string()))?;
        let mut server = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host)
            .port(*port)
            .tls(tls)
            .timeout(Some(PATIENCE));
        if let Some((user, pass)) = &self.login {
            server = server.credentials(Credentials::new(user.clone(), pass.reveal().to_owned()));
        }
        let server = server.build();
        let late = |_| Failure::passing(format!("{host}:{port}: not done within {} s", PATIENCE.as_secs()));
        let sent = time::timeout(PATIENCE, server.send(mail)).await.map_err(late)?;
        sent.map(|answer| format!("{host}:{port} answered {}", answer.code())).map_err(|error| {
            let why = format!("{host}:{port}: {}", error.to_string().replace(['\r', '\n'], " "));
            if error.is_permanent() {
                Failure::lasting(format!("{why}: check from, to, user and pass"))
            } else {
                Failure::passing(why)
            }
        })
    }

    /// A mail: the same for each attempt, so that one that comes twice is known as such.
    fn mail(&self, message: &Message) -> Result<lettre::Message, lettre::error::Error> {
        let first = message.text.lines().next().unwrap_or_default();
        let subject: String = first.chars().take(SUBJECT).collect();
        let id = |state| format!("<{}.{state}@psistats-hub>", message.id());
        let mut mail = lettre::Message::builder()
            .from(self.from.clone())
            .subject(format!("[psistats] {subject}"))
            .header(ContentType::TEXT_PLAIN);
        for to in &self.to {
            mail = mail.to(to.clone());
        }
        mail = match message.state {
            Turn::Raised => mail.message_id(Some(id("raised"))),
            Turn::Cleared => mail.message_id(Some(id("cleared"))).in_reply_to(id("raised")),
        };
        let mut mail = mail.body(format!("{}\n", message.text))?;
        // RFC 3834 §5: no holiday note answers it.
        let name = HeaderName::new_from_ascii_str("Auto-Submitted");
        mail.headers_mut().insert_raw(HeaderValue::new(name, "auto-generated".to_owned()));
        Ok(mail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_named_with_its_tls() {
        let parts = |text: &str| {
            let Server { host, port, has_tls_first } = Server::parse(text).unwrap();
            (host, port, has_tls_first)
        };
        assert_eq!(parts("smtps://mail.example"), ("mail.example".into(), 465, true));
        assert_eq!(parts("smtp://mail.example/"), ("mail.example".into(), 587, false));
        assert_eq!(parts("smtp://[::1]:25"), ("::1".into(), 25, false));
        for wrong in [
            "mail.example",
            "http://h",
            "smtps://",
            "smtps://u:hidden@h",
            "smtps://h:0",
            "smtps://h:70000",
            "smtps://h/?tls=none",
        ] {
            let error = Server::parse(wrong).unwrap_err();
            assert!(error.contains("smtps://HOST") && !error.contains("hidden"), "{wrong}: {error}");
        }
        for (url, is_here) in [
            ("smtp://localhost:25", true),
            ("smtp://127.0.0.1", true),
            ("smtp://[::1]", true),
            ("smtp://h", false),
        ] {
            let server = Server::parse(url).unwrap();
            assert_eq!(matches!(server.tls(), Ok(Tls::None)), is_here, "{url}");
        }
    }
}
