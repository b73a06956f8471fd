//! A PUB in fixed memory, with one peer: a client node's connection to its master.

use core::time::Duration;

use crate::link::{Link, SendBuffer};
use crate::time::Instant;
use crate::zmtp::curve::Curve;
use crate::zmtp::error::{Error, Violation};
use crate::zmtp::session::{self, Session};
use crate::zmtp::socket_type::SocketType;
use crate::zmtp::subscriptions::Subscriptions;

/// Bytes of the send buffer that messages leave free, so that a PONG finds room.
const RESERVE: usize = 256;

/// The memory of a connection; there is no other. It may serve one connection after another.
pub struct Buffers<'a> {
    /// Bytes received and not yet looked at. It bounds the subscriptions that can be read, and
    /// holds the longest command, which has 1 KiB: [`crate::limits::ZMTP_RECV`].
    pub receive: &'a mut [u8],
    /// Bytes that wait for the transport: what it holds is the high-water mark. It holds at least the largest
    /// message and 512 bytes.
    pub send: &'a mut [u8],
}

/// What the owner learns.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PublisherEvent {
    /// The handshake is done; messages flow once somebody has subscribed.
    Ready,
    /// Whether messages are wanted has changed.
    Wanted(bool),
    /// The end, the last event.
    Ended(Error),
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It waits for the transport.
    Queued,
    /// Nobody has subscribed to it, or the handshake is not done yet.
    Unwanted,
    /// The peer has not taken the messages before: the high-water mark. It is dropped as a whole.
    Dropped,
}

/// A PUB with one topic, driven as [`crate::link`] says.
#[derive(Debug)]
pub struct Publisher<'a> {
    session: Session,
    subscriptions: Subscriptions,
    receive: &'a mut [u8],
    start: usize,
    end: usize,
    send: SendBuffer<'a>,
    heartbeat: Duration,
    /// Last time that the transport took something, or that something began to wait for it.
    moved_at: Instant,
}

impl<'a> Publisher<'a> {
    /// A publisher of `topic` on a transport that has just been connected; `heartbeat` as in
    /// [`Session::new`], and three of it without anything taken are the end too.
    pub fn new(topic: &'static [u8], heartbeat: Duration, buffers: Buffers<'a>, now: Instant) -> Self {
        let Buffers { receive, send } = buffers;
        // What does not fit into the buffer could not be read.
        let limit = receive.len().saturating_sub(16) as u64;
        let mut publisher = Self {
            session: Session::new(SocketType::Pub, limit, heartbeat, now),
            subscriptions: Subscriptions::new(topic),
            receive,
            start: 0,
            end: 0,
            send: SendBuffer::new(send),
            heartbeat,
            moved_at: now,
        };
        publisher.flush_control(now);
        publisher
    }

    /// The same, encrypted; before anything has happened. Each of a message's two frames is longer by
    /// [`Session::SEAL`] then.
    #[must_use]
    pub fn with_curve(mut self, curve: Curve) -> Self {
        self.session = self.session.with_curve(curve);
        self
    }

    /// Whether a message would be sent to somebody.
    pub fn is_wanted(&self) -> bool {
        self.session.is_ready() && self.subscriptions.matches()
    }

    /// Sends `body` under the topic, all of it or nothing.
    pub fn publish(&mut self, body: &[u8], now: Instant) -> Outcome {
        if !self.is_wanted() {
            return Outcome::Unwanted;
        }
        let was_empty = self.send.is_empty();
        let (session, topic) = (&self.session, self.subscriptions.topic());
        if self.send.append(RESERVE, &|w| session.put_message(w, topic, body)).is_err() {
            return Outcome::Dropped;
        }
        if was_empty {
            self.moved_at = now;
        }
        Outcome::Queued
    }

    /// Moves what the session wants to say behind the messages that wait.
    fn flush_control(&mut self, now: Instant) {
        let control = self.session.control();
        let length = control.len();
        if length == 0 {
            return;
        }
        if self.send.is_empty() {
            self.moved_at = now;
        }
        match self.send.append(0, &|w| w.bytes(control)) {
            Ok(()) => self.session.control_sent(length),
            Err(_) => self.session.end(Violation::Flood.into()),
        }
    }

    fn stalled_at(&self) -> Option<(Instant, Duration)> {
        let time = self.heartbeat * 3;
        (self.session.is_open() && !self.send.is_empty() && !time.is_zero())
            .then(|| (self.moved_at + time, time))
    }
}

impl Link for Publisher<'_> {
    type Event = PublisherEvent;

    fn recv_space(&mut self) -> &mut [u8] {
        if self.start > 0 {
            self.receive.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        self.receive.get_mut(self.end..).unwrap_or_default()
    }

    fn received(&mut self, n: usize, now: Instant) {
        if n > 0 {
            self.end = self.end.saturating_add(n).min(self.receive.len());
            self.session.heard(now);
        }
    }

    fn poll_event(&mut self, now: Instant) -> Option<PublisherEvent> {
        loop {
            let mut input = self.receive.get_mut(self.start..self.end).unwrap_or_default();
            let event = self.session.decode(&mut input);
            self.start = self.end - input.len();
            let was_wanted = self.subscriptions.matches();
            let told = match event {
                None => None,
                Some(session::Event::Ready) => Some(PublisherEvent::Ready),
                Some(session::Event::Ended(error)) => Some(PublisherEvent::Ended(error)),
                Some(event) => {
                    match event {
                        session::Event::Subscribe(prefix) => self.subscriptions.subscribe(prefix),
                        session::Event::Cancel(prefix) => self.subscriptions.cancel(prefix),
                        _ => {}
                    }
                    let wanted = self.subscriptions.matches();
                    if wanted == was_wanted {
                        continue;
                    }
                    Some(PublisherEvent::Wanted(wanted))
                }
            };
            self.flush_control(now);
            return told;
        }
    }

    fn outgoing(&self) -> &[u8] {
        self.send.outgoing()
    }

    fn sent(&mut self, n: usize, now: Instant) {
        if n > 0 {
            self.send.sent(n);
            self.moved_at = now;
        }
    }

    fn disconnected(&mut self) {
        self.session.disconnected();
    }

    fn deadline(&self) -> Option<Instant> {
        let stalled = self.stalled_at().map(|(at, _)| at);
        [self.session.deadline(), stalled].into_iter().flatten().min()
    }

    fn timed_out(&mut self, now: Instant) {
        if let Some((_, time)) = self.stalled_at().filter(|(at, _)| *at <= now) {
            self.session.end(Error::Stalled(time));
        }
        self.session.timed_out(now);
        self.flush_control(now);
    }
}
