//! The server's state machine: what is received, in the order of its octets.

use core::ops::ControlFlow::{self, Break, Continue};

use crate::amqp::error::Violation;
use crate::amqp::frame;
use crate::amqp::frames::Frames;
use crate::amqp::server::channel::{Message, Tag};
use crate::amqp::server::conversation::{Conversation, Life};
use crate::amqp::server::error::{ServerError, ServerStep};
use crate::amqp::server::event::ServerEvent;
use crate::amqp::server::options::{ServerBuffers, ServerOptions};
use crate::amqp::server::request::{self, Login, Request};
use crate::link::Link;
use crate::time::Instant;

/// Where in the stream of octets we are.
#[derive(Clone, Copy, Debug)]
enum Reading {
    /// Before the protocol header.
    Header,
    /// At a frame's first octet.
    Frame,
    /// Inside a frame of content, or at its end. Its octets are kept for a message, or passed over.
    Content { channel: u16, left: u32, kept: bool },
    /// The frames made no sense any more: whatever comes is passed over.
    Nothing,
}

/// What a step came to. Break: there is an event, or nothing to do before more is received.
type Step = Result<ControlFlow<Option<ServerEvent>>, ServerError>;

/// One connection of a client, without the I/O; its states are drawn in the [module](super).
#[derive(Debug)]
pub struct Server<'a> {
    frames: Frames<'a>,
    reading: Reading,
    conversation: Conversation<'a>,
    /// The channel whose message the owner was told of.
    told: Option<u16>,
}

impl<'a> Server<'a> {
    /// A server on a transport that was just accepted.
    pub fn new(options: ServerOptions<'a>, buffers: ServerBuffers<'a>, now: Instant) -> Self {
        let ServerBuffers { receive, send, messages } = buffers;
        Self {
            frames: Frames::new(receive),
            reading: Reading::Header,
            conversation: Conversation::new(options, send, messages, now),
            told: None,
        }
    }

    /// Who wants to log in: from [`ServerEvent::Login`] until it is answered.
    pub fn login(&self) -> Option<Login<'_>> {
        if self.conversation.step != ServerStep::Login {
            return None;
        }
        let (_, _, size) = self.frames.prefix().ok()??;
        match request::decode(self.frames.whole(frame::PREFIX, size).ok()??) {
            Ok((_, Request::StartOk(login))) => Some(login),
            _ => None,
        }
    }

    /// Lets the client in.
    pub fn accept(&mut self, now: Instant) {
        self.answer_login(true, now);
    }

    /// Refuses the client's login, which ends the connection.
    pub fn refuse(&mut self, now: Instant) {
        self.answer_login(false, now);
    }

    fn answer_login(&mut self, accepted: bool, now: Instant) {
        if self.conversation.step == ServerStep::Login {
            // It lay there for the owner to look at.
            if let Ok(Some((_, _, size))) = self.frames.prefix() {
                self.frames.consume(frame::PREFIX + size as usize + 1);
            }
            self.conversation.answer_login(accepted, now);
        }
    }

    /// The message that came: from [`ServerEvent::Publish`] until the next [`Link::poll_event`].
    pub fn message(&self) -> Option<Message<'_>> {
        self.conversation.channels.message(self.told?)
    }

    /// The message of this tag is stored, and all before it on its channel. The client is told once the owner drains,
    /// where it selected confirms and its channel is still open.
    pub fn confirm(&mut self, tag: Tag) {
        self.conversation.channels.confirm(tag);
    }

    /// Asks the client to stop publishing (Connection.Blocked), where it understands that. Once it is Ready.
    pub fn block(&mut self, reason: &str, now: Instant) {
        self.conversation.tell_blocked(Some(reason), now);
    }

    /// It may publish again.
    pub fn unblock(&mut self, now: Instant) {
        self.conversation.tell_blocked(None, now);
    }

    /// Begins an orderly end: Connection.Close with this code (320: CONNECTION_FORCED) and a text of up to 255 bytes,
    /// then Close-Ok or a second.
    pub fn close(&mut self, code: u16, text: &str, now: Instant) {
        self.conversation.close(code, text, (0, 0), Ok(()), now);
    }

    /// Goes one step on.
    fn read(&mut self, now: Instant) -> Step {
        match self.reading {
            Reading::Header => self.protocol_header(now),
            Reading::Frame => self.frame(now),
            Reading::Content { channel, left, kept } => self.content(channel, left, kept, now),
            Reading::Nothing => {
                self.frames.consume(self.frames.octets().len());
                Ok(Break(None))
            }
        }
    }

    fn protocol_header(&mut self, now: Instant) -> Step {
        let octets = self.frames.octets();
        let Some(first) = octets.first_chunk::<8>() else { return Ok(Break(None)) };
        if first != frame::PROTOCOL_HEADER {
            // §4.2.2: whoever speaks something else is told what is spoken here.
            let error = ServerError::NotAmqp(*first);
            self.conversation.put_header();
            return Err(error);
        }
        self.frames.consume(first.len());
        self.reading = Reading::Frame;
        self.conversation.greet(now);
        Ok(Continue(()))
    }

    fn frame(&mut self, now: Instant) -> Step {
        let Some((kind, channel, size)) = self.frames.prefix()? else { return Ok(Break(None)) };
        let event = match kind {
            frame::METHOD => {
                let Some(payload) = self.frames.whole(frame::PREFIX, size)? else { return Ok(Break(None)) };
                let event = request::decode(payload)
                    .map_err(ServerError::from)
                    .and_then(|(id, request)| self.conversation.on_request(channel, id, request, now));
                if self.conversation.step != ServerStep::Login {
                    self.frames.consume(frame::PREFIX + size as usize + 1);
                }
                self.frames.set_frame_max(self.conversation.frame_max);
                event?
            }
            frame::HEADER | frame::BODY => {
                self.frames.consume(frame::PREFIX);
                self.reading = Reading::Content { channel, left: size, kept: false };
                let is_header = kind == frame::HEADER;
                let (kept, event) = self.conversation.begin_content(channel, is_header, size, now)?;
                self.reading = Reading::Content { channel, left: size, kept };
                event
            }
            // §4.2.7: on channel 0 only.
            frame::HEARTBEAT if channel == 0 && size == 0 => {
                self.frames.consume(frame::PREFIX);
                self.reading = Reading::Content { channel, left: 0, kept: false };
                None
            }
            frame::HEARTBEAT => return Err(Violation::Heartbeat { channel, size }.into()),
            kind => return Err(Violation::FrameType(kind).into()),
        };
        Ok(event.map_or(Continue(()), |event| Break(Some(event))))
    }

    fn content(&mut self, channel: u16, left: u32, kept: bool, now: Instant) -> Step {
        if left > 0 {
            let here = self.frames.octets();
            let octets = here.get(..left as usize).unwrap_or(here);
            let n = octets.len();
            if n == 0 {
                return Ok(Break(None));
            }
            if kept {
                self.conversation.channels.append(channel, octets);
            }
            self.frames.consume(n);
            let left = left.saturating_sub(u32::try_from(n).unwrap_or(u32::MAX));
            self.reading = Reading::Content { channel, left, kept };
            return Ok(Continue(()));
        }
        if !self.frames.end_of_frame()? {
            return Ok(Break(None));
        }
        self.reading = Reading::Frame;
        let event = if kept { self.conversation.end_content(channel, now)? } else { None };
        Ok(event.map_or(Continue(()), |event| Break(Some(event))))
    }
}

