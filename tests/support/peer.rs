//! The other end of a connection, in memory: a client driven through its `Link`, and a broker whose
//! words are encoded and decoded by amq-protocol, a codec that nobody here wrote.

#![allow(dead_code, unused_imports)] // every test program uses a part of it

use std::collections::VecDeque;
use std::time::Duration;

pub use amq_protocol::frame::{AMQPContentHeader, AMQPFrame};
use amq_protocol::frame::{WriteContext, gen_frame, parse_frame};
pub use amq_protocol::protocol::{AMQPClass, basic, channel, confirm, connection, exchange, queue};
use amq_protocol::types::LongString;
pub use amq_protocol::types::{AMQPValue, FieldTable};
use psistats_core::amqp::{Buffers, Client, Error, Event, Exchange, Mechanism, Options, Queue, Step, Table};
use psistats_core::limits;
use psistats_core::link::Link;
use psistats_core::time::Instant;

/// A client as the default configuration makes it.
pub const OPTIONS: Options<'static> = Options {
    mechanism: Mechanism::Plain,
    user: "guest",
    password: "correct horse",
    vhost: "/",
    product: "psistats",
    version: "0.2.0",
    connection_name: "psistats raspi",
    heartbeat_s: 60,
    retry: Duration::from_secs(5),
    confirm_timeout: Duration::from_secs(30),
    refused_timeout: Duration::ZERO,
    exchange: Exchange { name: "psistats", kind: "topic", durable: false, auto_delete: false },
    declare_exchange: true,
    queue: Some(QUEUE),
    routing_key: "psistats.raspi",
};

/// The queue of the default configuration.
pub const QUEUE: Queue<'static> = Queue {
    name: "psistats.raspi",
    binding_key: "psistats.raspi",
    durable: false,
    exclusive: true,
    auto_delete: true,
    ttl_ms: Some(10_000),
    kind: None,
    arguments: Table::EMPTY,
};

/// A method of class Connection.
pub const fn on_connection(method: connection::AMQPMethod) -> AMQPFrame {
    AMQPFrame::Method(0, AMQPClass::Connection(method))
}

/// A method on the client's channel.
pub const fn on_channel(method: AMQPClass) -> AMQPFrame {
    AMQPFrame::Method(1, method)
}

/// Connection.Start with `properties`.
pub fn start_with(properties: FieldTable) -> AMQPFrame {
    on_connection(connection::AMQPMethod::Start(connection::Start {
        version_major: 0,
        version_minor: 9,
        server_properties: properties,
        mechanisms: LongString::from("AMQPLAIN PLAIN"),
        locales: LongString::from("en_US"),
    }))
}

/// Connection.Tune
pub const fn tune(frame_max: u32, heartbeat: u16) -> AMQPFrame {
    let tune = connection::Tune { channel_max: 2047, frame_max, heartbeat };
    on_connection(connection::AMQPMethod::Tune(tune))
}

/// Connection.Close
pub fn close(reply_code: u16, text: &str) -> AMQPFrame {
    let close =
        connection::Close { reply_code, reply_text: text.to_owned().into(), class_id: 0, method_id: 0 };
    on_connection(connection::AMQPMethod::Close(close))
}

/// Connection.Close-Ok
pub const fn close_ok() -> AMQPFrame {
    on_connection(connection::AMQPMethod::CloseOk(connection::CloseOk {}))
}

/// Channel.Close
pub fn channel_close(reply_code: u16, text: &str) -> AMQPFrame {
    let close = channel::Close { reply_code, reply_text: text.to_owned().into(), class_id: 0, method_id: 0 };
    on_channel(AMQPClass::Channel(channel::AMQPMethod::Close(close)))
}

/// Channel.Close-Ok
pub const fn channel_close_ok() -> AMQPFrame {
    on_channel(AMQPClass::Channel(channel::AMQPMethod::CloseOk(channel::CloseOk {})))
}

/// Connection.Blocked
pub fn blocked(reason: &str) -> AMQPFrame {
    on_connection(connection::AMQPMethod::Blocked(connection::Blocked { reason: reason.to_owned().into() }))
}

/// Connection.Unblocked
pub const fn unblocked() -> AMQPFrame {
    on_connection(connection::AMQPMethod::Unblocked(connection::Unblocked {}))
}

/// Channel.Flow
pub const fn flow(active: bool) -> AMQPFrame {
    on_channel(AMQPClass::Channel(channel::AMQPMethod::Flow(channel::Flow { active })))
}

/// Basic.Ack
pub const fn ack(delivery_tag: u64, multiple: bool) -> AMQPFrame {
    on_channel(AMQPClass::Basic(basic::AMQPMethod::Ack(basic::Ack { delivery_tag, multiple })))
}

