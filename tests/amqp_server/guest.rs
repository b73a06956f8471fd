//! A client in memory: what it says is encoded by amq-protocol, what it hears is decoded by it.

use std::collections::VecDeque;
use std::time::Duration;

use psistats_core::amqp::server::Tag;
use psistats_core::amqp::{Server, ServerBuffers, ServerError, ServerEvent, ServerOptions};
use psistats_core::limits;
use psistats_core::link::Link;
use psistats_core::time::Instant;

use super::peer::{self, AMQPClass, AMQPFrame, AMQPValue, FieldTable};
use super::peer::{basic, channel, confirm, connection};

pub const REFUSAL: &str = "this is an intake: consume elsewhere";

pub const OPTIONS: ServerOptions<'static> = ServerOptions {
    product: "intake",
    version: "1.2.3",
    heartbeat_s: 60,
    channels: 4,
    external: false,
    refusal: REFUSAL,
};

/// Octets that one message of a channel has.
pub const SHARE: usize = 8192;
pub const SEND: usize = 4096;

/// A server with memory of its own, which is never given back: tests are short.
pub fn server(options: ServerOptions<'static>, now: Instant) -> Server<'static> {
    let memory = |size| Box::leak(vec![0; size].into_boxed_slice());
    let messages = memory(SHARE * usize::from(OPTIONS.channels));
    let buffers = ServerBuffers { receive: memory(limits::AMQP_RECV), send: memory(SEND), messages };
    Server::new(options, buffers, now)
}

/// A message that came.
#[derive(Clone, Debug, PartialEq)]
pub struct Came {
    pub tag: Tag,
    pub exchange: String,
    pub routing_key: String,
    pub message_id: String,
    pub body: Vec<u8>,
}

/// A server, its peer's view, and the time.
pub struct Guest {
    pub server: Server<'static>,
    pub now: Instant,
    /// The transport takes nothing from the server.
    pub stalled: bool,
    /// The owner's answer to a login; none leaves it open.
    pub accepts: Option<bool>,
    pub events: VecDeque<ServerEvent>,
    pub came: Vec<Came>,
    heard: VecDeque<AMQPFrame>,
    partial: Vec<u8>,
}

impl Guest {
    /// Just connected.
    pub fn new() -> Self {
        Self::with(OPTIONS)
    }

    /// The same, with other options.
    pub fn with(options: ServerOptions<'static>) -> Self {
        let now = Instant::from_nanos(1_000_000_000_000);
        Self {
            server: server(options, now),
            now,
            stalled: false,
            accepts: Some(true),
            events: VecDeque::new(),
            came: Vec::new(),
            heard: VecDeque::new(),
            partial: Vec::new(),
        }
    }

    /// The protocol header was said, and Start heard.
    pub fn greeted() -> Self {
        let mut new = Self::new();
        new.say_octets(b"AMQP\0\0\x09\x01");
        assert!(matches!(
            new.hear(),
            AMQPFrame::Method(0, AMQPClass::Connection(connection::AMQPMethod::Start(_)))
        ));
        new
    }

    /// Logged in, and Tune heard.
    pub fn logged_in() -> Self {
        let mut new = Self::greeted();
        new.say(&start_ok("PLAIN", b"\0pi\0secret", true));
        assert_eq!(new.event(), ServerEvent::Login);
        assert!(matches!(
            new.hear(),
            AMQPFrame::Method(0, AMQPClass::Connection(connection::AMQPMethod::Tune(_)))
        ));
        new
    }

    /// The virtual host is open, and these limits hold.
    pub fn tuned(channel_max: u16, frame_max: u32, heartbeat: u16) -> Self {
        let mut new = Self::logged_in();
        new.say(&tune_ok(channel_max, frame_max, heartbeat));
        new.say(&open("/"));
        assert_eq!(new.hear(), peer::on_connection(connection::AMQPMethod::OpenOk(connection::OpenOk {})));
        assert!(matches!(new.event(), ServerEvent::Opened { .. }));
        new
    }

    /// Channel 1 is open.
    pub fn ready() -> Self {
        let mut new = Self::tuned(4, 131_072, 60);
        new.open_channel(1);
        new
    }

    /// Channel 1 is open, and confirms are on.
    pub fn confirming() -> Self {
        let mut new = Self::ready();
        new.select(1);
        new
    }

    pub fn open_channel(&mut self, number: u16) {
        self.say(&channel_open(number));
        let ok = AMQPClass::Channel(channel::AMQPMethod::OpenOk(channel::OpenOk {}));
        assert_eq!(self.hear(), AMQPFrame::Method(number, ok));
    }

    pub fn select(&mut self, number: u16) {
        let select = AMQPClass::Confirm(confirm::AMQPMethod::Select(confirm::Select { nowait: false }));
        self.say(&AMQPFrame::Method(number, select));
        let ok = AMQPClass::Confirm(confirm::AMQPMethod::SelectOk(confirm::SelectOk {}));
        assert_eq!(self.hear(), AMQPFrame::Method(number, ok));
    }

    pub fn publish(&mut self, number: u16, body: &[u8]) {
        self.say_octets(&message(number, body));
    }

    pub fn say(&mut self, frame: &AMQPFrame) {
        self.say_octets(&peer::encode(frame));
    }

    pub fn say_octets(&mut self, mut octets: &[u8]) {
        while !octets.is_empty() {
            let space = self.server.recv_space();
            let n = space.len().min(octets.len());
            space[..n].copy_from_slice(&octets[..n]);
            if n == 0 {
                assert!(self.has_ended(), "recv_space is empty though no event waits");
                return;
            }
            self.server.received(n, self.now);
            octets = &octets[n..];
            self.settle();
        }
    }

    /// Events are drained, and the transport takes what waits.
    pub fn settle(&mut self) {
        while let Some(event) = self.server.poll_event(self.now) {
            assert!(!self.has_ended(), "{event:?} after the end");
            match (&event, self.accepts) {
                (ServerEvent::Login, Some(true)) => self.server.accept(self.now),
                (ServerEvent::Login, Some(false)) => self.server.refuse(self.now),
                (ServerEvent::Publish(tag), _) => {
                    let message = self.server.message().expect("it is there");
                    self.came.push(Came {
                        tag: *tag,
                        exchange: message.exchange.into(),
                        routing_key: message.routing_key.into(),
                        message_id: message.properties.message_id.into(),
                        body: message.body.to_vec(),
                    });
                    continue;
                }
                _ => assert!(self.server.message().is_none()),
            }
            self.events.push_back(event);
        }
        if !self.stalled && !self.server.outgoing().is_empty() {
            self.partial.extend_from_slice(self.server.outgoing());
            self.server.sent(self.server.outgoing().len(), self.now);
            self.heard.extend(peer::take_frames(&mut self.partial));
        }
    }

    pub fn pass(&mut self, duration: Duration) {
        let end = self.now + duration;
        while let Some(due) = self.server.deadline().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.server.timed_out(self.now);
            self.settle();
            assert!(
                self.server.deadline().is_none_or(|next| next > self.now),
                "a deadline that does not move"
            );
        }
        self.now = end;
    }

    pub fn hear(&mut self) -> AMQPFrame {
        self.heard.pop_front().unwrap_or_else(|| panic!("the server said nothing: {:?}", self.events))
    }

    pub fn hear_all(&mut self) -> Vec<AMQPFrame> {
        self.heard.drain(..).collect()
    }

    pub fn event(&mut self) -> ServerEvent {
        self.events.pop_front().expect("an event")
    }

    /// The end, which must be the next event.
    pub fn end(&mut self) -> Result<(), ServerError> {
        match self.events.pop_front() {
            Some(ServerEvent::Ended(result)) => result,
            other => panic!("expected the end, got {other:?}"),
        }
    }

    /// The server closes the connection with this code; the client agrees, and the end is an error.
    pub fn closed_with(&mut self, code: u16) -> (String, ServerError) {
        let close = self.heard.pop_back();
        let Some(AMQPFrame::Method(0, AMQPClass::Connection(connection::AMQPMethod::Close(close)))) = close
        else {
            panic!("expected Close {code}, got {close:?}, {:?}", self.events);
        };
        assert_eq!(close.reply_code, code, "{}", close.reply_text);
        self.say(&peer::close_ok());
        if self.events.is_empty() {
            self.pass(super::SECOND); // frames made no sense any more
        }
        let error = self.end().expect_err("it ended well");
        (close.reply_text.to_string(), error)
    }

    fn has_ended(&self) -> bool {
        matches!(self.events.back(), Some(ServerEvent::Ended(_)))
    }
}

