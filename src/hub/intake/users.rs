//! Who may publish, and as which boards.

use std::collections::HashMap;
use std::net::IpAddr;
use std::rc::Rc;

use crate::settings::{Hub, User};
use psistats_core::amqp::server::Login;

/// As which boards a connection may report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Boards {
    /// Any.
    All,
    /// These. At least one.
    Of(Rc<[String]>),
}

impl Boards {
    /// Whether a report of this host name is one of theirs.
    pub fn have(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Of(names) => names.iter().any(|has| has == name),
        }
    }
}

/// Who may log in.
#[derive(Debug, Default)]
pub struct Users(HashMap<String, User>);

impl Users {
    /// `[hub] user` and `[user:NAME]`.
    pub fn of(hub: &Hub, users: &[User]) -> Self {
        let one =
            hub.user.as_ref().map(|name| User { name: name.clone(), pass: hub.pass.clone(), hosts: None });
        let all = users.iter().cloned().chain(one);
        Self(all.map(|user| (user.name.clone(), user)).collect())
    }

    /// As which boards a login may report that came from `peer` with a certificate of these names. As with RabbitMQ,
    /// `guest` may log in from this machine alone.
    ///
    /// # Errors
    /// It may not log in at all: what was expected.
    pub fn allow(
        &self,
        login: &Login<'_>,
        peer: IpAddr,
        certificate: Option<&Rc<[String]>>,
    ) -> Result<Boards, &'static str> {
        if login.is_external {
            return match certificate {
                Some(names) if names.is_empty() => {
                    Err("expected a certificate with the board's host name: subjectAltName=DNS:NAME")
                }
                // RFC 4422, appendix A: it may ask to act as somebody, who has to be itself.
                Some(names) if login.user.is_empty() || names.iter().any(|name| name == login.user) => {
                    Ok(Boards::Of(names.clone()))
                }
                _ => Err("expected the name of the certificate"),
            };
        }
        let known = self.0.get(login.user);
        let expected = match known {
            Some(user) => Some(user.pass.reveal()),
            None if login.user == "guest" && peer.to_canonical().is_loopback() => Some("guest"),
            None => None,
        };
        if expected.is_some_and(|expected| is_same(expected.as_bytes(), login.password)) {
            let hosts = known.and_then(|user| user.hosts.as_ref());
            return Ok(hosts.map_or(Boards::All, |hosts| Boards::Of(hosts.as_slice().into())));
        }
        Err(
            "expected [hub] user and pass of psistats-hub.conf, or those of a [user:NAME]; guest may log in from this \
             machine only",
        )
    }
}

/// Takes the same time whichever octet differs.
fn is_same(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && one.iter().zip(other).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
}
