//! From the transport's connection to Ready.

use psistats_core::amqp::{Error, Event, Exchange, Mechanism, Options, Step, Violation};
use psistats_core::link::{Link, Retry};

use super::peer::{self, AMQPClass, AMQPFrame, Conversation, OPTIONS, QUEUE};
use super::peer::{basic, channel, confirm, connection, exchange, queue};
use super::{MESSAGE, SECOND};

/// Steps that the client takes to Ready, when everything is answered as usual.
fn steps(options: Options<'_>) -> Vec<Step> {
    let mut c = Conversation::new(options);
    let mut steps = Vec::new();
    loop {
        let heard = c.hear_all();
        steps.extend(heard.iter().filter_map(peer::step_after));
        match heard.last().and_then(peer::usual_answer) {
            Some(answer) => c.say(&answer),
            None => break,
        }
    }
    assert_eq!(c.events(), [Event::Ready { heartbeat_s: 60 }]);
    assert!(c.client.can_publish());
    steps
}

#[test]
fn only_what_is_to_be_declared_is_declared() {
    let login = [Step::Greeting, Step::Login, Step::VirtualHost, Step::Channel];
    let nameless = Exchange { name: "", ..OPTIONS.exchange };
    for (exchange, declare_exchange, queue, declared) in [
        (OPTIONS.exchange, true, Some(QUEUE), &[Step::Exchange, Step::Queue, Step::Binding][..]),
        (OPTIONS.exchange, false, Some(QUEUE), &[Step::Queue, Step::Binding]),
        (OPTIONS.exchange, true, None, &[Step::Exchange]),
        (OPTIONS.exchange, false, None, &[]),
        // The default exchange is neither declared nor bound to.
        (nameless, true, Some(QUEUE), &[Step::Queue]),
        (nameless, false, Some(QUEUE), &[Step::Queue]),
        (nameless, true, None, &[]),
        (nameless, false, None, &[]),
    ] {
        let taken = steps(Options { exchange, declare_exchange, queue, ..OPTIONS });
        assert_eq!(taken, [&login[..], declared, &[Step::Confirms]].concat());
    }
}

#[test]
fn nothing_can_be_published_before_ready() {
    for step in HANDSHAKE {
        let mut c = Conversation::at(OPTIONS, step);
        assert!(!c.client.can_publish());
        assert_eq!(c.client.publish(&MESSAGE, c.now), None);
    }
    assert_eq!(Conversation::ready(OPTIONS).client.publish(&MESSAGE, Default::default()), Some(1));
}

/// Every step of the handshake.
const HANDSHAKE: [Step; 8] = [
    Step::Greeting,
    Step::Login,
    Step::VirtualHost,
    Step::Channel,
    Step::Exchange,
    Step::Queue,
    Step::Binding,
    Step::Confirms,
];