pub fn table<const N: usize>(fields: [(&str, AMQPValue); N]) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, value) in fields {
        table.insert(name.into(), value);
    }
    table
}

pub fn start_ok(mechanism: &str, response: &[u8], is_told: bool) -> AMQPFrame {
    let capabilities = table([
        ("authentication_failure_close", AMQPValue::Boolean(is_told)),
        ("connection.blocked", AMQPValue::Boolean(is_told)),
    ]);
    peer::on_connection(connection::AMQPMethod::StartOk(connection::StartOk {
        client_properties: table([
            ("product", AMQPValue::LongString("guest".into())),
            ("version", AMQPValue::LongString("7".into())),
            ("connection_name", AMQPValue::LongString("guest of pi-1".into())),
            ("capabilities", AMQPValue::FieldTable(capabilities)),
        ]),
        mechanism: mechanism.into(),
        response: response.into(),
        locale: "en_US".into(),
    }))
}

pub const fn tune_ok(channel_max: u16, frame_max: u32, heartbeat: u16) -> AMQPFrame {
    peer::on_connection(connection::AMQPMethod::TuneOk(connection::TuneOk {
        channel_max,
        frame_max,
        heartbeat,
    }))
}

pub fn open(vhost: &str) -> AMQPFrame {
    peer::on_connection(connection::AMQPMethod::Open(connection::Open { virtual_host: vhost.into() }))
}

