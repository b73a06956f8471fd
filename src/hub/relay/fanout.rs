//! Publishing: each message once into the ring, and from there to whoever has subscribed.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::rc::Rc;
use std::task::Waker;

use tokio::sync::Notify;

use crate::relay::connection::{Connection, End, try_write};
use crate::relay::ring::Ring;
use psistats_core::time::Instant;
use psistats_core::zmtp::{Subscriptions, put_message};

/// The first frame of what is published, by which it is subscribed to.
pub const TOPIC: &[u8] = b"Chasar-Client";

/// Bytes that a message takes beside its body: two headers of at most 9 bytes, and the topic.
const FRAMING: usize = 18 + TOPIC.len();

/// After so many published bytes they are written, however many client nodes have more.
const BATCH: usize = 256 * 1024;

/// One that may have subscribed.
#[derive(Debug)]
pub struct Subscriber {
    /// Its socket and session.
    pub connection: Connection,
    /// What it wants.
    pub subscriptions: Subscriptions,
    /// To be woken when its socket has no more room, or fails.
    pub waker: Option<Waker>,
    /// Whether its socket has no room.
    pub is_blocked: bool,
    /// What has failed, for its task to find.
    pub failed: Option<io::Error>,
    /// Messages that it has lost, because it took them too slowly.
    pub dropped: u64,
    /// The next message of the ring.
    next: u64,
    /// Of the message before that, what is still to be written.
    rest: Vec<u8>,
    /// Whether it has taken something of late, which is a sign of life.
    takes: bool,
    /// The same, for its task: the system asks for more only once there is room for much.
    pub has_moved: bool,
}

/// Ring and subscribers.
#[derive(Debug)]
pub struct Fanout {
    ring: Ring,
    subscribers: BTreeMap<u64, Subscriber>,
    /// Those of them that messages are for: the others, of which there may be thousands, cost nothing.
    served: BTreeSet<u64>,
    /// Bytes published and not yet offered to anybody.
    unwritten: usize,
    /// Told when there are some.
    published: Rc<Notify>,
}

impl Fanout {
    /// Nobody yet, and a ring of so many bytes. `published` is told when [`Fanout::flush`] has work.
    pub fn new(capacity: usize, published: Rc<Notify>) -> Self {
        Self {
            ring: Ring::new(capacity),
            subscribers: BTreeMap::new(),
            served: BTreeSet::new(),
            unwritten: 0,
            published,
        }
    }

    /// One more, by a number that nobody has.
    pub fn enter(&mut self, number: u64, connection: Connection) {
        let subscriber = Subscriber {
            connection,
            subscriptions: Subscriptions::new(TOPIC),
            waker: None,
            is_blocked: false,
            failed: None,
            dropped: 0,
            next: 0,
            rest: Vec::new(),
            takes: false,
            has_moved: false,
        };
        self.subscribers.insert(number, subscriber);
    }

    /// One less. Gives the messages that it has lost, those that still waited for it included.
    pub fn leave(&mut self, number: u64) -> u64 {
        self.served.remove(&number);
        self.subscribers.remove(&number).map_or(0, |mut gone| {
            gone.give_up(&self.ring);
            gone.dropped
        })
    }

    /// Nothing is written any more: what still waits for those who are here is lost.
    pub fn end(&mut self) {
        self.subscribers.values_mut().for_each(|subscriber| subscriber.give_up(&self.ring));
    }

    /// Lets that subscriber take its turn, in which it may begin or cease to be served.
    pub fn turn<T>(&mut self, number: u64, turn: impl FnOnce(&mut Subscriber, &Ring) -> T) -> Option<T> {
        let subscriber = self.subscribers.get_mut(&number)?;
        let turned = turn(subscriber, &self.ring);
        if subscriber.is_served() {
            self.served.insert(number);
        } else {
            self.served.remove(&number);
        }
        Some(turned)
    }

    /// Publishes a message. It is written with others, soon.
    pub fn publish(&mut self, body: &[u8]) {
        if self.served.is_empty() {
            return;
        }
        if self.unwritten == 0 {
            self.published.notify_one();
        }
        let length = FRAMING + body.len();
        self.ring.push(length, |w| put_message(w, TOPIC, body));
        self.unwritten += length;
        if self.unwritten >= BATCH {
            self.flush();
        }
    }

