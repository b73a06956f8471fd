//! Why a connection ended, and how soon to try again.

use core::fmt;
use core::time::Duration;

use crate::amqp::options::Mechanism;
use crate::bytes::Text;
use crate::link::Retry;

/// What the client was about when something happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// Waits for Connection.Start.
    Greeting,
    /// Waits for Connection.Tune: user and password have been sent.
    Login,
    /// Waits for Connection.Open-Ok: the virtual host has been named.
    VirtualHost,
    /// Waits for Channel.Open-Ok.
    Channel,
    /// Waits for Exchange.Declare-Ok.
    Exchange,
    /// Waits for Queue.Declare-Ok.
    Queue,
    /// Waits for Queue.Bind-Ok.
    Binding,
    /// Waits for Confirm.Select-Ok.
    Confirms,
    /// Publishes.
    Ready,
    /// Waits for Channel.Close-Ok, to open another channel.
    Renewal,
    /// Waits for Connection.Close-Ok.
    Closing,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Greeting => "waiting for the broker's greeting",
            Self::Login => "logging in",
            Self::VirtualHost => "opening the virtual host",
            Self::Channel => "opening a channel",
            Self::Exchange => "declaring the exchange",
            Self::Queue => "declaring the queue",
            Self::Binding => "binding the queue",
            Self::Confirms => "switching confirms on",
            Self::Ready => "publishing",
            Self::Renewal => "replacing the channel",
            Self::Closing => "closing",
        })
    }
}

/// What the broker closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The channel, and so the publishing.
    Channel,
    /// The whole connection.
    Connection,
}

/// Why the connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The broker closed it, for a reason of its own.
    Closed {
        /// Channel or connection.
        scope: Scope,
        /// Reply code (§1.2 of the reference).
        code: u16,
        /// Reply text.
        text: Text,
        /// What we were about.
        step: Step,
        /// The queue that we declare is neither durable nor exclusive.
        transient_queue: bool,
    },
    /// A report came back: the queue that we declared, or its binding, is gone.
    Unroutable {
        /// Reply code.
        code: u16,
        /// Reply text.
        text: Text,
    },
    /// A report has not been confirmed in time.
    Unconfirmed {
        /// That time.
        timeout: Duration,
    },
    /// The peer speaks something else. Its first octets, and how many they are.
    NotAmqp {
        /// The octets.
        first: [u8; 8],
        /// How many of them are valid.
        len: u8,
    },
    /// The broker does not offer the mechanism of our login.
    NoMechanism(Mechanism),
    /// Connection.Tune asks for frames of less than 4096 octets.
    FrameMax(u32),
    /// The broker broke the protocol.
    Violation(Violation),
    /// A step of the handshake took too long.
    HandshakeTimeout(Step),
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
    Disconnected(Step),
}

/// A breach of protocol by the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Violation {
    /// Connection.Start names another version.
    Version {
        /// version-major
        major: u8,
        /// version-minor
        minor: u8,
    },
    /// A frame is larger than agreed, or than any that a publisher has to read.
    FrameTooLarge {
        /// Octets of its payload.
        size: u32,
        /// Most octets.
        limit: u32,
    },
    /// A frame does not end in 0xCE.
    FrameEnd(u8),
    /// Not a type of frame.
    FrameType(u8),
    /// A heartbeat with a payload, or on a channel other than 0.
    Heartbeat {
        /// Its channel.
        channel: u16,
        /// Octets of its payload.
        size: u32,
    },
    /// A method that may not come now, or not on this channel, or that is unknown.
    Unexpected {
        /// The channel.
        channel: u16,
        /// Class and method.
        id: (u16, u16),
    },
    /// A content frame without a Basic.Return before it.
    Content,
    /// A method's arguments end too early.
    Short((u16, u16)),
    /// An Ack or Nack for a delivery tag that is not in flight.
    UnknownTag(u64),
    /// More requests than replies have room for: it sends without reading.
    Flood,
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
            // The exchange was deleted under way: it is declared again.
            Self::Closed { code: 404, step: Step::Ready, .. } => Retry::Soon,
            // 402 no route, 403 refused, 404 not found, 405 locked, 406 other arguments, 530 not allowed,
            // 540 not implemented: the same attempt gets the same answer.
            Self::Closed { code: 402..=406 | 530 | 540, .. } => Retry::Slow,
            Self::Closed { code: 541, transient_queue: true, step: Step::Queue, .. } => Retry::Slow,
            Self::NotAmqp { .. } | Self::NoMechanism(_) | Self::FrameMax(_) => Retry::Slow,
            Self::Violation(Violation::Version { .. }) => Retry::Slow,
            _ => Retry::Soon,
        }
    }

    /// The reply code with which we close the connection over it (§1.2 of the reference).
    pub(super) fn reply_code(&self) -> u16 {
        match self {
            Self::Violation(
                Violation::FrameTooLarge { .. } | Violation::FrameEnd(_) | Violation::FrameType(_),
            ) => 501,
            Self::Violation(Violation::Heartbeat { .. }) => 501,
            Self::Violation(Violation::Short(_)) => 502,
            Self::Violation(Violation::Unexpected { .. }) => 503,
            Self::Violation(Violation::Content) => 505,
            Self::Violation(Violation::UnknownTag(_)) => 406,
            Self::Violation(Violation::Flood) => 506,
            _ => 200,
        }
    }
}

