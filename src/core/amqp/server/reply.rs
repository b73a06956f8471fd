//! What the server says, encoded.

use core::fmt::Write as _;

use heapless::String;

use crate::amqp::field::{field_bool, field_longstr, shortstr, table, utf8};
use crate::amqp::method::{self, Id, id, method};
use crate::amqp::server::ServerOptions;
use crate::amqp::server::request::Answer;
use crate::bytes::Writer;

/// Connection.Start of version 0-9, with the mechanisms that are offered (§1.4.2.1 of the reference).
pub fn start(w: &mut Writer<'_>, options: &ServerOptions<'_>) {
    method(w, id::CONNECTION_START);
    w.u8(0);
    w.u8(9);
    table(w, &|w| {
        for (name, value) in
            [("product", options.product), ("version", options.version), ("platform", "Rust")]
        {
            field_longstr(w, name, value.as_bytes());
        }
        shortstr(w, "capabilities");
        w.u8(b'F');
        table(w, &|w| {
            for (name, value) in [
                ("authentication_failure_close", true),
                ("basic.nack", true), // pika asks for it before it selects confirms
                ("connection.blocked", true),
                ("consumer_cancel_notify", false),
                ("exchange_exchange_bindings", true),
                ("publisher_confirms", true),
            ] {
                field_bool(w, name, value);
            }
        });
    });
    // In the order of preference: clients take the first that they know.
    let mechanisms = if options.external { "EXTERNAL PLAIN" } else { "PLAIN" };
    for text in [mechanisms, "en_US"] {
        let at = w.hold_u32();
        w.bytes(text.as_bytes());
        w.fill_u32(at);
    }
}

/// Connection.Tune
pub fn tune(w: &mut Writer<'_>, channels: u16, frame_max: u32, heartbeat_s: u16) {
    method(w, id::CONNECTION_TUNE);
    w.u16(channels);
    w.u32(frame_max);
    w.u16(heartbeat_s);
}

/// Connection.Open-Ok
pub fn open_ok(w: &mut Writer<'_>) {
    method(w, id::CONNECTION_OPEN_OK);
    shortstr(w, ""); // reserved: known-hosts
}

/// Channel.Open-Ok
pub fn channel_open_ok(w: &mut Writer<'_>) {
    method(w, id::CHANNEL_OPEN_OK);
    w.u32(0); // reserved: channel-id
}

/// Connection.Close or Channel.Close, and the method that is to blame, or 0.0.
pub fn close(w: &mut Writer<'_>, close: Id, code: u16, text: &str, (class, cause): Id) {
    method(w, close);
    w.u16(code);
    shortstr(w, text);
    w.u16(class);
    w.u16(cause);
}

/// The answer to a request that is agreed to. `queues` is the number of the queue that gets a name.
pub fn agreed(w: &mut Writer<'_>, answer: Answer<'_>, queues: u32) {
    match answer {
        Answer::Ok(id) => method(w, id),
        Answer::Flow(active) => method::flow_ok(w, active),
        Answer::Ticket => {
            method(w, id::ACCESS_REQUEST_OK);
            w.u16(1);
        }
        Answer::Count(id) => {
            method(w, id);
            w.u32(0);
        }
        Answer::Queue(name) => {
            method(w, id::QUEUE_DECLARE_OK);
            let mut generated = String::<18>::new();
            let _ = write!(generated, "amq.gen-{queues}");
            shortstr(w, if name.is_empty() { &generated } else { utf8(name) });
            w.u32(0); // messages
            w.u32(0); // consumers
        }
    }
}

/// Basic.Ack
pub fn ack(w: &mut Writer<'_>, number: u64, multiple: bool) {
    method(w, id::BASIC_ACK);
    w.u64(number);
    w.u8(u8::from(multiple));
}

/// Connection.Blocked, or Connection.Unblocked without a reason.
pub fn blocked(w: &mut Writer<'_>, reason: Option<&str>) {
    match reason {
        Some(reason) => {
            method(w, id::CONNECTION_BLOCKED);
            shortstr(w, reason);
        }
        None => method(w, id::CONNECTION_UNBLOCKED),
    }
}