impl Link for Server<'_> {
    type Event = ServerEvent;

    fn recv_space(&mut self) -> &mut [u8] {
        match self.conversation.life {
            Life::Ending(_) | Life::Ended => &mut [],
            _ => self.frames.space(),
        }
    }

    fn received(&mut self, n: usize, now: Instant) {
        if n > 0 {
            self.frames.received(n);
            self.conversation.received(now);
        }
    }

    fn poll_event(&mut self, now: Instant) -> Option<ServerEvent> {
        self.told = None;
        loop {
            if let Life::Ending(_) | Life::Ended = self.conversation.life {
                return match core::mem::replace(&mut self.conversation.life, Life::Ended) {
                    Life::Ending(result) => Some(ServerEvent::Ended(result)),
                    _ => None,
                };
            }
            if self.conversation.step == ServerStep::Login {
                if !self.frames.space().is_empty() {
                    return None;
                }
                // It goes on without waiting for the answer.
                self.conversation.end(Err(Violation::Flood.into()));
                continue;
            }
            match self.read(now) {
                Ok(Continue(())) => {}
                Ok(Break(Some(event))) => {
                    if let ServerEvent::Publish(tag) = event {
                        self.told = Some(tag.channel());
                    }
                    return Some(event);
                }
                // The owner has all that came: what it confirmed meanwhile goes in one Ack.
                Ok(Break(None)) => {
                    self.conversation.acknowledge(now);
                    return None;
                }
                Err(error) => {
                    if !error.keeps_frames() {
                        self.reading = Reading::Nothing;
                    }
                    self.conversation.fail(error, now);
                }
            }
        }
    }

    fn outgoing(&self) -> &[u8] {
        self.conversation.send.outgoing()
    }

    fn sent(&mut self, n: usize, now: Instant) {
        if n > 0 {
            self.conversation.sent(n, now);
        }
    }

    fn disconnected(&mut self) {
        self.conversation.end(Err(ServerError::Disconnected(self.conversation.step)));
    }

    fn deadline(&self) -> Option<Instant> {
        self.conversation.deadline()
    }

    fn timed_out(&mut self, now: Instant) {
        self.conversation.timed_out(now);
    }
}
