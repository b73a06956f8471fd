//! Methods: their ids; what a broker may say, decoded; what a client says, encoded. The opposite is in
//! [`server`](super::server).

use crate::amqp::field::{field_bool, field_longstr, read_shortstr, shortstr, table};
use crate::amqp::options::{Exchange, Mechanism, Options, Queue};
use crate::bytes::{Reader, Short, Text, Writer};

/// Class and method id, as in `(10, 11)`.
pub type Id = (u16, u16);

/// Ids of the methods that are spoken here (§1.2 of the reference).
pub mod id {
    use super::Id;
    pub const CONNECTION_START: Id = (10, 10);
    pub const CONNECTION_START_OK: Id = (10, 11);
    pub const CONNECTION_SECURE: Id = (10, 20);
    pub const CONNECTION_TUNE: Id = (10, 30);
    pub const CONNECTION_TUNE_OK: Id = (10, 31);
    pub const CONNECTION_OPEN: Id = (10, 40);
    pub const CONNECTION_OPEN_OK: Id = (10, 41);
    pub const CONNECTION_CLOSE: Id = (10, 50);
    pub const CONNECTION_CLOSE_OK: Id = (10, 51);
    pub const CONNECTION_BLOCKED: Id = (10, 60);
    pub const CONNECTION_UNBLOCKED: Id = (10, 61);
    pub const CHANNEL_OPEN: Id = (20, 10);
    pub const CHANNEL_OPEN_OK: Id = (20, 11);
    pub const CHANNEL_FLOW: Id = (20, 20);
    pub const CHANNEL_FLOW_OK: Id = (20, 21);
    pub const CHANNEL_CLOSE: Id = (20, 40);
    pub const CHANNEL_CLOSE_OK: Id = (20, 41);
    pub const ACCESS_REQUEST: Id = (30, 10);
    pub const ACCESS_REQUEST_OK: Id = (30, 11);
    pub const EXCHANGE_DECLARE: Id = (40, 10);
    pub const EXCHANGE_DECLARE_OK: Id = (40, 11);
    pub const EXCHANGE_DELETE: Id = (40, 20);
    pub const EXCHANGE_DELETE_OK: Id = (40, 21);
    pub const EXCHANGE_BIND: Id = (40, 30);
    pub const EXCHANGE_BIND_OK: Id = (40, 31);
    pub const EXCHANGE_UNBIND: Id = (40, 40);
    pub const EXCHANGE_UNBIND_OK: Id = (40, 51);
    pub const QUEUE_DECLARE: Id = (50, 10);
    pub const QUEUE_DECLARE_OK: Id = (50, 11);
    pub const QUEUE_BIND: Id = (50, 20);
    pub const QUEUE_BIND_OK: Id = (50, 21);
    pub const QUEUE_PURGE: Id = (50, 30);
    pub const QUEUE_PURGE_OK: Id = (50, 31);
    pub const QUEUE_DELETE: Id = (50, 40);
    pub const QUEUE_DELETE_OK: Id = (50, 41);
    pub const QUEUE_UNBIND: Id = (50, 50);
    pub const QUEUE_UNBIND_OK: Id = (50, 51);
    pub const BASIC_QOS: Id = (60, 10);
    pub const BASIC_QOS_OK: Id = (60, 11);
    pub const BASIC_PUBLISH: Id = (60, 40);
    pub const BASIC_RETURN: Id = (60, 50);
    pub const BASIC_ACK: Id = (60, 80);
    pub const BASIC_NACK: Id = (60, 120);
    pub const CONFIRM_SELECT: Id = (85, 10);
    pub const CONFIRM_SELECT_OK: Id = (85, 11);
}

/// A method from the broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Method {
    /// Connection.Secure: a challenge, which PLAIN never brings.
    Secure,
    /// Connection.Tune
    Tune { channel_max: u16, frame_max: u32, heartbeat: u16 },
    /// Connection.Close or Channel.Close.
    Close { code: u16, text: Text },
    /// Connection.Close-Ok or Channel.Close-Ok.
    CloseOk,
    /// Connection.Blocked
    Blocked { reason: Text },
    /// Connection.Unblocked
    Unblocked,
    /// Channel.Flow
    Flow { active: bool },
    /// Basic.Return; its content follows.
    Return { code: u16, text: Text },
    /// Basic.Ack
    Ack { tag: u64, multiple: bool },
    /// Basic.Nack
    Nack { tag: u64, multiple: bool },
    /// The expected answer to one of our own methods; its arguments do not matter.
    Ok(Id),
}

