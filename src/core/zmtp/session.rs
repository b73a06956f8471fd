//! One side of one connection, without received bytes or messages of its own.

use core::time::Duration;

use heapless::Vec;

use crate::bytes::{Reader, Text, Writer};
use crate::link::Write;
use crate::time::Instant;
use crate::zmtp::command::{self, Command};
use crate::zmtp::curve::{self, Curve};
use crate::zmtp::error::{Error, Step, Violation};
use crate::zmtp::frame::{self, Header};
use crate::zmtp::greeting::{self, Mechanism, Version};
use crate::zmtp::socket_type::SocketType;

/// From the connection to READY; one deadline for all of it, so that a peer cannot stretch it.
pub const HANDSHAKE: Duration = Duration::from_secs(10);

/// Octets of what the session itself wants to send: greeting, READY, PING, a few PONGs; with CURVE, greeting and HELLO,
/// or INITIATE.
const CONTROL: usize = 320;

/// Octets of the longest PONG when it is sealed.
const SEALED_PONG: usize = 2 + curve::SEAL + 5 + command::CONTEXT;

/// Intervals of silence after which the peer is dead: after the first it is asked.
const DEAD: u32 = 3;

/// What the owner learns. Bodies lie in the input, where CURVE decrypts them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event<'i> {
    /// The handshake is done. A SUB now subscribes.
    Ready,
    /// A frame of a message, to a SUB.
    Frame {
        /// Whether more frames of this message follow.
        more: bool,
        /// What is in it.
        body: &'i [u8],
    },
    /// Messages whose first frame begins so are wanted of a PUB.
    Subscribe(&'i [u8]),
    /// They are no longer wanted.
    Cancel(&'i [u8]),
    /// The end, the last event. What is left of [`Session::control`] may be written, as a courtesy.
    Ended(Error),
}

/// Whether it lives or has ended.
#[derive(Clone, Debug)]
enum Life {
    Open,
    /// The end is to be told.
    Ending(Error),
    Ended,
}

/// One side of one connection; its states are drawn in the [module](super).
///
/// The owner keeps the bytes that were received and hands them to [`Session::decode`] until it gives
/// nothing more; it writes [`Session::control`] before and between, never within messages.
#[derive(Debug)]
pub struct Session {
    socket: SocketType,
    /// What encrypts, unless nothing does.
    curve: Option<Curve>,
    life: Life,
    step: Step,
    /// Octets of our greeting that were sent.
    greeted: usize,
    /// What both sides speak, once the peer's greeting has come.
    version: Version,
    /// Most octets of a message's frame.
    limit: u64,
    control: Vec<u8, CONTROL>,
    /// After so much silence a PING; zero: never.
    heartbeat: Duration,
    /// What the peer's PING asks for: so much silence of its own means that it is dead.
    ttl: Option<Duration>,
    /// Since when an answer is waited for.
    asked_at: Option<Instant>,
    started: Instant,
    heard_at: Instant,
}

impl Session {
    /// A session on a transport that has just been connected. `limit`: octets of the longest frame of
    /// a message. `heartbeat`: after so much silence a PING, and after three times that the end; zero:
    /// never. A peer of ZMTP 3.0 or 2.0 is not asked, since it may not know PING.
    pub fn new(socket: SocketType, limit: u64, heartbeat: Duration, now: Instant) -> Self {
        let mut session = Self {
            socket,
            curve: None,
            life: Life::Open,
            step: Step::Greeting,
            greeted: 0,
            version: Version::V2_0,
            limit,
            control: Vec::new(),
            heartbeat,
            ttl: None,
            asked_at: None,
            started: now,
            heard_at: now,
        };
        session.greet(&[]);
        session
    }

    /// The same, encrypted; before anything has happened. The limit is that of a sealed frame then.
    #[must_use]
    pub fn with_curve(mut self, curve: Curve) -> Self {
        self.curve = Some(curve);
        self
    }

    /// Whether it has not ended.
    pub fn is_open(&self) -> bool {
        matches!(self.life, Life::Open)
    }

    /// Whether messages may flow.
    pub fn is_ready(&self) -> bool {
        self.step == Step::Ready && self.is_open()
    }

    /// Whether the handshake was never done: [`Session::control`] then stands before all messages.
    pub fn is_new(&self) -> bool {
        self.step != Step::Ready
    }

    /// Something was received, whatever it is.
    pub fn heard(&mut self, now: Instant) {
        self.heard_at = now;
        self.asked_at = None;
    }

    /// The next event of `input`, which moves on past what it is made of. None: more is to be received.
    pub fn decode<'i>(&mut self, input: &mut &'i mut [u8]) -> Option<Event<'i>> {
        loop {
            if let Life::Ending(_) | Life::Ended = self.life {
                return match core::mem::replace(&mut self.life, Life::Ended) {
                    Life::Ending(error) => Some(Event::Ended(error)),
                    _ => None,
                };
            }
            match self.next(input) {
                Ok(Next::Event(event)) => return Some(event),
                Ok(Next::Nothing) => {}
                Ok(Next::Incomplete) => return None,
                Err(error) => self.end(error),
            }
        }
    }

    /// Octets that [`Session::decode`] has to see at once to go on, where `input` is all that there is:
    /// more than that is not needed, fewer do not do.
    pub fn needs(&self, input: &[u8]) -> usize {
        match self.step {
            Step::Greeting => greeting::needs(input),
            _ => match self.frame(input) {
                Ok(Some((_, length))) => length,
                Ok(None) => frame::HEADER,
                // It is refused for what is there.
                Err(_) => 0,
            },
        }
    }

    /// Whether frames have to be sealed.
    pub fn is_encrypted(&self) -> bool {
        self.curve.is_some()
    }

    /// Octets that a frame's body is longer by when it is sealed; its header may be by seven more.
    pub const SEAL: usize = curve::SEAL;

    /// Of a session that is ready, writes `frames` as they are sent: each in a box, where it is encrypted. What is
    /// sealed has to be sent in the order of sealing, and [`Session::control`] is sealed, too: that is to be sent first.
    pub fn seal(&self, frames: &[u8], w: &mut Writer<'_>) {
        let Some(curve) = &self.curve else { return w.bytes(frames) };
        let mut rest = frames;
        while let Ok(Some(header)) = frame::header(rest) {
            let length =
                usize::try_from(header.size).map_or(usize::MAX, |size| size.saturating_add(header.octets));
            let Some((frame, next)) = rest.split_at_checked(length) else { return };
            let flags = frame.first().copied().unwrap_or_default();
            curve.put_frame(w, flags, frame.get(header.octets..).unwrap_or_default());
            rest = next;
        }
    }

    /// Writes a message of two frames as it is sent; otherwise as [`Session::seal`].
    pub fn put_message(&self, w: &mut Writer<'_>, topic: &[u8], body: &[u8]) {
        match &self.curve {
            Some(curve) => {
                curve.put_frame(w, frame::MORE, topic);
                curve.put_frame(w, 0, body);
            }
            None => frame::put_message(w, topic, body),
        }
    }

    /// What the session itself wants to send.
    pub fn control(&self) -> &[u8] {
        &self.control
    }

    /// The first `n` octets of [`Session::control`] were taken.
    pub fn control_sent(&mut self, n: usize) {
        let n = n.min(self.control.len());
        self.control.copy_within(n.., 0);
        self.control.truncate(self.control.len() - n);
    }

    /// Of a SUB that is ready: messages whose first frame begins with `prefix`, of at most 64 octets,
    /// are wanted.
    pub fn subscribe(&mut self, prefix: &[u8]) {
        // A command since 3.1, a message before (RFC 15 and 23).
        if self.version >= Version::V3_1 {
            self.send(&|w| command::put_subscribe(w, prefix));
        } else {
            let size = u8::try_from(1 + prefix.len()).unwrap_or_default();
            self.send(&|w| [&[0, size, 1], prefix].into_iter().for_each(|part| w.bytes(part)));
        }
    }

    /// The transport has ended. Leads to [`Event::Ended`].
    pub fn disconnected(&mut self) {
        self.end(Error::Disconnected(self.step));
    }

    /// Ends over `error`, which the owner has found.
    pub fn end(&mut self, error: Error) {
        if let Life::Open = self.life {
            self.life = Life::Ending(error);
        }
    }

    /// The key of the client that a server of CURVE is ready for: to be looked at when [`Event::Ready`] comes.
    #[cfg(feature = "curve")]
    pub fn client(&self) -> Option<curve::PublicKey> {
        self.curve.as_ref().and_then(Curve::peer)
    }

    /// Ends it at [`Event::Ready`], since the owner does not serve this peer, which is told so instead of READY.
    pub fn refuse(&mut self) {
        self.control.clear();
        self.step = Step::Handshake;
        // As ZAP says it (RFC 27), and libzmq understands it.
        self.send(&|w| command::put_error(w, "400"));
        self.end(Error::Refused);
    }

    /// When [`Session::timed_out`] is due, if ever; it is in the past while the end is to be told.
    pub fn deadline(&self) -> Option<Instant> {
        match self.life {
            Life::Ended => None,
            Life::Ending(_) => Some(self.started),
            Life::Open => self.timers().into_iter().flatten().map(|(at, _)| at).min(),
        }
    }

    /// The time is `now`; whatever was due is done.
    pub fn timed_out(&mut self, now: Instant) {
        for (_, timer) in self.timers().into_iter().flatten().filter(|(at, _)| *at <= now) {
            match timer {
                Timer::Handshake => self.end(Error::HandshakeTimeout(self.step)),
                Timer::Silent(time) => self.end(Error::Silent(time)),
                Timer::Ping => {
                    self.asked_at = Some(now);
                    let ttl = (self.heartbeat * DEAD).as_millis() / 100;
                    let ttl = u16::try_from(ttl).unwrap_or(u16::MAX);
                    self.send(&|w| command::put_ping(w, ttl));
                }
            }
        }
    }

    fn timers(&self) -> [Option<(Instant, Timer)>; 2] {
        if self.step != Step::Ready {
            return [Some((self.started + HANDSHAKE, Timer::Handshake)), None];
        }
        let beats = (!self.heartbeat.is_zero() && self.version >= Version::V3_1).then_some(self.heartbeat);
        [
            beats.map(|beat| match self.asked_at {
                // Counted from the question: where we were stopped meanwhile, it may have come late.
                Some(asked_at) => (asked_at + beat * (DEAD - 1), Timer::Silent(beat * DEAD)),
                None => (self.heard_at + beat, Timer::Ping),
            }),
            self.ttl.map(|ttl| (self.heard_at + ttl, Timer::Silent(ttl))),
        ]
    }

    /// The header at the start of `input`, once all of it is there, and octets of the whole frame.
    fn frame(&self, input: &[u8]) -> Result<Option<(Header, usize)>, Violation> {
        let Some(header) = frame::header(input)? else { return Ok(None) };
        if header.command && self.version < Version::V3_0 {
            return Err(Violation::Flags(frame::COMMAND));
        }
        let limit = match (&self.curve, header.command) {
            // RFC 26 calls a MESSAGE a command.
            (Some(_), _) if self.step == Step::Ready => self.limit,
            (_, true) => command::LONGEST as u64,
            (_, false) => self.limit,
        };
        let length = usize::try_from(header.size).ok().and_then(|size| size.checked_add(header.octets));
        match length.filter(|_| header.size <= limit) {
            Some(length) => Ok(Some((header, length))),
            None => Err(Violation::TooLong { size: header.size, limit }),
        }
    }

    fn next<'i>(&mut self, input: &mut &'i mut [u8]) -> Result<Next<'i>, Error> {
        if self.step == Step::Greeting {
            return self.on_greeting(input);
        }
        let Some((header, length)) = self.frame(input)? else { return Ok(Next::Incomplete) };
        let Some(frame) = input.split_off_mut(..length) else { return Ok(Next::Incomplete) };
        let body = frame.get_mut(header.octets..).unwrap_or_default();
        if self.curve.is_some() {
            self.on_sealed(header, body)
        } else if header.command {
            self.on_command(body)
        } else {
            self.on_frame(header, body)
        }
    }

    /// Apart, so that a frame in clear takes no longer for it.
    #[inline(never)]
    fn on_sealed<'i>(&mut self, header: Header, body: &'i mut [u8]) -> Result<Next<'i>, Error> {
        let Some(curve) = self.curve.as_mut().filter(|_| self.step == Step::Ready) else {
            return self.on_handshake(header, body);
        };
        let (header, body) = curve.open(header, body)?;
        if !header.command {
            return self.on_frame(header, body);
        }
        if body.len() > command::LONGEST {
            return Err(Violation::TooLong { size: header.size, limit: command::LONGEST as u64 }.into());
        }
        self.on_command(body)
    }

    fn on_greeting<'i>(&mut self, input: &mut &'i mut [u8]) -> Result<Next<'i>, Error> {
        let theirs = greeting::parse(input, self.socket, self.mechanism());
        // A peer of another mechanism learns by our greeting why it goes no further.
        if matches!(theirs, Ok(_) | Err(Error::Mechanism(_) | Error::NotCurve(_) | Error::Roles)) {
            self.greet(input);
        }
        let Some((version, length)) = theirs? else { return Ok(Next::Incomplete) };
        let _ = input.split_off_mut(..length);
        self.version = version;
        if version < Version::V3_0 {
            self.step = Step::Ready;
            return Ok(Next::Event(Event::Ready));
        }
        self.step = Step::Handshake;
        let socket = self.socket;
        match self.curve.as_ref().map(Curve::hello) {
            None => self.send(&|w| command::put_ready(w, socket)),
            Some(Some(hello)) => self.send(&|w| frame::put_frame(w, frame::COMMAND, &hello)),
            // A server waits for it.
            Some(None) => {}
        }
        Ok(Next::Nothing)
    }

    const fn mechanism(&self) -> Mechanism {
        match &self.curve {
            None => Mechanism::Null,
            Some(curve) => Mechanism::Curve { as_server: curve.is_server() },
        }
    }

    /// What CURVE exchanges before the session is ready.
    fn on_handshake<'i>(&mut self, header: Header, body: &'i mut [u8]) -> Result<Next<'i>, Error> {
        let Some(curve) = self.curve.as_mut().filter(|_| header.command) else {
            return Err(Violation::Unexpected(self.step).into());
        };
        if body.starts_with(b"\x05ERROR") {
            return self.on_command(body);
        }
        let shaken = curve.shake(body, command::metadata(self.socket))?;
        let is_server = curve.is_server();
        if let Some(metadata) = shaken.metadata {
            let theirs = command::socket_type(Reader::new(metadata)).map_err(Violation::from)?;
            self.check_type(&theirs, is_server)?;
        }
        if let Some(reply) = shaken.reply {
            self.send(&|w| frame::put_frame(w, frame::COMMAND, &reply));
        }
        if shaken.metadata.is_none() {
            return Ok(Next::Nothing);
        }
        self.step = Step::Ready;
        Ok(Next::Event(Event::Ready))
    }

    /// Sends our greeting as far as `theirs`, of which so much has come, allows.
    fn greet(&mut self, theirs: &[u8]) {
        let ours = greeting::ours(theirs, self.socket, self.mechanism());
        let more = ours.get(self.greeted..).unwrap_or_default();
        self.greeted = ours.len();
        self.send(&|w| w.bytes(more));
    }

    /// Whether the peer's socket talks to ours, which it is perhaps told.
    fn check_type(&mut self, theirs: &Text, tell: bool) -> Result<(), Error> {
        let checked = self.socket.talks_to(theirs);
        if checked.is_err() && tell {
            self.send(&|w| command::put_error(w, "Invalid socket type"));
        }
        checked
    }

    fn on_command<'i>(&mut self, body: &'i [u8]) -> Result<Next<'i>, Error> {
        match (command::parse(body)?, self.step) {
            (Command::Error(reason), _) => return Err(Error::Told(reason)),
            (Command::Ready(theirs), Step::Handshake) => {
                self.check_type(&theirs, true)?;
                self.step = Step::Ready;
                return Ok(Next::Event(Event::Ready));
            }
            (Command::Ready(_), step) | (_, step @ Step::Handshake) => {
                return Err(Violation::Unexpected(step).into());
            }
            (Command::Subscribe(prefix), _) if self.socket == SocketType::Pub => {
                return Ok(Next::Event(Event::Subscribe(prefix)));
            }
            (Command::Cancel(prefix), _) if self.socket == SocketType::Pub => {
                return Ok(Next::Event(Event::Cancel(prefix)));
            }
            (Command::Ping { ttl, context }, _) => {
                self.ttl = (ttl > 0).then(|| Duration::from_millis(u64::from(ttl) * 100));
                // Sealed, it takes seven times the room. Where there is none, those that wait say as much.
                if self.curve.is_none() || self.control.len() + SEALED_PONG <= CONTROL {
                    self.send(&|w| command::put_pong(w, context));
                }
            }
            _ => {}
        }
        Ok(Next::Nothing)
    }

    fn on_frame<'i>(&mut self, header: Header, body: &'i [u8]) -> Result<Next<'i>, Error> {
        if self.step != Step::Ready {
            return Err(Violation::Unexpected(self.step).into());
        }
        Ok(match (self.socket, body) {
            (SocketType::Sub, body) => Next::Event(Event::Frame { more: header.more, body }),
            // Subscriptions as messages: 2.0, 3.0, and libzmq whatever its version.
            (SocketType::Pub, [1, prefix @ ..]) => Next::Event(Event::Subscribe(prefix)),
            (SocketType::Pub, [0, prefix @ ..]) => Next::Event(Event::Cancel(prefix)),
            // An XSUB may say more, which concerns nobody here.
            (SocketType::Pub, _) => Next::Nothing,
        })
    }

    /// Queues octets of the session's own. No room means that the peer sends requests without reading the replies.
    fn send(&mut self, write: Write<'_>) {
        let mut buf = [0; CONTROL];
        let mut w = Writer::new(&mut buf);
        write(&mut w);
        let written = w.finish().ok().and_then(|length| buf.get(..length));
        let mut sealed = [0; CONTROL];
        let written = match written {
            Some(frames) if self.step == Step::Ready && self.curve.is_some() => {
                let mut w = Writer::new(&mut sealed);
                self.seal(frames, &mut w);
                w.finish().ok().and_then(|length| sealed.get(..length))
            }
            plain => plain,
        };
        if written.is_none_or(|octets| self.control.extend_from_slice(octets).is_err()) {
            self.end(Violation::Flood.into());
        }
    }
}

/// What a step of decoding gave.
enum Next<'i> {
    Event(Event<'i>),
    Nothing,
    Incomplete,
}

/// What is due.
#[derive(Clone, Copy, Debug)]
enum Timer {
    Handshake,
    Ping,
    Silent(Duration),
}
