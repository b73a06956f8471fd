//! What frames on their way to the broker are made of.

use crate::amqp::client::Publish;
use crate::amqp::frame::{self, CHANNEL};
use crate::amqp::options::Options;
use crate::amqp::{method, properties};
use crate::bytes::Writer;
use crate::limits;
use crate::link::Write;

/// One frame: prefix, payload, end octet.
pub fn put_frame(w: &mut Writer<'_>, kind: u8, channel: u16, payload: Write<'_>) {
    w.u8(kind);
    w.u16(channel);
    let size = w.hold_u32();
    payload(w);
    w.fill_u32(size);
    w.u8(frame::END);
}

/// Basic.Publish, content header, and the body in frames of the agreed size.
pub fn content(w: &mut Writer<'_>, options: &Options<'_>, message: &Publish<'_>, frame_max: u32) {
    put_frame(w, frame::METHOD, CHANNEL, &|w| method::publish(w, options.exchange.name, options.routing_key));
    let length = message.body.len() as u64;
    put_frame(w, frame::HEADER, CHANNEL, &|w| properties::encode(w, &message.properties, length));
    for piece in message.body.chunks(frame_max.saturating_sub(8).max(1) as usize) {
        put_frame(w, frame::BODY, CHANNEL, &|w| w.bytes(piece));
    }
}

/// A short string (§4.2.5.3). The caller keeps texts within 255 bytes; one that is
/// longer is cut, because its length has one octet.
pub fn shortstr(w: &mut Writer<'_>, text: &str) {
    let mut length = text.len().min(limits::SHORTSTR);
    while !text.is_char_boundary(length) {
        length -= 1;
    }
    w.u8(u8::try_from(length).unwrap_or(u8::MAX));
    w.bytes(text.as_bytes().get(..length).unwrap_or(&[]));
}

/// A field table (§4.2.5.5) with what `fields` writes.
pub fn table(w: &mut Writer<'_>, fields: Write<'_>) {
    let at = w.hold_u32();
    fields(w);
    w.fill_u32(at);
}

/// A table's field of type long string.
pub fn field_longstr(w: &mut Writer<'_>, name: &str, value: &[u8]) {
    shortstr(w, name);
    w.u8(b'S');
    let at = w.hold_u32();
    w.bytes(value);
    w.fill_u32(at);
}

/// A table's field of type boolean.
pub fn field_bool(w: &mut Writer<'_>, name: &str, value: bool) {
    shortstr(w, name);
    w.u8(b't');
    w.u8(u8::from(value));
}
