//! Why a connection ended, and how soon to try again.

use core::fmt;
use core::time::Duration;

use crate::bytes::{Short, Text};
use crate::link::Retry;
use crate::zmtp::curve::Sealed;

/// What the session was about when something happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// Waits for the peer's greeting.
    Greeting,
    /// Waits for the peer's READY.
    Handshake,
    /// Messages flow.
    Ready,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Greeting => "waiting for its greeting",
            Self::Handshake => "waiting for its READY",
            Self::Ready => "connected",
        })
    }
}

/// Why the connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The peer speaks something else, which begins so.
    NotZmtp(Text),
    /// The peer speaks ZMTP 1.0.
    Version,
    /// The peer wants this security mechanism, and this side has NULL alone.
    Mechanism(Text),
    /// The peer wants this security mechanism, and this side has CURVE alone: nothing is ever sent in clear instead.
    NotCurve(Text),
    /// By CURVE one side is the server and the other the client. Here both are the same.
    Roles,
    /// A box of CURVE was closed with other keys than expected, or changed on its way.
    Unopened(Sealed),
    /// The owner does not serve this client ([`Session::refuse`](super::Session::refuse)).
    Refused,
    /// The peer's socket does not talk to ours.
    SocketType {
        /// What it is.
        theirs: Text,
        /// What it is expected to be.
        expected: &'static str,
    },
    /// The peer sent ERROR, with this reason.
    Told(Text),
    /// The peer broke the protocol.
    Violation(Violation),
    /// Greeting and READY took too long.
    HandshakeTimeout(Step),
    /// Nothing was received for so long, PING or not.
    Silent(Duration),
    /// Nothing could be sent for so long.
    Stalled(Duration),
    /// The connection was closed.
    Disconnected(Step),
}

/// A breach of protocol by the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Violation {
    /// Flags of a frame that are reserved, or do not go together.
    Flags(u8),
    /// A frame is larger than is taken.
    TooLong {
        /// Octets of its body.
        size: u64,
        /// Most octets.
        limit: u64,
    },
    /// A command whose parts do not fit into it.
    Command,
    /// A PING's context has so many octets, which is more than 16.
    Context {
        /// Its octets.
        size: usize,
        /// The most that are allowed.
        limit: usize,
    },
    /// A message before READY, or READY again.
    Unexpected(Step),
    /// A box of CURVE whose count is no higher than that of the one before: it is sent again, or was held back.
    Replayed,
    /// A frame in clear, where CURVE encrypts all.
    Clear,
    /// More requests than replies have room for: it sends without reading.
    Flood,
}

impl From<Short> for Violation {
    fn from(Short: Short) -> Self {
        Self::Command
    }
}

impl core::error::Error for Violation {}

impl From<Violation> for Error {
    fn from(violation: Violation) -> Self {
        Self::Violation(violation)
    }
}

impl Error {
    /// How soon another attempt makes sense.
    pub fn retry(&self) -> Retry {
        match self {
            // libzmq closes without a word where mechanism or socket type do not fit.
            Self::Disconnected(Step::Greeting | Step::Handshake) => Retry::Slow,
            Self::HandshakeTimeout(_) | Self::Silent(_) | Self::Stalled(_) | Self::Disconnected(_) => {
                Retry::Soon
            }
            _ => Retry::Slow,
        }
    }
}

impl core::error::Error for Error {}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotZmtp(first) => {
                write!(
                    f,
                    "expected ZeroMQ (ZMTP 2.0 or later), got something that begins with \"{first}\"; check the port"
                )
            }
            Self::Version => f.write_str(
                "the peer speaks ZMTP 1.0, as libzmq before 3.2 does; expected ZMTP 2.0 or later: install libzmq 3.2 or later there",
            ),
            Self::Mechanism(name) => write!(
                f,
                "the peer wants the security mechanism \"{name}\", and this side has NULL alone"
            ),
            Self::NotCurve(name) => write!(
                f,
                "the peer wants the security mechanism \"{name}\", and this side has CURVE alone"
            ),
            Self::Roles => f.write_str("both sides are CURVE servers, or both clients; expected one of each"),
            Self::Unopened(sealed) => write!(f, "CURVE: {sealed}"),
            Self::Refused => f.write_str("CURVE: its client key is not among those that may connect"),
            Self::SocketType { theirs, expected } => {
                write!(f, "the peer's socket is \"{theirs}\", expected {expected}")
            }
            Self::Told(reason) => write!(f, "the peer ended the connection: \"{reason}\""),
            Self::Violation(violation) => write!(f, "the peer broke the protocol: {violation}"),
            Self::HandshakeTimeout(step) => write!(f, "handshake timed out while {step}"),
            Self::Silent(time) => write!(f, "nothing was received for {} s", time.as_secs()),
            Self::Stalled(time) => write!(f, "the peer has taken nothing for {} s", time.as_secs()),
            Self::Disconnected(Step::Ready) => f.write_str("the connection was closed"),
            Self::Disconnected(step) => write!(
                f,
                "the connection was closed while {step}; does the peer want another socket type or security mechanism?"
            ),
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flags(flags) => write!(f, "a frame with the flags {flags:#04x}"),
            Self::TooLong { size, limit } => write!(f, "a frame of {size} bytes, where {limit} are the most"),
            Self::Command => f.write_str("a command whose lengths do not fit into it"),
            Self::Context { size, limit } => {
                write!(f, "a PING with a context of {size} bytes, where {limit} are the most")
            }
            Self::Unexpected(step) => write!(f, "a frame that may not come now; we were {step}"),
            Self::Replayed => f.write_str("an encrypted frame that has come before, or out of order"),
            Self::Clear => f.write_str("a frame in clear, where all are encrypted"),
            Self::Flood => f.write_str("it sends requests without reading the replies"),
        }
    }
}
