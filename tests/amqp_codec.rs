//! Every word of the client's, read by amq-protocol, and every word of amq-protocol's as a broker,
//! read by the client.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::cast_possible_truncation
)]

use support::peer;

use std::time::Duration;

use amq_protocol::frame::ProtocolVersion;
use amq_protocol::types::{AMQPValue, FieldArray, FieldTable, LongString};
use peer::{AMQPClass, AMQPFrame, Conversation, OPTIONS, QUEUE};
use peer::{basic, channel, confirm, connection, exchange, queue};
use psistats_core::amqp::{Event, Exchange, Options, Properties, Publish, Queue, Step, Table, Value};
use psistats_core::limits;
use psistats_core::link::Link;

fn table<'a>(fields: impl IntoIterator<Item = (&'a str, AMQPValue)>) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, value) in fields {
        table.insert(name.into(), value);
    }
    table
}

fn longstr(text: &str) -> AMQPValue {
    AMQPValue::LongString(text.into())
}

/// What the client sends to get to `step`.
fn request(options: Options<'_>, step: Step) -> AMQPFrame {
    let before = match step {
        Step::Login => Step::Greeting,
        Step::Exchange => Step::Channel,
        Step::Queue => Step::Exchange,
        Step::Binding => Step::Queue,
        Step::Confirms => Step::Binding,
        other => panic!("no request for {other:?}"),
    };
    let mut c = Conversation::at(options, before);
    let asked = match before {
        Step::Greeting => peer::start(),
        Step::Channel => {
            peer::on_channel(AMQPClass::Channel(channel::AMQPMethod::OpenOk(channel::OpenOk {})))
        }
        Step::Exchange => {
            peer::on_channel(AMQPClass::Exchange(exchange::AMQPMethod::DeclareOk(exchange::DeclareOk {})))
        }
        Step::Queue => peer::on_channel(AMQPClass::Queue(queue::AMQPMethod::DeclareOk(queue::DeclareOk {
            queue: "q".into(),
            message_count: u32::MAX,
            consumer_count: u32::MAX,
        }))),
        _ => peer::on_channel(AMQPClass::Queue(queue::AMQPMethod::BindOk(queue::BindOk {}))),
    };
    c.say(&asked);
    let heard = c.hear();
    assert_eq!(c.hear_all(), []);
    heard
}

#[test]
fn the_first_octets_are_the_header_of_version_0_9_1() {
    let client = peer::client(OPTIONS, psistats_core::time::Instant::default());
    assert_eq!(client.outgoing(), b"AMQP\0\0\x09\x01");
    let header = Conversation::new(OPTIONS).hear();
    assert_eq!(header, AMQPFrame::ProtocolHeader(ProtocolVersion::amqp_0_9_1()));
}

#[test]
fn start_ok_names_the_program_its_capabilities_and_the_login() {
    let expected = connection::StartOk {
        client_properties: table([
            ("product", longstr("psistats")),
            ("version", longstr("0.2.0")),
            ("platform", longstr("Rust")),
            ("connection_name", longstr("psistats raspi")),
            (
                "capabilities",
                AMQPValue::FieldTable(table([
                    ("authentication_failure_close", AMQPValue::Boolean(true)),
                    ("basic.nack", AMQPValue::Boolean(true)),
                    ("connection.blocked", AMQPValue::Boolean(true)),
                    ("consumer_cancel_notify", AMQPValue::Boolean(false)),
                    ("exchange_exchange_bindings", AMQPValue::Boolean(false)),
                    ("publisher_confirms", AMQPValue::Boolean(true)),
                ])),
            ),
        ]),
        mechanism: "PLAIN".into(),
        response: LongString::from("\0guest\0correct horse"),
        locale: "en_US".into(),
    };
    assert_eq!(request(OPTIONS, Step::Login), peer::on_connection(connection::AMQPMethod::StartOk(expected)));
}

#[test]
fn a_login_of_any_length_and_script_is_sent_as_it_is() {
    let password = "pä§wörd ".repeat(400);
    for (user, password) in [("", ""), ("日本", password.as_str()), ("a b", "\u{1F980}")] {
        let sent = request(Options { user, password, ..OPTIONS }, Step::Login);
        let AMQPFrame::Method(0, AMQPClass::Connection(connection::AMQPMethod::StartOk(ok))) = sent else {
            panic!("{sent:?}")
        };
        assert_eq!(ok.response.as_bytes(), format!("\0{user}\0{password}").as_bytes());
    }
}