impl core::error::Error for Error {}

/// What happened. What to do about it depends on who connects, and is for the owner to add.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed { scope, code, text, step, transient_queue: _ } => {
                let scope = match scope {
                    Scope::Channel => "channel",
                    Scope::Connection => "connection",
                };
                write!(f, "while {step}, the broker closed the {scope} with {code} {text}")
            }
            Self::Unroutable { code, text } => {
                write!(
                    f,
                    "a report came back unroutable ({code} {text}): the queue or its binding was deleted"
                )
            }
            Self::Unconfirmed { timeout } => {
                write!(f, "a report has not been confirmed for {} s", timeout.as_secs())
            }
            Self::NotAmqp { first, len } => not_amqp(f, first.get(..usize::from(*len)).unwrap_or(first)),
            Self::NoMechanism(mechanism) => {
                write!(f, "the broker does not offer the login mechanism {}", mechanism.as_str())
            }
            Self::FrameMax(octets) => write!(
                f,
                "the broker asks for frames of at most {octets} octets, but the protocol's smallest limit is 4096"
            ),
            Self::Violation(violation) => write!(f, "protocol error of the broker: {violation}"),
            Self::HandshakeTimeout(step) => write!(f, "no answer in time while {step}"),
            Self::Silent { heartbeat_s } => {
                write!(
                    f,
                    "nothing was heard for two heartbeats of {heartbeat_s} s; the broker or the way there is dead"
                )
            }
            Self::Stalled { heartbeat_s } => {
                write!(
                    f,
                    "nothing could be sent for two heartbeats of {heartbeat_s} s; the broker or the way there is dead"
                )
            }
            Self::Disconnected(step) => write!(f, "the connection ended while {step}, without a reason"),
        }
    }
}

fn not_amqp(f: &mut fmt::Formatter<'_>, first: &[u8]) -> fmt::Result {
    match first {
        // A broker's answer to a header that it cannot read (§4.2.2).
        b"AMQP\0\0\x09\x01" => f.write_str(
            "the server sends the protocol header of AMQP 0-9-1 back and refuses ours, which is the same",
        ),
        [b'A', b'M', b'Q', b'P', 0, major, minor, revision] => {
            write!(f, "the server speaks AMQP {major}-{minor}-{revision} and not 0-9-1")
        }
        [b'A', b'M', b'Q', b'P', ..] => {
            f.write_str("the server speaks another version of AMQP and not 0-9-1")
        }
        [b'H', b'T', b'T', b'P', ..] => f.write_str("the server speaks HTTP"),
        // A TLS record: alert or handshake (RFC 8446 §5.1).
        [0x15 | 0x16, 3, ..] => f.write_str("the server speaks TLS"),
        _ => write!(f, "the server does not speak AMQP (it began with \"{}\")", first.escape_ascii()),
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version { major, minor } => write!(f, "it speaks version {major}-{minor}, expected 0-9"),
            Self::FrameTooLarge { size, limit } => {
                write!(f, "a frame of {size} octets, expected at most {limit}")
            }
            Self::FrameEnd(octet) => write!(f, "a frame ends in {octet:#04x}, expected 0xce"),
            Self::FrameType(kind) => write!(f, "a frame of type {kind}, expected 1, 2, 3 or 8"),
            Self::Heartbeat { channel, size } => {
                write!(f, "a heartbeat of {size} octets on channel {channel}, expected none on channel 0")
            }
            Self::Unexpected { channel, id: (class, method) } => {
                write!(f, "method {class}.{method} on channel {channel} is not expected here")
            }
            Self::Content => f.write_str("a message's content, without Basic.Return before it"),
            Self::Short((class, method)) => {
                write!(f, "method {class}.{method} ends before its last argument")
            }
            Self::UnknownTag(tag) => write!(f, "confirm for unknown delivery tag {tag}"),
            Self::Flood => f.write_str("it sends requests without reading the replies"),
        }
    }
}
