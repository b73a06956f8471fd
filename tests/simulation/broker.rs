//! A cluster that keeps to the protocol, and to nothing else while it is in trouble.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use psistats_core::time::Instant;

use crate::Random;
use crate::peer::{self, AMQPClass, AMQPFrame, basic, channel};

const SECOND: Duration = Duration::from_secs(1);

/// What it has stored, and its mood.
#[derive(Default)]
pub struct Broker {
    /// Sample times of the reports, by agent and sequence.
    stored: BTreeMap<(u64, u64), i64>,
    trouble: bool,
    pub nodes: [Node; 2],
}

/// One node, and how it is.
#[derive(Default)]
pub struct Node {
    /// Refuses connections.
    pub refuses_until: Option<Instant>,
    /// Cut off from its peers: accepts connections and goes on with heartbeats, but confirms nothing.
    pub alone_until: Option<Instant>,
    /// Refuses reports (Nack), any of them.
    pub nacks_until: Option<Instant>,
    /// Opens channels that go on to refuse.
    pub spoils_until: Option<Instant>,
    /// Refuses queues, or does not answer about them.
    pub holds_queue_until: Option<Instant>,
    /// Goes up when all connections are cut.
    generation: u64,
}

fn lasts(until: Option<Instant>, now: Instant) -> bool {
    until.is_some_and(|until| now < until)
}

impl Broker {
    /// From now on everything goes wrong, now and then.
    pub fn trouble(&mut self) {
        self.trouble = true;
    }

    /// From now on nothing new goes wrong.
    pub fn calm(&mut self) {
        self.trouble = false;
        for node in &mut self.nodes {
            *node = Node { generation: node.generation, ..Node::default() };
        }
    }

    pub fn step(&mut self, now: Instant, random: &mut Random) {
        for node in self.nodes.iter_mut().filter(|_| self.trouble) {
            let mut now_and_then = |until: &mut Option<Instant>| {
                let begins = random.one_in(2000);
                *until = if begins { Some(now + random.up_to(15 * SECOND)) } else { *until };
                begins
            };
            if now_and_then(&mut node.refuses_until) {
                node.generation += 1;
            }
            now_and_then(&mut node.alone_until);
            now_and_then(&mut node.nacks_until);
            now_and_then(&mut node.spoils_until);
            now_and_then(&mut node.holds_queue_until);
        }
    }

    /// A connection to a node, unless it refuses.
    pub fn accept(&mut self, node: usize, now: Instant) -> Option<Session> {
        let Node { refuses_until, generation, .. } = self.nodes[node];
        (!lasts(refuses_until, now)).then(|| Session { node, generation, ..Session::default() })
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

    /// Stores reports as they came; again is no harm, but they must be the same ones.
    fn store(&mut self, body: &[u8]) {
        for (agent, sequence, stamp) in parse(body) {
            let before = self.stored.insert((agent, sequence), stamp);
            assert!(before.is_none_or(|before| before == stamp), "another report under the same number");
        }
    }
}

/// The reports of a message: one, or an array.
fn parse(body: &[u8]) -> Vec<(u64, u64, i64)> {
    let text = std::str::from_utf8(body).expect("reports that are intact");
    match text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        Some(reports) => reports.split(',').map(report).collect(),
        None => vec![report(text)],
    }
}

