//! Our client and our server: one codec, two ends, and a line between them that is cut at any octet.

use std::collections::VecDeque;
use std::time::Duration;

use psistats_core::amqp::delivery::{self, Envelope};
use psistats_core::amqp::server::Tag;
use psistats_core::amqp::{Buffers, Client, Error, Event, Options, Table};
use psistats_core::amqp::{Server, ServerBuffers, ServerError, ServerEvent, ServerOptions};
use psistats_core::limits;
use psistats_core::link::Link;
use psistats_core::outbox::{Outbox, Run};
use psistats_core::time::Instant;

use crate::{Random, Ring, peer};

const ENVELOPE: Envelope<'static> = Envelope {
    runs: &[Run { first: 1, id: "both" }],
    app_id: "psistats",
    headers: Table::EMPTY,
    persistent: true,
};

const CLIENT: Options<'static> =
    Options { heartbeat_s: 2, retry: Duration::from_millis(200), ..peer::OPTIONS };

const SERVER: ServerOptions<'static> = ServerOptions {
    product: "intake",
    version: "1",
    heartbeat_s: 60,
    channels: 1,
    external: false,
    refusal: "no",
};

/// Memory of both ends, for one connection after another.
struct Memory {
    client: [Vec<u8>; 2],
    server: [Vec<u8>; 3],
}

impl Memory {
    fn new() -> Self {
        let client = [vec![0; limits::AMQP_RECV], vec![0; limits::AMQP_SEND]];
        Self { client, server: [vec![0; limits::AMQP_RECV], vec![0; 2048], vec![0; limits::REPORT + 1024]] }
    }
}

/// The reports, and what became of them.
struct World {
    now: Instant,
    random: Random,
    outbox: Ring,
    /// Reports that are still to be sampled.
    left: u64,
    /// Reports 1 to this one are in the store: without a gap, since they come in order.
    stored: u64,
    /// Connections that ended, and times that a report came again.
    ends: u64,
    again: u64,
}

/// What goes wrong, once.
#[derive(Clone, Copy, PartialEq)]
enum Fault {
    None,
    Cut,
    Frozen,
    ServerCloses,
    ClientCloses,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed);
        let left = 1 + random.below(80);
        let outbox = Outbox::new(vec![0; 524_288].into_boxed_slice());
        let now = Instant::from_nanos(1_000_000_000);
        Self { now, random, outbox, left, stored: 0, ends: 0, again: 0 }
    }

    fn is_done(&self) -> bool {
        self.left == 0 && self.outbox.counters().pending == 0
    }

    fn sample(&mut self) {
        let number = self.outbox.counters().sampled + 1;
        assert_eq!(self.outbox.push(number as i64 * 1000, body(number).as_bytes()), Ok(number));
        self.left -= 1;
    }

    fn store(&mut self, pending: &mut Vec<(Tag, u64)>) {
        for (_, number) in pending.drain(..) {
            assert!(number <= self.stored + 1, "report {number} came after {}", self.stored);
            self.again += u64::from(number <= self.stored);
            self.stored = self.stored.max(number);
        }
    }

    /// One connection, until it ends or everything is confirmed.
    fn connection(&mut self, memory: &mut Memory, fault: Fault) {
        let [receive, send] = &mut memory.client;
        let client = Client::new(CLIENT, Buffers { receive, send }, self.now);
        let [receive, send, messages] = &mut memory.server;
        let server = Server::new(SERVER, ServerBuffers { receive, send, messages }, self.now);
        let ends =
            &mut Ends { client, server, to: Default::default(), pending: vec![], gone: false, last: 0 };
        let mut fault_in = self.random.below(200);
        loop {
            self.now = self.now + self.random.up_to(Duration::from_millis(20));
            if self.left > 0 && self.random.one_in(4) {
                self.sample();
            }
            let due = fault_in == 0 && fault != Fault::None;
            fault_in = fault_in.saturating_sub(1);
            match fault {
                Fault::Cut if due => break,
                Fault::Frozen if due => self.now = self.now + Duration::from_secs(5),
                Fault::ServerCloses if due => ends.server.close(320, "CONNECTION_FORCED", self.now),
                Fault::ClientCloses if due => ends.client.close(self.now),
                _ => {}
            }
            if self.random.one_in(50) {
                ends.server.block("for a while", self.now);
            } else if self.random.one_in(20) {
                ends.server.unblock(self.now);
            }
            if ends.step(self).is_some() {
                break;
            }
            assert!(self.outbox.counters().confirmed <= self.stored, "confirmed, and not stored");
            if self.is_done() {
                break;
            }
        }
        self.ends += 1;
        self.outbox.rewind();
        // Killed before it could store them, or not.
        if self.random.one_in(2) {
            self.store(&mut ends.pending);
        }
    }
}

fn body(number: u64) -> String {
    let padding = (number as usize * 137) % 5000;
    format!("{{\"n\":{number}}}{:padding$}", "")
}

/// One connection: octets on their way to each end.
struct Ends<'a> {
    client: Client<'a>,
    server: Server<'a>,
    /// Octets on their way to the client, and to the server.
    to: [VecDeque<u8>; 2],
    /// What came and is not stored yet.
    pending: Vec<(Tag, u64)>,
    /// The server has ended.
    gone: bool,
    /// The last report that came on this connection.
    last: u64,
}

