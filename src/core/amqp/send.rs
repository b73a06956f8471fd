//! What frames on their way to the broker are made of.

use crate::amqp::frame;
use crate::amqp::method;
use crate::amqp::options::Options;
use crate::amqp::properties::{self, Properties};
use crate::bytes::Writer;
use crate::link::Write;

/// One message.
#[derive(Clone, Copy, Debug)]
pub struct Publish<'a> {
    /// Its properties.
    pub properties: Properties<'a>,
    /// Its body.
    pub body: &'a [u8],
}

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
pub fn content(
    w: &mut Writer<'_>,
    options: &Options<'_>,
    channel: u16,
    message: &Publish<'_>,
    frame_max: u32,
) {
    put_frame(w, frame::METHOD, channel, &|w| method::publish(w, options.exchange.name, options.routing_key));
    let length = message.body.len() as u64;
    put_frame(w, frame::HEADER, channel, &|w| properties::encode(w, &message.properties, length));
    for piece in message.body.chunks(frame_max.saturating_sub(8).max(1) as usize) {
        put_frame(w, frame::BODY, channel, &|w| w.bytes(piece));
    }
}
