//! What is said on a connection: requests and their answers, in each state.

use core::fmt::Write as _;
use core::time::Duration;

use heapless::String;

use crate::amqp::error::Violation;
use crate::amqp::frame;
use crate::amqp::heartbeats::{Beat, Heartbeats};
use crate::amqp::method::{self, Id, id};
use crate::amqp::send::put_frame;
use crate::amqp::server::channel::{Channels, Progress};
use crate::amqp::server::error::{ServerError, ServerStep};
use crate::amqp::server::event::ServerEvent;
use crate::amqp::server::options::ServerOptions;
use crate::amqp::server::reply;
use crate::amqp::server::request::{Login, Request};
use crate::bytes::{Short, Text};
use crate::limits;
use crate::link::{SendBuffer, Write};
use crate::time::Instant;

/// From the connection to Ready; one deadline for all of it, so that a peer cannot stretch it.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// From our Close to the end, with or without Close-Ok.
const CLOSE: Duration = Duration::from_secs(1);

/// Bytes of the send buffer that Acks leave free for replies; they wait, replies cannot.
const RESERVE: usize = 1024;

/// Whether it lives, is being closed, or has ended.
#[derive(Clone, Debug)]
pub enum Life {
    Open,
    /// Close was sent; this will be the result.
    Closing {
        result: Result<(), ServerError>,
        until: Instant,
    },
    /// The end is to be told.
    Ending(Result<(), ServerError>),
    Ended,
}

/// One connection, but what is received on it.
#[derive(Debug)]
pub struct Conversation<'a> {
    options: ServerOptions<'a>,
    pub send: SendBuffer<'a>,
    pub channels: Channels<'a>,
    pub step: ServerStep,
    pub life: Life,
    /// The agreed size of the largest frame.
    pub frame_max: u32,
    heartbeats: Heartbeats,
    told_refusal: bool,
    told_blocked: bool,
    is_blocked: bool,
    /// Queues that were given a name.
    queues: u32,
    started: Instant,
}

impl<'a> Conversation<'a> {
    pub fn new(options: ServerOptions<'a>, send: &'a mut [u8], messages: &'a mut [u8], now: Instant) -> Self {
        Self {
            options,
            send: SendBuffer::new(send),
            channels: Channels::new(messages, options.channels),
            step: ServerStep::Header,
            life: Life::Open,
            frame_max: limits::AMQP_FRAME,
            heartbeats: Heartbeats::new(now),
            told_refusal: false,
            told_blocked: false,
            is_blocked: false,
            queues: 0,
            started: now,
        }
    }

    /// The client's protocol header came, and is ours.
    pub fn greet(&mut self, now: Instant) {
        self.step = ServerStep::StartOk;
        let options = self.options;
        self.method(0, now, &|w| reply::start(w, &options));
    }

    /// The end is near: its result is that of a Close that is under way, else `result`.
    pub fn end(&mut self, result: Result<(), ServerError>) {
        self.life = match core::mem::replace(&mut self.life, Life::Ended) {
            Life::Open => Life::Ending(result),
            Life::Closing { result, .. } => Life::Ending(result),
            ended => ended,
        };
    }

    /// Begins the end over `error`, which the client is told.
    pub fn fail(&mut self, error: ServerError, now: Instant) {
        let (code, _) = error.reply();
        let text = error.reply_text();
        // What only a broker does is the owner's to explain.
        let text = if code == 540 { self.options.refusal } else { &text };
        let method = error.method();
        self.close(code, text, method, Err(error), now);
    }

    /// Begins an orderly end: Connection.Close, then Close-Ok or a second.
    pub fn close(&mut self, code: u16, text: &str, cause: Id, result: Result<(), ServerError>, now: Instant) {
        if !matches!(self.life, Life::Open) {
            return;
        }
        // Before Start there is nothing to close, and nobody who would understand it.
        if self.step == ServerStep::Header {
            self.life = Life::Ending(result);
            return;
        }
        self.life = Life::Closing { result, until: now + CLOSE };
        self.step = ServerStep::Closing;
        self.method(0, now, &|w| reply::close(w, id::CONNECTION_CLOSE, code, text, cause));
    }

