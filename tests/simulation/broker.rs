//! A broker that keeps to the protocol, and to nothing else while it is in trouble.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use psistats_core::time::Instant;

use crate::Random;
use crate::peer::{self, AMQPClass, AMQPFrame, basic};

const SECOND: Duration = Duration::from_secs(1);

/// What it has stored, and its mood.
#[derive(Default)]
pub struct Broker {
    /// Sample times of the reports, by agent and sequence.
    stored: BTreeMap<(u64, u64), i64>,
    trouble: bool,
    refuses_until: Option<Instant>,
    /// Goes up when all connections are cut.
    generation: u64,
}

impl Broker {
    /// From now on everything goes wrong, now and then.
    pub fn trouble(&mut self) {
        self.trouble = true;
    }

    /// From now on nothing new goes wrong.
    pub fn calm(&mut self) {
        (self.trouble, self.refuses_until) = (false, None);
    }

    pub fn step(&mut self, now: Instant, random: &mut Random) {
        if self.trouble && random.one_in(2000) {
            self.refuses_until = Some(now + random.up_to(15 * SECOND));
            self.generation += random.below(2);
        }
    }

    /// A connection, unless it refuses.
    pub fn accept(&mut self, now: Instant) -> Option<Session> {
        let refuses = self.refuses_until.is_some_and(|until| now < until);
        (!refuses).then(|| Session { generation: self.generation, ..Session::default() })
    }

    pub fn has_stored(&self, agent: u64, sequence: u64) -> bool {
        self.stored.contains_key(&(agent, sequence))
    }

    pub fn stored_of(&self, agent: u64) -> u64 {
        self.stored.range((agent, 0)..(agent + 1, 0)).count() as u64
    }

    pub fn stamp(&self, agent: u64, sequence: u64) -> Option<i64> {
        self.stored.get(&(agent, sequence)).copied()
    }

    /// Stores a report as it came; again is no harm, but it must be the same one.
    fn store(&mut self, body: &[u8]) {
        let (agent, sequence, stamp) = parse(body);
        let before = self.stored.insert((agent, sequence), stamp);
        assert!(before.is_none_or(|before| before == stamp), "another report under the same number");
    }
}

fn parse(body: &[u8]) -> (u64, u64, i64) {
    let text = std::str::from_utf8(body).expect("a report that is intact");
    let mut words = text.split(' ');
    let agent = words.next().unwrap().parse().unwrap();
    (agent, words.next().unwrap().parse().unwrap(), words.next().unwrap().parse().unwrap())
}

/// The broker's end of one connection.
#[derive(Default)]
pub struct Session {
    /// Octets on their way to the client.
    pub out: VecDeque<u8>,
    /// No octet comes after those.
    pub gone: bool,
    partial: Vec<u8>,
    frozen: bool,
    generation: u64,
    blocked_until: Option<Instant>,
    /// Until then no queue is bound.
    unbound_until: Option<Instant>,
    heartbeat_at: Option<Instant>,
    publishing: Option<Publishing>,
    /// What waits to be stored and answered: when, and the body, by delivery tag.
    unanswered: BTreeMap<u64, (Instant, Vec<u8>)>,
    last_tag: u64,
    last_sequence: u64,
    /// Whether a report was given back, so that older ones than the last may come, once.
    may_restart: bool,
    /// Sequences of the reports whose answer the client has not heard, by delivery tag.
    pub sequences: BTreeMap<u64, u64>,
}

/// A message that has not come whole.
struct Publishing {
    message_id: String,
    size: u64,
    body: Vec<u8>,
}

impl Session {
    /// Takes octets of the client's, unless it is frozen and its window full.
    pub fn takes(&mut self, octets: &[u8]) -> bool {
        let takes = !self.frozen || self.partial.len() < 20_000;
        if takes {
            self.partial.extend_from_slice(octets);
        }
        takes
    }

    pub fn step(&mut self, now: Instant, broker: &mut Broker, random: &mut Random) {
        if self.gone || self.frozen {
            return;
        }
        if broker.trouble {
            self.misbehave(now, random);
        }
        if self.generation != broker.generation {
            self.cut(random);
        }
        if self.gone || self.frozen {
            return;
        }
        for frame in peer::take_frames(&mut self.partial) {
            self.hear(frame, now, random);
        }
        if self.blocked_until.is_some_and(|until| now >= until) {
            self.blocked_until = None;
            self.say(&peer::unblocked());
        }
        self.answer(now, broker, random);
        if self.heartbeat_at.is_some_and(|at| now >= at) {
            self.say(&AMQPFrame::Heartbeat);
            self.heartbeat_at = Some(now + SECOND);
        }
    }

