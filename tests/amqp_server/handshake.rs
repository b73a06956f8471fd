//! From the transport's connection to Ready.

use psistats_core::amqp::server::ServerStep;
use psistats_core::amqp::{ServerError, ServerEvent, ServerOptions, Violation};
use psistats_core::link::Link;

use super::SECOND;
use super::guest::{Guest, OPTIONS, open, start_ok, tune_ok};
use super::peer::{self, AMQPClass, AMQPFrame, AMQPValue, connection};

#[test]
fn start_offers_version_0_9_plain_and_what_publishers_look_for() {
    let mut g = Guest::new();
    g.say_octets(b"AMQP\0\0\x09\x01");
    let AMQPFrame::Method(0, AMQPClass::Connection(connection::AMQPMethod::Start(start))) = g.hear() else {
        panic!("expected Start");
    };
    assert_eq!((start.version_major, start.version_minor), (0, 9));
    assert_eq!((start.mechanisms.to_string(), start.locales.to_string()), ("PLAIN".into(), "en_US".into()));
    let properties = start.server_properties.inner();
    assert_eq!(properties["product"], AMQPValue::LongString("intake".into()));
    let AMQPValue::FieldTable(capabilities) = &properties["capabilities"] else { panic!("no capabilities") };
    for name in ["publisher_confirms", "basic.nack", "connection.blocked", "authentication_failure_close"] {
        assert_eq!(capabilities.inner()[name], AMQPValue::Boolean(true), "{name}");
    }
}

#[test]
fn the_owner_sees_who_logs_in_and_the_rest_waits_for_its_answer() {
    let mut g = Guest::greeted();
    g.accepts = None;
    g.say(&start_ok("PLAIN", b"\0p\xc3\xad\0se\0cr\xff", true));
    assert_eq!(g.event(), ServerEvent::Login);
    let login = g.server.login().unwrap();
    assert_eq!((login.user, login.password), ("pí", &b"se\0cr\xff"[..]));
    assert_eq!((login.product, login.version, login.connection_name), ("guest", "7", "guest of pi-1"));
    let shown = format!("{login:?}");
    assert!(shown.contains("pí") && !shown.contains("secr") && !shown.contains("115"), "{shown}");
    // A client that does not wait for Tune.
    g.say(&tune_ok(1, 8192, 5));
    g.say(&open("/there"));
    assert_eq!((g.hear_all(), g.events.len()), (vec![], 0));
    g.server.accept(g.now);
    g.settle();
    assert!(g.server.login().is_none());
    let ServerEvent::Opened { vhost, heartbeat_s } = g.event() else { panic!("expected Opened") };
    assert_eq!((vhost.as_str(), heartbeat_s), ("/there", 5));
    let tune = connection::Tune { channel_max: OPTIONS.channels, frame_max: 131_072, heartbeat: 60 };
    assert_eq!(g.hear(), peer::on_connection(connection::AMQPMethod::Tune(tune)));
}

#[test]
fn whoever_floods_while_the_owner_thinks_about_a_login_ends() {
    let mut g = Guest::greeted();
    g.accepts = None;
    g.say(&start_ok("PLAIN", b"\0pi\0secret", true));
    g.event();
    g.say_octets(&[0; 5000]);
    assert_eq!(g.end(), Err(Violation::Flood.into()));
}

#[test]
fn a_refused_login_is_403_for_clients_that_understand_it_and_the_end_for_others() {
    for is_told in [true, false] {
        let mut g = Guest::greeted();
        g.accepts = Some(false);
        g.say(&start_ok("PLAIN", b"\0pi\0wrong", is_told));
        assert_eq!(g.event(), ServerEvent::Login);
        if is_told {
            let (text, error) = g.closed_with(403);
            assert!(text.starts_with("ACCESS_REFUSED"), "{text}");
            assert_eq!(error, ServerError::Refused);
        } else {
            assert_eq!(g.hear_all(), []);
            assert_eq!(g.end(), Err(ServerError::Refused));
        }
    }
}

#[test]
fn external_is_offered_and_taken_where_the_transport_knows_the_client_alone() {
    for (response, user) in [(&b""[..], ""), (b"pi-4", "pi-4")] {
        let mut g = Guest::with(ServerOptions { external: true, ..OPTIONS });
        g.accepts = None;
        g.say_octets(b"AMQP\0\0\x09\x01");
        let AMQPFrame::Method(0, AMQPClass::Connection(connection::AMQPMethod::Start(start))) = g.hear()
        else {
            panic!("expected Start");
        };
        assert_eq!(start.mechanisms.to_string(), "EXTERNAL PLAIN");
        g.say(&start_ok("EXTERNAL", response, true));
        assert_eq!(g.event(), ServerEvent::Login);
        let login = g.server.login().unwrap();
        assert_eq!((login.is_external, login.user, login.password), (true, user, &b""[..]));
        g.server.refuse(g.now);
        g.settle();
        let (text, error) = g.closed_with(403);
        assert!(text.starts_with("ACCESS_REFUSED"), "{text}");
        assert_eq!(error, ServerError::Refused);
    }
    let mut g = Guest::greeted();
    g.say(&start_ok("EXTERNAL", b"", true));
    let (text, _) = g.closed_with(503);
    assert!(text.contains("EXTERNAL"), "{text}");
}