    /// The owner's answer to a login.
    pub fn answer_login(&mut self, accepted: bool, now: Instant) {
        if self.step != ServerStep::Login {
            return;
        }
        if accepted {
            self.step = ServerStep::TuneOk;
            let (channels, heartbeat_s) = (self.channels.count(), self.options.heartbeat_s);
            self.method(0, now, &|w| reply::tune(w, channels, limits::AMQP_FRAME, heartbeat_s));
        } else if self.told_refusal {
            self.fail(ServerError::Refused, now);
        } else {
            // The specification knows no answer; such a client takes the end of the connection for one.
            self.end(Err(ServerError::Refused));
        }
    }

    /// Tells a client that understands it, once, that nothing can be stored, or can again.
    pub fn tell_blocked(&mut self, reason: Option<&str>, now: Instant) {
        let told = self.told_blocked && self.step == ServerStep::Ready;
        if told && self.is_blocked != reason.is_some() {
            self.is_blocked = reason.is_some();
            self.method(0, now, &|w| reply::blocked(w, reason));
        }
    }

    /// Sends the Acks that are owed, as far as there is room.
    pub fn acknowledge(&mut self, now: Instant) {
        while self.step == ServerStep::Ready
            && let Some((channel, number, multiple)) = self.channels.owed()
        {
            let sent = self.put(RESERVE, frame::METHOD, channel, now, &|w| reply::ack(w, number, multiple));
            if sent.is_err() {
                return;
            }
            self.channels.acknowledged(channel);
        }
    }

    /// A frame of content begins. Whether its octets are of use, and what it brought about.
    pub fn begin_content(
        &mut self,
        channel: u16,
        is_header: bool,
        size: u32,
        now: Instant,
    ) -> Result<(bool, Option<ServerEvent>), ServerError> {
        if self.step == ServerStep::Closing || self.channels.is_closing(channel) {
            return Ok((false, None));
        }
        if !self.channels.is_open(channel) {
            return Err(ServerError::NoChannel(channel));
        }
        let progress = self.channels.begin_frame(channel, is_header, size)?;
        Ok((progress == Progress::Partial, self.progress(channel, progress, now)))
    }

    /// A frame of content, whose octets were of use, has come whole.
    pub fn end_content(&mut self, channel: u16, now: Instant) -> Result<Option<ServerEvent>, ServerError> {
        if self.step == ServerStep::Closing {
            return Ok(None);
        }
        let progress = self.channels.end_frame(channel)?;
        Ok(self.progress(channel, progress, now))
    }

    fn progress(&mut self, channel: u16, progress: Progress, now: Instant) -> Option<ServerEvent> {
        match progress {
            Progress::Partial => None,
            Progress::Whole(tag) => Some(ServerEvent::Publish(tag)),
            Progress::TooLarge { size, limit } => {
                self.acknowledge(now);
                self.channels.closing(channel);
                let mut text = String::<{ limits::SHORTSTR }>::new();
                let _ = write!(text, "CONTENT_TOO_LARGE - {size} octets, expected at most {limit}");
                self.method(channel, now, &|w| {
                    reply::close(w, id::CHANNEL_CLOSE, 311, &text, id::BASIC_PUBLISH);
                });
                Some(ServerEvent::TooLarge { channel, size })
            }
        }
    }