    /// Faults, each now and then.
    fn misbehave(&mut self, now: Instant, random: &mut Random) {
        if random.one_in(1500) {
            self.cut(random);
        } else if random.one_in(4000) {
            self.frozen = true;
        } else if self.heartbeat_at.is_some() && self.blocked_until.is_none() && random.one_in(1000) {
            self.say(&peer::blocked("low on memory"));
            self.blocked_until = Some(now + random.up_to(5 * SECOND));
        } else if random.one_in(1000) {
            self.unbound_until = Some(now + random.up_to(5 * SECOND));
        } else if self.heartbeat_at.is_some() && random.one_in(5000) {
            self.say(&peer::close(320, "CONNECTION_FORCED"));
            self.gone = true;
        }
    }

    /// The connection is lost, likely in the middle of a frame.
    fn cut(&mut self, random: &mut Random) {
        let keep = random.below(self.out.len() as u64 + 1) as usize;
        self.out.truncate(keep);
        self.gone = true;
    }

    fn say(&mut self, frame: &AMQPFrame) {
        self.out.extend(peer::encode(frame));
    }

    fn hear(&mut self, frame: AMQPFrame, now: Instant, random: &mut Random) {
        if let Some(answer) = peer::usual_answer(&frame) {
            let step = peer::step_after(&frame).unwrap();
            self.say(&answer);
            match step {
                psistats_core::amqp::Step::Closing => self.gone = true,
                psistats_core::amqp::Step::Confirms => self.heartbeat_at = Some(now),
                _ => {}
            }
            return;
        }
        match frame {
            AMQPFrame::Method(1, AMQPClass::Basic(basic::AMQPMethod::Publish(publish))) => {
                assert!(publish.mandatory && self.publishing.is_none());
                self.publishing =
                    Some(Publishing { message_id: String::new(), size: u64::MAX, body: vec![] });
            }
            AMQPFrame::Header(1, header) => {
                let publishing = self.publishing.as_mut().expect("Basic.Publish comes first");
                publishing.message_id = header.properties.message_id().as_ref().unwrap().to_string();
                publishing.size = header.body_size;
            }
            AMQPFrame::Body(1, body) => {
                let publishing = self.publishing.as_mut().expect("Basic.Publish comes first");
                publishing.body.extend(body);
            }
            // Tune-Ok, heartbeats, Close-Ok.
            AMQPFrame::Method(0, _) | AMQPFrame::Heartbeat => {}
            other => panic!("the client said {other:?}"),
        }
        if let Some(whole) = self.publishing.take_if(|p| p.body.len() as u64 == p.size) {
            let (_, sequence, _) = parse(&whole.body);
            assert_eq!(whole.message_id, format!("{}-{sequence}", crate::agent::RUN));
            let in_order = sequence > self.last_sequence;
            assert!(in_order || self.may_restart, "in order on each connection");
            self.may_restart &= in_order;
            self.last_sequence = sequence;
            self.last_tag += 1;
            self.sequences.insert(self.last_tag, sequence);
            self.unanswered.insert(self.last_tag, (now + random.up_to(2 * SECOND), whole.body));
        }
    }

    fn give_back(&mut self, body: Vec<u8>) {
        self.say(&peer::basic_return());
        let body_size = body.len() as u64;
        let header = peer::AMQPContentHeader { class_id: 60, body_size, properties: Default::default() };
        self.say(&AMQPFrame::Header(1, header));
        self.say(&AMQPFrame::Body(1, body));
        // It comes again, behind those that are on their way.
        self.may_restart = true;
    }

    /// Answers what is due: out of order, sometimes many at once, sometimes with a refusal.
    fn answer(&mut self, now: Instant, broker: &mut Broker, random: &mut Random) {
        let due: Vec<u64> =
            self.unanswered.iter().filter(|(_, (at, _))| *at <= now).map(|(tag, _)| *tag).collect();
        for tag in due {
            if broker.trouble && random.one_in(300) {
                if self.unanswered.remove(&tag).is_some() {
                    self.say(&peer::nack(tag, false));
                }
                continue;
            }
            let multiple = random.one_in(4);
            let tags: Vec<u64> =
                self.unanswered.range(..=tag).map(|(t, _)| *t).filter(|t| multiple || *t == tag).collect();
            if tags.is_empty() {
                continue; // answered with a later one
            }
            for tag in tags {
                let Some((_, body)) = self.unanswered.remove(&tag) else { continue };
                if self.unbound_until.is_some_and(|until| now < until) {
                    self.give_back(body);
                } else {
                    broker.store(&body);
                }
            }
            self.say(&peer::ack(tag, multiple));
        }
    }
}
