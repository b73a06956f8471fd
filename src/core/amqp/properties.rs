//! The content header: properties of a message (§4.2.6.1).

use crate::amqp::field::{Table, Value, put_value, read_shortstr, read_table, shortstr, table, utf8};
use crate::bytes::{Reader, Short, Writer};

/// Properties of one message. Those that are empty or `None` are not sent.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Properties<'a> {
    /// `content-type`
    pub content_type: &'a str,
    /// `content-encoding`
    pub content_encoding: &'a str,
    /// `headers`
    pub headers: &'a [(&'a str, Value<'a>)],
    /// Further `headers`.
    pub fixed_headers: Table<'a>,
    /// `delivery-mode` 2: written to disk where the queue is durable too.
    pub persistent: bool,
    /// `message-id`
    pub message_id: &'a str,
    /// `timestamp`, Unix seconds.
    pub timestamp: Option<u64>,
    /// `app-id`
    pub app_id: &'a str,
}

/// Class id of Basic.
pub const BASIC: u16 = 60;

/// Writes a content header frame's payload for a body of `body_len` bytes.
pub fn encode(w: &mut Writer<'_>, p: &Properties<'_>, body_len: u64) {
    w.u16(BASIC);
    w.u16(0); // weight
    w.u64(body_len);
    let has_headers = !p.headers.is_empty() || !p.fixed_headers.is_empty();
    let flag = |present: bool, bit: u16| u16::from(present) << bit;
    w.u16(
        flag(!p.content_type.is_empty(), 15)
            | flag(!p.content_encoding.is_empty(), 14)
            | flag(has_headers, 13)
            | flag(p.persistent, 12)
            | flag(!p.message_id.is_empty(), 7)
            | flag(p.timestamp.is_some(), 6)
            | flag(!p.app_id.is_empty(), 3),
    );
    // In the order of the flags, from the highest.
    optional(w, p.content_type);
    optional(w, p.content_encoding);
    if has_headers {
        table(w, &|w| {
            for (name, value) in p.headers {
                shortstr(w, name);
                put_value(w, value);
            }
            w.bytes(p.fixed_headers.octets());
        });
    }
    if p.persistent {
        w.u8(2);
    }
    optional(w, p.message_id);
    if let Some(seconds) = p.timestamp {
        w.u64(seconds);
    }
    optional(w, p.app_id);
}

fn optional(w: &mut Writer<'_>, text: &str) {
    if !text.is_empty() {
        shortstr(w, text);
    }
}

/// Properties of a message that came. Those that were not sent are empty or `None`; a text ends where it is not UTF-8.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ReceivedProperties<'a> {
    /// `content-type`
    pub content_type: &'a str,
    /// `content-encoding`
    pub content_encoding: &'a str,
    /// `headers`
    pub headers: Table<'a>,
    /// `delivery-mode`: 2 is persistent.
    pub delivery_mode: Option<u8>,
    /// `message-id`
    pub message_id: &'a str,
    /// `timestamp`, Unix seconds.
    pub timestamp: Option<u64>,
    /// `user-id`
    pub user_id: &'a str,
    /// `app-id`
    pub app_id: &'a str,
}

/// Reads the flags and properties, which end a content header frame's payload.
pub fn decode(octets: &[u8]) -> Result<ReceivedProperties<'_>, Short> {
    let mut r = Reader::new(octets);
    let flags = r.u16()?;
    let has = |bit: u16| flags >> bit & 1 == 1;
    // The lowest bit says that another word of flags follows; Basic has none with a meaning.
    let mut more = has(0);
    while more {
        more = r.u16()? & 1 == 1;
    }
    let content_type = read_text(&mut r, has(15))?;
    let content_encoding = read_text(&mut r, has(14))?;
    let headers = if has(13) { read_table(&mut r)? } else { Table::default() };
    let delivery_mode = if has(12) { Some(r.u8()?) } else { None };
    if has(11) {
        r.u8()?; // priority
    }
    for bit in [10, 9, 8] {
        read_text(&mut r, has(bit))?; // correlation-id, reply-to, expiration
    }
    let message_id = read_text(&mut r, has(7))?;
    let timestamp = if has(6) { Some(r.u64()?) } else { None };
    read_text(&mut r, has(5))?; // type
    let user_id = read_text(&mut r, has(4))?;
    let app_id = read_text(&mut r, has(3))?;
    Ok(ReceivedProperties {
        content_type,
        content_encoding,
        headers,
        delivery_mode,
        message_id,
        timestamp,
        user_id,
        app_id,
    })
}

fn read_text<'a>(r: &mut Reader<'a>, present: bool) -> Result<&'a str, Short> {
    if present { read_shortstr(r).map(utf8) } else { Ok("") }
}