impl Method {
    /// Its id, for messages. Class 10 is on channel 0, all others are not.
    pub fn id(&self, channel: u16) -> Id {
        match self {
            Self::Secure => id::CONNECTION_SECURE,
            Self::Tune { .. } => id::CONNECTION_TUNE,
            Self::Close { .. } if channel == 0 => id::CONNECTION_CLOSE,
            Self::Close { .. } => id::CHANNEL_CLOSE,
            Self::CloseOk if channel == 0 => id::CONNECTION_CLOSE_OK,
            Self::CloseOk => id::CHANNEL_CLOSE_OK,
            Self::Blocked { .. } => id::CONNECTION_BLOCKED,
            Self::Unblocked => id::CONNECTION_UNBLOCKED,
            Self::Flow { .. } => id::CHANNEL_FLOW,
            Self::Return { .. } => id::BASIC_RETURN,
            Self::Ack { .. } => id::BASIC_ACK,
            Self::Nack { .. } => id::BASIC_NACK,
            Self::Ok(id) => *id,
        }
    }

    /// Replaces a text of the broker's, which is for the log, where it repeats the password. Guest's is no
    /// secret, and the user's name in a text is of use.
    pub fn withhold(&mut self, user: &str, password: &str) {
        let (Self::Close { text, .. } | Self::Blocked { reason: text } | Self::Return { text, .. }) = self
        else {
            return;
        };
        let secret = password.as_bytes();
        let is_repeated = || text.as_str().as_bytes().windows(secret.len()).any(|part| part == secret);
        if !secret.is_empty() && user != password && is_repeated() {
            *text = Text::lossy(b"(withheld: it repeats the password)");
        }
    }
}

/// Why a method could not be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Undecodable {
    /// Not a method that a broker may send to a publisher.
    Unknown(Id),
    /// Its arguments end too early.
    Short(Id),
}

/// Decodes a method frame's payload and tells the method's id. Bytes after the last known argument are a later version's
/// addition and are ignored.
pub fn decode(payload: &[u8]) -> Result<(Id, Method), Undecodable> {
    let mut r = Reader::new(payload);
    let id = match (r.u16(), r.u16()) {
        (Ok(class), Ok(method)) => (class, method),
        _ => return Err(Undecodable::Short((0, 0))),
    };
    let method = arguments(id, &mut r).map_err(|Short| Undecodable::Short(id))?;
    Ok((id, method.ok_or(Undecodable::Unknown(id))?))
}

fn arguments(id: Id, r: &mut Reader<'_>) -> Result<Option<Method>, Short> {
    Ok(Some(match id {
        id::CONNECTION_SECURE => Method::Secure,
        id::CONNECTION_TUNE => {
            Method::Tune { channel_max: r.u16()?, frame_max: r.u32()?, heartbeat: r.u16()? }
        }
        id::CONNECTION_CLOSE | id::CHANNEL_CLOSE => Method::Close { code: r.u16()?, text: text(r)? },
        id::CONNECTION_CLOSE_OK | id::CHANNEL_CLOSE_OK => Method::CloseOk,
        id::CONNECTION_BLOCKED => Method::Blocked { reason: text(r)? },
        id::CONNECTION_UNBLOCKED => Method::Unblocked,
        id::CHANNEL_FLOW => Method::Flow { active: r.u8()? & 1 == 1 },
        id::BASIC_RETURN => Method::Return { code: r.u16()?, text: text(r)? },
        id::BASIC_ACK => Method::Ack { tag: r.u64()?, multiple: r.u8()? & 1 == 1 },
        id::BASIC_NACK => Method::Nack { tag: r.u64()?, multiple: r.u8()? & 1 == 1 },
        id::CONNECTION_OPEN_OK
        | id::CHANNEL_OPEN_OK
        | id::EXCHANGE_DECLARE_OK
        | id::QUEUE_DECLARE_OK
        | id::QUEUE_BIND_OK
        | id::CONFIRM_SELECT_OK => Method::Ok(id),
        _ => return Ok(None),
    }))
}

/// A short string for people: what is not UTF-8 or not printable is replaced.
pub fn text(r: &mut Reader<'_>) -> Result<Text, Short> {
    read_shortstr(r).map(Text::lossy)
}

/// Connection.Start-Ok (§4.2.2). RFC 4616: an empty identity, user and password; RFC 4422, appendix A: nothing, so that
/// the certificate alone counts.
pub fn start_ok(w: &mut Writer<'_>, options: &Options<'_>) {
    method(w, id::CONNECTION_START_OK);
    table(w, &|w| {
        for (name, value) in [
            ("product", options.product),
            ("version", options.version),
            ("platform", "Rust"),
            ("connection_name", options.connection_name),
        ] {
            field_longstr(w, name, value.as_bytes());
        }
        shortstr(w, "capabilities");
        w.u8(b'F');
        table(w, &|w| {
            for (name, value) in [
                ("authentication_failure_close", true),
                ("basic.nack", true),
                ("connection.blocked", true),
                ("consumer_cancel_notify", false),
                ("exchange_exchange_bindings", false),
                ("publisher_confirms", true),
            ] {
                field_bool(w, name, value);
            }
        });
    });
    shortstr(w, options.mechanism.as_str());
    let at = w.hold_u32();
    if options.mechanism == Mechanism::Plain {
        w.u8(0);
        w.bytes(options.user.as_bytes());
        w.u8(0);
        w.bytes(options.password.as_bytes());
    }
    w.fill_u32(at);
    shortstr(w, "en_US");
}

