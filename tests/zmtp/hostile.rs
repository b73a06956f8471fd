//! Anything that a peer may say.

use proptest::collection::vec;
use proptest::prelude::*;
use psistats_core::link::Link;
use psistats_core::zmtp::PublisherEvent;

use crate::endpoints::{START, Subscriber, events, give, publisher};
use crate::messages::{PUB_2, SUB_2, greeting, greeting_2, ready};

/// Frames as a peer may send them: real ones, and some that are not.
fn frame() -> impl Strategy<Value = Vec<u8>> {
    let body = prop_oneof![
        vec(any::<u8>(), 0..40),
        Just(b"\x01sta".to_vec()),
        Just(b"\0sta".to_vec()),
        Just(b"\x04PING\0\0ab".to_vec()),
        Just(b"\x04PONGab".to_vec()),
        Just(b"\x09SUBSCRIBEst".to_vec()),
        Just(b"\x06CANCELst".to_vec()),
    ];
    let flags = prop_oneof![20 => prop_oneof![Just(0_u8), Just(1), Just(4)], 1 => any::<u8>()];
    (flags, body, any::<bool>()).prop_map(|(flags, body, long)| {
        let mut frame = vec![flags];
        if long && flags <= 4 {
            frame[0] |= 2;
            frame.extend((body.len() as u64).to_be_bytes());
        } else {
            frame.push(body.len() as u8);
        }
        frame.extend(body);
        frame
    })
}

/// A handshake of 3.0, 3.1 or 2.0, and what comes then.
fn stream(socket: &'static str) -> impl Strategy<Value = Vec<u8>> {
    let number = if socket == "PUB" { PUB_2 } else { SUB_2 };
    let handshake = prop_oneof![
        (0..2_u8).prop_map(move |minor| [greeting(minor), ready(socket)].concat()),
        vec(any::<u8>(), 0..20).prop_map(move |identity| greeting_2(number, &identity)),
    ];
    (handshake, vec(frame(), 0..12)).prop_map(|(handshake, frames)| [handshake, frames.concat()].concat())
}

/// What a publisher tells of `bytes`, cut as `cuts` say.
fn told(bytes: &[u8], cuts: &[usize]) -> Vec<PublisherEvent> {
    let mut publisher = publisher(START);
    let mut told = Vec::new();
    let mut rest = bytes;
    for cut in cuts.iter().chain([&usize::MAX]) {
        let (piece, next) = rest.split_at(rest.len().min(*cut));
        told.extend(give(&mut publisher, piece, START));
        publisher.sent(publisher.outgoing().len(), START);
        rest = next;
    }
    told
}

proptest! {
    #[test]
    fn any_octets_end_a_connection_at_most(bytes in vec(any::<u8>(), 0..300)) {
        let events = told(&bytes, &[]);
        let ends = events.iter().filter(|event| matches!(event, PublisherEvent::Ended(_))).count();
        prop_assert!(ends <= 1);
        let mut subscriber = Subscriber::new(START);
        subscriber.receive(&bytes, START);
    }

    #[test]
    fn however_the_stream_is_cut_it_means_the_same(
        bytes in stream("SUB"), cuts in vec(1..30_usize, 0..60)
    ) {
        prop_assert_eq!(told(&bytes, &[]), told(&bytes, &cuts));
    }

    #[test]
    fn as_many_octets_as_are_needed_are_enough(bytes in stream("PUB")) {
        let mut whole = Subscriber::new(START);
        whole.receive(&bytes, START);
        // As the hub reads: of what has begun no more than its rest.
        let mut fed = Subscriber::new(START);
        let mut rest = &bytes[..];
        while !rest.is_empty() && fed.ended.is_none() {
            let needed = fed.session.needs(&fed.input);
            prop_assert!(needed > fed.input.len(), "it goes on with what is there");
            let (piece, next) = rest.split_at(rest.len().min(needed - fed.input.len()));
            fed.receive(piece, START);
            fed.take_outgoing();
            rest = next;
        }
        prop_assert_eq!((whole.ready, whole.ended, whole.messages), (fed.ready, fed.ended, fed.messages));
    }

    #[test]
    fn however_it_is_cut_a_sub_receives_the_same(bytes in stream("PUB"), cuts in vec(1..30_usize, 0..60)) {
        let mut whole = Subscriber::new(START);
        whole.receive(&bytes, START);
        let mut cut = Subscriber::new(START);
        let mut rest = &bytes[..];
        for n in cuts.iter().chain([&usize::MAX]) {
            let (piece, next) = rest.split_at(rest.len().min(*n));
            cut.receive(piece, START);
            cut.take_outgoing();
            rest = next;
        }
        prop_assert_eq!((whole.ready, whole.ended, whole.messages), (cut.ready, cut.ended, cut.messages));
    }

    #[test]
    fn a_mutated_stream_neither_panics_nor_lives_on_after_its_end(
        bytes in stream("SUB"), at in any::<prop::sample::Index>(), octet in any::<u8>()
    ) {
        let mut bytes = bytes;
        let at = at.index(bytes.len());
        bytes[at] = octet;
        let mut publisher = publisher(START);
        let mut told = give(&mut publisher, &bytes, START);
        if matches!(told.last(), Some(PublisherEvent::Ended(_))) {
            prop_assert!(events(&mut publisher, START).is_empty());
            prop_assert!(!publisher.is_wanted());
        } else {
            publisher.disconnected();
            told = events(&mut publisher, START);
            prop_assert!(matches!(told[..], [PublisherEvent::Ended(_)]));
        }
    }
}
