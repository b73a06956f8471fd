//! Publishing: each message goes into the ring once, and from there to every subscriber that wants it.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::rc::Rc;
use std::task::Waker;

use tokio::sync::Notify;

use crate::relay::connection::{Connection, End, try_write};
use crate::relay::ring::Ring;
use psistats_core::bytes::Writer;
use psistats_core::time::Instant;
use psistats_core::zmtp::{Session, Subscriptions, put_message};

/// The first frame of what is published, by which it is subscribed to.
pub const TOPIC: &[u8] = b"Chasar-Client";

/// Bytes of a message beside its body: two frame headers of at most 9 bytes, and the topic.
const FRAMING: usize = 18 + TOPIC.len();

/// So many published bytes are written at once, even while client nodes have more to publish.
const BATCH: usize = 256 * 1024;

/// A subscriber, which may have subscribed to nothing yet.
#[derive(Debug)]
pub struct Subscriber {
    /// Its socket and session.
    pub connection: Connection,
    /// Its subscriptions.
    pub subscriptions: Subscriptions,
    /// Wakes its task, when its socket has no more room or fails.
    pub waker: Option<Waker>,
    /// Whether its socket has no room.
    pub is_blocked: bool,
    /// The error of its socket, for its task to find.
    pub failed: Option<io::Error>,
    /// Messages that were dropped because it took them too slowly.
    pub dropped: u64,
    /// The next message of the ring.
    next: u64,
    /// What is still to be written of the message before that, encrypted where that is so.
    rest: Vec<u8>,
    /// Whether it has taken something since its deadline was last checked, which shows that it is alive.
    has_taken: bool,
    /// The same, since its task last had a turn: the system wakes it only once there is room for much.
    pub has_moved: bool,
}

/// The ring and the subscribers.
#[derive(Debug)]
pub struct Fanout {
    ring: Ring,
    subscribers: BTreeMap<u64, Subscriber>,
    /// Those whose subscriptions match. The others, of which there may be thousands, cost a message nothing.
    served: BTreeSet<u64>,
    /// Bytes that were published and not yet written to anybody.
    unwritten: usize,
    /// Is notified when there are some.
    published: Rc<Notify>,
}

impl Fanout {
    /// No subscribers, and a ring of so many bytes. `published` is notified when [`Fanout::flush`] has work.
    pub fn new(capacity: usize, published: Rc<Notify>) -> Self {
        Self {
            ring: Ring::new(capacity),
            subscribers: BTreeMap::new(),
            served: BTreeSet::new(),
            unwritten: 0,
            published,
        }
    }

    /// Adds a subscriber, by a number that no other has.
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
            has_taken: false,
            has_moved: false,
        };
        self.subscribers.insert(number, subscriber);
    }

    /// Removes a subscriber. Gives how many messages were dropped for it, those that still waited included.
    pub fn leave(&mut self, number: u64) -> u64 {
        self.served.remove(&number);
        self.subscribers.remove(&number).map_or(0, |mut gone| {
            gone.give_up(&self.ring);
            gone.dropped
        })
    }

    /// Drops what still waits for subscribers, and counts it: nothing is written any more.
    pub fn give_up(&mut self) {
        self.subscribers.values_mut().for_each(|subscriber| subscriber.give_up(&self.ring));
    }

    /// Gives a subscriber its turn, in which its subscriptions may change; `None` where there is no such subscriber.
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

    /// Publishes a message, which is written with others at the next flush.
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

    /// Writes as much as each socket takes.
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

    /// Whether everything is written.
    pub fn is_done(&self) -> bool {
        let mut served = self.served.iter().filter_map(|number| self.subscribers.get(number));
        served.all(|subscriber| subscriber.next == self.ring.next() && subscriber.rest.is_empty())
    }

    /// Messages that were dropped for those who are connected.
    pub fn dropped(&self) -> u64 {
        self.subscribers.values().map(|subscriber| subscriber.dropped).sum()
    }

    /// How many subscribers have a subscription that matches.
    pub fn subscribed(&self) -> usize {
        self.served.len()
    }

    /// How many subscribers are connected.
    pub fn len(&self) -> usize {
        self.subscribers.len()
    }
}

/// A message of two frames as one subscriber alone can read it.
fn sealed(session: &Session, message: &[u8]) -> Vec<u8> {
    let mut sealed = vec![0; message.len() + 2 * (Session::SEAL + 7)];
    let mut w = Writer::new(&mut sealed);
    session.seal(message, &mut w);
    let length = w.finish().unwrap_or_default();
    sealed.truncate(length);
    sealed
}

impl Subscriber {
    /// Whether messages are to be written to it.
    fn is_served(&self) -> bool {
        self.failed.is_none() && self.subscriptions.matches()
    }

    /// It gets messages from the next one on.
    pub fn begin(&mut self, ring: &Ring) {
        self.next = ring.next();
    }

    /// Bytes that are still to be written of a message that has begun.
    pub fn unfinished(&self) -> usize {
        self.rest.len()
    }

    /// Writes as much as its socket takes. If that is not all, or fails, its task goes on.
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
            // The rest of a message comes first: commands may not come within it.
            while !self.rest.is_empty() {
                let Some(n) = try_write(&self.connection.stream, &self.rest)? else { return Ok(false) };
                self.rest.drain(..n);
                self.mark_progress();
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
            if self.connection.session.is_encrypted() {
                self.rest = sealed(&self.connection.session, ring.message(self.next));
                self.next += 1;
                continue;
            }
            let Some(n) = try_write(&self.connection.stream, run)? else { return Ok(false) };
            let (next, rest) = ring.after(self.next, n);
            self.next = next;
            self.rest = rest.to_vec();
            self.mark_progress();
        }
    }

    fn mark_progress(&mut self) {
        (self.has_taken, self.has_moved) = (true, true);
    }

    /// Counts what the ring has dropped while its socket had no room.
    fn skip_lost(&mut self, ring: &Ring) {
        let had_lost_none = self.dropped == 0;
        self.skip(ring.first());
        if had_lost_none
            && self.dropped > 0
            && let Some(waker) = &self.waker
        {
            // Its task logs it.
            waker.wake_by_ref();
        }
    }

    /// Drops all that waits for it, the message that has begun included.
    fn give_up(&mut self, ring: &Ring) {
        self.dropped += u64::from(!self.rest.is_empty());
        self.rest.clear();
        self.skip(ring.next());
    }

    /// Drops what it has subscribed to, up to the message of that number.
    fn skip(&mut self, number: u64) {
        if self.subscriptions.matches() {
            self.dropped += number.saturating_sub(self.next);
            self.next = self.next.max(number);
        }
    }

    /// As [`Connection::check_time`]; that it takes what is written shows that it is alive.
    ///
    /// # Errors
    /// The end of the connection.
    pub fn check_time(&mut self, now: Instant) -> Result<(), End> {
        if std::mem::take(&mut self.has_taken) {
            self.connection.session.heard(now);
        }
        self.connection.check_time(now)
    }
}
