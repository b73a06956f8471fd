//! Which kind of socket each side is (RFC 29).

use crate::bytes::Text;
use crate::zmtp::error::Error;

/// What this side is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SocketType {
    /// Sends what is subscribed to.
    Pub,
    /// Subscribes and receives.
    Sub,
}

impl SocketType {
    /// As READY spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pub => "PUB",
            Self::Sub => "SUB",
        }
    }

    /// Checks that it talks to `theirs`.
    pub(super) fn talks_to(self, theirs: &Text) -> Result<(), Error> {
        let expected = match (self, theirs.as_str()) {
            (Self::Pub, "SUB" | "XSUB") | (Self::Sub, "PUB" | "XPUB") => return Ok(()),
            (Self::Pub, _) => "SUB or XSUB",
            (Self::Sub, _) => "PUB or XPUB",
        };
        Err(Error::SocketType { theirs: theirs.clone(), expected })
    }
}
