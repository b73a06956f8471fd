//! What a client may ask for, decoded.

use core::fmt;

use crate::amqp::field::{Table, Value, read_longstr, read_shortstr, read_table, utf8};
use crate::amqp::method::{Id, Undecodable, id, text};
use crate::bytes::{Reader, Short, Text};

/// A method of a client's.
#[derive(Clone, Debug)]
pub enum Request<'a> {
    /// Connection.Start-Ok
    StartOk(Login<'a>),
    /// Connection.Tune-Ok
    TuneOk { channels: u16, frame_max: u32, heartbeat_s: u16 },
    /// Connection.Open
    Open { vhost: Text },
    /// Connection.Close or Channel.Close.
    Close { code: u16, text: Text },
    /// Connection.Close-Ok or Channel.Close-Ok.
    CloseOk,
    /// Channel.Open
    ChannelOpen,
    /// Basic.Publish, whose content follows.
    Publish { exchange: &'a [u8], routing_key: &'a [u8] },
    /// Confirm.Select
    ConfirmSelect { no_wait: bool },
    /// Whatever else a publisher asks for: the answer is yes, unless it does not want one.
    Agreed { answer: Answer<'a>, no_wait: bool },
    /// A method that clients never send.
    Unexpected,
}

/// How a request is agreed to.
#[derive(Clone, Copy, Debug)]
pub enum Answer<'a> {
    /// A method without arguments.
    Ok(Id),
    /// A queue, purged or deleted; so many messages were in it: none.
    Count(Id),
    /// Queue.Declare-Ok; an empty name asks for one.
    Queue(&'a [u8]),
    /// Channel.Flow-Ok
    Flow(bool),
    /// Access.Request-Ok, of AMQP 0-8: old clients ask first.
    Ticket,
}

/// Decodes a method frame's payload and tells the method's id. Bytes after the last known argument are ignored.
pub fn decode(payload: &[u8]) -> Result<(Id, Request<'_>), Undecodable> {
    let mut r = Reader::new(payload);
    let id = match (r.u16(), r.u16()) {
        (Ok(class), Ok(method)) => (class, method),
        _ => return Err(Undecodable::Short((0, 0))),
    };
    let request = arguments(id, &mut r).map_err(|Short| Undecodable::Short(id))?;
    Ok((id, request.ok_or(Undecodable::Unknown(id))?))
}

fn arguments<'a>(id: Id, r: &mut Reader<'a>) -> Result<Option<Request<'a>>, Short> {
    Ok(Some(match id {
        id::CONNECTION_START_OK => Request::StartOk(Login::decode(r)?),
        id::CONNECTION_TUNE_OK => {
            Request::TuneOk { channels: r.u16()?, frame_max: r.u32()?, heartbeat_s: r.u16()? }
        }
        id::CONNECTION_OPEN => Request::Open { vhost: text(r)? },
        id::CONNECTION_CLOSE | id::CHANNEL_CLOSE => Request::Close { code: r.u16()?, text: text(r)? },
        id::CONNECTION_CLOSE_OK | id::CHANNEL_CLOSE_OK => Request::CloseOk,
        id::CHANNEL_OPEN => Request::ChannelOpen,
        id::CHANNEL_FLOW => Request::Agreed { answer: Answer::Flow(r.u8()? & 1 == 1), no_wait: false },
        id::BASIC_PUBLISH => {
            r.u16()?;
            let (exchange, routing_key) = (read_shortstr(r)?, read_shortstr(r)?);
            r.u8()?; // bits: mandatory, immediate
            Request::Publish { exchange, routing_key }
        }
        id::CONFIRM_SELECT => Request::ConfirmSelect { no_wait: r.u8()? & 1 == 1 },
        id::BASIC_QOS => {
            r.take(7)?; // prefetch-size, prefetch-count, global
            Request::Agreed { answer: Answer::Ok(id::BASIC_QOS_OK), no_wait: false }
        }
        id::ACCESS_REQUEST => Request::Agreed { answer: Answer::Ticket, no_wait: false },
        // What comes from a server.
        id::CONNECTION_START
        | id::CONNECTION_SECURE
        | id::CONNECTION_TUNE
        | id::CONNECTION_OPEN_OK
        | id::CONNECTION_BLOCKED
        | id::CONNECTION_UNBLOCKED
        | id::CHANNEL_OPEN_OK
        | id::CHANNEL_FLOW_OK
        | id::EXCHANGE_DECLARE_OK
        | id::QUEUE_DECLARE_OK
        | id::QUEUE_BIND_OK
        | id::BASIC_RETURN
        | id::CONFIRM_SELECT_OK => Request::Unexpected,
        _ => return declared(id, r),
    }))
}