/// Whatever a broker could say, and the steps at which it may.
fn every_method() -> Vec<(AMQPFrame, Vec<Step>)> {
    use connection::AMQPMethod as Connection;
    let secure = Connection::Secure(connection::Secure { challenge: "?".into() });
    let queue_ok = queue::DeclareOk { queue: "".into(), message_count: 0, consumer_count: 0 };
    let deliver = basic::Deliver {
        consumer_tag: "c".into(),
        delivery_tag: 1,
        redelivered: false,
        exchange: "e".into(),
        routing_key: "r".into(),
    };
    let on = peer::on_channel;
    vec![
        (peer::start(), vec![Step::Greeting]),
        (peer::on_connection(secure), vec![]),
        (peer::tune(8192, 60), vec![Step::Login]),
        (peer::on_connection(Connection::OpenOk(connection::OpenOk {})), vec![Step::VirtualHost]),
        (peer::close_ok(), vec![]),
        (peer::on_connection(Connection::Open(connection::Open { virtual_host: "/".into() })), vec![]),
        (on(AMQPClass::Channel(channel::AMQPMethod::OpenOk(channel::OpenOk {}))), vec![Step::Channel]),
        (peer::channel_close_ok(), vec![]),
        (
            on(AMQPClass::Exchange(exchange::AMQPMethod::DeclareOk(exchange::DeclareOk {}))),
            vec![Step::Exchange],
        ),
        (on(AMQPClass::Queue(queue::AMQPMethod::DeclareOk(queue_ok))), vec![Step::Queue]),
        (on(AMQPClass::Queue(queue::AMQPMethod::BindOk(queue::BindOk {}))), vec![Step::Binding]),
        (on(AMQPClass::Confirm(confirm::AMQPMethod::SelectOk(confirm::SelectOk {}))), vec![Step::Confirms]),
        (peer::ack(1, false), vec![]),
        (peer::nack(1, false), vec![]),
        (on(AMQPClass::Basic(basic::AMQPMethod::Deliver(deliver))), vec![]),
        (AMQPFrame::Method(2, AMQPClass::Channel(channel::AMQPMethod::OpenOk(channel::OpenOk {}))), vec![]),
        (AMQPFrame::Method(0, AMQPClass::Channel(channel::AMQPMethod::OpenOk(channel::OpenOk {}))), vec![]),
        (AMQPFrame::Method(1, AMQPClass::Connection(Connection::OpenOk(connection::OpenOk {}))), vec![]),
    ]
}

#[test]
fn a_method_that_may_not_come_at_a_step_ends_the_connection() {
    for step in HANDSHAKE.into_iter().chain([Step::Ready]) {
        for (frame, at) in every_method() {
            if at.contains(&step) {
                continue;
            }
            let mut c = Conversation::at(OPTIONS, step);
            c.hear_all();
            c.say(&frame);
            let error = c.error();
            let expected = match error {
                // Some are too small for what must come first.
                Error::Violation(Violation::Short((10, 10))) => step == Step::Greeting,
                Error::Violation(Violation::UnknownTag(1)) => step == Step::Ready,
                Error::Violation(Violation::Unexpected { .. }) => true,
                _ => false,
            };
            assert!(expected, "{step:?}, {frame:?}: {error:?}");
            assert_eq!(error.retry(), Retry::Soon);
            // Before Connection.Open there is nothing to close in order; then it is closed with 503.
            match (step, c.hear_all().as_slice()) {
                (Step::Greeting | Step::Login, []) => {}
                (_, [AMQPFrame::Method(0, AMQPClass::Connection(connection::AMQPMethod::Close(close)))]) => {
                    let code = if error == Violation::UnknownTag(1).into() { 406 } else { 503 };
                    assert_eq!((close.reply_code, close.reply_text.as_str()), (code, "protocol error"));
                }
                other => panic!("{step:?}, {frame:?}: {other:?}"),
            }
        }
    }
}

#[test]
fn blocked_and_flow_before_ready_hold_the_first_publish_back() {
    for step in [Step::VirtualHost, Step::Channel, Step::Exchange, Step::Queue, Step::Binding, Step::Confirms]
    {
        let mut c = Conversation::new(OPTIONS);
        loop {
            let asked = c.hear();
            if peer::step_after(&asked) == Some(step) {
                c.say(&peer::blocked("low on memory"));
                assert!(matches!(c.event(), Some(Event::Blocked(_))));
            }
            c.say(&peer::usual_answer(&asked).unwrap());
            if peer::step_after(&asked) == Some(Step::Login) {
                c.hear(); // Tune-Ok, before Open
            }
            if step == Step::Confirms && peer::step_after(&asked) == Some(step)
                || peer::step_after(&asked) == Some(Step::Confirms)
            {
                break;
            }
        }
        // Fault 9: connected, and not "blocked" at the handshake.
        assert_eq!(c.event(), Some(Event::Ready { heartbeat_s: 60 }));
        assert!(!c.client.can_publish());
        c.say(&peer::unblocked());
        assert_eq!(c.event(), Some(Event::Unblocked));
        assert!(c.client.can_publish());
    }
}

