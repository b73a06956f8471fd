//! Anything: random octets, broken conversations, any split, any time. After it a good peer is served out of the same
//! memory.

use std::time::Duration;

use proptest::prelude::*;
use psistats_core::amqp::server::Tag;
use psistats_core::amqp::{Server, ServerBuffers, ServerEvent};
use psistats_core::limits;
use psistats_core::link::Link;
use psistats_core::time::Instant;

use super::guest::{self, OPTIONS, SEND, SHARE};
use super::peer::{self, AMQPClass, AMQPFrame, confirm};

/// One thing that happens to a server.
#[derive(Clone, Debug)]
enum Happening {
    /// That many octets of the client's arrive.
    Receive(usize),
    /// The transport takes that many.
    Write(usize),
    /// Milliseconds pass.
    Pass(u64),
    /// The owner confirms one of the messages that came, or all.
    Confirm(prop::sample::Index),
    Answer(bool),
    Block(bool),
    Close,
    Disconnect,
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        20 => prop_oneof![1..4_usize, 1..64_usize, 1..10_000_usize].prop_map(Happening::Receive),
        10 => prop_oneof![0..4_usize, 0..64_usize, Just(usize::MAX)].prop_map(Happening::Write),
        4 => prop_oneof![0..100_u64, 0..10_000_u64, Just(100_000_u64)].prop_map(Happening::Pass),
        6 => any::<prop::sample::Index>().prop_map(Happening::Confirm),
        4 => prop::bool::weighted(0.9).prop_map(Happening::Answer),
        2 => any::<bool>().prop_map(Happening::Block),
        1 => Just(Happening::Close),
        1 => Just(Happening::Disconnect),
    ]
}

/// What a good client says until channel 1 confirms.
fn handshake() -> Vec<u8> {
    let select = AMQPClass::Confirm(confirm::AMQPMethod::Select(confirm::Select { nowait: false }));
    let mut octets = b"AMQP\0\0\x09\x01".to_vec();
    for frame in [
        guest::start_ok("PLAIN", b"\0pi\0secret", true),
        guest::tune_ok(2, 8192, 10),
        guest::open("/"),
        guest::channel_open(1),
        AMQPFrame::Method(1, select),
    ] {
        octets.extend(peer::encode(&frame));
    }
    octets
}

fn said() -> impl Strategy<Value = Vec<u8>> {
    let number = 0..4_u16;
    let body = prop_oneof![0..30_usize, 0..5000_usize, 0..10_000_usize];
    prop_oneof![
        12 => (1..3_u16, body).prop_map(|(number, length)| guest::message(number, &vec![7; length])),
        2 => number.clone().prop_map(|number| peer::encode(&guest::channel_open(number))),
        2 => Just(peer::encode(&AMQPFrame::Heartbeat)),
        1 => number.clone().prop_map(|number| peer::encode(&guest::basic_publish(number))),
        1 => (number.clone(), any::<u64>()).prop_map(|(n, size)| peer::encode(&guest::content_header(n, size))),
        1 => (number, 0..9000_usize).prop_map(|(n, l)| peer::encode(&AMQPFrame::Body(n, vec![0xCE; l]))),
        1 => Just(peer::encode(&peer::channel_close(200, "done"))),
        1 => Just(peer::encode(&peer::channel_close_ok())),
        1 => Just(peer::encode(&peer::close(200, "bye"))),
        1 => Just(peer::encode(&peer::ack(1, true))),
        1 => Just(handshake()),
        1 => prop::collection::vec(any::<u8>(), 0..100),
    ]
}

/// Valid conversations: a handshake, or part of it, and anything.
fn conversation() -> impl Strategy<Value = Vec<u8>> {
    (prop::bool::weighted(0.9), prop::collection::vec(said(), 0..30)).prop_map(|(whole, said)| {
        let handshake = handshake();
        let keep = if whole { handshake.len() } else { handshake.len() / 2 };
        handshake[..keep].iter().copied().chain(said.concat()).collect()
    })
}

/// The same with some octets replaced, removed, or put in.
fn broken_conversation() -> impl Strategy<Value = Vec<u8>> {
    let change = (any::<prop::sample::Index>(), 0..3_u8, any::<u8>());
    (conversation(), prop::collection::vec(change, 0..4)).prop_map(|(mut octets, changes)| {
        for (at, kind, octet) in changes {
            let at = at.index(octets.len().max(1));
            match kind {
                0 if at < octets.len() => octets[at] = octet,
                1 if at < octets.len() => drop(octets.remove(at)),
                _ => octets.insert(at.min(octets.len()), octet),
            }
        }
        octets
    })
}

struct Memory([Vec<u8>; 3]);

impl Memory {
    fn new() -> Self {
        Self([vec![0; limits::AMQP_RECV], vec![0; SEND], vec![0; SHARE * usize::from(OPTIONS.channels)]])
    }

    fn server(&mut self, now: Instant) -> Server<'_> {
        let [receive, send, messages] = &mut self.0;
        Server::new(OPTIONS, ServerBuffers { receive, send, messages }, now)
    }
}

