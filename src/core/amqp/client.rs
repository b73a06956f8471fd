//! The client's state machine.

mod own_queue;
mod timers;

use core::time::Duration;

use crate::amqp::confirms::Confirms;
use crate::amqp::error::{Error, Scope, Step, Violation};
use crate::amqp::event::Event;
use crate::amqp::frame::{self, CHANNEL};
use crate::amqp::heartbeats::Heartbeats;
use crate::amqp::method::{self, Method, id};
use crate::amqp::options::{Buffers, Mechanism, Options, Queue};
use crate::amqp::receive::{Item, Receiver};
use crate::amqp::route::Route;
use crate::amqp::send::{Publish, content, put_frame};
use crate::bytes::{Short, Text};
use crate::limits;
use crate::link::{SendBuffer, Write};
use crate::time::Instant;
use own_queue::{CHANNELS, OwnQueue};

/// From the connection to Ready; one deadline for all of it, so that a peer cannot stretch it.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// From our Close to the end, with or without Close-Ok (under a memory alarm it does not come).
const CLOSE: Duration = Duration::from_secs(1);

/// Bytes of the send buffer that publishes leave free, so that a heartbeat or the answer to a Close
/// always finds room.
const RESERVE: usize = 1024;

/// Whether it lives, is being closed, or has ended.
#[derive(Clone, Debug)]
enum Life {
    Open,
    /// Close was sent; this will be the result.
    Closing {
        result: Result<(), Error>,
        until: Instant,
    },
    /// The end is to be told.
    Ending(Result<(), Error>),
    Ended,
}

/// One connection to a broker, without the I/O; its states are drawn in the [module](super).
#[derive(Debug)]
pub struct Client<'a> {
    options: Options<'a>,
    receiver: Receiver<'a>,
    send: SendBuffer<'a>,
    step: Step,
    life: Life,
    frame_max: u32,
    /// Channels that may be open at once, and the one that publishes.
    channels: u16,
    channel: u16,
    heartbeats: Heartbeats,
    next_tag: u64,
    /// Tags that were given on channels before this one; the broker counts anew on each.
    earlier_tags: u64,
    /// The channel is replaced by another.
    renewing: bool,
    /// The broker asked us to stop publishing: by Blocked, by Channel.Flow.
    blocked: bool,
    flow: bool,
    /// Whether a queue takes what is published, where we declare none.
    route: Route,
    own_queue: OwnQueue,
    confirms: Confirms,
    /// After a Return: the content of the message that came back may follow.
    content: bool,
    started: Instant,
}

impl<'a> Client<'a> {
    /// A client on a transport that has just been connected.
    pub fn new(options: Options<'a>, buffers: Buffers<'a>, now: Instant) -> Self {
        let mut client = Self {
            options,
            receiver: Receiver::new(buffers.receive),
            send: SendBuffer::new(buffers.send),
            step: Step::Greeting,
            life: Life::Open,
            frame_max: limits::AMQP_FRAME,
            channels: 1,
            channel: CHANNEL,
            heartbeats: Heartbeats::new(now),
            next_tag: 1,
            earlier_tags: 0,
            renewing: false,
            blocked: false,
            flow: true,
            route: Route::new(options.retry),
            own_queue: OwnQueue::new(options.retry),
            confirms: Confirms::new(options.confirm_timeout, options.refused_timeout, options.retry),
            content: false,
            started: now,
        };
        let written = client.send.append(0, &|w| w.bytes(frame::PROTOCOL_HEADER));
        client.note(written);
        client
    }