/// Connection.Tune-Ok
pub fn tune_ok(w: &mut Writer<'_>, channel_max: u16, frame_max: u32, heartbeat: u16) {
    method(w, id::CONNECTION_TUNE_OK);
    w.u16(channel_max);
    w.u32(frame_max);
    w.u16(heartbeat);
}

/// Connection.Open
pub fn open(w: &mut Writer<'_>, vhost: &str) {
    method(w, id::CONNECTION_OPEN);
    shortstr(w, vhost);
    shortstr(w, ""); // reserved: capabilities
    w.u8(0); // reserved: insist
}

/// Connection.Close: nothing of the peer's is to blame (class and method 0).
pub fn close(w: &mut Writer<'_>, code: u16, text: &str) {
    method(w, id::CONNECTION_CLOSE);
    w.u16(code);
    shortstr(w, text);
    w.u16(0);
    w.u16(0);
}

/// Channel.Open
pub fn channel_open(w: &mut Writer<'_>) {
    method(w, id::CHANNEL_OPEN);
    shortstr(w, ""); // reserved: out-of-band
}

/// Channel.Close: nothing of the peer's is to blame.
pub fn channel_close(w: &mut Writer<'_>) {
    method(w, id::CHANNEL_CLOSE);
    w.u16(200);
    shortstr(w, "done");
    w.u16(0);
    w.u16(0);
}

/// Channel.Flow-Ok
pub fn flow_ok(w: &mut Writer<'_>, active: bool) {
    method(w, id::CHANNEL_FLOW_OK);
    w.u8(u8::from(active));
}

/// Exchange.Declare (§1.6.2 of the reference)
pub fn exchange_declare(w: &mut Writer<'_>, exchange: &Exchange<'_>) {
    method(w, id::EXCHANGE_DECLARE);
    w.u16(0);
    shortstr(w, exchange.name);
    shortstr(w, exchange.kind);
    // Bits in order: passive, durable, auto-delete, internal, no-wait.
    w.u8(u8::from(exchange.durable) << 1 | u8::from(exchange.auto_delete) << 2);
    table(w, &|_| ());
}

/// Queue.Declare
pub fn queue_declare(w: &mut Writer<'_>, queue: &Queue<'_>) {
    method(w, id::QUEUE_DECLARE);
    w.u16(0);
    shortstr(w, queue.name);
    // Bits in order: passive, durable, exclusive, auto-delete, no-wait.
    w.u8(u8::from(queue.durable) << 1 | u8::from(queue.exclusive) << 2 | u8::from(queue.auto_delete) << 3);
    table(w, &|w| {
        if let Some(ttl) = queue.ttl_ms {
            // An integer of any width, but not a string: that would be 406.
            shortstr(w, "x-message-ttl");
            w.u8(b'l');
            w.u64(u64::from(ttl));
        }
        if let Some(kind) = queue.kind {
            field_longstr(w, "x-queue-type", kind.as_bytes());
        }
        w.bytes(queue.arguments.octets());
    });
}

/// Queue.Bind
pub fn queue_bind(w: &mut Writer<'_>, queue: &str, exchange: &str, routing_key: &str) {
    method(w, id::QUEUE_BIND);
    w.u16(0);
    shortstr(w, queue);
    shortstr(w, exchange);
    shortstr(w, routing_key);
    w.u8(0); // no-wait
    table(w, &|_| ());
}

/// Confirm.Select
pub fn confirm_select(w: &mut Writer<'_>) {
    method(w, id::CONFIRM_SELECT);
    w.u8(0); // no-wait
}

/// Basic.Publish, mandatory. `immediate` is never offered: RabbitMQ answers it with 540.
pub fn publish(w: &mut Writer<'_>, exchange: &str, routing_key: &str) {
    method(w, id::BASIC_PUBLISH);
    w.u16(0);
    shortstr(w, exchange);
    shortstr(w, routing_key);
    w.u8(1); // bits: mandatory, immediate
}

/// A method without arguments: Connection.Close-Ok, Channel.Close-Ok.
pub fn method(w: &mut Writer<'_>, (class, method): Id) {
    w.u16(class);
    w.u16(method);
}
