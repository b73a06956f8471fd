//! What all connections of the relay share.

use std::cell::RefCell;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::Notify;

use crate::clock::Clock;
use crate::complaints::Complaints;
use crate::relay::connection::{HEARTBEAT, TURN};
use crate::relay::counters::{Counters, Snapshot};
use crate::relay::fanout::Fanout;
use crate::relay::guests::Guests;
use crate::relay::moderation::Moderation;
use psistats_core::zmtp::{Curve, RANDOM, Session, SocketType};
use psistats_host::conf::chasar::Chasar;
use psistats_host::machine::random;

/// Is shown the address of a client node and the body of each valid message that it sends, and gives whether it took
/// it. It is called on the relay's thread, and so must not block; a body is one JSON object of at most `[chasar]
/// message_bytes`.
pub type Observer = Box<dyn Fn(SocketAddr, &[u8]) -> bool + Send>;

/// What all connections share.
pub struct Shared {
    /// `[chasar]`
    pub settings: Chasar,
    /// The time.
    pub clock: Clock,
    /// Publishing.
    pub fanout: RefCell<Fanout>,
    /// Is notified when the fanout has messages to write.
    pub published: Rc<Notify>,
    /// Room for received bytes, which are looked at within one poll.
    pub scratch: RefCell<Box<[u8]>>,
    /// Events that nothing else here counts.
    pub counters: Counters,
    /// Is told how much was received.
    pub moderation: Arc<Moderation>,
    /// Who is connected.
    pub guests: Rc<Guests>,
    /// Is shown each valid message.
    pub observer: Observer,
    complaints: Complaints,
}

impl Shared {
    /// Nobody is connected yet, and at most `room` may be.
    pub fn new(settings: Chasar, room: usize, moderation: Arc<Moderation>, observer: Observer) -> Self {
        let published = Rc::new(Notify::new());
        Self {
            clock: Clock::start(),
            fanout: RefCell::new(Fanout::new(settings.publish_high_water, published.clone())),
            published,
            scratch: RefCell::new(vec![0; TURN].into_boxed_slice()),
            counters: Counters::default(),
            moderation,
            guests: Rc::new(Guests::new(room, settings.message_bytes)),
            observer,
            complaints: Complaints::default(),
            settings,
        }
    }

    /// A session on a connection that was just accepted, with frames of at most `limit` bytes; encrypted where there is
    /// a key.
    ///
    /// # Errors
    /// Of the system, which has no random numbers.
    pub fn session(&self, socket: SocketType, limit: u64) -> io::Result<Session> {
        let session = |limit| Session::new(socket, limit, HEARTBEAT, self.clock.now());
        let Some(own) = &self.settings.curve.own else { return Ok(session(limit)) };
        let mut octets = [0; RANDOM];
        random::fill(&mut octets)?;
        let limit = limit.saturating_add(Session::SEAL as u64);
        Ok(session(limit).with_curve(Curve::server(own, &mut octets)))
    }

    /// Whether the peer of a session that is ready may connect.
    pub fn admits(&self, session: &Session) -> bool {
        let clients = &self.settings.curve.clients;
        clients.as_ref().is_none_or(|keys| session.client().is_some_and(|key| keys.contains(&key)))
    }

    /// Logs a line about a peer, unless there were a few in this second already.
    pub fn complain(&self, text: fmt::Arguments<'_>) {
        self.complaints.say(self.clock.now(), text);
    }

    /// Connections and counters as they are now.
    pub fn snapshot(&self) -> Snapshot {
        let (fanout, counters) = (self.fanout.borrow(), &self.counters);
        Snapshot {
            connections: self.guests.connections(),
            subscribers: fanout.len(),
            subscribed: fanout.subscribed(),
            messages: counters.valid.get(),
            invalid: counters.invalid.get(),
            unobserved: counters.unobserved.get(),
            dropped: counters.dropped.get() + fanout.dropped(),
            refused: counters.refused.get(),
            evicted: self.guests.evicted(),
        }
    }
}
