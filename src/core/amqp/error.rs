//! Why a connection ended, in words that help, and how soon to try again.

use core::fmt;

use crate::amqp::method::Id;
use crate::bytes::Text;
use crate::link::Retry;

/// What the client was about when something happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    /// The broker refused to store a report (Nack).
    Refused,
    /// The peer speaks something else. Its first octets, and how many they are.
    NotAmqp {
        /// The octets.
        first: [u8; 8],
        /// How many of them are valid.
        len: u8,
    },
    /// The broker does not offer PLAIN.
    NoPlain,
    /// Connection.Tune asks for frames of less than 4096 octets.
    FrameMax(u32),
    /// The broker broke the protocol.
    Peer(Peer),
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
pub enum Peer {
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
        id: Id,
    },
    /// A content frame without a Basic.Return before it.
    Content,
    /// A method's arguments end too early.
    Short(Id),
    /// An Ack or Nack for a delivery tag that is not in flight.
    UnknownTag(u64),
    /// More requests than answers have room for.
    Flood,
}

impl From<Peer> for Error {
    fn from(peer: Peer) -> Self {
        Self::Peer(peer)
    }
}

impl Error {
    /// How soon another attempt makes sense.
    pub fn retry(&self) -> Retry {
        match self {
            Self::Closed { code: 405, .. } => Retry::Held,
            // The exchange was deleted under way: it is declared again.
            Self::Closed { code: 404, step: Step::Ready, .. } => Retry::Soon,
            // 402 no route, 403 refused, 404 not found, 406 other arguments, 530 not allowed,
            // 540 not implemented: the same attempt gets the same answer.
            Self::Closed { code: 402..=404 | 406 | 530 | 540, .. } => Retry::Slow,
            Self::Closed { code: 541, transient_queue: true, step: Step::Queue, .. } => Retry::Slow,
            Self::NotAmqp { .. } | Self::NoPlain | Self::FrameMax(_) => Retry::Slow,
            Self::Peer(Peer::Version { .. }) => Retry::Slow,
            _ => Retry::Soon,
        }
    }

    /// The reply code with which we close the connection over it (§1.2 of the reference).
    pub(super) fn reply_code(&self) -> u16 {
        match self {
            Self::Peer(Peer::FrameTooLarge { .. } | Peer::FrameEnd(_) | Peer::FrameType(_)) => 501,
            Self::Peer(Peer::Heartbeat { .. }) => 501,
            Self::Peer(Peer::Short(_)) => 502,
            Self::Peer(Peer::Unexpected { .. }) => 503,
            Self::Peer(Peer::Content) => 505,
            Self::Peer(Peer::UnknownTag(_)) => 406,
            Self::Peer(Peer::Flood) => 506,
            _ => 200,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed { scope, code, text, step, transient_queue } => {
                let scope = match scope {
                    Scope::Channel => "channel",
                    Scope::Connection => "connection",
                };
                write!(f, "while {step}, the broker closed the {scope} with {code} {text}")?;
                match closed_advice(*code, *step, *transient_queue) {
                    "" => Ok(()),
                    advice => write!(f, "; {advice}"),
                }
            }
            Self::Unroutable { code, text } => write!(
                f,
                "a report came back unroutable ({code} {text}): the queue or its binding was deleted; queue and \
                 binding will be declared again at the next connection"
            ),
            Self::Refused => f.write_str(
                "the broker refused to store a report (Nack): is the queue full or its node failing? \
                 The report is kept and sent again",
            ),
            Self::NotAmqp { first, len } => not_amqp(f, first.get(..usize::from(*len)).unwrap_or(first)),
            Self::NoPlain => f.write_str(
                "the broker does not offer the login mechanism PLAIN; enable it (auth_mechanisms.1 = PLAIN in rabbitmq.conf)",
            ),
            Self::FrameMax(octets) => write!(
                f,
                "the broker asks for frames of at most {octets} octets, but the protocol's smallest limit is 4096; \
                 raise frame_max in rabbitmq.conf"
            ),
            Self::Peer(peer) => write!(f, "protocol error of the broker: {peer}"),
            Self::HandshakeTimeout(step) => {
                write!(f, "no answer in time while {step}; is the broker overloaded or frozen?")
            }
            Self::Silent { heartbeat_s } => {
                write!(f, "nothing was heard for two heartbeats of {heartbeat_s} s; the broker or the way there is dead")
            }
            Self::Stalled { heartbeat_s } => {
                write!(f, "nothing could be sent for two heartbeats of {heartbeat_s} s; the broker or the way there is dead")
            }
            Self::Disconnected(step) => {
                write!(f, "the connection ended while {step}, without a reason")?;
                match step {
                    Step::Greeting => f.write_str("; is this the AMQP port (5672), and the connection limit not reached?"),
                    Step::Login => f.write_str("; wrong user or password? Check [server] user and pass"),
                    Step::VirtualHost => f.write_str("; no access to the virtual host? Check [server] path"),
                    _ => Ok(()),
                }
            }
        }
    }
}