#[test]
fn fault_23_another_protocol_is_one_clear_error_and_a_slow_retry() {
    for (answer, words) in [
        (&b"AMQP\x00\x00\x09\x00"[..], "AMQP 0-9-0"),
        (b"AMQP\x01\x01\x00\x0a", "another version of AMQP"),
        (b"AMQP0091", "another version of AMQP"),
        (b"AMQP\x03\x01\x00\x00", "another version of AMQP"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "HTTP"),
        (b"SSH-2.0-OpenSSH_9.2p1\r\n", "does not speak AMQP (it began with \"SSH-2.0-\")"),
        (b"\x15\x03\x01\x00\x02\x02\x46\x00", "TLS"),
        (b"\xff\xfb\x01\xff\xfb\x03\x00\x00", "\\xff\\xfb\\x01"),
    ] {
        let mut c = Conversation::new(OPTIONS);
        c.hear();
        c.say_octets(answer);
        let error = c.error();
        assert!(matches!(error, Error::NotAmqp { len: 8, .. }), "{error:?}");
        assert!(error.to_string().contains(words), "{error}");
        assert_eq!(error.retry(), Retry::Slow);
        assert_eq!(c.hear_all(), [], "nothing is said to who does not understand it");
    }
}

#[test]
fn fault_23_an_answer_shorter_than_a_header_is_told_when_the_peer_hangs_up_or_says_no_more() {
    // A TLS alert (unexpected message) has seven octets.
    let alert = b"\x15\x03\x01\x00\x02\x02\x0a";
    let mut c = Conversation::new(OPTIONS);
    c.say_octets(alert);
    assert_eq!(c.events(), []);
    c.client.disconnected();
    c.settle();
    assert!(c.error().to_string().contains("TLS"));

    let mut c = Conversation::new(OPTIONS);
    c.say_octets(alert);
    c.pass(10 * SECOND);
    assert!(c.error().to_string().contains("TLS"));
}

#[test]
fn a_start_of_another_version_or_without_plain_is_told() {
    let versioned = |version_major, version_minor, mechanisms: &str| {
        peer::on_connection(connection::AMQPMethod::Start(connection::Start {
            version_major,
            version_minor,
            server_properties: Default::default(),
            mechanisms: mechanisms.into(),
            locales: "en_US".into(),
        }))
    };
    for (start, expected) in [
        (versioned(0, 8, "PLAIN"), Violation::Version { major: 0, minor: 8 }.into()),
        (versioned(1, 0, "PLAIN"), Violation::Version { major: 1, minor: 0 }.into()),
        (versioned(0, 9, ""), Error::NoMechanism(Mechanism::Plain)),
        (versioned(0, 9, "EXTERNAL AMQPLAIN PLAINER"), Error::NoMechanism(Mechanism::Plain)),
    ] {
        let mut c = Conversation::new(OPTIONS);
        c.say(&start);
        let error = c.error();
        assert_eq!(error, expected);
        assert_eq!(error.retry(), Retry::Slow);
    }
    let mut c = Conversation::new(OPTIONS);
    c.say(&versioned(0, 9, "EXTERNAL PLAIN"));
    assert_eq!(c.hear_all().last().and_then(peer::step_after), Some(Step::Login));

    // By certificate, where that is offered; never by a password instead.
    let options = Options { mechanism: Mechanism::External, ..OPTIONS };
    let mut c = Conversation::new(options);
    c.say(&versioned(0, 9, "PLAIN AMQPLAIN EXTERNALLY"));
    let error = c.error();
    assert_eq!((error.clone(), error.retry()), (Error::NoMechanism(Mechanism::External), Retry::Slow));
    let mut c = Conversation::new(options);
    c.say(&versioned(0, 9, "PLAIN EXTERNAL"));
    let Some(AMQPFrame::Method(0, AMQPClass::Connection(connection::AMQPMethod::StartOk(ok)))) =
        c.hear_all().pop()
    else {
        panic!("no Start-Ok")
    };
    assert_eq!((ok.mechanism.as_str(), ok.response.as_bytes()), ("EXTERNAL", &b""[..]));
}