    /// A method came.
    pub fn on_request(
        &mut self,
        channel: u16,
        id: Id,
        request: Request<'_>,
        now: Instant,
    ) -> Result<Option<ServerEvent>, ServerError> {
        // §2.2.4 and §4.9: class Connection on channel 0, all others on an open channel.
        if (id.0 == id::CONNECTION_CLOSE.0) != (channel == 0) {
            return Err(Violation::Unexpected { channel, id }.into());
        }
        match (self.step, request) {
            (_, Request::Close { code, text }) if channel == 0 => {
                self.acknowledge(now);
                self.method(0, now, &|w| method::method(w, id::CONNECTION_CLOSE_OK));
                self.end(if code == 200 { Ok(()) } else { Err(ServerError::Closed { code, text }) });
            }
            (ServerStep::Closing, Request::CloseOk) if channel == 0 => self.end(Ok(())),
            // While closing, everything but Close and Close-Ok is passed over (§2.2.4).
            (ServerStep::Closing, _) => {}
            (ServerStep::StartOk, Request::StartOk(login)) => return self.on_login(&login).map(Some),
            (ServerStep::TuneOk, Request::TuneOk { channels, frame_max, heartbeat_s }) => {
                self.on_tune(channels, frame_max, heartbeat_s)?;
            }
            (ServerStep::Open, Request::Open { vhost }) => {
                self.step = ServerStep::Ready;
                self.method(0, now, &reply::open_ok);
                return Ok(Some(ServerEvent::Opened { vhost, heartbeat_s: self.heartbeats.interval_s }));
            }
            (ServerStep::Ready, request) if channel > 0 => self.on_channel(channel, id, request, now)?,
            _ => return Err(Violation::Unexpected { channel, id }.into()),
        }
        Ok(None)
    }

    fn on_login(&mut self, login: &Login<'_>) -> Result<ServerEvent, ServerError> {
        if login.mechanism != b"PLAIN" && !(login.is_external && self.options.external) {
            return Err(ServerError::Mechanism(Text::lossy(login.mechanism)));
        }
        (self.told_refusal, self.told_blocked) = (login.told_refusal, login.told_blocked);
        self.step = ServerStep::Login;
        Ok(ServerEvent::Login)
    }

    fn on_tune(&mut self, channels: u16, frame_max: u32, heartbeat_s: u16) -> Result<(), ServerError> {
        // §4.2.3: 0 is "no limit", which is what was offered; nobody may ask for more.
        let in_range = (frame::MIN_MAX..=limits::AMQP_FRAME).contains(&frame_max) || frame_max == 0;
        if channels > self.channels.count() || !in_range {
            return Err(ServerError::Tune { channels, frame_max });
        }
        if channels > 0 {
            self.channels.limit(channels);
        }
        if frame_max > 0 {
            self.frame_max = frame_max;
        }
        // §4.2.7: the server proposes, Tune-Ok decides.
        self.heartbeats.interval_s = heartbeat_s;
        self.step = ServerStep::Open;
        Ok(())
    }

    fn on_channel(
        &mut self,
        channel: u16,
        id: Id,
        request: Request<'_>,
        now: Instant,
    ) -> Result<(), ServerError> {
        if self.channels.is_closing(channel) {
            match request {
                // Theirs crossed ours.
                Request::Close { .. } => {
                    self.method(channel, now, &|w| method::method(w, id::CHANNEL_CLOSE_OK))
                }
                Request::CloseOk => self.channels.closed(channel),
                _ => {}
            }
            return Ok(());
        }
        match (self.channels.is_open(channel), request) {
            (false, Request::ChannelOpen) => {
                self.channels.open(channel)?;
                self.method(channel, now, &reply::channel_open_ok);
            }
            (false, _) => return Err(ServerError::NoChannel(channel)),
            (true, _) if self.channels.awaits_content(channel) => {
                return Err(ServerError::UnexpectedFrame(channel));
            }
            (true, Request::ChannelOpen) => return Err(ServerError::OpenTwice(channel)),
            (true, Request::Close { .. }) => {
                self.acknowledge(now);
                self.channels.closed(channel);
                self.method(channel, now, &|w| method::method(w, id::CHANNEL_CLOSE_OK));
            }
            (true, Request::Publish { exchange, routing_key }) => {
                self.channels.begin(channel, exchange, routing_key)?;
            }
            (true, Request::ConfirmSelect { no_wait }) => {
                self.channels.select_confirms(channel);
                if !no_wait {
                    self.method(channel, now, &|w| method::method(w, id::CONFIRM_SELECT_OK));
                }
            }
            (true, Request::Agreed { answer, no_wait }) => {
                let queues = self.queues;
                self.queues = queues.wrapping_add(1);
                if !no_wait {
                    self.method(channel, now, &|w| reply::agreed(w, answer, queues));
                }
            }
            _ => return Err(Violation::Unexpected { channel, id }.into()),
        }
        Ok(())
    }