/// What to do about a Close of the broker's.
fn closed_advice(code: u16, step: Step, transient_queue: bool) -> &'static str {
    match (code, step) {
        (320, _) => "an operator or a shutdown ended it; it is opened again",
        (403, Step::Login) => {
            "check [server] user and pass; user guest may log in from the broker's own machine only"
        }
        (403, _) => {
            "the user lacks a permission: rabbitmqctl set_permissions -p PATH USER CONFIGURE WRITE READ"
        }
        (404, Step::Ready) => {
            "the exchange is gone; it is declared again; create it where [exchange] declare=no"
        }
        (404, _) => "it does not exist: create it, or set declare=yes in its section",
        (405, _) => {
            "another connection holds this exclusive queue: an old psistats that still runs, a second board of the \
             same host name, or our own last connection, which the broker gives up within three heartbeats; stop \
             the old one, give each board a name of its own, or set [queue] prefix"
        }
        (406, Step::Exchange) => {
            "the exchange exists with other arguments (received: ours, current: the broker's): make [exchange] equal, \
             delete the exchange, or set [exchange] declare=no"
        }
        (406, Step::Queue) => {
            "the queue exists with other arguments (received: ours, current: the broker's): make [queue] equal, delete \
             the queue, or set [queue] declare=no"
        }
        (530, Step::VirtualHost) => {
            "check [server] path: the virtual host must exist and the user have access to it"
        }
        (541, Step::Queue) if transient_queue => {
            "RabbitMQ 4.3 and later refuse queues that are neither durable nor exclusive: set [queue] exclusive=yes or durable=yes"
        }
        _ => "",
    }
}

fn not_amqp(f: &mut fmt::Formatter<'_>, first: &[u8]) -> fmt::Result {
    match first {
        // A broker's answer to a header that it cannot read (§4.2.2).
        b"AMQP\0\0\x09\x01" => f.write_str(
            "the server sends the protocol header of AMQP 0-9-1 back and refuses ours, which is the same; \
             does something between here and there change the bytes?",
        ),
        [b'A', b'M', b'Q', b'P', 0, major, minor, revision] => write!(
            f,
            "the server speaks AMQP {major}-{minor}-{revision} and not 0-9-1; a RabbitMQ is expected at this host and port"
        ),
        [b'A', b'M', b'Q', b'P', ..] => {
            f.write_str("the server speaks another version of AMQP and not 0-9-1; a RabbitMQ is expected at this host and port")
        }
        [b'H', b'T', b'T', b'P', ..] => {
            f.write_str("the server speaks HTTP; the AMQP port is usually 5672 (15672 is RabbitMQ's management page)")
        }
        // A TLS record: alert or handshake (RFC 8446 §5.1).
        [0x15 | 0x16, 3, ..] => {
            f.write_str("the server speaks TLS, which is not supported; the AMQP port without TLS is usually 5672")
        }
        _ => write!(f, "the server does not speak AMQP (it began with \"{}\"); check [server] host and port", first.escape_ascii()),
    }
}

impl fmt::Display for Peer {
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
            Self::Flood => f.write_str("sends requests without reading the replies"),
        }
    }
}
