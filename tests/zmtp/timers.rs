//! Time as it passes in a test.

use std::time::Duration;

use psistats_core::link::Link;
use psistats_core::zmtp::{Error, HANDSHAKE, PublisherEvent, Step};

use crate::endpoints::{HEARTBEAT, Pair, START, Subscriber, events, give, publisher, take};
use crate::messages::{greeting, ready};

#[test]
fn the_handshake_has_one_deadline_that_a_peer_cannot_stretch() {
    let mut publisher = publisher(START);
    for (n, octet) in greeting(1).into_iter().take(60).enumerate() {
        give(&mut publisher, &[octet], START + Duration::from_millis(100 * n as u64));
        assert_eq!(publisher.deadline(), Some(START + HANDSHAKE));
    }
    publisher.timed_out(START + HANDSHAKE);
    let told = events(&mut publisher, START + HANDSHAKE);
    assert_eq!(told, [PublisherEvent::Ended(Error::HandshakeTimeout(Step::Greeting))]);
    assert_eq!(publisher.deadline(), None);
}

#[test]
fn silence_is_met_with_a_ping_and_the_answer_keeps_the_connection() {
    let mut pair = Pair::connected(b"");
    let mut now = START;
    for _ in 0..20 {
        assert_eq!(pair.publisher.deadline(), Some(now + HEARTBEAT));
        now = now + HEARTBEAT;
        pair.publisher.timed_out(now);
        assert!(pair.publisher.outgoing().starts_with(b"\x04\x07\x04PING\0\x96"), "a TTL of 15 s");
        pair.exchange(now);
    }
    assert_eq!(pair.subscriber.ended, None);
    assert!(pair.told.iter().all(|event| !matches!(event, PublisherEvent::Ended(_))));
}

#[test]
fn who_does_not_answer_a_ping_is_dead_after_three_intervals() {
    let mut pair = Pair::connected(b"");
    pair.publisher.timed_out(START + HEARTBEAT);
    take(&mut pair.publisher, usize::MAX, START + HEARTBEAT);
    assert_eq!(pair.publisher.deadline(), Some(START + HEARTBEAT * 3));
    pair.publisher.timed_out(START + HEARTBEAT * 3);
    let told = events(&mut pair.publisher, START + HEARTBEAT * 3);
    assert_eq!(told, [PublisherEvent::Ended(Error::Silent(HEARTBEAT * 3))]);
}

#[test]
fn after_a_stop_of_our_own_the_peer_is_asked_and_has_the_time_to_answer() {
    let mut pair = Pair::connected(b"");
    let now = START + HEARTBEAT * 10;
    pair.publisher.timed_out(now);
    assert_eq!(pair.publisher.deadline(), Some(now + HEARTBEAT * 2));
    pair.exchange(now);
    assert_eq!(pair.publisher.deadline(), Some(now + HEARTBEAT));
    assert!(pair.told.iter().all(|event| !matches!(event, PublisherEvent::Ended(_))));
}

#[test]
fn a_peer_of_3_0_is_not_asked_but_what_it_never_takes_ends_the_connection() {
    let mut publisher = publisher(START);
    give(&mut publisher, &[&greeting(0)[..], &ready("SUB"), b"\0\x01\x01"].concat(), START);
    take(&mut publisher, usize::MAX, START);
    assert_eq!(publisher.deadline(), None);
    let later = START + Duration::from_secs(100);
    publisher.publish(b"{}", later);
    assert_eq!(publisher.deadline(), Some(later + HEARTBEAT * 3));
    take(&mut publisher, 1, later + HEARTBEAT);
    assert_eq!(publisher.deadline(), Some(later + HEARTBEAT * 4), "it moves");
    publisher.timed_out(later + HEARTBEAT * 4);
    let told = events(&mut publisher, later + HEARTBEAT * 4);
    assert_eq!(told, [PublisherEvent::Ended(Error::Stalled(HEARTBEAT * 3))]);
}

#[test]
fn a_peers_ttl_is_how_long_it_may_be_silent() {
    let mut subscriber = Subscriber::new(START);
    subscriber.receive(&[&greeting(0)[..], &ready("PUB"), b"\x04\x07\x04PING\0\x14"].concat(), START);
    assert_eq!(subscriber.session.deadline(), Some(START + Duration::from_secs(2)));
    subscriber.session.timed_out(START + Duration::from_secs(2));
    subscriber.drain();
    assert_eq!(subscriber.ended, Some(Error::Silent(Duration::from_secs(2))));
}
