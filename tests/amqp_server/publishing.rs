//! Messages and their confirms.

use psistats_core::amqp::server::Tag;
use psistats_core::amqp::{ServerEvent, Value};
use psistats_core::link::Link;

use super::guest::{self, Guest, SHARE, ack_on, basic_publish, content_header, message};
use super::peer::{self, AMQPClass, AMQPFrame, AMQPValue, basic};

fn tags(g: &Guest) -> Vec<Tag> {
    g.came.iter().map(|message| message.tag).collect()
}

#[test]
fn a_message_comes_whole_with_its_names_however_its_body_is_cut() {
    for length in [0_usize, 1, 4087, 4088, 4089, 8000] {
        let mut g = Guest::confirming();
        let body: Vec<u8> = (0..length).map(|i| (i % 251) as u8).collect();
        g.publish(1, &body);
        let came = g.came.pop().unwrap();
        assert_eq!((came.exchange.as_str(), came.routing_key.as_str()), ("psistats", "psistats.pi-1"));
        assert_eq!((came.message_id.as_str(), &came.body), ("boot-1f-7", &body));
        assert_eq!((came.tag.channel(), came.tag.number()), (1, 1));
        assert!(g.server.message().is_none(), "it is gone with the next event");
    }
}

#[test]
fn a_frame_larger_than_the_receive_buffer_is_taken_in_pieces() {
    let mut g = Guest::ready();
    g.say(&basic_publish(1));
    g.say(&content_header(1, 8000));
    g.say(&AMQPFrame::Body(1, vec![7; 8000]));
    assert_eq!(g.came[0].body, [7; 8000]);
    // Without confirms there is nothing to confirm.
    assert_eq!(g.came[0].tag.number(), 0);
    g.server.confirm(g.came[0].tag);
    g.settle();
    assert_eq!(g.hear_all(), []);
}

#[test]
fn properties_of_every_kind_are_read() {
    use std::cell::RefCell;
    let mut g = Guest::ready();
    let headers = guest::table([
        ("ts_ms", AMQPValue::LongLongInt(1_700_000_000_123)),
        ("short", AMQPValue::ShortInt(-2)),
        ("on", AMQPValue::Boolean(true)),
        ("text", AMQPValue::LongString("value".into())),
        ("half", AMQPValue::Double(0.5)),
        ("list", AMQPValue::FieldArray(Default::default())),
        ("none", AMQPValue::Void),
        ("when", AMQPValue::Timestamp(17)),
        ("deep", AMQPValue::FieldTable(guest::table([("x", AMQPValue::LongUInt(5))]))),
    ]);
    let properties = basic::AMQPProperties::default()
        .with_content_type("application/json".into())
        .with_content_encoding("utf-8".into())
        .with_headers(headers)
        .with_delivery_mode(2)
        .with_priority(3)
        .with_correlation_id("correlation".into())
        .with_reply_to("reply".into())
        .with_expiration("1000".into())
        .with_message_id("id".into())
        .with_timestamp(1_700_000_000)
        .with_type("type".into())
        .with_user_id("pi".into())
        .with_app_id("psistats".into());
    let mut octets = peer::encode(&basic_publish(1));
    let header = peer::AMQPContentHeader { class_id: 60, body_size: 2, properties };
    octets.extend(peer::encode(&AMQPFrame::Header(1, header)));
    octets.extend(peer::encode(&AMQPFrame::Body(1, b"{}".to_vec())));
    let space = g.server.recv_space();
    space[..octets.len()].copy_from_slice(&octets);
    g.server.received(octets.len(), g.now);
    let server = RefCell::new(&mut g.server);
    assert!(matches!(server.borrow_mut().poll_event(g.now), Some(ServerEvent::Publish(_))));
    let server = server.borrow();
    let p = server.message().unwrap().properties;
    assert_eq!((p.content_type, p.content_encoding, p.delivery_mode), ("application/json", "utf-8", Some(2)));
    assert_eq!(
        (p.message_id, p.timestamp, p.app_id, p.user_id),
        ("id", Some(1_700_000_000), "psistats", "pi")
    );
    assert_eq!(p.headers.count(), 9);
    assert_eq!(p.headers.get("ts_ms"), Some(Value::Int(1_700_000_000_123)));
    assert_eq!(p.headers.get("short"), Some(Value::Int(-2)));
    assert_eq!(p.headers.get("on"), Some(Value::Bool(true)));
    assert_eq!(p.headers.get("text"), Some(Value::Octets(b"value")));
    assert_eq!(p.headers.get("half"), Some(Value::Double(0.5)));
    assert_eq!(p.headers.get("when"), Some(Value::Timestamp(17)));
    assert_eq!(p.headers.get("none"), Some(Value::Other));
    let Some(Value::Table(deep)) = p.headers.get("deep") else { panic!("no table") };
    assert_eq!(deep.get("x"), Some(Value::Int(5)));
    assert_eq!(p.headers.get("missing"), None);
}

