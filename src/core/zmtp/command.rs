//! Commands: a name and what belongs to it (RFC 37, "Commands").

use crate::bytes::{Reader, Short, Text, Writer};
use crate::zmtp::error::{Error, Violation};
use crate::zmtp::frame::COMMAND;
use crate::zmtp::socket_type::SocketType;

/// Octets of a command's body that are looked at; a longer one is a breach of protocol. READY of
/// libzmq has about 30, and 280 with the longest identity.
pub const LONGEST: usize = 1024;

/// Octets of a PING's context (RFC 37): what PONG sends back.
pub const CONTEXT: usize = 16;

/// What came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command<'a> {
    /// The other side of the handshake, and its socket type.
    Ready(Text),
    /// Why the peer ends.
    Error(Text),
    /// Messages that begin so are wanted.
    Subscribe(&'a [u8]),
    /// No longer.
    Cancel(&'a [u8]),
    /// To be answered.
    Ping {
        /// Tenths of a second after which the peer holds us for dead; 0: never.
        ttl: u16,
        /// To be sent back.
        context: &'a [u8],
    },
    /// An answer.
    Pong,
    /// Any other, which is passed over.
    Other,
}

/// Reads a command's body.
pub fn parse(body: &[u8]) -> Result<Command<'_>, Error> {
    read(body).map_err(Error::Violation)
}

fn read(body: &[u8]) -> Result<Command<'_>, Violation> {
    let mut r = Reader::new(body);
    let length = r.u8()?;
    let name = r.take(length.into())?;
    Ok(match name {
        b"READY" => Command::Ready(socket_type(r)?),
        b"ERROR" => {
            let length = r.u8()?;
            Command::Error(Text::lossy(r.take(length.into())?))
        }
        b"SUBSCRIBE" => Command::Subscribe(r.rest()),
        b"CANCEL" => Command::Cancel(r.rest()),
        b"PING" => {
            let ttl = r.u16()?;
            let context = r.rest();
            if context.len() > CONTEXT {
                return Err(Violation::Context { size: context.len(), limit: CONTEXT });
            }
            Command::Ping { ttl, context }
        }
        b"PONG" => Command::Pong,
        _ => Command::Other,
    })
}

/// The property Socket-Type among the metadata; empty where it is missing. Names are compared without
/// regard to case (RFC 37).
pub(super) fn socket_type(mut metadata: Reader<'_>) -> Result<Text, Short> {
    let mut found = Text::default();
    while !metadata.is_empty() {
        let length = metadata.u8()?;
        let name = metadata.take(length.into())?;
        let length = metadata.u32()?;
        let value = metadata.take(usize::try_from(length).map_err(|_| Short)?)?;
        if name.eq_ignore_ascii_case(b"Socket-Type") {
            found = Text::lossy(value);
        }
    }
    Ok(found)
}

/// Our metadata: the socket type.
pub const fn metadata(socket: SocketType) -> &'static [u8] {
    match socket {
        SocketType::Pub => b"\x0BSocket-Type\0\0\0\x03PUB",
        SocketType::Sub => b"\x0BSocket-Type\0\0\0\x03SUB",
    }
}

/// READY with our metadata.
pub fn put_ready(w: &mut Writer<'_>, socket: SocketType) {
    put(w, b"READY", &[metadata(socket)]);
}

/// ERROR with a reason.
pub fn put_error(w: &mut Writer<'_>, reason: &str) {
    let length = u8::try_from(reason.len()).unwrap_or_default();
    put(w, b"ERROR", &[&[length], reason.as_bytes()]);
}

/// SUBSCRIBE.
pub fn put_subscribe(w: &mut Writer<'_>, prefix: &[u8]) {
    put(w, b"SUBSCRIBE", &[prefix]);
}

/// PING without a context. `ttl` in tenths of a second.
pub fn put_ping(w: &mut Writer<'_>, ttl: u16) {
    put(w, b"PING", &[&ttl.to_be_bytes()]);
}

/// PONG with the context of the PING that it answers.
pub fn put_pong(w: &mut Writer<'_>, context: &[u8]) {
    put(w, b"PONG", &[context]);
}

/// One command; all of ours are short.
fn put(w: &mut Writer<'_>, name: &[u8], rest: &[&[u8]]) {
    let size = 1 + name.len() + rest.iter().map(|part| part.len()).sum::<usize>();
    w.u8(COMMAND);
    w.u8(u8::try_from(size).unwrap_or_default());
    w.u8(u8::try_from(name.len()).unwrap_or_default());
    w.bytes(name);
    rest.iter().for_each(|part| w.bytes(part));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(write: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
        let mut buf = [0; 64];
        let mut w = Writer::new(&mut buf);
        write(&mut w);
        let length = w.finish().unwrap();
        assert_eq!((buf[0], usize::from(buf[1])), (COMMAND, length - 2));
        buf[2..length].to_vec()
    }

    #[test]
    fn what_is_written_is_read_back() {
        let ready = body(|w| put_ready(w, SocketType::Pub));
        assert_eq!(parse(&ready), Ok(Command::Ready(Text::lossy(b"PUB"))));
        let ping = body(|w| put_ping(w, 300));
        assert_eq!(parse(&ping), Ok(Command::Ping { ttl: 300, context: b"" }));
        assert_eq!(parse(&body(|w| put_error(w, "no"))), Ok(Command::Error(Text::lossy(b"no"))));
        assert_eq!(parse(&body(|w| put_subscribe(w, b"ab"))), Ok(Command::Subscribe(b"ab")));
        assert_eq!(body(|w| put_pong(w, b"0123456789abcdef")), b"\x04PONG0123456789abcdef");
    }

    #[test]
    fn ready_is_read_with_any_properties_in_any_case_and_order() {
        let ready = b"\x05READY\x08Identity\0\0\0\x02ab\x0bSOCKET-type\0\0\0\x04XSUB\x01X\0\0\0\0";
        assert_eq!(parse(ready), Ok(Command::Ready(Text::lossy(b"XSUB"))));
        assert_eq!(parse(b"\x05READY"), Ok(Command::Ready(Text::default())));
    }

    #[test]
    fn lengths_beyond_the_body_are_a_breach_of_protocol() {
        for wrong in [
            &b""[..],
            b"\x06READY",
            b"\x05READY\x0bSocket-Type\0\0\0\x04PUB",
            b"\x05READY\x0bSocket-Type\xff\xff\xff\xffPUB",
            b"\x05READY\x0bSocket",
            b"\x05ERROR\x05abc",
            b"\x05ERROR",
            b"\x04PING\0",
        ] {
            assert_eq!(parse(wrong), Err(Violation::Command.into()), "{:?}", wrong.escape_ascii());
        }
        let error = parse(b"\x04PING\0\x010123456789abcdefg").unwrap_err().to_string();
        assert!(error.contains("a PING with a context of 17 bytes, where 16 are the most"), "{error}");
    }

    #[test]
    fn unknown_commands_are_passed_over() {
        for other in [&b"\0"[..], b"\x04JOINgroup", b"\x05ready"] {
            assert_eq!(parse(other), Ok(Command::Other));
        }
    }
}
