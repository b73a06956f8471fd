//! The queue of our own, where the broker refuses it or does not answer: publishing goes on without, and a second
//! channel asks for it again.
//!
//! It is refused while another connection holds it (405; perhaps our own previous one, and in a cluster for as long
//! as that one's node is down), or its node is down (404). That node's silence would hold back all on its channel.
//!
//! ```text
//!  handshake: Queue, Binding --405, 404--> Missing --time--> Opening --> Declaring --> Binding --> Closing
//!                   |                         ^                 |            |  ^         | ^         |
//!                   |                         +--Channel.Close--+------------+--|---------+ |         v
//!                   +--no answer: its channel is the queue's, another publishes-+-----------+      Settled
//! ```

use core::time::Duration;

use super::Client;
use crate::amqp::error::Step;
use crate::amqp::event::Event;
use crate::amqp::frame::CHANNEL;
use crate::amqp::method::{self, Method, id};
use crate::time::{Backoff, Instant};

/// From Queue.Declare of the handshake until it goes on without the queue.
const PATIENCE: Duration = Duration::from_secs(2);

/// Channels that a client with a queue of its own asks for, and one without.
pub(super) const CHANNELS: [u16; 2] = [2, 1];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// None is wanted, or it is declared and bound.
    Settled,
    /// The handshake declares it, and waits no longer than this.
    Handshake(Instant),
    /// It is refused, and asked for again then.
    Missing(Instant),
    /// On the second channel, as the client's steps of these names.
    Opening,
    Declaring,
    Binding,
    Closing,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct OwnQueue {
    state: State,
    backoff: Backoff,
    /// That there was no answer is to be told.
    is_news: bool,
}

impl OwnQueue {
    pub fn new(retry: Duration) -> Self {
        Self { state: State::Settled, backoff: Backoff::new(retry), is_news: false }
    }

    /// Whether we publish without it.
    pub fn is_missing(&self) -> bool {
        !matches!(self.state, State::Settled | State::Handshake(_) | State::Closing)
    }

    /// The handshake begins to declare it.
    pub fn declared(&mut self, now: Instant) {
        self.state = State::Handshake(now + PATIENCE);
    }

    /// The handshake has bound it, unless it goes on without.
    pub fn handshake_done(&mut self) {
        if let State::Handshake(_) = self.state {
            self.state = State::Settled;
        }
    }

    pub fn take_news(&mut self) -> bool {
        core::mem::take(&mut self.is_news)
    }

    fn refused(&mut self, now: Instant) {
        // Each publisher has a time of its own, when it was refused first: no need of chance.
        self.state = State::Missing(now + self.backoff.next(u32::MAX, Duration::ZERO));
    }
}

impl Client<'_> {
    /// When [`Client::queue_due`] is to be called.
    pub(super) fn queue_deadline(&self) -> Option<Instant> {
        match self.own_queue.state {
            State::Handshake(at) if self.channels > 1 => Some(at),
            State::Missing(at) if self.channels > 1 && self.step == Step::Ready => Some(at),
            _ => None,
        }
    }

    /// The handshake does not wait for the queue any longer, or it is asked for again.
    pub(super) fn queue_due(&mut self, now: Instant) {
        let other = self.other_channel();
        match self.own_queue.state {
            State::Handshake(_) => {
                let asked = self.step == Step::Queue;
                self.own_queue.state = if asked { State::Declaring } else { State::Binding };
                self.own_queue.is_news = true;
                self.channel = other;
                self.open_channel(now);
            }
            State::Missing(_) => {
                self.own_queue.state = State::Opening;
                self.method(other, now, &method::channel_open);
            }
            _ => {}
        }
    }

    /// The broker has closed the handshake's channel, since it refuses the queue: goes on without.
    pub(super) fn go_without_queue(&mut self, now: Instant) {
        self.own_queue.refused(now);
        self.open_channel(now);
    }

    /// What came on the queue's channel.
    pub(super) fn on_queue_channel(&mut self, channel: u16, method: Method, now: Instant) -> Option<Event> {
        let Some(queue) = self.options.queue else {
            self.unexpected(channel, &method, now);
            return None;
        };
        match (self.own_queue.state, method) {
            (State::Opening, Method::Ok(id::CHANNEL_OPEN_OK)) => {
                self.own_queue.state = State::Declaring;
                self.method(channel, now, &|w| method::queue_declare(w, &queue));
            }
            (State::Declaring, Method::Ok(id::QUEUE_DECLARE_OK))
                if !self.options.exchange.name.is_empty() =>
            {
                self.own_queue.state = State::Binding;
                self.bind(channel, &queue, now);
            }
            (State::Declaring, Method::Ok(id::QUEUE_DECLARE_OK))
            | (State::Binding, Method::Ok(id::QUEUE_BIND_OK)) => {
                self.own_queue.state = State::Closing;
                self.own_queue.backoff.reset();
                self.method(channel, now, &method::channel_close);
                self.route.opened();
                return Some(Event::QueueDeclared);
            }
            (State::Closing, Method::CloseOk) => self.own_queue.state = State::Settled,
            (
                State::Opening | State::Declaring | State::Binding | State::Closing,
                Method::Close { code, text },
            ) => {
                self.method(channel, now, &|w| method::method(w, id::CHANNEL_CLOSE_OK));
                self.own_queue.refused(now);
                return Some(Event::QueueRefused { code, text });
            }
            (_, method) => self.unexpected(channel, &method, now),
        }
        None
    }

    /// The one that does not publish.
    fn other_channel(&self) -> u16 {
        if self.channel == CHANNEL { CHANNEL + 1 } else { CHANNEL }
    }
}
