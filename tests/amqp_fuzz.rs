//! The AMQP client against anything: random octets, broken conversations, any split, any time.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::cast_possible_truncation
)]

use support::peer;

use std::time::Duration;

use peer::{AMQPFrame, OPTIONS};
use proptest::prelude::*;
use psistats_core::amqp::{Error, Event, Mechanism, Properties, Publish, Table};
use psistats_core::limits;
use psistats_core::link::Link;
use psistats_core::time::Instant;

const MESSAGE: Publish<'static> = Publish { properties: NO_PROPERTIES, body: b"{}" };

const NO_PROPERTIES: Properties<'static> = Properties {
    content_type: "",
    content_encoding: "",
    headers: &[],
    fixed_headers: Table::EMPTY,
    persistent: false,
    message_id: "",
    timestamp: None,
    app_id: "",
};

/// One thing that happens to a client.
#[derive(Clone, Debug)]
enum Happening {
    /// That many octets of the broker's arrive.
    Receive(usize),
    /// The transport takes that many.
    Write(usize),
    /// Milliseconds pass.
    Pass(u64),
    /// The owner publishes a body of that size.
    Publish(usize),
    Close,
    Fail,
    Disconnect,
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        20 => prop_oneof![1..4_usize, 1..64_usize, 1..10_000_usize].prop_map(Happening::Receive),
        10 => prop_oneof![0..4_usize, 0..64_usize, Just(usize::MAX)].prop_map(Happening::Write),
        6 => prop_oneof![0..100_u64, 0..10_000_u64, Just(100_000_u64)].prop_map(Happening::Pass),
        6 => (0..limits::REPORT).prop_map(Happening::Publish),
        1 => Just(Happening::Close),
        1 => Just(Happening::Fail),
        1 => Just(Happening::Disconnect),
    ]
}

/// What a broker that agrees says to Ready.
fn handshake() -> Vec<u8> {
    let mut c = peer::Conversation::new(OPTIONS);
    let mut octets = Vec::new();
    while let Some(answer) = c.hear_all().last().and_then(peer::usual_answer) {
        octets.extend(peer::encode(&answer));
        c.say(&answer);
    }
    octets
}

fn frame() -> impl Strategy<Value = AMQPFrame> {
    let text = "[ -~]{0,40}";
    prop_oneof![
        12 => (1..6_u64, any::<bool>()).prop_map(|(tag, multiple)| peer::ack(tag, multiple)),
        2 => (1..6_u64, any::<bool>()).prop_map(|(tag, multiple)| peer::nack(tag, multiple)),
        1 => (any::<u64>(), any::<bool>()).prop_map(|(tag, multiple)| peer::ack(tag, multiple)),
        3 => text.prop_map(|text| peer::blocked(&text)),
        3 => Just(peer::unblocked()),
        3 => any::<bool>().prop_map(peer::flow),
        3 => Just(AMQPFrame::Heartbeat),
        1 => (any::<u16>(), text).prop_map(|(code, text)| peer::close(code, &text)),
        1 => (any::<u16>(), text).prop_map(|(code, text)| peer::channel_close(code, &text)),
        1 => prop::collection::vec(any::<u8>(), 0..5000).prop_map(|body| AMQPFrame::Body(1, body)),
        1 => (any::<u32>(), any::<u16>()).prop_map(|(max, heartbeat)| peer::tune(max, heartbeat)),
        1 => Just(peer::basic_return()),
        1 => Just(peer::close_ok()),
        1 => Just(peer::channel_close_ok()),
        1 => Just(peer::start()),
    ]
}

/// Valid conversations: a handshake, or part of it, and any frames.
fn conversation() -> impl Strategy<Value = Vec<u8>> {
    (prop::bool::weighted(0.8), prop::collection::vec(frame(), 0..40)).prop_map(|(whole, frames)| {
        let handshake = handshake();
        let keep = if whole { handshake.len() } else { handshake.len() / 2 };
        let frames = frames.iter().flat_map(peer::encode);
        handshake[..keep].iter().copied().chain(frames).collect()
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

/// Lets all of it happen, and checks after each what must always hold.
fn run(octets: &[u8], happenings: &[Happening]) -> Result<(), TestCaseError> {
    let mut now = Instant::default();
    let mut client = peer::client(OPTIONS, now);
    let mut octets = octets.iter();
    let (mut written, mut ended, mut tags, mut closing) = (Vec::new(), false, 0, false);
    for happening in happenings {
        match *happening {
            Happening::Receive(n) => {
                let space = client.recv_space();
                prop_assert!(ended == space.is_empty(), "nothing can be received, but no event waited");
                let n = space.iter_mut().take(n).zip(&mut octets).map(|(to, from)| *to = *from).count();
                client.received(n, now);
            }
            Happening::Write(n) => {
                let n = n.min(client.outgoing().len());
                written.extend_from_slice(&client.outgoing()[..n]);
                client.sent(n, now);
            }
            Happening::Pass(ms) => {
                now = now + Duration::from_millis(ms);
                client.timed_out(now);
                // What was due is done: no owner spins over a deadline that lies behind.
                let waits = client.poll_event(now);
                prop_assert!(client.deadline().is_none_or(|due| due > now) || waits.is_some());
                ended |= matches!(waits, Some(Event::Ended(_)));
            }
            Happening::Publish(length) => {
                let message = Publish { body: &[b'x'; limits::REPORT][..length], ..MESSAGE };
                let may = client.can_publish();
                let tag = client.publish(&message, now);
                prop_assert!(may || tag.is_none());
                prop_assert!(tag.is_none_or(|tag| tag == tags + 1));
                tags += u64::from(tag.is_some());
            }
            Happening::Close => {
                client.close(now);
                closing = true;
            }
            Happening::Fail => {
                client.fail(Error::NoMechanism(Mechanism::Plain), now);
                closing = true;
            }
            Happening::Disconnect => client.disconnected(),
        }
        while let Some(event) = client.poll_event(now) {
            prop_assert!(!ended, "{:?} after the end", event);
            match event {
                Event::Confirmed { tag, .. } | Event::Refused { tag, .. } => {
                    prop_assert!((1..=tags).contains(&tag));
                    prop_assert!(!closing, "{:?} while closing", event);
                }
                // As the owner of a backlog would.
                Event::Ready { .. } => {
                    while tags < 5 && client.publish(&MESSAGE, now).is_some() {
                        tags += 1;
                    }
                }
                Event::Ended(ref result) => {
                    ended = true;
                    if let Err(error) = result {
                        prop_assert!(!error.to_string().contains(OPTIONS.password));
                    }
                }
                _ => {}
            }
        }
        prop_assert!(!(ended && client.can_publish()));
        prop_assert!(client.outgoing().len() <= limits::AMQP_SEND);
    }
    written.extend_from_slice(client.outgoing());
    // Panics where amq-protocol cannot read it.
    peer::take_frames(&mut written);
    prop_assert!(written.is_empty(), "the client left a frame unfinished");
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
