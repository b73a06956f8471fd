//! The client's deadlines, and how it is driven.

use super::{Client, HANDSHAKE, Life};
use crate::amqp::error::{Error, Step};
use crate::amqp::event::Event;
use crate::amqp::frame;
use crate::amqp::heartbeats::Beat;
use crate::amqp::send::put_frame;
use crate::link::Link;
use crate::time::Instant;

impl Client<'_> {
    /// Every deadline that is set, with what it means.
    fn timers(&self) -> [Option<(Instant, Timer)>; 8] {
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
            (open && self.step != Step::Ready).then_some((self.started + HANDSHAKE, Timer::Handshake)),
            self.route.deadline().filter(|_| open).map(|at| (at, Timer::Route)),
            self.queue_deadline().filter(|_| open).map(|at| (at, Timer::Queue)),
            self.confirms.deadline().filter(|_| open && !self.blocked).map(|at| (at, Timer::Confirms)),
            self.confirms.retry_deadline().filter(|_| open).map(|at| (at, Timer::Retry)),
            silent.and_then(beat),
            sending.and_then(beat),
        ]
    }
}

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Timer {
    Close,
    Handshake,
    Route,
    Queue,
    Confirms,
    Retry,
    Beat(Beat),
}

impl Link for Client<'_> {
    type Event = Event;

    fn recv_space(&mut self) -> &mut [u8] {
        match self.life {
            Life::Ending(_) | Life::Ended => &mut [],
            _ => self.receiver.space(),
        }
    }

    fn received(&mut self, n: usize, now: Instant) {
        if n > 0 {
            self.receiver.received(n);
            self.heartbeats.received(now);
        }
    }

    fn poll_event(&mut self, now: Instant) -> Option<Event> {
        loop {
            if let Life::Ending(_) | Life::Ended = self.life {
                return match core::mem::replace(&mut self.life, Life::Ended) {
                    Life::Ending(result) => Some(Event::Ended(result)),
                    _ => None,
                };
            }
            if self.own_queue.take_news() {
                return Some(Event::QueueUnanswered);
            }
            match self.receiver.next() {
                Ok(None) => return None,
                Ok(Some(item)) => {
                    if let Some(event) = self.handle(item, now) {
                        return Some(event);
                    }
                }
                Err(error) => self.abort(error, now),
            }
        }
    }

    fn outgoing(&self) -> &[u8] {
        self.send.outgoing()
    }

    fn sent(&mut self, n: usize, now: Instant) {
        if n > 0 {
            self.send.sent(n);
            self.heartbeats.sent(now);
        }
    }

    fn disconnected(&mut self) {
        let error = self.receiver.disconnected().unwrap_or(Error::Disconnected(self.step));
        self.end(Err(error));
    }

    fn deadline(&self) -> Option<Instant> {
        self.timers().into_iter().flatten().map(|(at, _)| at).min()
    }

    fn timed_out(&mut self, now: Instant) {
        for (_, timer) in self.timers().into_iter().flatten().filter(|(at, _)| *at <= now) {
            let heartbeat_s = self.heartbeats.interval_s;
            match timer {
                Timer::Close => self.end(Ok(())),
                Timer::Handshake => {
                    let error = self.receiver.disconnected();
                    self.abort(error.unwrap_or(Error::HandshakeTimeout(self.step)), now);
                }
                Timer::Route => self.route.timed_out(),
                Timer::Queue => self.queue_due(now),
                Timer::Confirms => {
                    if let Some(timeout) = self.confirms.timed_out(now) {
                        self.fail(Error::Unconfirmed { timeout }, now);
                    }
                }
                Timer::Retry => self.confirms.retry_due(now),
                Timer::Beat(Beat::Silent) => self.abort(Error::Silent { heartbeat_s }, now),
                Timer::Beat(Beat::Stalled) => self.abort(Error::Stalled { heartbeat_s }, now),
                // Another timer that is due as well may have ended it.
                Timer::Beat(Beat::Send) if !matches!(self.life, Life::Open) => {}
                Timer::Beat(Beat::Send) => {
                    self.heartbeats.waits(now);
                    let written = self.send.append(0, &|w| put_frame(w, frame::HEARTBEAT, 0, &|_| ()));
                    self.note(written);
                }
            }
        }
    }
}
