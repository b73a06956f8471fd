//! A PUB and a SUB of ours, joined by a wire in memory.

use std::time::Duration;

use psistats_core::link::Link;
use psistats_core::time::Instant;
use psistats_core::zmtp::{Buffers, Error, Event, Outcome, Publisher, PublisherEvent, Session, SocketType};

pub const TOPIC: &[u8] = b"status";
pub const HEARTBEAT: Duration = Duration::from_secs(5);
/// Bytes of the longest frame that the SUB takes.
pub const LIMIT: u64 = 10_000;
pub const SEND: usize = 4096;
pub const START: Instant = Instant::from_nanos(0);

/// A publisher in memory of its own.
pub fn publisher(now: Instant) -> Publisher<'static> {
    let receive = Box::leak(vec![0; 512].into_boxed_slice());
    let send = Box::leak(vec![0; SEND].into_boxed_slice());
    Publisher::new(TOPIC, HEARTBEAT, Buffers { receive, send }, now)
}

/// A SUB with what it has received and what came of it.
pub struct Subscriber {
    pub session: Session,
    pub input: Vec<u8>,
    pub messages: Vec<Vec<Vec<u8>>>,
    pub ended: Option<Error>,
    pub ready: bool,
    frames: Vec<Vec<u8>>,
}

impl Subscriber {
    pub fn new(now: Instant) -> Self {
        Self::of(Session::new(SocketType::Sub, LIMIT, HEARTBEAT, now))
    }

    pub fn of(session: Session) -> Self {
        Self {
            session,
            input: Vec::new(),
            messages: Vec::new(),
            ended: None,
            ready: false,
            frames: Vec::new(),
        }
    }

    pub fn receive(&mut self, bytes: &[u8], now: Instant) {
        self.input.extend_from_slice(bytes);
        self.session.heard(now);
        self.drain();
    }

    pub fn drain(&mut self) {
        let mut input = &mut self.input[..];
        while let Some(event) = self.session.decode(&mut input) {
            assert!(self.ended.is_none(), "{event:?} after the end");
            match event {
                Event::Ready => self.ready = true,
                Event::Frame { more, body } => {
                    self.frames.push(body.to_vec());
                    if !more {
                        self.messages.push(std::mem::take(&mut self.frames));
                    }
                }
                Event::Ended(error) => self.ended = Some(error),
                other => panic!("{other:?} to a SUB"),
            }
        }
        let left = input.len();
        self.input.drain(..self.input.len() - left);
    }

    pub fn take_outgoing(&mut self) -> Vec<u8> {
        let bytes = self.session.control().to_vec();
        self.session.control_sent(bytes.len());
        bytes
    }
}

/// Everything that a publisher has to tell.
pub fn events(publisher: &mut Publisher<'_>, now: Instant) -> Vec<PublisherEvent> {
    std::iter::from_fn(|| publisher.poll_event(now)).collect()
}

pub fn give(publisher: &mut Publisher<'_>, mut bytes: &[u8], now: Instant) -> Vec<PublisherEvent> {
    let mut told = events(publisher, now);
    while !bytes.is_empty() {
        let space = publisher.recv_space();
        let n = space.len().min(bytes.len());
        if n == 0 {
            break;
        }
        space[..n].copy_from_slice(&bytes[..n]);
        publisher.received(n, now);
        bytes = &bytes[n..];
        told.extend(events(publisher, now));
    }
    told
}

pub fn take(publisher: &mut Publisher<'_>, most: usize, now: Instant) -> Vec<u8> {
    let bytes: Vec<u8> = publisher.outgoing().iter().take(most).copied().collect();
    publisher.sent(bytes.len(), now);
    bytes
}

/// A PUB and a SUB that are connected; the SUB has subscribed to `prefix`.
pub struct Pair {
    pub publisher: Publisher<'static>,
    pub subscriber: Subscriber,
    pub told: Vec<PublisherEvent>,
}

impl Pair {
    pub fn connected(prefix: &[u8]) -> Self {
        Self::of(publisher(START), Subscriber::new(START), prefix)
    }

    pub fn of(publisher: Publisher<'static>, subscriber: Subscriber, prefix: &[u8]) -> Self {
        let mut pair = Self { publisher, subscriber, told: Vec::new() };
        pair.exchange(START);
        assert!(pair.subscriber.ready);
        pair.subscriber.session.subscribe(prefix);
        pair.exchange(START);
        pair
    }

