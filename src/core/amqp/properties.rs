//! The content header: properties of a message (§4.2.6.1).

use crate::amqp::field::{shortstr, table};
use crate::bytes::Writer;

/// Properties of one message. Those that are empty or `None` are not sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Properties<'a> {
    /// `content-type`
    pub content_type: &'a str,
    /// `content-encoding`
    pub content_encoding: &'a str,
    /// `headers`: names with counts, sent as 64-bit integers.
    pub headers: &'a [(&'a str, u64)],
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
const BASIC: u16 = 60;

/// Writes a content header frame's payload for a body of `body_len` bytes.
pub fn encode(w: &mut Writer<'_>, p: &Properties<'_>, body_len: u64) {
    w.u16(BASIC);
    w.u16(0); // weight
    w.u64(body_len);
    let flag = |present: bool, bit: u16| u16::from(present) << bit;
    w.u16(
        flag(!p.content_type.is_empty(), 15)
            | flag(!p.content_encoding.is_empty(), 14)
            | flag(!p.headers.is_empty(), 13)
            | flag(p.persistent, 12)
            | flag(!p.message_id.is_empty(), 7)
            | flag(p.timestamp.is_some(), 6)
            | flag(!p.app_id.is_empty(), 3),
    );
    // In the order of the flags, from the highest.
    optional(w, p.content_type);
    optional(w, p.content_encoding);
    if !p.headers.is_empty() {
        table(w, &|w| {
            for (name, value) in p.headers {
                shortstr(w, name);
                w.u8(b'l');
                // Signed on the wire; a count of 2^63 is not reached.
                w.u64(*value);
            }
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