    /// Writes as much as the sockets take.
    pub fn flush(&mut self) {
        self.unwritten = 0;
        let mut all_done = true;
        self.served.retain(|number| {
            let Some(subscriber) = self.subscribers.get_mut(number) else { return false };
            if subscriber.is_blocked {
                subscriber.skip_lost(&self.ring);
            } else {
                subscriber.write(&self.ring);
            }
            let is_served = subscriber.is_served();
            all_done &= !is_served || subscriber.next == self.ring.next();
            is_served
        });
        if all_done {
            self.ring.clear();
        }
    }

    /// Whether nobody has anything to come.
    pub fn is_done(&self) -> bool {
        let mut served = self.served.iter().filter_map(|number| self.subscribers.get(number));
        served.all(|subscriber| subscriber.next == self.ring.next() && subscriber.rest.is_empty())
    }

    /// Messages lost by those who are here.
    pub fn dropped(&self) -> u64 {
        self.subscribers.values().map(|subscriber| subscriber.dropped).sum()
    }

    /// How many of them have subscribed to what is published.
    pub fn subscribed(&self) -> usize {
        self.served.len()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.subscribers.len()
    }
}

impl Subscriber {
    /// Whether messages are for it.
    fn is_served(&self) -> bool {
        self.failed.is_none() && self.subscriptions.matches()
    }

    /// From now on it gets what it has subscribed to.
    pub fn begin(&mut self, ring: &Ring) {
        self.next = ring.next();
    }

    /// Bytes of a message that has begun and waits for room.
    pub fn unfinished(&self) -> usize {
        self.rest.len()
    }

    /// Writes as much as its socket takes. What fails, or has to wait, is for its task.
    pub fn write(&mut self, ring: &Ring) {
        match self.try_write(ring) {
            Ok(done) => self.is_blocked = !done,
            Err(error) => self.failed = Some(error),
        }
        if (self.is_blocked || self.failed.is_some())
            && let Some(waker) = &self.waker
        {
            waker.wake_by_ref();
        }
    }

    /// Whether there is nothing left to write.
    fn try_write(&mut self, ring: &Ring) -> io::Result<bool> {
        loop {
            // A message that was begun comes first, then what the session has to say.
            while !self.rest.is_empty() {
                let Some(n) = try_write(&self.connection.stream, &self.rest)? else { return Ok(false) };
                self.rest.drain(..n);
                self.has_taken();
            }
            if !self.connection.write_control()? {
                return Ok(false);
            }
            if !self.is_served() {
                return Ok(true);
            }
            self.skip(ring.first());
            let run = ring.from(self.next);
            if run.is_empty() {
                return Ok(true);
            }
            let Some(n) = try_write(&self.connection.stream, run)? else { return Ok(false) };
            let (next, rest) = ring.after(self.next, n);
            self.next = next;
            self.rest = rest.to_vec();
            self.has_taken();
        }
    }

    fn has_taken(&mut self) {
        (self.takes, self.has_moved) = (true, true);
    }

    /// The ring may have moved on while it takes nothing.
    fn skip_lost(&mut self, ring: &Ring) {
        let had_lost_none = self.dropped == 0;
        self.skip(ring.first());
        if had_lost_none
            && self.dropped > 0
            && let Some(waker) = &self.waker
        {
            // It has that to tell.
            waker.wake_by_ref();
        }
    }

    /// All that waits for it is lost to it, the message that has begun included.
    fn give_up(&mut self, ring: &Ring) {
        self.dropped += u64::from(!self.rest.is_empty());
        self.rest.clear();
        self.skip(ring.next());
    }

    /// What it has subscribed to is lost to it as far as the message of that number.
    fn skip(&mut self, number: u64) {
        if self.subscriptions.matches() {
            self.dropped += number.saturating_sub(self.next);
            self.next = self.next.max(number);
        }
    }

    /// Does what is due. That it takes what is written is a sign of life.
    ///
    /// # Errors
    /// When it is the end.
    pub fn check_time(&mut self, now: Instant) -> Result<(), End> {
        if std::mem::take(&mut self.takes) {
            self.connection.session.heard(now);
        }
        self.connection.check_time(now)
    }
}