#[test]
fn tune_ok_tells_the_smaller_limits_and_open_names_the_virtual_host() {
    // Offered frame_max and heartbeat, our heartbeat: agreed frame_max and heartbeat.
    for (frame_max, theirs, ours, agreed, heartbeat) in [
        (131_072, 60, 60, 131_072, 60),
        (0, 60, 10, limits::AMQP_FRAME, 10),
        (4096, 5, 10, 4096, 5),
        (u32::MAX, 0, 10, limits::AMQP_FRAME, 10),
        // No heartbeat of ours is none, whatever the broker proposes.
        (8192, 7, 0, 8192, 0),
        (8192, 0, 0, 8192, 0),
        (0, u16::MAX, u16::MAX, limits::AMQP_FRAME, u16::MAX),
    ] {
        let vhost = "psistats/日本";
        let mut c = Conversation::at(Options { vhost, heartbeat_s: ours, ..OPTIONS }, Step::Login);
        c.say(&peer::tune(frame_max, theirs));
        let ok = connection::TuneOk { channel_max: 2, frame_max: agreed, heartbeat };
        assert_eq!(c.hear(), peer::on_connection(connection::AMQPMethod::TuneOk(ok)));
        let open = connection::Open { virtual_host: vhost.into() };
        assert_eq!(c.hear(), peer::on_connection(connection::AMQPMethod::Open(open)));
        assert_eq!(c.hear_all(), []);
    }
}

#[test]
fn the_channel_is_opened_and_confirms_are_selected() {
    let mut c = Conversation::at(OPTIONS, Step::VirtualHost);
    c.say(&peer::on_connection(connection::AMQPMethod::OpenOk(connection::OpenOk {})));
    let open = AMQPClass::Channel(channel::AMQPMethod::Open(channel::Open {}));
    assert_eq!(c.hear(), peer::on_channel(open));
    let select = AMQPClass::Confirm(confirm::AMQPMethod::Select(confirm::Select { nowait: false }));
    assert_eq!(request(OPTIONS, Step::Confirms), peer::on_channel(select));
}

#[test]
fn exchange_declare_carries_every_combination_of_its_arguments() {
    for kind in ["topic", "direct", "fanout", "headers", "x-delayed-message"] {
        for (durable, auto_delete) in [(false, false), (false, true), (true, false), (true, true)] {
            let ours = Exchange { name: "psistats", kind, durable, auto_delete };
            let expected = exchange::Declare {
                exchange: "psistats".into(),
                kind: kind.into(),
                passive: false,
                durable,
                auto_delete,
                internal: false,
                nowait: false,
                arguments: FieldTable::default(),
            };
            let expected = AMQPClass::Exchange(exchange::AMQPMethod::Declare(expected));
            let sent = request(Options { exchange: ours, ..OPTIONS }, Step::Exchange);
            assert_eq!(sent, peer::on_channel(expected));
        }
    }
}

#[test]
fn queue_declare_carries_every_combination_of_its_arguments() {
    let mut memory = [0; 64];
    let theirs = [("x-max-length", Value::Int(1000)), ("x-overflow", Value::Octets(b"drop-head"))];
    let further = Table::encode(theirs, &mut memory).unwrap();
    for bits in 0..16 {
        let (durable, exclusive, auto_delete) = (bits & 1 > 0, bits & 2 > 0, bits & 4 > 0);
        for ttl_ms in [None, Some(0), Some(10_000), Some(u32::MAX)] {
            for kind in [None, Some("classic"), Some("quorum"), Some("stream")] {
                let has_further = bits & 8 > 0;
                let arguments = if has_further { further } else { Table::EMPTY };
                let ours = Queue { durable, exclusive, auto_delete, ttl_ms, kind, arguments, ..QUEUE };
                let mut arguments = FieldTable::default();
                if let Some(ttl) = ttl_ms {
                    arguments.insert("x-message-ttl".into(), AMQPValue::LongLongInt(i64::from(ttl)));
                }
                if let Some(kind) = kind {
                    arguments.insert("x-queue-type".into(), longstr(kind));
                }
                if has_further {
                    arguments.insert("x-max-length".into(), AMQPValue::LongLongInt(1000));
                    arguments.insert("x-overflow".into(), longstr("drop-head"));
                }
                let expected = AMQPClass::Queue(queue::AMQPMethod::Declare(queue::Declare {
                    queue: "psistats.raspi".into(),
                    passive: false,
                    durable,
                    exclusive,
                    auto_delete,
                    nowait: false,
                    arguments,
                }));
                let sent = request(Options { queue: Some(ours), ..OPTIONS }, Step::Queue);
                assert_eq!(sent, peer::on_channel(expected));
            }
        }
    }
}

