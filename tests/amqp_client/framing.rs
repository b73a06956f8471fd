//! Frames: split anywhere, and wrong in every way.

use psistats_core::amqp::{Error, Event, Scope, Step, Violation};
use psistats_core::limits;
use psistats_core::link::Link;
use psistats_core::time::Instant;

use super::MESSAGE;
use super::peer::{self, AMQPFrame, Conversation, OPTIONS};

/// All that a broker says from Start to a Close, with everything between; the client has
/// published four messages once it is ready.
fn conversation() -> Vec<u8> {
    let mut octets = Vec::new();
    let mut c = Conversation::new(OPTIONS);
    loop {
        let heard = c.hear_all();
        let Some(answer) = heard.last().and_then(peer::usual_answer) else { break };
        c.say(&answer);
        octets.extend(peer::encode(&answer));
    }
    for frame in [
        AMQPFrame::Heartbeat,
        peer::blocked("low on memory"),
        peer::ack(2, true),
        peer::flow(false),
        peer::flow(true),
        peer::unblocked(),
        peer::ack(4, false),
        AMQPFrame::Heartbeat,
        peer::nack(3, false),
        peer::close(320, "CONNECTION_FORCED - Closed via management plugin"),
    ] {
        octets.extend(peer::encode(&frame));
    }
    octets
}

/// Events and octets that come of `pieces`.
fn outcome<'o>(pieces: impl Iterator<Item = &'o [u8]>) -> (Vec<Event>, Vec<u8>) {
    let now = Instant::default();
    let mut client = peer::client(OPTIONS, now);
    let (mut events, mut sent) = (Vec::new(), Vec::new());
    for mut piece in pieces {
        while !piece.is_empty() {
            let space = client.recv_space();
            let n = space.len().min(piece.len());
            space[..n].copy_from_slice(&piece[..n]);
            client.received(n, now);
            piece = &piece[n..];
            while let Some(event) = client.poll_event(now) {
                if let Event::Ready { .. } = event {
                    for tag in 1..=4 {
                        assert_eq!(client.publish(&MESSAGE, now), Some(tag));
                    }
                }
                events.push(event);
            }
            sent.extend_from_slice(client.outgoing());
            client.sent(client.outgoing().len(), now);
        }
    }
    (events, sent)
}

#[test]
fn fault_7_every_split_point_and_single_octets_give_the_same_events() {
    let octets = conversation();
    let whole = outcome([&octets[..]].into_iter());
    assert_eq!(whole.0.len(), 7, "{:?}", whole.0);
    assert!(matches!(
        whole.0.last(),
        Some(Event::Ended(Err(Error::Closed { scope: Scope::Connection, code: 320, step: Step::Ready, .. })))
    ));
    for at in 1..octets.len() {
        let (head, tail) = octets.split_at(at);
        assert_eq!(outcome([head, tail].into_iter()), whole, "split at {at}");
    }
    for size in [1, 2, 3, 5, 7, 8, 13] {
        assert_eq!(outcome(octets.chunks(size)), whole, "pieces of {size}");
    }
}

#[test]
fn fault_8_a_connection_that_ends_inside_a_frame_tells_no_half_event() {
    let octets = conversation();
    let (events, _) = outcome([&octets[..]].into_iter());
    for at in 0..octets.len() - 1 {
        let mut c = Conversation::new(OPTIONS);
        c.say_octets(&octets[..at]);
        // Without the four messages the first Ack ends it.
        if c.event().is_some() {
            break;
        }
        c.client.disconnected();
        c.settle();
        let error = c.error();
        assert!(matches!(error, Error::Disconnected(_)), "{error:?}");
    }
    assert!(matches!(events[0], Event::Ready { .. }));
}

/// A frame with a prefix of one's own making.
fn raw(kind: u8, channel: u16, size: u32, payload: &[u8], end: u8) -> Vec<u8> {
    let mut octets = vec![kind];
    octets.extend(channel.to_be_bytes());
    octets.extend(size.to_be_bytes());
    octets.extend(payload);
    octets.push(end);
    octets
}

#[test]
fn fault_22_a_frame_too_large_is_refused_at_its_prefix() {
    // Agreed: 131072, less prefix and end octet. A method must also fit the buffer.
    let method_room = limits::AMQP_RECV as u32 - 8;
    for (kind, size, limit) in [
        (1, 131_065, 131_064),
        (2, u32::MAX, 131_064),
        (3, 131_065, 131_064),
        (8, u32::MAX, 131_064),
        (1, method_room + 1, method_room),
    ] {
        let mut c = Conversation::ready(OPTIONS);
        c.say_octets(&raw(kind, 1, size, &[], 0)[..7]);
        assert_eq!(c.error(), Error::Violation(Violation::FrameTooLarge { size, limit }));
        assert_eq!(c.hear_all(), [peer::close(501, "protocol error")]);
    }
    // What was agreed counts, not what we would take.
    let mut c = Conversation::at(OPTIONS, Step::Login);
    c.say(&peer::tune(8192, 60));
    c.finish_handshake();
    c.say_octets(&raw(3, 1, 8185, &[], 0)[..7]);
    assert_eq!(c.error(), Error::Violation(Violation::FrameTooLarge { size: 8185, limit: 8184 }));
}

