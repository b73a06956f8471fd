//! The ends: the client's, the owner's, the transport's.

use psistats_core::amqp::server::ServerStep;
use psistats_core::amqp::{ServerError, ServerEvent, Violation};
use psistats_core::link::Link;

use super::SECOND;
use super::guest::{Guest, ack_on, basic_publish, content_header};
use super::peer::{self, AMQPFrame};

#[test]
fn a_clients_close_is_answered_after_its_confirms() {
    let mut g = Guest::confirming();
    g.publish(1, b"x");
    g.server.confirm(g.came[0].tag);
    g.say(&peer::close(200, "bye"));
    assert_eq!(g.hear_all(), [ack_on(1, 1, false), peer::close_ok()]);
    assert_eq!(g.end(), Ok(()));

    let mut g = Guest::ready();
    g.say(&peer::close(541, "out of \x1b[2Jmemory"));
    let error = g.end().unwrap_err();
    assert!(error.to_string().contains("541 out of ?[2Jmemory"), "{error}");
}

#[test]
fn the_owners_close_waits_a_second_for_its_answer_and_passes_everything_else_over() {
    for answered in [true, false] {
        let mut g = Guest::confirming();
        g.say(&basic_publish(1));
        g.say(&content_header(1, 3));
        g.server.close(320, "CONNECTION_FORCED - stopping", g.now);
        g.settle();
        assert_eq!(g.hear_all(), [peer::close(320, "CONNECTION_FORCED - stopping")]);
        g.say(&AMQPFrame::Body(1, b"abc".to_vec()));
        g.publish(1, b"more");
        g.publish(7, b"nowhere");
        g.say(&AMQPFrame::Heartbeat);
        g.say(&peer::channel_close(200, "done"));
        assert_eq!((g.hear_all(), g.came.len(), g.events.len()), (vec![], 0, 0));
        if answered {
            g.say(&peer::close_ok());
        } else {
            g.pass(SECOND);
        }
        assert_eq!(g.end(), Ok(()));
        assert_eq!(g.server.deadline(), None);
    }
}

#[test]
fn a_close_that_crosses_ours_is_answered_and_ours_stands() {
    let mut g = Guest::ready();
    g.server.close(320, "CONNECTION_FORCED", g.now);
    g.settle();
    g.hear_all();
    g.say(&peer::close(541, "mine"));
    assert_eq!(g.hear_all(), [peer::close_ok()]);
    assert_eq!(g.end(), Ok(()));
}

#[test]
fn frames_that_are_none_are_501_and_nothing_after_them_is_read() {
    for (octets, what) in [
        (&b"\x01\0\x01\0\0\0\x05\0\x14\0\x0a\0\xcd"[..], "0xcd"),
        (b"\x04\0\0\0\0\0\0\xce", "type 4"),
        (b"\x08\0\x01\0\0\0\0\xce", "heartbeat"),
        (b"\x08\0\0\0\0\0\x01\0\xce", "heartbeat"),
        (b"\x01\0\0\xff\xff\xff\xff", "4294967295"),
        (b"\x03\0\x01\0\x02\0\0", "131072"),
    ] {
        let mut g = Guest::ready();
        g.say_octets(octets);
        g.say_octets(&super::guest::message(1, b"never"));
        let (text, error) = g.closed_with(501);
        assert!(text.contains(what) && g.came.is_empty(), "{text}: {error}");
    }
}

#[test]
fn a_client_that_agreed_to_smaller_frames_keeps_to_them() {
    let mut g = Guest::tuned(1, 4096, 0);
    g.open_channel(1);
    g.say(&basic_publish(1));
    g.say(&content_header(1, 5000));
    g.say(&AMQPFrame::Body(1, vec![1; 4089]));
    let (_, error) = g.closed_with(501);
    assert_eq!(error, Violation::FrameTooLarge { size: 4089, limit: 4088 }.into());
}

#[test]
fn arguments_that_end_too_early_are_502() {
    for octets in [
        &b"\x01\0\x01\0\0\0\x04\0\x3c\0\x28\xce"[..],
        b"\x01\0\x01\0\0\0\x07\0\x3c\0\x28\0\0\xff\xce",
        b"\x01\0\x01\0\0\0\x02\0\x3c\xce",
    ] {
        let mut g = Guest::ready();
        g.say_octets(octets);
        g.closed_with(502);
    }
}

#[test]
fn the_end_of_the_transport_is_told_with_what_it_cut_off() {
    let mut g = Guest::new();
    g.server.disconnected();
    g.settle();
    assert_eq!(g.end(), Err(ServerError::Disconnected(ServerStep::Header)));
    let mut g = Guest::ready();
    g.server.disconnected();
    g.settle();
    assert_eq!(g.events, [ServerEvent::Ended(Err(ServerError::Disconnected(ServerStep::Ready)))]);
}