impl Ends<'_> {
    fn step(&mut self, world: &mut World) -> Option<()> {
        let now = world.now;
        let [to_client, to_server] = &mut self.to;
        carry(&mut self.client, to_server, to_client, now, &mut world.random);
        if self.gone && to_client.is_empty() {
            self.client.disconnected();
        }
        if !self.gone {
            carry(&mut self.server, to_client, to_server, now, &mut world.random);
            self.serve(world);
        }
        self.publish(world)
    }

    fn serve(&mut self, world: &mut World) {
        let now = world.now;
        if self.server.deadline().is_some_and(|due| due <= now) {
            self.server.timed_out(now);
        }
        if !self.pending.is_empty() && world.random.one_in(8) {
            let (last, _) = self.pending[self.pending.len() - 1];
            let tags = self.pending.iter().map(|(tag, _)| *tag);
            if world.random.one_in(2) {
                tags.for_each(|tag| self.server.confirm(tag));
            } else {
                self.server.confirm(last);
            }
            world.store(&mut self.pending);
        }
        while let Some(event) = self.server.poll_event(now) {
            match event {
                ServerEvent::Login => {
                    let login = self.server.login().unwrap();
                    assert_eq!((login.user, login.password), (CLIENT.user, CLIENT.password.as_bytes()));
                    assert_eq!(login.product, "psistats");
                    self.server.accept(now);
                }
                ServerEvent::Opened { vhost, heartbeat_s } => {
                    assert_eq!((vhost.as_str(), heartbeat_s), ("/", 2));
                }
                ServerEvent::Publish(tag) => {
                    let message = self.server.message().unwrap();
                    assert_eq!((message.exchange, message.routing_key), ("psistats", "psistats.raspi"));
                    let number: u64 =
                        message.properties.message_id.strip_prefix("both-").unwrap().parse().unwrap();
                    assert_eq!(message.body, body(number).as_bytes());
                    assert_eq!(message.properties.timestamp, Some(number));
                    assert!(self.last == 0 || number == self.last + 1, "{number} after {}", self.last);
                    self.last = number;
                    self.pending.push((tag, number));
                }
                ServerEvent::Ended(result) => {
                    assert!(!matches!(result, Err(ServerError::Violation(_))), "{result:?}");
                    self.to[0].extend(self.server.outgoing());
                    self.gone = true;
                    return;
                }
                other => panic!("{other:?}"),
            }
        }
    }

    fn publish(&mut self, world: &mut World) -> Option<()> {
        let now = world.now;
        if self.client.deadline().is_some_and(|due| due <= now) {
            self.client.timed_out(now);
        }
        while let Some(event) = delivery::settle(&mut self.client, &mut world.outbox, now) {
            match event {
                Event::Ended(result) => {
                    assert!(!matches!(result, Err(Error::Violation(_))), "{result:?}");
                    return Some(());
                }
                Event::Ready { heartbeat_s } => assert_eq!(heartbeat_s, 2),
                Event::Confirmed { .. } | Event::Blocked(_) | Event::Unblocked => {}
                other => panic!("{other:?}"),
            }
        }
        delivery::publish_waiting(&mut self.client, &mut world.outbox, ENVELOPE, now);
        None
    }
}

/// Octets leave an end and arrive at it, in pieces of any size.
fn carry<E>(
    end: &mut dyn Link<Event = E>,
    out: &mut VecDeque<u8>,
    into: &mut VecDeque<u8>,
    now: Instant,
    random: &mut Random,
) {
    let n = end.outgoing().len().min(random.below(6000) as usize);
    out.extend(&end.outgoing()[..n]);
    end.sent(n, now);
    let space = end.recv_space();
    let n = space.len().min(into.len()).min(random.below(5000) as usize);
    for (to, from) in space.iter_mut().zip(into.drain(..n)) {
        *to = from;
    }
    end.received(n, now);
}

#[test]
fn everything_that_the_client_takes_for_confirmed_is_stored_in_order_and_nothing_is_lost() {
    const FAULTS: [Fault; 5] =
        [Fault::Cut, Fault::Cut, Fault::Frozen, Fault::ServerCloses, Fault::ClientCloses];
    let mut seeds = Random::from_environment("both_ends");
    let mut memory = Memory::new();
    let (mut ends, mut again) = (0, 0);
    for _ in 0..2000 {
        let seed = seeds.next();
        let mut world = World::new(seed);
        let reports = world.left;
        while !world.is_done() {
            // In the end it works.
            let fault = if world.ends < 5 { FAULTS[world.random.below(5) as usize] } else { Fault::None };
            world.connection(&mut memory, fault);
            assert!(world.ends < 10, "seed {seed}: a connection without faults ended");
        }
        let counters = world.outbox.counters();
        assert_eq!(
            (counters.confirmed, counters.dropped, world.stored),
            (reports, 0, reports),
            "seed {seed}"
        );
        ends += world.ends;
        again += world.again;
    }
    assert!(ends > 3000 && again > 1000, "{ends} connections, {again} reports that came again");
}
