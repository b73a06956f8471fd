//! Why a client's connection ended.

use core::fmt::{self, Write as _};

use heapless::String;

use crate::amqp::error::Violation;
use crate::amqp::method::{Id, Undecodable};
use crate::bytes::Text;
use crate::limits;

/// What the server was about when something happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServerStep {
    /// Waits for the protocol header.
    Header,
    /// Waits for Connection.Start-Ok.
    StartOk,
    /// The owner is asked whether the client may log in.
    Login,
    /// Waits for Connection.Tune-Ok.
    TuneOk,
    /// Waits for Connection.Open.
    Open,
    /// Takes messages.
    Ready,
    /// Waits for Connection.Close-Ok.
    Closing,
}

/// Why the connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServerError {
    /// The client closed it, for a reason of its own.
    Closed {
        /// Reply code (§1.2 of the reference).
        code: u16,
        /// Reply text.
        text: Text,
    },
    /// The owner refused the login.
    Refused,
    /// The peer speaks something else. Its first octets.
    NotAmqp([u8; 8]),
    /// The client wants to log in by a mechanism that it was not offered.
    Mechanism(Text),
    /// The client asked for what only a broker does: class and method.
    NotImplemented((u16, u16)),
    /// Tune-Ok asks for more than was offered, or for less than the protocol's least.
    Tune {
        /// channel-max
        channels: u16,
        /// frame-max
        frame_max: u32,
    },
    /// A frame on a channel that is not open, or cannot be.
    NoChannel(u16),
    /// Channel.Open on a channel that is open.
    OpenTwice(u16),
    /// A frame that may not come here: content without Basic.Publish, or a method in the middle of content.
    UnexpectedFrame(u16),
    /// The client broke the protocol.
    Violation(Violation),
    /// The handshake took too long.
    HandshakeTimeout(ServerStep),
    /// Nothing was received for two heartbeats.
    Silent {
        /// The agreed heartbeat.
        heartbeat_s: u16,
    },
    /// Nothing could be sent for two heartbeats.
    Stalled {
        /// The agreed heartbeat.
        heartbeat_s: u16,
    },
    /// The connection ended without a Close.
    Disconnected(ServerStep),
}

impl core::error::Error for ServerError {}

impl From<Violation> for ServerError {
    fn from(violation: Violation) -> Self {
        Self::Violation(violation)
    }
}

impl From<Undecodable> for ServerError {
    fn from(undecodable: Undecodable) -> Self {
        match undecodable {
            Undecodable::Unknown(id) => Self::NotImplemented(id),
            Undecodable::Short(id) => Violation::Short(id).into(),
        }
    }
}

impl ServerError {
    /// Whether the peer's frames still make sense after it, so that it can be waited for Close-Ok.
    pub(super) fn keeps_frames(&self) -> bool {
        !matches!(
            self,
            Self::Violation(
                Violation::FrameTooLarge { .. }
                    | Violation::FrameEnd(_)
                    | Violation::FrameType(_)
                    | Violation::Heartbeat { .. }
                    | Violation::Flood
            )
        )
    }

    /// The reply code and its name (§1.2 of the reference).
    pub(super) fn reply(&self) -> (u16, &'static str) {
        match self {
            Self::Refused => (403, "ACCESS_REFUSED"),
            Self::Violation(Violation::Short(_)) => (502, "SYNTAX_ERROR"),
            Self::Mechanism(_) | Self::Violation(Violation::Unexpected { .. }) => (503, "COMMAND_INVALID"),
            Self::NoChannel(_) | Self::OpenTwice(_) => (504, "CHANNEL_ERROR"),
            Self::UnexpectedFrame(_) => (505, "UNEXPECTED_FRAME"),
            Self::Violation(Violation::Flood) => (506, "RESOURCE_ERROR"),
            Self::Tune { .. } => (530, "NOT_ALLOWED"),
            Self::NotImplemented(_) => (540, "NOT_IMPLEMENTED"),
            _ => (501, "FRAME_ERROR"),
        }
    }

    /// The reply text: the code's name, and what happened.
    pub(super) fn reply_text(&self) -> String<{ limits::SHORTSTR }> {
        let mut text = String::new();
        let (_, name) = self.reply();
        // All of them are shorter; a cut one would do.
        let _ = match self {
            Self::Refused => write!(text, "{name} - Login was refused."),
            error => write!(text, "{name} - {error}"),
        };
        text
    }

    /// The method that is to blame, or 0.0.
    pub(super) fn method(&self) -> Id {
        match self {
            Self::NotImplemented(id)
            | Self::Violation(Violation::Short(id) | Violation::Unexpected { id, .. }) => *id,
            _ => (0, 0),
        }
    }
}

impl fmt::Display for ServerStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Header => "waiting for the protocol header",
            Self::StartOk | Self::Login => "the client logged in",
            Self::TuneOk => "limits were agreed on",
            Self::Open => "the virtual host was opened",
            Self::Ready => "taking messages",
            Self::Closing => "closing",
        })
    }
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed { code, text } => write!(f, "the client closed the connection with {code} {text}"),
            Self::Refused => f.write_str("the login was refused"),
            Self::NotAmqp(first) => not_amqp(f, first),
            Self::Mechanism(name) => {
                write!(
                    f,
                    "the client wants to log in by \"{name}\", expected PLAIN, or EXTERNAL with a certificate"
                )
            }
            Self::NotImplemented((class, method)) => {
                write!(f, "method {class}.{method} is a broker's, not an intake's")
            }
            Self::Tune { channels, frame_max } => {
                write!(f, "{channels} channels and frames of {frame_max} octets were not offered")
            }
            Self::NoChannel(channel) => write!(f, "channel {channel} is not open"),
            Self::OpenTwice(channel) => write!(f, "channel {channel} is open already"),
            Self::UnexpectedFrame(channel) => {
                write!(f, "a message on channel {channel} is broken: its frames do not follow each other")
            }
            Self::Violation(violation) => write!(f, "protocol error of the client: {violation}"),
            Self::HandshakeTimeout(step) => write!(f, "handshake timed out while {step}"),
            Self::Silent { heartbeat_s } => {
                write!(f, "nothing was heard for two heartbeats of {heartbeat_s} s")
            }
            Self::Stalled { heartbeat_s } => {
                write!(f, "nothing could be sent for two heartbeats of {heartbeat_s} s")
            }
            Self::Disconnected(step) => write!(f, "the connection ended while {step}, without a reason"),
        }
    }
}

fn not_amqp(f: &mut fmt::Formatter<'_>, first: &[u8]) -> fmt::Result {
    match first {
        [b'A', b'M', b'Q', b'P', ..] => {
            f.write_str("the client speaks another version of AMQP, expected 0-9-1")
        }
        // A TLS record: handshake (RFC 8446 §5.1).
        [0x16, 3, ..] => {
            f.write_str("the client speaks TLS, expected AMQP 0-9-1 in the clear: is this the port for it?")
        }
        [b'G', b'E', b'T', b' ', ..] => f.write_str("the client speaks HTTP, expected AMQP 0-9-1"),
        _ => write!(f, "the client does not speak AMQP (it began with \"{}\")", first.escape_ascii()),
    }
}