/// Requests of the classes Exchange and Queue: a reserved u16, so many short strings, bits, and most a table.
fn declared<'a>(id: Id, r: &mut Reader<'a>) -> Result<Option<Request<'a>>, Short> {
    const NEVER: u8 = 8;
    // Short strings, the bit that is no-wait, whether a table follows, and the answer.
    let (strings, no_wait, table, answer) = match id {
        id::EXCHANGE_DECLARE => (2, 4, true, Answer::Ok(id::EXCHANGE_DECLARE_OK)),
        id::EXCHANGE_DELETE => (1, 1, false, Answer::Ok(id::EXCHANGE_DELETE_OK)),
        id::EXCHANGE_BIND => (3, 0, true, Answer::Ok(id::EXCHANGE_BIND_OK)),
        id::EXCHANGE_UNBIND => (3, 0, true, Answer::Ok(id::EXCHANGE_UNBIND_OK)),
        id::QUEUE_DECLARE => (1, 4, true, Answer::Queue(&[])),
        id::QUEUE_BIND => (3, 0, true, Answer::Ok(id::QUEUE_BIND_OK)),
        id::QUEUE_UNBIND => (3, NEVER, true, Answer::Ok(id::QUEUE_UNBIND_OK)),
        id::QUEUE_PURGE => (1, 0, false, Answer::Count(id::QUEUE_PURGE_OK)),
        id::QUEUE_DELETE => (1, 2, false, Answer::Count(id::QUEUE_DELETE_OK)),
        _ => return Ok(None),
    };
    r.u16()?;
    let name = read_shortstr(r)?;
    for _ in 1..strings {
        read_shortstr(r)?;
    }
    let bits = if no_wait == NEVER { 0 } else { u32::from(r.u8()?) };
    if table {
        read_table(r)?;
    }
    let answer = if let Answer::Queue(_) = answer { Answer::Queue(name) } else { answer };
    Ok(Some(Request::Agreed { answer, no_wait: bits >> no_wait & 1 == 1 }))
}

/// A client that wants to log in, in the words of its Start-Ok. Texts are as it sent them, up to what is not UTF-8: for
/// a log they go through [`Text::lossy`].
#[derive(Clone, Copy)]
pub struct Login<'a> {
    /// User name; of EXTERNAL, as whom the client wants to act, which may be empty (RFC 4422, appendix A).
    pub user: &'a str,
    /// Password, in octets, to be compared in constant time. Debug output does not show it.
    pub password: &'a [u8],
    /// The client's program, as it calls itself; may be empty, as the following.
    pub product: &'a str,
    /// Its version.
    pub version: &'a str,
    /// What tells this connection from others of the same program.
    pub connection_name: &'a str,
    /// Whether the mechanism is EXTERNAL: the client is who the transport says, and there is no password.
    pub is_external: bool,
    /// The mechanism; the login is one only where this is PLAIN or EXTERNAL.
    pub(super) mechanism: &'a [u8],
    /// Whether it wants to be told why a login is refused (RabbitMQ's `authentication_failure_close`).
    pub(super) told_refusal: bool,
    /// Whether it understands Connection.Blocked.
    pub(super) told_blocked: bool,
}

impl<'a> Login<'a> {
    fn decode(r: &mut Reader<'a>) -> Result<Self, Short> {
        let properties = read_table(r)?;
        let mechanism = read_shortstr(r)?;
        let response = read_longstr(r)?;
        read_shortstr(r)?; // locale
        let text = |name| match properties.get(name) {
            Some(Value::Octets(octets)) => utf8(octets),
            _ => "",
        };
        let capabilities = match properties.get("capabilities") {
            Some(Value::Table(capabilities)) => capabilities,
            _ => Table::default(),
        };
        let can = |name| capabilities.get(name) == Some(Value::Bool(true));
        let is_external = mechanism == b"EXTERNAL";
        let (user, password) = match mechanism {
            b"PLAIN" => credentials(response).ok_or(Short)?,
            b"EXTERNAL" => (core::str::from_utf8(response).map_err(|_| Short)?, &[][..]),
            _ => ("", &[][..]),
        };
        Ok(Self {
            user,
            password,
            product: text("product"),
            version: text("version"),
            connection_name: text("connection_name"),
            is_external,
            mechanism,
            told_refusal: can("authentication_failure_close"),
            told_blocked: can("connection.blocked"),
        })
    }
}

/// RFC 4616: identity, user and password, with a NUL before the latter two.
fn credentials(response: &[u8]) -> Option<(&str, &[u8])> {
    let mut parts = response.splitn(3, |octet| *octet == 0);
    let (_identity, user, password) = (parts.next()?, parts.next()?, parts.next()?);
    Some((core::str::from_utf8(user).ok()?, password))
}

impl fmt::Debug for Login<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { user, password: _, product, version, connection_name, .. } = self;
        f.debug_struct("Login")
            .field("user", user)
            .field("product", product)
            .field("version", version)
            .field("connection_name", connection_name)
            .finish_non_exhaustive()
    }
}