#[test]
fn fault_24_no_limit_is_taken_as_ours_and_frames_below_4096_are_refused() {
    let mut c = Conversation::at(OPTIONS, Step::Login);
    c.say(&peer::on_connection(connection::AMQPMethod::Tune(connection::Tune {
        channel_max: 0,
        frame_max: 0,
        heartbeat: 0,
    })));
    c.finish_handshake();
    assert!(c.client.can_publish());

    for frame_max in [1, 8, 4095] {
        let mut c = Conversation::at(OPTIONS, Step::Login);
        c.say(&peer::tune(frame_max, 60));
        let error = c.error();
        assert_eq!(error, Error::FrameMax(frame_max));
        assert_eq!(error.retry(), Retry::Slow);
        assert!(error.to_string().contains("4096"));
    }
}

#[test]
fn fault_26_one_deadline_holds_for_the_whole_handshake() {
    // One octet a second: always alive, never done.
    let mut c = Conversation::new(OPTIONS);
    let start = peer::encode(&peer::start());
    for octet in &start[..9] {
        c.pass(SECOND);
        c.say_octets(&[*octet]);
    }
    assert_eq!(c.events(), []);
    c.pass(SECOND);
    assert_eq!(c.error(), Error::HandshakeTimeout(Step::Greeting));

    // Nor does it help to answer each step in time, but slowly.
    let mut c = Conversation::new(OPTIONS);
    for _ in 0..6 {
        c.pass(SECOND * 3 / 2);
        let asked = c.hear_all();
        c.say(&peer::usual_answer(asked.last().unwrap()).unwrap());
    }
    assert_eq!(c.events(), []);
    c.pass(SECOND);
    assert_eq!(c.event(), Some(Event::QueueUnanswered), "that is not waited for alone");
    assert_eq!(c.error(), Error::HandshakeTimeout(Step::Channel));

    // Once it is done the deadline is gone.
    let mut c = Conversation::ready(Options { heartbeat_s: 0, ..OPTIONS });
    c.pass(20 * SECOND);
    assert!(c.events().is_empty());
}

#[test]
fn fault_25_giant_server_properties_are_passed_over_in_fixed_memory() {
    let mut properties = peer::FieldTable::default();
    for i in 0..100 {
        properties.insert(format!("x{i}").into(), peer::AMQPValue::LongString(vec![0xCE; 1000].into()));
    }
    let start = peer::encode(&peer::start_with(properties));
    assert!(start.len() > 100_000);
    for piece in [1, 7, 4096, start.len()] {
        let mut c = Conversation::new(OPTIONS);
        c.hear();
        for octets in start.chunks(piece) {
            c.say_octets(octets);
        }
        assert_eq!(peer::step_after(&c.hear()), Some(Step::Login));
    }
    // Larger than any frame that we take, or lying about its length: refused at the header.
    for (size, table) in [(131_065_u32, 0), (u32::MAX, 0), (100, 91), (100, u32::MAX), (9, 0)] {
        let mut octets = vec![1, 0, 0];
        octets.extend(size.to_be_bytes());
        octets.extend([0, 10, 0, 10, 0, 9]);
        octets.extend(u32::to_be_bytes(table));
        let mut c = Conversation::new(OPTIONS);
        c.say_octets(&octets);
        let error = c.error();
        let refused =
            matches!(error, Error::Violation(Violation::FrameTooLarge { .. } | Violation::Short((10, 10))));
        assert!(refused, "{error:?}");
    }
    assert!(size_of::<psistats_core::amqp::Client<'_>>() < 40 * 1024);
}

#[test]
fn the_link_asks_for_time_only_while_something_can_become_due() {
    let mut c = Conversation::new(OPTIONS);
    assert_eq!(c.client.deadline(), Some(c.now + 10 * SECOND));
    c.client.disconnected();
    c.settle();
    assert_eq!(c.error(), Error::Disconnected(Step::Greeting));
    assert_eq!(c.client.deadline(), None);
    assert!(c.client.recv_space().is_empty());
}