fn report(text: &str) -> (u64, u64, i64) {
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
    node: usize,
    /// The channel that publishes.
    channel: u16,
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
    /// Tags that were given on channels before this one.
    earlier_tags: u64,
    /// A channel that goes on to refuse, until it is replaced.
    is_stale: bool,
    last_sequence: u64,
    /// Whether a report was given back, so that older ones than the last may come, once.
    may_restart: bool,
    /// Sequences of the reports that were refused, and the tag of the one that came again.
    refused: BTreeSet<u64>,
    again: Option<u64>,
    /// A request about the queue, which waits for an answer until then.
    queue_request: Option<(Instant, AMQPFrame)>,
    /// Reports that came, that were refused, and that are other than those that came before.
    pub came: u64,
    pub refusals: u64,
    pub different: BTreeSet<u64>,
    /// Sequences of the reports whose answer the client has not heard, by delivery tag.
    pub sequences: BTreeMap<u64, Vec<u64>>,
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
        if self.generation != broker.nodes[self.node].generation {
            self.cut(random);
        }
        if self.gone || self.frozen {
            return;
        }
        for frame in peer::take_frames(&mut self.partial) {
            self.hear(frame, now, broker, random);
        }
        if let Some((_, asked)) = self.queue_request.take_if(|(at, _)| now >= *at) {
            self.say(&peer::usual_answer(&asked).unwrap());
        }
        if self.blocked_until.is_some_and(|until| now >= until) {
            self.blocked_until = None;
            self.say(&peer::unblocked());
        }
        if !lasts(broker.nodes[self.node].alone_until, now) {
            self.answer(now, broker, random);
        }
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

    fn hear(&mut self, frame: AMQPFrame, now: Instant, broker: &Broker, random: &mut Random) {
        use psistats_core::amqp::Step;
        if let Some(answer) = peer::usual_answer(&frame) {
            let holds = broker.nodes[self.node].holds_queue_until;
            match (peer::step_after(&frame), &frame) {
                (Some(Step::Queue), AMQPFrame::Method(channel, _)) if lasts(holds, now) => {
                    if random.one_in(2) {
                        self.say(&peer::on(*channel, peer::channel_close(405, "RESOURCE_LOCKED")));
                    } else {
                        self.queue_request = Some((now + 3 * SECOND + random.up_to(5 * SECOND), frame));
                    }
                    return;
                }
                (Some(Step::Closing), _) => self.gone = true,
                // What its channel has not answered nobody will.
                (None, AMQPFrame::Method(channel, _)) if *channel == self.channel => {
                    self.unanswered.clear();
                    self.sequences.clear();
                    self.again = None;
                }
                (Some(Step::Confirms), AMQPFrame::Method(channel, _)) => {
                    (self.heartbeat_at, self.channel) = (Some(now), *channel);
                    self.earlier_tags = self.last_tag;
                    self.is_stale = lasts(broker.nodes[self.node].spoils_until, now);
                }
                _ => {}
            }
            self.say(&answer);
            return;
        }
        match frame {
            AMQPFrame::Method(on, AMQPClass::Basic(basic::AMQPMethod::Publish(publish))) => {
                assert!(publish.mandatory && self.publishing.is_none() && on == self.channel);
                self.publishing =
                    Some(Publishing { message_id: String::new(), size: u64::MAX, body: vec![] });
            }
            AMQPFrame::Header(on, header) if on == self.channel => {
                let publishing = self.publishing.as_mut().expect("Basic.Publish comes first");
                publishing.message_id = header.properties.message_id().as_ref().unwrap().to_string();
                publishing.size = header.body_size;
            }
            AMQPFrame::Body(on, body) if on == self.channel => {
                let publishing = self.publishing.as_mut().expect("Basic.Publish comes first");
                publishing.body.extend(body);
            }
            // Tune-Ok, heartbeats, Close-Ok.
            AMQPFrame::Method(0, _) | AMQPFrame::Heartbeat => {}
            AMQPFrame::Method(_, AMQPClass::Channel(channel::AMQPMethod::CloseOk(_))) => {}
            other => panic!("the client said {other:?}"),
        }
        if let Some(whole) = self.publishing.take_if(|p| p.body.len() as u64 == p.size) {
            let sequences: Vec<u64> =
                parse(&whole.body).into_iter().map(|(_, sequence, _)| sequence).collect();
            assert_eq!(whole.message_id, format!("{}-{}", crate::agent::RUN, sequences[0]));
            assert!(sequences.windows(2).all(|pair| pair[1] == pair[0] + 1), "{sequences:?}");
            self.last_tag += 1;
            self.came += 1;
            self.different.extend(&sequences);
            let in_order = sequences[0] > self.last_sequence;
            if !in_order && sequences.len() == 1 && self.refused.remove(&sequences[0]) {
                // While all may be sent again it may be one of those.
                if !self.may_restart {
                    assert_eq!(self.again.replace(self.last_tag), None, "what was refused comes again alone");
                }
            } else {
                assert!(in_order || self.may_restart, "in order on each connection");
                self.may_restart &= in_order;
                self.last_sequence = sequences[sequences.len() - 1];
                // Where all are sent again, those that were refused are among them.
                self.refused.retain(|refused| !sequences.contains(refused));
            }
            self.sequences.insert(self.last_tag, sequences);
            self.unanswered.insert(self.last_tag, (now + random.up_to(2 * SECOND), whole.body));
        }
    }

    fn give_back(&mut self, body: Vec<u8>) {
        let channel = self.channel;
        self.say(&peer::on(channel, peer::basic_return()));
        let body_size = body.len() as u64;
        let header = peer::AMQPContentHeader { class_id: 60, body_size, properties: Default::default() };
        self.say(&AMQPFrame::Header(channel, header));
        self.say(&AMQPFrame::Body(channel, body));
        // It comes again, behind those that are on their way.
        self.may_restart = true;
    }

    /// Answers what is due: out of order, sometimes many at once, sometimes with a refusal.
    fn answer(&mut self, now: Instant, broker: &mut Broker, random: &mut Random) {
        let due: Vec<u64> =
            self.unanswered.iter().filter(|(_, (at, _))| *at <= now).map(|(tag, _)| *tag).collect();
        for tag in due {
            let multiple = random.one_in(4);
            let nacks = lasts(broker.nodes[self.node].nacks_until, now) && random.one_in(2) || self.is_stale;
            let tags: Vec<u64> =
                self.unanswered.range(..=tag).map(|(t, _)| *t).filter(|t| multiple || *t == tag).collect();
            if tags.is_empty() {
                continue; // answered with a later one
            }
            for tag in tags {
                let Some((_, body)) = self.unanswered.remove(&tag) else { continue };
                self.again.take_if(|again| *again == tag);
                if nacks {
                    self.refused.extend(parse(&body).into_iter().map(|(_, sequence, _)| sequence));
                    self.refusals += 1;
                } else if self.unbound_until.is_some_and(|until| now < until) {
                    self.give_back(body);
                } else {
                    broker.store(&body);
                }
            }
            let tag = tag - self.earlier_tags;
            let answer = if nacks { peer::nack(tag, multiple) } else { peer::ack(tag, multiple) };
            self.say(&peer::on(self.channel, answer));
        }
    }
}