pub const fn channel_open(number: u16) -> AMQPFrame {
    AMQPFrame::Method(number, AMQPClass::Channel(channel::AMQPMethod::Open(channel::Open {})))
}

pub fn basic_publish(number: u16) -> AMQPFrame {
    let publish = basic::Publish {
        exchange: "psistats".into(),
        routing_key: "psistats.pi-1".into(),
        mandatory: true,
        immediate: false,
    };
    AMQPFrame::Method(number, AMQPClass::Basic(basic::AMQPMethod::Publish(publish)))
}

pub fn content_header(number: u16, body_size: u64) -> AMQPFrame {
    let properties = basic::AMQPProperties::default().with_message_id("boot-1f-7".into());
    AMQPFrame::Header(number, peer::AMQPContentHeader { class_id: 60, body_size, properties })
}

/// Basic.Publish, header, and the body in frames of at most 4088 octets.
pub fn message(number: u16, body: &[u8]) -> Vec<u8> {
    let mut octets = peer::encode(&basic_publish(number));
    octets.extend(peer::encode(&content_header(number, body.len() as u64)));
    for piece in body.chunks(4088) {
        octets.extend(peer::encode(&AMQPFrame::Body(number, piece.to_vec())));
    }
    octets
}

pub const fn ack_on(number: u16, delivery_tag: u64, multiple: bool) -> AMQPFrame {
    let ack = basic::Ack { delivery_tag, multiple };
    AMQPFrame::Method(number, AMQPClass::Basic(basic::AMQPMethod::Ack(ack)))
}