/// Basic.Nack
pub const fn nack(delivery_tag: u64, multiple: bool) -> AMQPFrame {
    let nack = basic::Nack { delivery_tag, multiple, requeue: false };
    on_channel(AMQPClass::Basic(basic::AMQPMethod::Nack(nack)))
}

/// Basic.Return; a content header and a body follow it.
pub fn basic_return() -> AMQPFrame {
    on_channel(AMQPClass::Basic(basic::AMQPMethod::Return(basic::Return {
        reply_code: 312,
        reply_text: "NO_ROUTE".into(),
        exchange: "psistats".into(),
        routing_key: "psistats.raspi".into(),
    })))
}

/// What a broker says first.
pub fn start() -> AMQPFrame {
    start_with(FieldTable::default())
}

/// What the client waits for once it has sent `frame`.
pub fn step_after(frame: &AMQPFrame) -> Option<Step> {
    use connection::AMQPMethod as Connection;
    Some(match frame {
        AMQPFrame::ProtocolHeader(_) => Step::Greeting,
        AMQPFrame::Method(0, AMQPClass::Connection(Connection::StartOk(_))) => Step::Login,
        AMQPFrame::Method(0, AMQPClass::Connection(Connection::Open(_))) => Step::VirtualHost,
        AMQPFrame::Method(1.., AMQPClass::Channel(channel::AMQPMethod::Open(_))) => Step::Channel,
        AMQPFrame::Method(1.., AMQPClass::Exchange(exchange::AMQPMethod::Declare(_))) => Step::Exchange,
        AMQPFrame::Method(1.., AMQPClass::Queue(queue::AMQPMethod::Declare(_))) => Step::Queue,
        AMQPFrame::Method(1.., AMQPClass::Queue(queue::AMQPMethod::Bind(_))) => Step::Binding,
        AMQPFrame::Method(1.., AMQPClass::Confirm(confirm::AMQPMethod::Select(_))) => Step::Confirms,
        AMQPFrame::Method(0, AMQPClass::Connection(Connection::Close(_))) => Step::Closing,
        _ => return None,
    })
}

/// The answer of a broker that agrees, where one is due, on the channel of `frame`.
pub fn usual_answer(frame: &AMQPFrame) -> Option<AMQPFrame> {
    use connection::AMQPMethod as Connection;
    let on = |class| match frame {
        AMQPFrame::Method(channel, _) => AMQPFrame::Method(*channel, class),
        _ => unreachable!("a method of a channel"),
    };
    if let AMQPFrame::Method(1.., AMQPClass::Channel(channel::AMQPMethod::Close(_))) = frame {
        return Some(on(AMQPClass::Channel(channel::AMQPMethod::CloseOk(channel::CloseOk {}))));
    }
    Some(match step_after(frame)? {
        Step::Greeting => start(),
        Step::Login => tune(131_072, 60),
        Step::VirtualHost => on_connection(Connection::OpenOk(connection::OpenOk {})),
        Step::Channel => on(AMQPClass::Channel(channel::AMQPMethod::OpenOk(channel::OpenOk {}))),
        Step::Exchange => on(AMQPClass::Exchange(exchange::AMQPMethod::DeclareOk(exchange::DeclareOk {}))),
        Step::Queue => on(AMQPClass::Queue(queue::AMQPMethod::DeclareOk(queue::DeclareOk {
            queue: "psistats.raspi".into(),
            message_count: 0,
            consumer_count: 0,
        }))),
        Step::Binding => on(AMQPClass::Queue(queue::AMQPMethod::BindOk(queue::BindOk {}))),
        Step::Confirms => on(AMQPClass::Confirm(confirm::AMQPMethod::SelectOk(confirm::SelectOk {}))),
        Step::Closing => close_ok(),
        _ => return None,
    })
}

/// The same frame on another channel.
pub fn on(channel: u16, frame: AMQPFrame) -> AMQPFrame {
    match frame {
        AMQPFrame::Method(_, class) => AMQPFrame::Method(channel, class),
        other => other,
    }
}

/// The frame's octets.
pub fn encode(frame: &AMQPFrame) -> Vec<u8> {
    gen_frame(frame)(WriteContext::from(Vec::new())).expect("amq-protocol encodes it").into_inner().0
}

/// Takes the whole frames from the front of `octets`.
pub fn take_frames(octets: &mut Vec<u8>) -> Vec<AMQPFrame> {
    let mut frames = Vec::new();
    while let Some(length) = frame_length(octets).filter(|length| octets.len() >= *length) {
        let whole: Vec<u8> = octets.drain(..length).collect();
        match parse_frame(whole.as_slice()) {
            Ok(([], frame)) => frames.push(frame),
            other => panic!("amq-protocol cannot read what the client sent: {other:?} of {whole:02x?}"),
        }
    }
    frames
}

