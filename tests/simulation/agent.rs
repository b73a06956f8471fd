//! An agent as its owner drives it, with a transport that delivers in pieces.

use std::cell::RefCell;
use std::time::Duration;

use psistats_core::amqp::delivery::{self, Batch, Envelope};
use psistats_core::amqp::{Buffers, Client, Error, Event, Options, Queue, Table};
use psistats_core::limits;
use psistats_core::link::{Link, Retry};
use psistats_core::outbox::{Outbox, Run};
use psistats_core::time::{Backoff, Instant, Periodic};

use crate::broker::{Broker, Session};
use crate::{Random, Ring, peer};

/// Agreed at every connection, so that a frozen broker is noticed soon.
const HEARTBEAT_S: u16 = 2;

/// The simulated broker answers within two seconds.
pub const CONFIRM_TIMEOUT: Duration = Duration::from_secs(5);

/// What every message id begins with.
pub const RUN: &str = "simulated";

const ENVELOPE: Envelope<'static> = Envelope {
    runs: &[Run { first: 1, id: RUN }],
    app_id: "psistats",
    headers: Table::EMPTY,
    persistent: false,
};

/// Every other agent leaves the queue to somebody else.
fn options(id: u64) -> Options<'static> {
    Options {
        heartbeat_s: HEARTBEAT_S,
        retry: Duration::from_millis(200),
        confirm_timeout: CONFIRM_TIMEOUT,
        queue: id.is_multiple_of(2).then_some(Queue { kind: Some("classic"), ..peer::QUEUE }),
        ..peer::OPTIONS
    }
}

thread_local! {
    /// Memory of connections that have ended.
    static FREE: RefCell<Vec<Buffers<'static>>> = const { RefCell::new(Vec::new()) };
}

pub struct Agent {
    pub id: u64,
    /// Reports of a message.
    pub most: usize,
    pub outbox: Ring,
    /// When it sampled, and what the clock on the wall said.
    pub ticks: Vec<Instant>,
    pub stamps: Vec<i64>,
    /// Reports of whose confirmation the client told.
    pub confirmed: u64,
    /// Times that its reports began to come back, without an end of the connection.
    pub returned: u64,
    /// Connections that ended, and those of them over a confirm that did not come.
    pub ends: u64,
    pub unconfirmed: u64,
    /// Answers that refused a report, times that the queue was refused or not answered, and that it was there after all.
    pub nacks: u64,
    pub without_queue: u64,
    pub queue_declared: u64,
    /// When something was confirmed last, and the longest time between two confirms.
    pub confirmed_at: Instant,
    pub longest_gap: Duration,
    /// The node to try, and how many were tried since something was confirmed.
    node: usize,
    tried: usize,
    tick: Option<Periodic>,
    backoff: Backoff,
    attempt_at: Instant,
    pub connection: Option<Connection>,
}

/// One connection: both ends.
pub struct Connection {
    client: Client<'static>,
    pub session: Session,
    /// Whether messages came back, and none was confirmed since.
    returned: bool,
    /// Of messages with smaller tags nothing is known: they came back, or may have.
    first: u64,
    /// The delivery tag that was published last.
    published: u64,
}

impl Agent {
    pub fn new(id: u64, now: Instant, period: Duration, ring_bytes: usize) -> Self {
        Self {
            id,
            most: 1,
            outbox: Outbox::new(vec![0; ring_bytes].into_boxed_slice()),
            ticks: Vec::new(),
            stamps: Vec::new(),
            confirmed: 0,
            returned: 0,
            ends: 0,
            unconfirmed: 0,
            nacks: 0,
            without_queue: 0,
            queue_declared: 0,
            confirmed_at: now,
            longest_gap: Duration::ZERO,
            node: 0,
            tried: 0,
            tick: Some(Periodic::new(now + period, period)),
            backoff: Backoff::new(Duration::from_secs(1)),
            attempt_at: now,
            connection: None,
        }
    }

    /// Ends without a word.
    pub fn vanish(&mut self) {
        let connection = self.connection.take();
        FREE.with_borrow_mut(|free| {
            free.extend(connection.map(|connection| connection.client.into_buffers()))
        });
    }

    pub fn stop_sampling(&mut self) {
        self.tick = None;
    }

    /// Takes one report in.
    pub fn sample(&mut self, wall_ms: i64) {
        let sequence = self.outbox.counters().sampled + 1;
        let padding = sequence as usize * 37 % 120;
        let body = format!("{} {sequence} {wall_ms} {:padding$}", self.id, "");
        assert_eq!(self.outbox.push(wall_ms, body.as_bytes()), Ok(sequence));
        self.stamps.push(wall_ms);
    }