#[test]
fn properties_that_end_too_early_are_502() {
    let mut g = Guest::ready();
    g.say(&basic_publish(1));
    // Flags promise a message id, and nothing follows.
    g.say_octets(b"\x02\0\x01\0\0\0\x0e\0\x3c\0\0\0\0\0\0\0\0\0\0\0\x80\xce");
    g.closed_with(502);
}

#[test]
fn what_is_confirmed_before_the_owner_drains_goes_as_one_ack() {
    let mut g = Guest::confirming();
    for n in 0..5 {
        g.publish(1, &[n]);
    }
    assert_eq!(g.hear_all(), [], "nothing is confirmed by itself");
    let tags = tags(&g);
    assert_eq!(tags.iter().map(|tag| tag.number()).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    g.server.confirm(tags[0]);
    g.settle();
    assert_eq!(g.hear_all(), [ack_on(1, 1, false)]);
    for tag in &tags[1..4] {
        g.server.confirm(*tag);
    }
    g.settle();
    assert_eq!(g.hear_all(), [ack_on(1, 4, true)]);
    // Again, and an earlier one: nothing new.
    g.server.confirm(tags[3]);
    g.server.confirm(tags[1]);
    g.settle();
    assert_eq!(g.hear_all(), []);
    g.server.confirm(tags[4]);
    g.settle();
    assert_eq!(g.hear_all(), [ack_on(1, 5, false)]);
}

#[test]
fn channels_count_by_themselves_and_their_messages_may_come_mixed() {
    let mut g = Guest::confirming();
    g.open_channel(3);
    g.select(3);
    g.publish(3, b"first");
    let (one, three) = ([1; 5000], [3; 5000]);
    for frame in [
        basic_publish(1),
        basic_publish(3),
        content_header(3, 5000),
        content_header(1, 5000),
        AMQPFrame::Body(1, one[..2500].to_vec()),
        AMQPFrame::Body(3, three[..2500].to_vec()),
        AMQPFrame::Heartbeat,
        AMQPFrame::Body(1, one[2500..].to_vec()),
        AMQPFrame::Body(3, three[2500..].to_vec()),
    ] {
        g.say(&frame);
    }
    let came: Vec<_> = g.came.iter().map(|m| (m.tag.channel(), m.tag.number(), m.body.len())).collect();
    assert_eq!(came, [(3, 1, 5), (1, 1, 5000), (3, 2, 5000)]);
    assert_eq!((&g.came[1].body[..], &g.came[2].body[..]), (&one[..], &three[..]));
    for tag in tags(&g) {
        g.server.confirm(tag);
    }
    g.settle();
    assert_eq!(g.hear_all(), [ack_on(1, 1, false), ack_on(3, 2, true)]);
}

#[test]
fn a_confirm_for_a_channel_that_was_opened_again_goes_nowhere() {
    let mut g = Guest::confirming();
    g.publish(1, b"before");
    g.say(&peer::channel_close(200, "done"));
    assert_eq!(g.hear_all(), [peer::channel_close_ok()]);
    g.open_channel(1);
    g.select(1);
    g.publish(1, b"after");
    let tags = tags(&g);
    assert_eq!((tags[0].number(), tags[1].number()), (1, 1));
    g.server.confirm(tags[0]);
    g.settle();
    assert_eq!(g.hear_all(), []);
    g.server.confirm(tags[1]);
    g.settle();
    assert_eq!(g.hear_all(), [ack_on(1, 1, false)]);
}

#[test]
fn confirms_go_before_the_channel_is_closed() {
    let mut g = Guest::confirming();
    g.publish(1, b"x");
    g.server.confirm(g.came[0].tag);
    g.say(&peer::channel_close(200, "done"));
    assert_eq!(g.hear_all(), [ack_on(1, 1, false), peer::channel_close_ok()]);
}

#[test]
fn confirms_wait_for_a_peer_that_does_not_read_and_cost_nothing() {
    let mut g = Guest::confirming();
    g.stalled = true;
    for n in 0..2000_u32 {
        g.publish(1, &n.to_be_bytes());
        let tag = g.came.pop().unwrap().tag;
        g.server.confirm(tag);
        g.settle();
    }
    assert!(g.events.is_empty() && g.server.outgoing().len() <= guest::SEND);
    g.stalled = false;
    g.settle();
    g.settle();
    let heard = g.hear_all();
    let last = heard.last();
    assert_eq!(last, Some(&ack_on(1, 2000, true)), "{} acks", heard.len());
}

#[test]
fn a_message_that_is_too_large_closes_its_channel_with_311_and_the_connection_lives() {
    let mut g = Guest::confirming();
    g.open_channel(2);
    g.publish(1, b"first");
    g.server.confirm(g.came[0].tag);
    g.stalled = true;
    g.publish(1, &vec![1; SHARE]);
    g.stalled = false;
    // What follows before it knows is passed over.
    g.publish(1, b"second");
    let heard = g.hear_all();
    assert_eq!(heard[0], ack_on(1, 1, false));
    let AMQPFrame::Method(1, AMQPClass::Channel(peer::channel::AMQPMethod::Close(close))) = &heard[1] else {
        panic!("expected Channel.Close, got {heard:?}");
    };
    assert_eq!((close.reply_code, close.class_id, close.method_id), (311, 60, 40));
    assert!(close.reply_text.as_str().contains("8192"), "{}", close.reply_text);
    assert_eq!(g.event(), ServerEvent::TooLarge { channel: 1, size: SHARE as u64 });
    assert_eq!(g.came.len(), 1);
    g.publish(2, b"third");
    assert_eq!(g.came.len(), 2, "another channel");
    g.say(&peer::channel_close_ok());
    g.open_channel(1);
    g.publish(1, b"fourth");
    assert_eq!(g.came[2].body, b"fourth");

    // A size beyond everything, and properties that fill the share alone.
    g.say(&basic_publish(1));
    g.say(&content_header(1, u64::MAX));
    assert_eq!(g.event(), ServerEvent::TooLarge { channel: 1, size: u64::MAX });
    let text = "x".repeat(9000);
    let headers = guest::table([("x", AMQPValue::LongString(text.as_str().into()))]);
    let properties = basic::AMQPProperties::default().with_headers(headers);
    let header = peer::AMQPContentHeader { class_id: 60, body_size: 0, properties };
    g.say(&basic_publish(2));
    g.say(&AMQPFrame::Header(2, header));
    assert!(matches!(g.event(), ServerEvent::TooLarge { channel: 2, size: 9000.. }));
}

#[test]
fn the_largest_message_fits_exactly() {
    let mut g = Guest::ready();
    let names = 2 + "psistats".len() + "psistats.pi-1".len();
    let header = 14 + 1 + "boot-1f-7".len();
    let most = SHARE - names - header;
    g.publish(1, &vec![1; most]);
    assert_eq!(g.came.len(), 1);
    g.publish(1, &vec![1; most + 1]);
    assert_eq!(g.event(), ServerEvent::TooLarge { channel: 1, size: most as u64 + 1 });
}

#[test]
fn any_split_of_the_octets_gives_the_same_messages_and_answers() {
    let run = |split: &dyn Fn(usize) -> usize| {
        let mut g = Guest::confirming();
        let mut octets = Vec::new();
        for length in [0, 3, 5000] {
            octets.extend(message(1, &vec![length as u8; length]));
        }
        octets.extend(message(1, &vec![9; SHARE]));
        octets.extend(peer::encode(&peer::channel_close_ok()));
        octets.extend(peer::encode(&guest::channel_open(1)));
        octets.extend(peer::encode(&AMQPFrame::Heartbeat));
        octets.extend(message(1, b"last"));
        octets.extend(peer::encode(&peer::close(200, "bye")));
        let mut rest = octets.as_slice();
        while !rest.is_empty() {
            let n = split(rest.len()).clamp(1, rest.len());
            g.say_octets(&rest[..n]);
            rest = &rest[n..];
        }
        let bodies: Vec<_> = g.came.iter().map(|m| (m.tag, m.body.clone())).collect();
        (bodies, g.hear_all(), g.events)
    };
    let whole = run(&|left| left);
    assert_eq!((whole.0.len(), whole.1.len(), whole.2.len()), (4, 3, 2), "{:?}", whole.1);
    for n in [1, 2, 3, 7, 8, 100, 4095, 4096, 4097] {
        assert_eq!(run(&|_| n), whole, "pieces of {n}");
    }
}
