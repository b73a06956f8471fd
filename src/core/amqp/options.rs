//! Whom to be on a broker, and what to declare there.

use core::fmt;
use core::time::Duration;

use crate::amqp::field::Table;

/// Whom to be, and what to declare.
#[derive(Clone, Copy)]
pub struct Options<'a> {
    /// How to log in.
    pub mechanism: Mechanism,
    /// User name, for [`Mechanism::Plain`].
    pub user: &'a str,
    /// Password, for the same. Debug output does not show it.
    pub password: &'a str,
    /// Virtual host.
    pub vhost: &'a str,
    /// The program that connects and its version, shown in the broker's list of connections.
    pub product: &'a str,
    /// See `product`.
    pub version: &'a str,
    /// What tells this connection from others there.
    pub connection_name: &'a str,
    /// Longest heartbeat, seconds; 0: none, whatever the broker proposes.
    pub heartbeat_s: u16,
    /// Until a message is tried again that no queue took or the broker refused, and until our queue is asked for
    /// again; grows.
    pub retry: Duration,
    /// The connection fails where a message is not answered within this time, which begins when all before it are,
    /// while the broker does not block us. Zero: never.
    pub confirm_timeout: Duration,
    /// Likewise where the broker answers, but with refusals alone. Zero: never.
    pub refused_timeout: Duration,
    /// Where to publish.
    pub exchange: Exchange<'a>,
    /// Whether to declare the exchange.
    pub declare_exchange: bool,
    /// The queue to declare and bind, if any.
    pub queue: Option<Queue<'a>>,
    /// Routing key of every message.
    pub routing_key: &'a str,
}

/// How to log in: a mechanism of SASL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// With user name and password (RFC 4616).
    Plain,
    /// As whom the certificate of the transport says (RFC 4422, appendix A).
    External,
}

impl Mechanism {
    /// Its registered name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::External => "EXTERNAL",
        }
    }
}

/// An exchange. The default exchange has an empty name; it is never declared nor bound to.
#[derive(Clone, Copy, Debug)]
pub struct Exchange<'a> {
    /// Name.
    pub name: &'a str,
    /// Type: topic, direct, fanout, headers.
    pub kind: &'a str,
    /// Survives the broker's restart.
    pub durable: bool,
    /// Goes with its last binding.
    pub auto_delete: bool,
}

/// A queue.
#[derive(Clone, Copy, Debug)]
pub struct Queue<'a> {
    /// Name.
    pub name: &'a str,
    /// Survives the broker's restart.
    pub durable: bool,
    /// Routing key of its binding: that of the messages, or what the exchange's type wants instead.
    pub binding_key: &'a str,
    /// For this connection only.
    pub exclusive: bool,
    /// Goes with its last consumer.
    pub auto_delete: bool,
    /// `x-message-ttl`, milliseconds.
    pub ttl_ms: Option<u32>,
    /// `x-queue-type`.
    pub kind: Option<&'a str>,
    /// Further arguments.
    pub arguments: Table<'a>,
}

impl fmt::Debug for Options<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { mechanism, user, password: _, vhost, connection_name, .. } = self;
        let Self { heartbeat_s, exchange, declare_exchange, queue, routing_key, .. } = self;
        f.debug_struct("Options")
            .field("mechanism", mechanism)
            .field("user", user)
            .field("vhost", vhost)
            .field("connection_name", connection_name)
            .field("heartbeat_s", heartbeat_s)
            .field("exchange", exchange)
            .field("declare_exchange", declare_exchange)
            .field("queue", queue)
            .field("routing_key", routing_key)
            .finish_non_exhaustive()
    }
}

/// The memory of a connection; there is no other. It may serve one connection after another.
pub struct Buffers<'a> {
    /// Bytes received and not yet looked at: [`crate::limits::AMQP_RECV`]. It bounds the methods that can
    /// be read, not what a broker may say: content and server properties are passed over.
    pub receive: &'a mut [u8],
    /// Bytes that wait for the transport: [`crate::limits::AMQP_SEND`]. It holds at least the largest
    /// message and 2 KiB; more of it lets one system call carry many messages.
    pub send: &'a mut [u8],
}