#[test]
fn queue_bind_binds_the_routing_key_and_names_of_255_octets_fit() {
    let longest = "é".repeat(127) + "x";
    let too_long = longest.clone() + "y";
    // The length has one octet: what is longer is cut, between characters.
    let cut = "é".repeat(127);
    for (name, sent) in
        [("q", "q"), (&longest, &longest), (&too_long, &longest), (&(cut.clone() + "é"), &cut)]
    {
        let queue = Queue { name, binding_key: name, ..QUEUE };
        let exchange = Exchange { name, ..OPTIONS.exchange };
        let expected = AMQPClass::Queue(queue::AMQPMethod::Bind(queue::Bind {
            queue: sent.into(),
            exchange: sent.into(),
            routing_key: sent.into(),
            nowait: false,
            arguments: FieldTable::default(),
        }));
        let options = Options { queue: Some(queue), exchange, routing_key: name, ..OPTIONS };
        assert_eq!(request(options, Step::Binding), peer::on_channel(expected));
    }
}

/// Publishes and returns Basic.Publish, the content header's properties, and the bodies.
fn published(c: &mut Conversation<'_>, message: &Publish<'_>) -> (basic::AMQPProperties, Vec<Vec<u8>>) {
    c.client.publish(message, c.now).expect("there is room");
    c.settle();
    let publish = basic::Publish {
        exchange: "psistats".into(),
        routing_key: "psistats.raspi".into(),
        mandatory: true,
        immediate: false,
    };
    assert_eq!(c.hear(), peer::on_channel(AMQPClass::Basic(basic::AMQPMethod::Publish(publish))));
    let AMQPFrame::Header(1, header) = c.hear() else { panic!("expected a content header") };
    assert_eq!((header.class_id, header.body_size), (60, message.body.len() as u64));
    let bodies = c.hear_all().into_iter().map(|frame| match frame {
        AMQPFrame::Body(1, body) => body,
        other => panic!("expected a body, got {other:?}"),
    });
    (header.properties, bodies.collect())
}

#[test]
fn a_message_carries_every_combination_of_its_properties() {
    let headers = [("dropped", 7), ("pending", i64::MAX)].map(|(name, n)| (name, Value::Int(n)));
    let fixed =
        [("site", Value::Octets("Köln".as_bytes())), ("rack", Value::Int(-3)), ("test", Value::Bool(true))];
    let mut memory = [0; 64];
    let fixed_headers = Table::encode(fixed, &mut memory).unwrap();
    assert!(fixed_headers.eq(fixed) && Table::encode(fixed, &mut [0; 8]).is_err());
    let mut c = Conversation::ready(OPTIONS);
    for bits in 0_u32..256 {
        let has = |bit: u32| bits >> bit & 1 == 1;
        let text = |bit, text| if has(bit) { text } else { "" };
        let ours = Properties {
            content_type: text(0, "application/json"),
            content_encoding: text(1, "utf-8"),
            headers: if has(2) { &headers } else { &[] },
            fixed_headers: if has(7) { fixed_headers } else { Table::EMPTY },
            persistent: has(3),
            message_id: text(4, "0a1b-17"),
            timestamp: has(5).then_some(1_700_000_000),
            app_id: text(6, "psistats"),
        };
        let mut expected = basic::AMQPProperties::default();
        if has(0) {
            expected = expected.with_content_type("application/json".into());
        }
        if has(1) {
            expected = expected.with_content_encoding("utf-8".into());
        }
        if has(2) || has(7) {
            let counts = [("dropped", 7), ("pending", i64::MAX)];
            let counts = counts.map(|(name, n)| (name, AMQPValue::LongLongInt(n)));
            let theirs = [
                ("site", longstr("Köln")),
                ("rack", AMQPValue::LongLongInt(-3)),
                ("test", AMQPValue::Boolean(true)),
            ];
            let counts = counts.into_iter().filter(|_| has(2));
            expected = expected.with_headers(table(counts.chain(theirs.into_iter().filter(|_| has(7)))));
        }
        if has(3) {
            expected = expected.with_delivery_mode(2);
        }
        if has(4) {
            expected = expected.with_message_id("0a1b-17".into());
        }
        if has(5) {
            expected = expected.with_timestamp(1_700_000_000);
        }
        if has(6) {
            expected = expected.with_app_id("psistats".into());
        }
        let (properties, bodies) = published(&mut c, &Publish { properties: ours, body: b"{}" });
        assert_eq!((properties, bodies), (expected, vec![b"{}".to_vec()]));
    }
}

#[test]
fn a_body_is_split_by_the_agreed_frame_size_and_an_empty_one_has_no_frame() {
    for frame_max in [4096, 8192, 131_072] {
        let most = frame_max as usize - 8;
        for length in [0_usize, 1, 2, 255, 4087, 4088, 4089, 8176, 8184, 8185, 12_264, 12_265, 31_000] {
            let mut c = Conversation::at(OPTIONS, Step::Login);
            c.say(&peer::tune(frame_max, 60));
            c.finish_handshake();
            let body: Vec<u8> = (0..length).map(|i| (i % 251) as u8).collect();
            let (_, bodies) = published(&mut c, &Publish { properties: Properties::default(), body: &body });
            assert_eq!(bodies.len(), length.div_ceil(most), "{length} octets in frames of {frame_max}");
            assert!(bodies.iter().all(|piece| !piece.is_empty() && piece.len() <= most));
            assert_eq!(bodies.concat(), body);
        }
    }
}