#[test]
fn fault_22_a_method_that_fills_the_buffer_to_its_last_octet_is_read() {
    // Octets after the last argument are a later version's, and passed over.
    let mut payload = vec![0, 10, 0, 60, 3, b'l', b'o', b'w'];
    payload.resize(limits::AMQP_RECV - 8, 0xCE);
    let mut c = Conversation::ready(OPTIONS);
    c.say_octets(&raw(1, 0, payload.len() as u32, &payload, 0xCE));
    let Some(Event::Blocked(reason)) = c.event() else { panic!("expected Blocked") };
    assert_eq!(reason.as_str(), "low");
}

#[test]
fn fault_22_a_frame_too_small_for_its_arguments_is_refused() {
    let whole = [
        peer::close(200, "bye"),
        peer::channel_close(404, "gone"),
        peer::blocked("low on memory"),
        peer::flow(true),
        peer::basic_return(),
        peer::ack(1, false),
        peer::nack(1, false),
    ];
    for frame in whole {
        let octets = peer::encode(&frame);
        let (channel, payload) = (octets[2], &octets[7..octets.len() - 1]);
        let mut refused = 0;
        for size in 0..payload.len() {
            let mut c = Conversation::ready(OPTIONS);
            c.client.publish(&MESSAGE, c.now);
            c.settle();
            c.hear_all();
            c.say_octets(&raw(1, u16::from(channel), size as u32, &payload[..size], 0xCE));
            // Arguments that a publisher does not look at need not be there.
            if let Some(event) = c.event() {
                let Event::Ended(Err(error)) = event else { continue };
                if let Error::Violation(Violation::Short(_)) = error {
                    refused += 1;
                    assert_eq!(c.hear_all(), [peer::close(502, "protocol error")]);
                }
            }
        }
        assert!(refused >= 5, "{frame:?}: {refused}");
    }
    let mut c = Conversation::at(OPTIONS, Step::Login);
    c.say_octets(&raw(1, 0, 11, &[0, 10, 0, 30, 7, 255, 0, 2, 0, 0, 0], 0xCE));
    assert_eq!(c.error(), Error::Violation(Violation::Short((10, 30))));
}

#[test]
fn fault_22_a_text_that_is_longer_than_its_frame_is_refused() {
    let mut c = Conversation::ready(OPTIONS);
    c.say_octets(&raw(1, 0, 8, &[0, 10, 0, 60, 255, b'l', b'o', b'w'], 0xCE));
    assert_eq!(c.error(), Error::Violation(Violation::Short((10, 60))));
}

#[test]
fn fault_22_a_wrong_end_octet_is_refused_after_every_type_of_frame() {
    for (step, mut octets) in [
        (Step::Greeting, peer::encode(&peer::start())),
        (Step::Login, peer::encode(&peer::tune(8192, 60))),
        (Step::Ready, peer::encode(&peer::unblocked())),
        (Step::Ready, peer::encode(&AMQPFrame::Heartbeat)),
        (Step::Closing, peer::encode(&AMQPFrame::Body(1, vec![0xCE; 10_000]))),
    ] {
        let closing = step == Step::Closing;
        let mut c = Conversation::at(OPTIONS, if closing { Step::Ready } else { step });
        if closing {
            c.say(&peer::basic_return());
        }
        *octets.last_mut().unwrap() = 0xCD;
        c.say_octets(&octets);
        let error = c.error();
        if closing {
            assert!(matches!(error, Error::Unroutable { .. }), "the first reason stands: {error:?}");
        } else {
            assert_eq!(error, Error::Violation(Violation::FrameEnd(0xCD)));
            assert!(error.to_string().contains("0xcd"));
        }
    }
}

#[test]
fn an_unknown_type_of_frame_and_a_heartbeat_that_is_none_are_refused() {
    for kind in [0, 4, 5, 6, 7, 9, b'A', 255] {
        let mut c = Conversation::ready(OPTIONS);
        c.say_octets(&raw(kind, 0, 0, &[], 0xCE));
        assert_eq!(c.error(), Error::Violation(Violation::FrameType(kind)));
    }
    for (channel, payload) in [(1, &b""[..]), (0, b"x"), (u16::MAX, b"xy")] {
        let size = payload.len() as u32;
        let mut c = Conversation::ready(OPTIONS);
        c.say_octets(&raw(8, channel, size, payload, 0xCE));
        assert_eq!(c.error(), Error::Violation(Violation::Heartbeat { channel, size }));
    }
}

#[test]
fn texts_of_the_broker_are_shown_without_what_could_harm_a_terminal() {
    let mut c = Conversation::ready(OPTIONS);
    c.say_octets(&raw(1, 0, 16, b"\0\x0a\0\x3c\x0b\x1b[31m\xff\n\xc3\xa9\0.", 0xCE));
    let Some(Event::Blocked(reason)) = c.event() else { panic!("expected Blocked") };
    assert_eq!(reason.as_str(), "?[31m??é?.");
}