#[test]
fn another_mechanism_and_a_response_that_is_not_plain_are_told() {
    let mut g = Guest::greeted();
    g.say(&start_ok("AMQPLAIN", b"whatever", true));
    let (text, _) = g.closed_with(503);
    assert!(text.contains("AMQPLAIN"), "{text}");
    for response in [&b""[..], b"pi", b"\0pi", b"\0\xff\0secret"] {
        let mut g = Guest::greeted();
        g.say(&start_ok("PLAIN", response, true));
        g.closed_with(502);
    }
}

#[test]
fn whoever_speaks_something_else_gets_our_header_and_the_end() {
    for (header, words) in [
        (&b"AMQP\0\0\x09\0"[..], "another version of AMQP"),
        (b"AMQP\x03\x01\0\0", "another version of AMQP"),
        (b"AMQP\x01\x01\0\x0a", "another version of AMQP"),
        (b"GET / HTTP/1.1\r\n", "HTTP"),
        (b"\x16\x03\x01\x02\0\x01\0\x01\xfc", "TLS"),
        (b"\xff\0\0\0\0\0\0\0\x01\x7f", "\\xff\\x00"),
    ] {
        let mut g = Guest::new();
        g.say_octets(header);
        let error = g.end().unwrap_err();
        assert!(matches!(error, ServerError::NotAmqp(_)) && error.to_string().contains(words), "{error}");
        assert!(matches!(g.hear(), AMQPFrame::ProtocolHeader(_)));
        assert_eq!(g.hear_all(), []);
    }
}

#[test]
fn tune_ok_may_ask_for_less_and_not_for_more() {
    for (channels, frame_max) in [(1, 4096), (4, 131_072), (0, 0), (2, 8192)] {
        let mut g = Guest::tuned(channels, frame_max, 0);
        g.open_channel(1);
    }
    for (channels, frame_max) in [(5, 8192), (u16::MAX, 0), (1, 4095), (1, 131_073), (1, u32::MAX)] {
        let mut g = Guest::logged_in();
        g.say(&tune_ok(channels, frame_max, 60));
        let (_, error) = g.closed_with(530);
        assert_eq!(error, ServerError::Tune { channels, frame_max });
    }
}

#[test]
fn a_method_that_may_not_come_at_a_step_ends_the_connection_with_503() {
    let frames = [
        start_ok("PLAIN", b"\0a\0b", true),
        tune_ok(1, 4096, 0),
        open("/"),
        peer::start(),
        peer::tune(4096, 0),
        peer::close_ok(),
        AMQPFrame::Method(0, AMQPClass::Channel(peer::channel::AMQPMethod::Open(Default::default()))),
        AMQPFrame::Method(1, AMQPClass::Connection(connection::AMQPMethod::CloseOk(connection::CloseOk {}))),
    ];
    type Made = fn() -> Guest;
    let steps: [(Made, usize); 3] = [(Guest::greeted, 0), (Guest::logged_in, 1), (Guest::ready, usize::MAX)];
    for (made, expected) in steps {
        for (i, frame) in frames.iter().enumerate().filter(|(i, _)| *i != expected) {
            let mut g = made();
            g.say(frame);
            let (_, error) = g.closed_with(503);
            assert!(matches!(error, ServerError::Violation(Violation::Unexpected { .. })), "{i}: {error:?}");
        }
    }
}

#[test]
fn one_deadline_holds_for_the_whole_handshake() {
    let mut g = Guest::new();
    assert_eq!(g.server.deadline(), Some(g.now + 10 * SECOND));
    g.pass(9 * SECOND);
    g.say_octets(b"AMQP\0\0\x09\x01");
    g.pass(SECOND);
    assert_eq!(g.end(), Err(ServerError::HandshakeTimeout(ServerStep::StartOk)));
    assert_eq!(g.server.deadline(), None);
    assert!(g.server.recv_space().is_empty());

    let mut g = Guest::tuned(4, 8192, 0);
    g.pass(3600 * SECOND);
    assert!(g.events.is_empty());
}

#[test]
fn the_state_of_a_connection_is_small() {
    let size = size_of::<psistats_core::amqp::Server<'_>>();
    assert!(size < 1280, "{size} bytes");
}
