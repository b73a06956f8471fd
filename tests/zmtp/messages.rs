//! What peers send that are not ours, octet by octet.

use psistats_core::link::{Link, Retry};
use psistats_core::zmtp::{Error, PublisherEvent, Step, Violation};

use crate::endpoints::{LIMIT, START, Subscriber, give, publisher, take};

/// A greeting of libzmq: padding that is not zero, version 3.`minor`.
pub fn greeting(minor: u8) -> Vec<u8> {
    let mut greeting = vec![0xFF, 0, 0, 0, 0, 0, 0, 0, 1, 0x7F, 3, minor];
    greeting.extend(b"NULL");
    greeting.resize(64, 0);
    greeting
}

/// A greeting of libzmq 3.2 with an identity: version 2.0, and the number of a socket type.
pub fn greeting_2(socket: u8, identity: &[u8]) -> Vec<u8> {
    let length = u8::try_from(identity.len()).unwrap();
    [&[0xFF, 0, 0, 0, 0, 0, 0, 0, length + 1, 0x7F, 1, socket, 0, length], identity].concat()
}

/// The numbers of PUB and SUB.
pub const PUB_2: u8 = 1;
pub const SUB_2: u8 = 2;

pub fn ready(socket: &str) -> Vec<u8> {
    let mut body = b"\x05READY\x0bSocket-Type".to_vec();
    body.extend(u32::try_from(socket.len()).unwrap().to_be_bytes());
    body.extend(socket.as_bytes());
    body.extend(b"\x08Identity\0\0\0\0");
    [&[4, u8::try_from(body.len()).unwrap()], &body[..]].concat()
}