/// Lets all of it happen, and checks after each what must always hold.
fn run(octets: &[u8], happenings: &[Happening]) -> Result<(), TestCaseError> {
    let mut memory = Memory::new();
    misuse(&mut memory, octets, happenings)?;
    serve_well(&mut memory)
}

fn misuse(memory: &mut Memory, octets: &[u8], happenings: &[Happening]) -> Result<(), TestCaseError> {
    let mut now = Instant::default();
    let mut server = memory.server(now);
    let mut octets = octets.iter();
    let (mut written, mut ended, mut tags, mut asked) = (Vec::new(), false, Vec::<Tag>::new(), false);
    for happening in happenings {
        match *happening {
            Happening::Receive(n) => {
                let space = server.recv_space();
                prop_assert!(
                    ended == space.is_empty() || asked,
                    "nothing can be received, but no event waited"
                );
                let n = space.iter_mut().take(n).zip(&mut octets).map(|(to, from)| *to = *from).count();
                server.received(n, now);
            }
            Happening::Write(n) => {
                let n = n.min(server.outgoing().len());
                written.extend_from_slice(&server.outgoing()[..n]);
                server.sent(n, now);
            }
            Happening::Pass(ms) => {
                now = now + Duration::from_millis(ms);
                server.timed_out(now);
            }
            Happening::Confirm(_) if tags.is_empty() => {}
            Happening::Confirm(index) => server.confirm(*index.get(&tags)),
            Happening::Answer(true) => server.accept(now),
            Happening::Answer(false) => server.refuse(now),
            Happening::Block(true) => server.block("full", now),
            Happening::Block(false) => server.unblock(now),
            Happening::Close => server.close(320, "CONNECTION_FORCED", now),
            Happening::Disconnect => server.disconnected(),
        }
        while let Some(event) = server.poll_event(now) {
            prop_assert!(!ended, "{:?} after the end", event);
            match event {
                ServerEvent::Login => prop_assert!(server.login().is_some()),
                ServerEvent::Publish(tag) => {
                    let message = server.message();
                    prop_assert!(message.is_some_and(|message| message.body.len() <= SHARE));
                    tags.push(tag);
                }
                ServerEvent::Ended(_) => ended = true,
                _ => {}
            }
        }
        asked = server.login().is_some();
        prop_assert!(server.deadline().is_none_or(|due| due > now), "a deadline that lies behind");
        prop_assert!(server.outgoing().len() <= SEND);
    }
    written.extend_from_slice(server.outgoing());
    // Panics where amq-protocol cannot read it.
    peer::take_frames(&mut written);
    prop_assert!(written.is_empty(), "the server left a frame unfinished");
    Ok(())
}

/// A good peer is served out of the same memory.
fn serve_well(memory: &mut Memory) -> Result<(), TestCaseError> {
    let now = Instant::default();
    let mut server = memory.server(now);
    let mut bodies = Vec::new();
    for octets in
        [handshake(), guest::message(1, b"one"), guest::message(1, &[2; 5000])].concat().chunks(1000)
    {
        server.recv_space()[..octets.len()].copy_from_slice(octets);
        server.received(octets.len(), now);
        while let Some(event) = server.poll_event(now) {
            match event {
                ServerEvent::Login => server.accept(now),
                ServerEvent::Publish(tag) => {
                    bodies.push(server.message().map_or_else(Vec::new, |message| message.body.to_vec()));
                    server.confirm(tag);
                }
                ServerEvent::Opened { .. } => {}
                other => prop_assert!(false, "{:?}", other),
            }
        }
    }
    prop_assert_eq!(bodies, [b"one".to_vec(), vec![2; 5000]]);
    let mut written = server.outgoing().to_vec();
    let acks = peer::take_frames(&mut written).split_off(5);
    prop_assert!(
        acks == [guest::ack_on(1, 2, true)]
            || acks == [guest::ack_on(1, 1, false), guest::ack_on(1, 2, false)],
        "{:?}",
        acks
    );
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_octets_do_no_harm(
        octets in prop::collection::vec(any::<u8>(), 0..10_000),
        happenings in prop::collection::vec(happening(), 1..60),
    ) {
        run(&octets, &happenings)?;
    }

    #[test]
    fn random_octets_after_a_handshake_do_no_harm(
        octets in prop::collection::vec(any::<u8>(), 0..2000),
        happenings in prop::collection::vec(happening(), 1..60),
    ) {
        run(&[handshake(), octets].concat(), &happenings)?;
    }

    #[test]
    fn valid_conversations_in_any_order_do_no_harm(
        octets in conversation(),
        happenings in prop::collection::vec(happening(), 1..120),
    ) {
        run(&octets, &happenings)?;
    }

    #[test]
    fn broken_conversations_do_no_harm(
        octets in broken_conversation(),
        happenings in prop::collection::vec(happening(), 1..120),
    ) {
        run(&octets, &happenings)?;
    }
}