    pub fn step(&mut self, now: Instant, wall_ms: i64, broker: &mut Broker, random: &mut Random) {
        if self.tick.as_mut().is_some_and(|tick| tick.fire(now)) {
            self.ticks.push(now);
            self.sample(wall_ms);
        }
        if self.connection.is_none() && now >= self.attempt_at {
            match broker.accept(self.node, now) {
                Some(session) => {
                    let buffers = FREE.with_borrow_mut(Vec::pop).unwrap_or_else(peer::buffers);
                    let client = Client::new(options(self.id), buffers, now);
                    self.connection =
                        Some(Connection { client, session, returned: false, first: 0, published: 0 });
                }
                None => self.turn(now, random),
            }
        }
        let Some(mut connection) = self.connection.take() else { return };
        connection.transport(now, broker, random);
        match self.drive(&mut connection, now, broker) {
            None => self.connection = Some(connection),
            Some(result) => {
                // The simulated broker keeps to the protocol: a breach would be our own error.
                assert!(!matches!(result, Err(Error::Violation(_))), "{result:?}");
                FREE.with_borrow_mut(|free| free.push(connection.client.into_buffers()));
                self.ends += 1;
                self.outbox.rewind();
                self.unconfirmed += u64::from(matches!(result, Err(Error::Unconfirmed { .. })));
                let retry = result.err().map_or(Retry::Soon, |error| error.retry());
                assert_eq!(retry, Retry::Soon);
                self.turn(now, random);
            }
        }
        let counters = self.outbox.counters();
        assert_eq!(counters.sampled, counters.confirmed + counters.dropped + counters.pending);
    }

    /// The next node is tried, at once unless each was.
    fn turn(&mut self, now: Instant, random: &mut Random) {
        self.node = 1 - self.node;
        self.tried += 1;
        self.attempt_at = now;
        if self.tried >= 2 {
            self.tried = 0;
            self.attempt_at = now + self.backoff.next(random.u32(), Duration::ZERO);
        }
    }

    /// What the owner does after every change.
    fn drive(&mut self, c: &mut Connection, now: Instant, broker: &Broker) -> Option<Result<(), Error>> {
        if c.client.deadline().is_some_and(|due| due <= now) {
            c.client.timed_out(now);
        }
        loop {
            let before = self.outbox.counters().confirmed;
            let Some(event) = delivery::settle(&mut c.client, &mut self.outbox, now) else { break };
            match event {
                Event::Ready { heartbeat_s } => {
                    assert_eq!(heartbeat_s, HEARTBEAT_S);
                    self.backoff.reset();
                }
                Event::Confirmed { tag, multiple } => {
                    let counted = self.outbox.counters().confirmed - before;
                    if std::mem::take(&mut c.returned) {
                        c.first = tag;
                    }
                    let told = c.answered(tag, multiple);
                    let lost: Vec<_> = told.iter().filter(|n| !broker.has_stored(self.id, **n)).collect();
                    assert!(lost.is_empty(), "{lost:?} of {told:?} by {tag} {multiple}, from {}", c.first);
                    // Fewer, where some of them had to make room meanwhile.
                    assert!(counted <= told.len() as u64);
                    self.confirmed += counted;
                    self.longest_gap = self.longest_gap.max(now - self.confirmed_at);
                    (self.confirmed_at, self.tried) = (now, 0);
                }
                Event::Refused { tag, multiple } => {
                    self.nacks += 1;
                    // What was tried alone is refused: a queue does that.
                    if c.returned && tag == c.published && !c.client.has_returned() {
                        (c.returned, c.first) = (false, tag);
                    }
                    c.answered(tag, multiple);
                }
                Event::Doubtful { tag, multiple } => {
                    c.answered(tag, multiple);
                }
                Event::QueueRefused { .. } | Event::QueueUnanswered => self.without_queue += 1,
                Event::QueueDeclared => self.queue_declared += 1,
                Event::Returned { .. } => {
                    self.returned += 1;
                    c.returned = true;
                }
                Event::Ended(result) => return Some(result),
                _ => {}
            }
        }
        let before = self.outbox.in_flight();
        if self.most == 1 {
            delivery::publish_waiting(&mut c.client, &mut self.outbox, ENVELOPE, now);
            c.published += (self.outbox.in_flight() - before) as u64;
        } else {
            let body = &mut [0; limits::AMQP_BATCH];
            let mut batch = Batch { most: self.most, is_last: self.tick.is_none(), body };
            c.published +=
                delivery::publish_batches(&mut c.client, &mut self.outbox, ENVELOPE, &mut batch, now);
        }
        None
    }
}

impl Connection {
    /// Sequences of the reports that `tag` names, which are answered now, as the broker knows them; without
    /// those from before the last return, which are not in the outbox any more.
    fn answered(&mut self, tag: u64, multiple: bool) -> Vec<u64> {
        let tags: Vec<u64> =
            self.session.sequences.keys().copied().filter(|t| *t == tag || (multiple && *t < tag)).collect();
        let sequences = tags.iter().filter_map(|tag| Some((*tag, self.session.sequences.remove(tag)?)));
        sequences.filter(|(tag, _)| *tag >= self.first).flat_map(|(_, sequences)| sequences).collect()
    }

    /// Octets move, in pieces of any size, as far as the network lets them.
    fn transport(&mut self, now: Instant, broker: &mut Broker, random: &mut Random) {
        let n = self.client.outgoing().len().min(random.below(6000) as usize);
        if n > 0 && self.session.takes(&self.client.outgoing()[..n]) {
            self.client.sent(n, now);
        }
        self.session.step(now, broker, random);
        let mut n = random.below(300) as usize;
        let space = self.client.recv_space();
        n = n.min(space.len()).min(self.session.out.len());
        for (to, from) in space.iter_mut().zip(self.session.out.drain(..n)) {
            *to = from;
        }
        self.client.received(n, now);
        // What has arrived is looked at before the end.
        if n == 0 && self.session.gone && self.session.out.is_empty() {
            self.client.disconnected();
        }
    }
}