/// What a publisher ends with after `bytes`.
fn end(bytes: &[u8]) -> Error {
    let mut publisher = publisher(START);
    match give(&mut publisher, bytes, START).last() {
        Some(PublisherEvent::Ended(error)) => error.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn subscriptions_are_taken_as_messages_and_as_commands_whatever_the_version() {
    for minor in [0, 1] {
        for subscription in
            [&b"\0\x03\x01st"[..], b"\x04\x0c\x09SUBSCRIBEst", b"\x02\0\0\0\0\0\0\0\x03\x01st"]
        {
            let mut publisher = publisher(START);
            let bytes = [&greeting(minor), &ready("SUB"), subscription].concat();
            let told = give(&mut publisher, &bytes, START);
            assert_eq!(told, [PublisherEvent::Ready, PublisherEvent::Wanted(true)]);
            for cancel in [&b"\0\x03\0st"[..], b"\x04\x09\x06CANCELst"] {
                let told = give(&mut publisher, cancel, START);
                assert_eq!(told, [PublisherEvent::Wanted(false)]);
                give(&mut publisher, subscription, START);
            }
        }
    }
}

#[test]
fn a_peer_of_2_0_gets_a_greeting_of_2_0_and_no_command_and_has_messages_both_ways() {
    let mut publisher = publisher(START);
    assert_eq!(take(&mut publisher, usize::MAX, START), b"\xff\0\0\0\0\0\0\0\0\x7f", "and waits");
    // libzmq 3.2 takes the twelfth octet for our socket type, and what follows for frames.
    let greeting = greeting_2(SUB_2, b"identity");
    assert_eq!(give(&mut publisher, &greeting[..10], START), []);
    assert_eq!(take(&mut publisher, usize::MAX, START), [3]);
    let told = give(&mut publisher, &[&greeting[10..], b"\0\x04\x01sta"].concat(), START);
    assert_eq!(told, [PublisherEvent::Ready, PublisherEvent::Wanted(true)]);
    assert_eq!(take(&mut publisher, usize::MAX, START), [PUB_2, 0, 0]);
    publisher.publish(b"{}", START);
    assert_eq!(take(&mut publisher, usize::MAX, START), b"\x01\x06status\0\x02{}");
    assert_eq!(publisher.deadline(), None, "nobody is asked by a PING");
    assert_eq!(give(&mut publisher, b"\0\x04\0sta", START), [PublisherEvent::Wanted(false)]);

    let mut subscriber = Subscriber::new(START);
    assert_eq!(subscriber.take_outgoing().len(), 10);
    subscriber.receive(&[&greeting_2(PUB_2, b"")[..], b"\x01\x01a\0\x02bc"].concat(), START);
    assert!(subscriber.ready);
    subscriber.session.subscribe(b"abc");
    assert_eq!(subscriber.take_outgoing(), [&[3, SUB_2, 0, 0][..], b"\0\x04\x01abc"].concat());
    assert_eq!(subscriber.messages, [[b"a".to_vec(), b"bc".to_vec()]]);
    assert_eq!(subscriber.session.deadline(), None);
}

#[test]
fn a_sub_subscribes_by_a_message_to_a_peer_of_3_0_and_by_a_command_to_one_of_3_1() {
    for (minor, expected) in [(0, &b"\0\x04\x01abc"[..]), (1, b"\x04\x0d\x09SUBSCRIBEabc")] {
        let mut subscriber = Subscriber::new(START);
        subscriber.take_outgoing();
        subscriber.receive(&[greeting(minor), ready("PUB")].concat(), START);
        assert!(subscriber.ready);
        subscriber.take_outgoing();
        subscriber.session.subscribe(b"abc");
        assert_eq!(subscriber.take_outgoing(), expected);
    }
}

#[test]
fn a_ping_is_answered_with_its_context_also_where_3_0_was_announced() {
    for minor in [0, 1] {
        let mut publisher = publisher(START);
        give(&mut publisher, &[greeting(minor), ready("XSUB")].concat(), START);
        take(&mut publisher, usize::MAX, START);
        give(&mut publisher, b"\x04\x0a\x04PING\0\x0axyz", START);
        assert_eq!(publisher.outgoing(), b"\x04\x08\x04PONGxyz");
    }
}

#[test]
fn a_message_of_many_frames_and_empty_ones_arrives_as_it_is() {
    let mut subscriber = Subscriber::new(START);
    let bytes =
        [&greeting(1)[..], &ready("XPUB"), b"\x01\x01a\x01\0\x03\0\0\0\0\0\0\0\x02bc\0\0", b"\0\x01z"]
            .concat();
    subscriber.receive(&bytes, START);
    let expected: [&[&[u8]]; 2] = [&[b"a", b"", b"bc", b""], &[b"z"]];
    assert_eq!(subscriber.messages, expected);
}

#[test]
fn each_way_to_be_no_peer_of_ours_has_its_own_error() {
    let command = |body: &[u8]| [&[4, u8::try_from(body.len()).unwrap()], body].concat();
    let after_greeting = |bytes: &[u8]| end(&[&greeting(1), bytes].concat());
    let after_ready = |bytes: &[u8]| end(&[&greeting(1), &ready("SUB"), bytes].concat());

    assert!(matches!(end(b"HTTP/1.1 400 Bad Request\r\n\r\n"), Error::NotZmtp(_)));
    for zmtp_1 in [&b"\x01\0"[..], b"\xff\0\0\0\0\0\0\0\x01\x7f\0"] {
        let error = end(zmtp_1);
        assert_eq!(error, Error::Version);
        assert!(error.to_string().contains("install libzmq 3.2 or later there"), "{error}");
    }
    assert!(
        matches!(end(&greeting_2(PUB_2, b"")), Error::SocketType { theirs, .. } if theirs.as_str() == "PUB")
    );
    let after_greeting_2 = |bytes: &[u8]| end(&[&greeting_2(SUB_2, b""), bytes].concat());
    assert_eq!(
        after_greeting_2(&ready("SUB")),
        Error::Violation(Violation::Flags(4)),
        "ZMTP 2.0 has no commands"
    );
    assert!(matches!(
        after_greeting_2(&[2, 0x7F, 255, 255, 255, 255, 255, 255, 255]),
        Error::Violation(Violation::TooLong { .. })
    ));
    let mut curve = greeting(1);
    curve[12..17].copy_from_slice(b"CURVE");
    assert!(matches!(end(&curve), Error::Mechanism(name) if name.as_str() == "CURVE"));
    assert!(
        matches!(after_greeting(&ready("PUB")), Error::SocketType { theirs, .. } if theirs.as_str() == "PUB")
    );
    let told = after_greeting(&command(b"\x05ERROR\x0bgo away\nnow"));
    assert!(matches!(&told, Error::Told(reason) if reason.as_str() == "go away?now"), "{told}");
    assert_eq!(after_greeting(b"\0\x01x"), Error::Violation(Violation::Unexpected(Step::Handshake)));
    assert_eq!(
        after_greeting(&command(b"\x04PING\0\0")),
        Error::Violation(Violation::Unexpected(Step::Handshake))
    );
    assert_eq!(after_ready(&ready("SUB")), Error::Violation(Violation::Unexpected(Step::Ready)));
    assert_eq!(after_ready(&[0x80, 1]), Error::Violation(Violation::Flags(0x80)));
    assert_eq!(after_ready(&command(b"\x09SUB")), Error::Violation(Violation::Command));
    let huge = [2, 0x7F, 255, 255, 255, 255, 255, 255, 255];
    assert!(matches!(after_ready(&huge), Error::Violation(Violation::TooLong { .. })));
    for (error, retry) in [
        (end(b"HTTP"), Retry::Slow),
        (told, Retry::Slow),
        (Error::Disconnected(Step::Handshake), Retry::Slow),
        (Error::Disconnected(Step::Ready), Retry::Soon),
    ] {
        assert_eq!(error.retry(), retry, "{error}");
    }
}

#[test]
fn a_peer_of_the_wrong_type_is_told_so() {
    let mut publisher = publisher(START);
    take(&mut publisher, usize::MAX, START);
    give(&mut publisher, &[greeting(1), ready("PUSH")].concat(), START);
    let outgoing = publisher.outgoing();
    assert!(outgoing.ends_with(b"\x05ERROR\x13Invalid socket type"), "{}", outgoing.escape_ascii());
}

#[test]
fn a_frame_at_the_limit_is_taken_and_one_octet_more_is_refused_at_its_header() {
    for (size, taken) in [(LIMIT, true), (LIMIT + 1, false)] {
        let mut subscriber = Subscriber::new(START);
        let header = [&[2][..], &size.to_be_bytes()].concat();
        subscriber.receive(&[greeting(1), ready("PUB"), header].concat(), START);
        if taken {
            assert_eq!(subscriber.ended, None);
            assert_eq!(subscriber.session.needs(&subscriber.input), 9 + LIMIT as usize);
            subscriber.receive(&vec![b'x'; LIMIT as usize], START);
            assert_eq!(subscriber.messages.len(), 1);
        } else {
            assert_eq!(subscriber.ended, Some(Error::Violation(Violation::TooLong { size, limit: LIMIT })));
        }
    }
}

#[test]
fn who_asks_without_reading_is_cut_off() {
    let mut subscriber = Subscriber::new(START);
    subscriber.receive(&[greeting(1), ready("PUB")].concat(), START);
    for _ in 0..100 {
        subscriber.receive(b"\x04\x07\x04PING\0\0", START);
    }
    assert_eq!(subscriber.ended, Some(Error::Violation(Violation::Flood)));
}

#[test]
fn of_a_frame_that_is_refused_no_more_is_needed_than_what_it_is_refused_for() {
    let mut subscriber = Subscriber::new(START);
    subscriber.receive(&[&greeting(1)[..], &ready("PUB")].concat(), START);
    let session = &subscriber.session;
    assert_eq!(session.needs(&[0]), 9);
    assert_eq!(session.needs(&[0, 5]), 2 + 5);
    for refused in [&[2, 255, 255, 255, 255, 255, 255, 255, 255][..], &[6, 0, 0, 0, 0, 0, 0, 16, 0], &[0xff]]
    {
        assert!(session.needs(refused) <= refused.len(), "{refused:?}");
    }
}