    /// Queues a method of ours. A reply without room means that the peer sends requests without reading the replies.
    fn method(&mut self, channel: u16, now: Instant, arguments: Write<'_>) {
        if self.put(0, frame::METHOD, channel, now, arguments).is_err() {
            self.end(Err(Violation::Flood.into()));
        }
    }

    fn put(
        &mut self,
        reserve: usize,
        kind: u8,
        channel: u16,
        now: Instant,
        payload: Write<'_>,
    ) -> Result<(), Short> {
        if self.send.is_empty() {
            self.heartbeats.waits(now);
        }
        self.send.append(reserve, &|w| put_frame(w, kind, channel, payload))
    }

    /// Octets that are no frame: our protocol header, for a peer that speaks something else (§4.2.2).
    pub fn put_header(&mut self) {
        let _ = self.send.append(0, &|w| w.bytes(frame::PROTOCOL_HEADER));
    }

    pub fn received(&mut self, now: Instant) {
        self.heartbeats.received(now);
    }

    pub fn sent(&mut self, n: usize, now: Instant) {
        self.send.sent(n);
        self.heartbeats.sent(now);
        self.acknowledge(now);
    }

    /// Every deadline that is set, with what it means.
    fn timers(&self) -> [Option<(Instant, Timer)>; 4] {
        let open = matches!(self.life, Life::Open);
        let until = match &self.life {
            Life::Closing { until, .. } => Some(*until),
            Life::Ending(_) => Some(self.started), // the last event waits to be drained
            Life::Open | Life::Ended => None,
        };
        let [silent, sending] = self.heartbeats.timers(!self.send.is_empty());
        let beat = |(at, beat)| open.then_some((at, Timer::Beat(beat)));
        [
            until.map(|at| (at, Timer::Close)),
            (open && self.step != ServerStep::Ready).then_some((self.started + HANDSHAKE, Timer::Handshake)),
            silent.and_then(beat),
            sending.and_then(beat),
        ]
    }

    pub fn deadline(&self) -> Option<Instant> {
        self.timers().into_iter().flatten().map(|(at, _)| at).min()
    }

    pub fn timed_out(&mut self, now: Instant) {
        for (_, timer) in self.timers().into_iter().flatten().filter(|(at, _)| *at <= now) {
            let heartbeat_s = self.heartbeats.interval_s;
            match timer {
                Timer::Close => self.end(Ok(())),
                Timer::Handshake => self.end(Err(ServerError::HandshakeTimeout(self.step))),
                Timer::Beat(Beat::Silent) => self.end(Err(ServerError::Silent { heartbeat_s })),
                Timer::Beat(Beat::Stalled) => self.end(Err(ServerError::Stalled { heartbeat_s })),
                // Another timer that is due as well may have ended it.
                Timer::Beat(Beat::Send) if !matches!(self.life, Life::Open) => {}
                Timer::Beat(Beat::Send) => {
                    // Nothing waits, so that there is room.
                    let _ = self.put(0, frame::HEARTBEAT, 0, now, &|_| ());
                }
            }
        }
    }
}

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Timer {
    Close,
    Handshake,
    Beat(Beat),
}