#[test]
fn the_largest_report_in_its_largest_envelope_fits_the_empty_buffer() {
    let longest = "x".repeat(limits::SHORTSTR);
    let exchange = Exchange { name: &longest, ..OPTIONS.exchange };
    let mut c = Conversation::at(Options { exchange, routing_key: &longest, ..OPTIONS }, Step::Login);
    c.say(&peer::tune(4096, 60));
    c.finish_handshake();
    let properties = Properties {
        content_type: &longest,
        content_encoding: &longest,
        headers: &[("dropped", Value::Int(1)), ("pending", Value::Int(2)), ("sampled", Value::Int(3))],
        fixed_headers: Table::EMPTY,
        persistent: true,
        message_id: &longest,
        timestamp: Some(u64::MAX),
        app_id: &longest,
    };
    let message = Publish { properties, body: &[b'x'; limits::REPORT] };
    assert_eq!(c.client.publish(&message, c.now), Some(1));
}

#[test]
fn heartbeats_answers_and_closes_are_what_they_should_be() {
    let mut c = Conversation::ready(OPTIONS);
    c.pass(Duration::from_secs(30));
    assert_eq!(c.hear_all(), [AMQPFrame::Heartbeat]);
    for active in [false, true] {
        c.say(&peer::flow(active));
        let ok = AMQPClass::Channel(channel::AMQPMethod::FlowOk(channel::FlowOk { active }));
        assert_eq!(c.hear_all(), [peer::on_channel(ok)]);
    }
    c.client.close(c.now);
    c.settle();
    assert_eq!(c.hear_all(), [peer::close(200, "end")]);

    let mut c = Conversation::ready(OPTIONS);
    c.say(&peer::close(320, "CONNECTION_FORCED"));
    assert_eq!(c.hear_all(), [peer::close_ok()]);

    let mut c = Conversation::ready(OPTIONS);
    c.say(&peer::channel_close(404, "NOT_FOUND"));
    assert_eq!(c.hear_all(), [peer::channel_close_ok(), peer::close(200, "end")]);
}

#[test]
fn server_properties_of_every_type_are_passed_over() {
    let mut array = FieldArray::default();
    array.push(AMQPValue::Void);
    array.push(AMQPValue::Double(1.5));
    let properties = table([
        ("product", longstr("RabbitMQ")),
        ("capabilities", AMQPValue::FieldTable(table([("basic.nack", AMQPValue::Boolean(true))]))),
        ("array", AMQPValue::FieldArray(array)),
        ("time", AMQPValue::Timestamp(1)),
        ("bytes", AMQPValue::ByteArray(vec![0xCE; 300].into())),
        ("giant", longstr(&"x".repeat(100_000))),
    ]);
    let mut c = Conversation::new(OPTIONS);
    c.hear();
    c.say(&peer::start_with(properties));
    assert_eq!(peer::step_after(&c.hear()), Some(Step::Login));
}

#[test]
fn whatever_the_broker_says_to_a_publisher_is_understood() {
    let texts = ["".to_owned(), "low on memory".to_owned(), "é".repeat(127), "x".repeat(255)];
    for text in &texts {
        let mut c = Conversation::ready(OPTIONS);
        c.say(&peer::blocked(text));
        let Some(Event::Blocked(reason)) = c.event() else { panic!("expected Blocked") };
        assert_eq!(reason.as_str(), text);
        c.say(&peer::unblocked());
        c.say(&AMQPFrame::Heartbeat);
        assert_eq!(c.events(), [Event::Unblocked]);
        c.say(&peer::close(501, text));
        assert!(c.error().to_string().contains(text.as_str()));

        let mut c = Conversation::ready(OPTIONS);
        c.say(&peer::channel_close(406, text));
        c.say(&peer::close_ok());
        assert!(c.error().to_string().contains(text.as_str()));
    }
    for multiple in [false, true] {
        let mut c = Conversation::ready(OPTIONS);
        let message = Publish { properties: Properties::default(), body: b"x" };
        assert_eq!(c.client.publish(&message, c.now), Some(1));
        assert_eq!(c.client.publish(&message, c.now), Some(2));
        c.say(&peer::ack(1, multiple));
        c.say(&peer::nack(2, multiple));
        assert_eq!(c.events(), [Event::Confirmed { tag: 1, multiple }, Event::Refused { tag: 2, multiple }]);
    }
}