fn frame_length(octets: &[u8]) -> Option<usize> {
    match octets {
        [b'A', ..] => Some(8),
        [_, _, _, a, b, c, d, ..] => Some(u32::from_be_bytes([*a, *b, *c, *d]) as usize + 8),
        _ => None,
    }
}

/// A client, its peer's view, and the time.
pub struct Conversation<'a> {
    pub client: Client<'a>,
    pub now: Instant,
    /// The transport takes nothing from the client.
    pub stalled: bool,
    events: VecDeque<Event>,
    heard: VecDeque<AMQPFrame>,
    partial: Vec<u8>,
}

impl<'a> Conversation<'a> {
    /// Just connected: the client's header is on its way.
    pub fn new(options: Options<'a>) -> Self {
        let now = Instant::from_nanos(1_000_000_000_000);
        let mut new = Self {
            client: client(options, now),
            now,
            stalled: false,
            events: VecDeque::new(),
            heard: VecDeque::new(),
            partial: Vec::new(),
        };
        new.settle();
        new
    }

    /// Answers as usual until the client is at `step`, and everything before it has been heard.
    pub fn at(options: Options<'a>, step: Step) -> Self {
        let mut new = Self::new(options);
        new.until(step);
        new
    }

    /// A client that may publish.
    pub fn ready(options: Options<'a>) -> Self {
        Self::at(options, Step::Ready)
    }

    /// Answers as usual until the client may publish.
    pub fn finish_handshake(&mut self) {
        self.until(Step::Ready);
    }

    fn until(&mut self, step: Step) {
        while let Some(frame) = self.heard.pop_front() {
            if step_after(&frame) == Some(step) {
                return;
            }
            if let Some(answer) = usual_answer(&frame) {
                self.say(&answer);
            }
        }
        assert_eq!(step, Step::Ready, "the client stopped before: {:?}", self.events);
        assert!(matches!(self.event(), Some(Event::Ready { .. })));
    }

    /// The broker says `frame`.
    pub fn say(&mut self, frame: &AMQPFrame) {
        self.say_octets(&encode(frame));
    }

    /// The broker says something.
    pub fn say_octets(&mut self, mut octets: &[u8]) {
        while !octets.is_empty() {
            let space = self.client.recv_space();
            let n = space.len().min(octets.len());
            space[..n].copy_from_slice(&octets[..n]);
            if n == 0 {
                assert!(self.has_ended(), "recv_space is empty though no event waits");
                return;
            }
            self.client.received(n, self.now);
            octets = &octets[n..];
            self.settle();
        }
    }

    /// Events are drained, and the transport takes what waits.
    pub fn settle(&mut self) {
        while let Some(event) = self.client.poll_event(self.now) {
            assert!(!self.has_ended(), "{event:?} after the end");
            self.events.push_back(event);
        }
        if !self.stalled && !self.client.outgoing().is_empty() {
            self.partial.extend_from_slice(self.client.outgoing());
            self.client.sent(self.client.outgoing().len(), self.now);
            self.heard.extend(take_frames(&mut self.partial));
        }
    }

    /// Time passes; whatever is due on the way happens when it is due.
    pub fn pass(&mut self, duration: Duration) {
        let end = self.now + duration;
        while let Some(due) = self.client.deadline().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.client.timed_out(self.now);
            self.settle();
            let moved = self.client.deadline().is_none_or(|next| next > self.now);
            assert!(moved, "a deadline that does not move");
        }
        self.now = end;
    }

    /// The next frame that the client sent.
    pub fn hear(&mut self) -> AMQPFrame {
        self.heard.pop_front().expect("the client has said something")
    }

    /// Everything that the client sent and nobody has heard yet.
    pub fn hear_all(&mut self) -> Vec<AMQPFrame> {
        self.heard.drain(..).collect()
    }

    /// The next event.
    pub fn event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// All events so far.
    pub fn events(&mut self) -> Vec<Event> {
        self.events.drain(..).collect()
    }

    /// The end, which must be the next event.
    pub fn end(&mut self) -> Result<(), Error> {
        match self.event() {
            Some(Event::Ended(result)) => result,
            other => panic!("expected the end, got {other:?}"),
        }
    }

    /// The error over which it ended.
    pub fn error(&mut self) -> Error {
        self.end().expect_err("it ended well")
    }

    fn has_ended(&self) -> bool {
        matches!(self.events.back(), Some(Event::Ended(_)))
    }
}

/// A client with memory of its own, which is never given back: tests are short.
pub fn client<'a>(options: Options<'a>, now: Instant) -> Client<'a> {
    Client::new(options, buffers(), now)
}

/// Memory of a client, which is never given back.
pub fn buffers<'a>() -> Buffers<'a> {
    let memory = |size| Box::leak(vec![0; size].into_boxed_slice());
    Buffers { receive: memory(limits::AMQP_RECV), send: memory(limits::AMQP_SEND) }
}