    /// Moves bytes both ways until nothing moves.
    pub fn exchange(&mut self, now: Instant) {
        loop {
            let to_subscriber = take(&mut self.publisher, usize::MAX, now);
            let to_publisher = self.subscriber.take_outgoing();
            if to_subscriber.is_empty() && to_publisher.is_empty() {
                return;
            }
            self.subscriber.receive(&to_subscriber, now);
            self.told.extend(give(&mut self.publisher, &to_publisher, now));
        }
    }
}

#[test]
fn what_is_published_arrives_whole_and_in_order() {
    let mut pair = Pair::connected(b"");
    assert_eq!(pair.told, [PublisherEvent::Ready, PublisherEvent::Wanted(true)]);
    for n in 0..100_usize {
        assert_eq!(pair.publisher.publish(&vec![b'x'; n * 7], START), Outcome::Queued);
        pair.exchange(START);
    }
    let lengths: Vec<usize> = pair.subscriber.messages.iter().map(|message| message[1].len()).collect();
    assert_eq!(lengths, (0..100).map(|n| n * 7).collect::<Vec<_>>());
    assert!(pair.subscriber.messages.iter().all(|message| message.len() == 2 && message[0] == TOPIC));
}

#[test]
fn nothing_is_sent_that_nobody_has_subscribed_to() {
    let mut pair = Pair::connected(b"other");
    assert_eq!(pair.told, [PublisherEvent::Ready]);
    assert_eq!(pair.publisher.publish(b"{}", START), Outcome::Unwanted);
    pair.subscriber.session.subscribe(b"sta");
    pair.exchange(START);
    assert_eq!(pair.told[1..], [PublisherEvent::Wanted(true)]);
    assert_eq!(pair.publisher.publish(b"{}", START), Outcome::Queued);
    pair.exchange(START);
    assert_eq!(pair.subscriber.messages, [[TOPIC.to_vec(), b"{}".to_vec()]]);
}

#[test]
fn before_the_handshake_is_done_messages_are_unwanted() {
    let mut publisher = publisher(START);
    assert_eq!(publisher.publish(b"{}", START), Outcome::Unwanted);
}

#[test]
fn at_the_high_water_mark_whole_messages_are_dropped_and_later_ones_arrive() {
    let mut pair = Pair::connected(b"");
    let outcomes: Vec<Outcome> = (0..10_u8).map(|n| pair.publisher.publish(&[n; 1000], START)).collect();
    let queued = outcomes.iter().filter(|outcome| **outcome == Outcome::Queued).count();
    assert_eq!(queued, (SEND - 256) / 1017, "each takes 8 bytes of topic and 9 before its body");
    assert!(outcomes[queued..].iter().all(|outcome| *outcome == Outcome::Dropped));
    pair.exchange(START);
    assert_eq!(pair.publisher.publish(&[77; 1000], START), Outcome::Queued);
    pair.exchange(START);
    let firsts: Vec<u8> = pair.subscriber.messages.iter().map(|message| message[1][0]).collect();
    assert_eq!(firsts, (0..queued as u8).chain([77]).collect::<Vec<_>>());
    assert!(pair.subscriber.messages.iter().all(|message| message[1].len() == 1000));
}

#[test]
fn bytes_that_come_one_by_one_mean_the_same() {
    let mut publisher = publisher(START);
    let mut subscriber = Subscriber::new(START);
    let mut told = Vec::new();
    for round in 0..3000 {
        let to_subscriber = take(&mut publisher, 1, START);
        subscriber.receive(&to_subscriber, START);
        let all = subscriber.session.control().to_vec();
        if let Some(first) = all.first() {
            subscriber.session.control_sent(1);
            told.extend(give(&mut publisher, &[*first], START));
        }
        if subscriber.ready && round % 500 == 0 {
            subscriber.session.subscribe(b"st");
        }
        if round % 300 == 0 {
            publisher.publish(b"{\"hostname\":\"pi\"}", START);
        }
    }
    assert_eq!(told, [PublisherEvent::Ready, PublisherEvent::Wanted(true)]);
    assert!(subscriber.messages.len() >= 5, "{}", subscriber.messages.len());
    assert!(subscriber.messages.iter().all(|message| message[1] == b"{\"hostname\":\"pi\"}"));
}