    /// The memory, for the next connection.
    pub fn into_buffers(self) -> Buffers<'a> {
        Buffers { receive: self.receiver.into_inner(), send: self.send.into_inner() }
    }

    /// Whether [`Client::publish`] may be called.
    pub fn can_publish(&self) -> bool {
        matches!(self.life, Life::Open)
            && self.step == Step::Ready
            && !self.blocked
            && self.flow
            && self.route.can_publish()
            && !self.confirms.wants_channel()
    }

    /// Whether [`Client::publish_again`] may be called: a message that was refused is published again alone, the
    /// first time [`Options::retry`] later, and then after waits that grow.
    pub fn can_publish_again(&self) -> bool {
        self.can_publish() && self.confirms.can_retry()
    }

    /// Whether a message came back, so that no answer says that one was stored. Once every delivery tag is
    /// answered the owner calls [`Client::settled`].
    pub fn has_returned(&self) -> bool {
        self.route.has_returned()
    }

    /// Nothing is in flight: a message that came back is tried again, alone, when the time has come.
    pub fn settled(&mut self) {
        self.route.settled();
    }

    /// After each event that answers a delivery tag the owner says which is the earliest that has no answer yet:
    /// [`Options::confirm_timeout`] begins anew where that is another one, and ends where there is none.
    pub fn answered(&mut self, earliest: Option<u64>, now: Instant) {
        self.confirms.answered(earliest, now);
    }

    /// Nothing is in flight: the channel is replaced where all that it answers are refusals. The owner calls this
    /// whenever it is so. Whether the channel is replaced, so that nothing before will be answered.
    pub fn idle(&mut self, now: Instant) -> bool {
        let is_open = matches!(self.life, Life::Open) && self.step == Step::Ready;
        if self.confirms.wants_channel() && is_open && !self.blocked {
            self.renewing = true;
            (self.step, self.started) = (Step::Renewal, now);
            self.method(self.channel, now, &method::channel_close);
        }
        self.renewing
    }

    /// Publishes a message and returns its delivery tag: 1 for the first, then up by one (the
    /// Confirm extension). None while there is no room, or [`Client::can_publish`] is false. A body
    /// of up to [`limits::REPORT`] bytes finds room in the end; one near [`limits::AMQP_SEND`] never.
    pub fn publish(&mut self, message: &Publish<'_>, now: Instant) -> Option<u64> {
        if self.can_publish() { self.put(message, false, now) } else { None }
    }

    /// The same for a message that was refused, where [`Client::can_publish_again`].
    pub fn publish_again(&mut self, message: &Publish<'_>, now: Instant) -> Option<u64> {
        if self.can_publish_again() { self.put(message, true, now) } else { None }
    }

    fn put(&mut self, message: &Publish<'_>, again: bool, now: Instant) -> Option<u64> {
        let was_empty = self.send.is_empty();
        let (options, channel, frame_max) = (self.options, self.channel, self.frame_max);
        self.send.append(RESERVE, &|w| content(w, &options, channel, message, frame_max)).ok()?;
        if was_empty {
            self.heartbeats.waits(now);
        }
        let tag = self.next_tag;
        self.route.published(tag);
        self.confirms.published(tag, again, now);
        self.next_tag += 1;
        Some(tag)
    }

    /// Begins an orderly end: Connection.Close, then Close-Ok or a second.
    pub fn close(&mut self, now: Instant) {
        self.close_with(Ok(()), now);
    }

    /// Begins the end over `error`.
    pub fn fail(&mut self, error: Error, now: Instant) {
        self.close_with(Err(error), now);
    }

    /// The end is near: its result is that of a Close that is under way, else `result`.
    fn end(&mut self, result: Result<(), Error>) {
        self.life = match core::mem::replace(&mut self.life, Life::Ended) {
            Life::Open => Life::Ending(result),
            Life::Closing { result, .. } => Life::Ending(result),
            ended => ended,
        };
    }

    fn close_with(&mut self, result: Result<(), Error>, now: Instant) {
        if !matches!(self.life, Life::Open) {
            return;
        }
        // Before Connection.Open there is nothing to close in order (§2.2.4).
        if matches!(self.step, Step::Greeting | Step::Login) {
            self.life = Life::Ending(result);
            return;
        }
        let code = result.as_ref().err().map_or(200, Error::reply_code);
        self.life = Life::Closing { result, until: now + CLOSE };
        self.step = Step::Closing;
        self.method(0, now, &|w| method::close(w, code, if code == 200 { "end" } else { "protocol error" }));
    }

    /// Ends at once: the stream of frames makes no sense any more.
    fn abort(&mut self, error: Error, now: Instant) {
        self.close_with(Err(error), now);
        self.end(Ok(()));
    }

    /// Queues a method of ours.
    fn method(&mut self, channel: u16, now: Instant, arguments: Write<'_>) {
        if self.send.is_empty() {
            self.heartbeats.waits(now);
        }
        let written = self.send.append(0, &|w| put_frame(w, frame::METHOD, channel, arguments));
        self.note(written);
    }

    /// A reply without room means that the peer sends requests without reading the replies.
    fn note(&mut self, written: Result<(), Short>) {
        if written.is_err() {
            self.end(Err(Violation::Flood.into()));
        }
    }

    fn handle(&mut self, item: Item, now: Instant) -> Option<Event> {
        match item {
            Item::Heartbeat => None,
            // While closing, everything but Close and Close-Ok is passed over (§2.2.4).
            Item::Content if self.step == Step::Closing || self.content => None,
            Item::Content => {
                self.abort(Violation::Content.into(), now);
                None
            }
            Item::Start { plain, external } => {
                let o = self.options;
                let is_offered = match o.mechanism {
                    Mechanism::Plain => plain,
                    Mechanism::External => external,
                };
                if !is_offered {
                    self.abort(Error::NoMechanism(o.mechanism), now);
                    return None;
                }
                self.step = Step::Login;
                self.method(0, now, &|w| method::start_ok(w, &o));
                None
            }
            Item::Method(channel, mut method) => {
                method.withhold(self.options.user, self.options.password);
                match channel {
                    0 => self.on_connection(method, now),
                    _ if self.step == Step::Closing => None,
                    channel if channel == self.channel => self.on_channel(method, now),
                    channel => self.on_queue_channel(channel, method, now),
                }
            }
        }
    }

    fn on_connection(&mut self, method: Method, now: Instant) -> Option<Event> {
        match (self.step, method) {
            (_, Method::Close { code, text }) => {
                self.method(0, now, &|w| method::method(w, id::CONNECTION_CLOSE_OK));
                let error = self.closed(Scope::Connection, code, text);
                self.end(Err(error));
            }
            (Step::Closing, Method::CloseOk) => self.end(Ok(())),
            (Step::Closing, _) => {}
            (Step::Login, Method::Tune { channel_max, frame_max, heartbeat }) => {
                self.tune(channel_max, frame_max, heartbeat, now);
            }
            (Step::VirtualHost, Method::Ok(id::CONNECTION_OPEN_OK)) => {
                self.open_channel(now);
            }
            (step, Method::Blocked { reason }) if step != Step::Greeting && step != Step::Login => {
                // What is no change is no event.
                let before = core::mem::replace(&mut self.blocked, true);
                return (!before).then_some(Event::Blocked(reason));
            }
            (step, Method::Unblocked) if step != Step::Greeting && step != Step::Login => {
                self.confirms.restart(now);
                return core::mem::take(&mut self.blocked).then_some(Event::Unblocked);
            }
            (_, method) => self.unexpected(0, &method, now),
        }
        None
    }

    fn on_channel(&mut self, method: Method, now: Instant) -> Option<Event> {
        self.content = false;
        match (self.step, method) {
            (Step::Greeting | Step::Login | Step::VirtualHost, method) => {
                self.unexpected(CHANNEL, &method, now);
            }
            (step, Method::Close { code, text }) => {
                self.method(self.channel, now, &|w| method::method(w, id::CHANNEL_CLOSE_OK));
                if step == Step::Queue && matches!(code, 404 | 405) {
                    self.go_without_queue(now);
                    return Some(Event::QueueRefused { code, text });
                }
                let error = self.closed(Scope::Channel, code, text);
                self.fail(error, now);
            }
            (Step::Renewal, Method::CloseOk) => {
                self.earlier_tags = self.next_tag - 1;
                self.flow = true;
                self.route.abandoned();
                self.open_channel(now);
            }
            // Nothing is in flight that it could be about.
            (Step::Renewal, _) => {}
            (_, Method::Flow { active }) => {
                self.flow = active;
                self.method(self.channel, now, &|w| method::flow_ok(w, active));
            }
            (Step::Channel, Method::Ok(id::CHANNEL_OPEN_OK)) => {
                let again = self.own_queue.is_missing() || self.channel != CHANNEL || self.renewing;
                self.declare(if again { Step::Confirms } else { Step::Exchange }, now);
            }
            (Step::Exchange, Method::Ok(id::EXCHANGE_DECLARE_OK)) => self.declare(Step::Queue, now),
            (Step::Queue, Method::Ok(id::QUEUE_DECLARE_OK)) => self.declare(Step::Binding, now),
            (Step::Binding, Method::Ok(id::QUEUE_BIND_OK)) => self.declare(Step::Confirms, now),
            (Step::Confirms, Method::Ok(id::CONFIRM_SELECT_OK)) => {
                self.step = Step::Ready;
                if core::mem::take(&mut self.renewing) {
                    self.confirms.renewed();
                    return None;
                }
                return Some(Event::Ready { heartbeat_s: self.heartbeats.interval_s });
            }
            (Step::Ready, Method::Ack { tag, multiple }) if self.is_issued(tag) => {
                let tag = self.earlier_tags + tag;
                self.confirms.heard(true, tag, multiple, now);
                return Some(if self.route.acknowledged(tag) {
                    Event::Confirmed { tag, multiple }
                } else {
                    Event::Doubtful { tag, multiple }
                });
            }
            (Step::Ready, Method::Nack { tag, multiple }) if self.is_issued(tag) => {
                let tag = self.earlier_tags + tag;
                // A queue that refuses is a queue.
                self.route.acknowledged(tag);
                self.confirms.heard(false, tag, multiple, now);
                return Some(Event::Refused { tag, multiple });
            }
            (Step::Ready, Method::Ack { tag, .. } | Method::Nack { tag, .. }) => {
                self.abort(Violation::UnknownTag(tag).into(), now);
            }
            // Return precedes its Ack, which then means nothing: no answer that follows is
            // believed, and everything unconfirmed is sent again. A queue of ours is declared again before that.
            (Step::Ready, Method::Return { code, text })
                if self.options.queue.is_some() && !self.own_queue.is_missing() =>
            {
                self.fail(Error::Unroutable { code, text }, now);
            }
            (Step::Ready, Method::Return { code, text }) => {
                self.content = true;
                return self.route.returned(now).then_some(Event::Returned { code, text });
            }
            (_, method) => self.unexpected(CHANNEL, &method, now),
        }
        None
    }

    fn is_issued(&self, tag: u64) -> bool {
        tag != 0 && tag < self.next_tag - self.earlier_tags
    }

    fn tune(&mut self, channel_max: u16, frame_max: u32, heartbeat: u16, now: Instant) {
        // §4.2.3: 0 is "no limit"; otherwise the smaller one of both sides.
        let agreed = if frame_max == 0 { limits::AMQP_FRAME } else { frame_max.min(limits::AMQP_FRAME) };
        if agreed < frame::MIN_MAX {
            return self.abort(Error::FrameMax(frame_max), now);
        }
        self.frame_max = agreed;
        self.receiver.set_frame_max(agreed);
        // §4.2.7: the server proposes, Tune-Ok decides, and 0 there is no heartbeat. A server that proposes
        // none still answers those that it is asked for.
        let ours = self.options.heartbeat_s;
        let heartbeat_s = if heartbeat == 0 { ours } else { ours.min(heartbeat) };
        self.heartbeats.interval_s = heartbeat_s;
        let [with_queue, without] = CHANNELS;
        let ours = if self.options.queue.is_some() { with_queue } else { without };
        let channels = if channel_max == 0 { ours } else { ours.min(channel_max) };
        self.channels = channels;
        self.method(0, now, &|w| method::tune_ok(w, channels, agreed, heartbeat_s));
        self.step = Step::VirtualHost;
        let vhost = self.options.vhost;
        self.method(0, now, &|w| method::open(w, vhost));
    }

    fn open_channel(&mut self, now: Instant) {
        self.step = Step::Channel;
        self.method(self.channel, now, &method::channel_open);
    }

    /// Goes to `step`, or past it where nothing is to be declared there.
    fn declare(&mut self, step: Step, now: Instant) {
        let (o, channel) = (self.options, self.channel);
        self.step = step;
        match (step, o.queue) {
            (Step::Exchange, _) if o.declare_exchange && !o.exchange.name.is_empty() => {
                self.method(channel, now, &|w| method::exchange_declare(w, &o.exchange));
            }
            (Step::Exchange, _) => self.declare(Step::Queue, now),
            (Step::Queue, Some(queue)) => {
                self.own_queue.declared(now);
                self.method(channel, now, &|w| method::queue_declare(w, &queue));
            }
            (Step::Binding, Some(queue)) if !o.exchange.name.is_empty() => self.bind(channel, &queue, now),
            _ => {
                self.own_queue.handshake_done();
                self.step = Step::Confirms;
                self.method(channel, now, &method::confirm_select);
            }
        }
    }

    fn bind(&mut self, channel: u16, queue: &Queue<'_>, now: Instant) {
        let exchange = self.options.exchange.name;
        self.method(channel, now, &|w| method::queue_bind(w, queue.name, exchange, queue.binding_key));
    }

    fn closed(&self, scope: Scope, code: u16, text: Text) -> Error {
        let transient_queue = self.options.queue.is_some_and(|q| !q.durable && !q.exclusive);
        Error::Closed { scope, code, text, step: self.step, transient_queue }
    }

    fn unexpected(&mut self, channel: u16, method: &Method, now: Instant) {
        self.abort(Violation::Unexpected { channel, id: method.id(channel) }.into(), now);
    }
}
