//! Faulty peers, before the first report.

use amq_protocol::frame::AMQPFrame;
use amq_protocol::protocol::{AMQPClass, connection};
use amq_protocol::types::FieldTable;

use crate::walk::{Retry, Walk, end, figure, sequence};
use support::PATIENCE;
use support::scripted::{Peer, Step};

/// A Connection.Start with the given version, mechanisms and length of the server properties.
fn start(version: [u8; 2], properties: u32, mechanisms: &[u8]) -> Vec<u8> {
    let mechanisms = [&(mechanisms.len() as u32).to_be_bytes(), mechanisms].concat();
    [&version[..], &properties.to_be_bytes(), &mechanisms, b"\0\0\0\x05en_US"].concat()
}

#[test]
fn a_peer_that_is_not_rabbitmq_is_recognised_and_retried_slowly() {
    let mut walk = Walk::start();
    let answers: [(&str, &[u8]); 6] = [
        ("speaks AMQP 1-0-0 and not 0-9-1", b"AMQP\0\x01\0\0"),
        ("sends the protocol header of AMQP 0-9-1 back", b"AMQP\0\0\x09\x01"),
        ("speaks another version of AMQP", b"AMQP\x01\x01\x08\0"),
        ("speaks HTTP", b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"),
        ("speaks TLS", b"\x15\x03\x01\x00\x02\x02\x46"),
        (r#"does not speak AMQP (it began with "SSH-2.0-")"#, b"SSH-2.0-OpenSSH_9.2p1\r\n"),
    ];
    for (words, answer) in answers {
        walk.survives(words, Retry::Slow, |peer| {
            peer.expect_header();
            peer.send_raw(answer);
            hang_up(peer);
        });
    }
    walk.survives("speaks version 8-0", Retry::Slow, |peer| {
        peer.expect_header();
        peer.send_method(0, 10, 10, &start([8, 0], 0, b"PLAIN"));
    });
    walk.survives("does not offer the login mechanism PLAIN", Retry::Slow, |peer| {
        peer.expect_header();
        peer.send_method(0, 10, 10, &start([0, 9], 0, b"EXTERNAL PLAINTEXT"));
    });
    walk.ends_well();
}

#[test]
fn a_malformed_greeting_is_refused() {
    let mut walk = Walk::start();
    let end_octet =
        [&[1, 0, 0, 0, 0, 0, 28, 0, 10, 0, 10][..], &start([0, 9], 0, b"PLAIN")[..], &[0xCD]].concat();
    let greetings: [(&str, Vec<u8>); 5] = [
        ("a frame of 4294967295 octets", [&[1, 0, 0][..], &[0xFF; 16]].concat()),
        ("a frame of 131073 octets", [&[1, 0, 0, 0, 2, 0, 1][..], &[0; 16]].concat()),
        (
            "method 10.10 ends before its last argument",
            b"\x01\0\0\0\0\0\x0c\0\x0a\0\x0a\0\x09\xff\xff\xff\xff\0\0\xce".to_vec(),
        ),
        ("a frame ends in 0xcd, expected 0xce", end_octet),
        (
            "method 10.50 on channel 0 is not expected here",
            b"\x01\0\0\0\0\0\x0b\0\x0a\0\x32\0\xc8\0\0\0\0\0\xce".to_vec(),
        ),
    ];
    for (words, greeting) in greetings {
        walk.survives(words, Retry::Soon, |peer| {
            peer.expect_header();
            peer.send_raw(&greeting);
        });
    }
    walk.survives("ended while waiting for the broker's greeting", Retry::Soon, |peer| {
        peer.expect_header();
        hang_up(peer);
    });
    walk.ends_well();
}

#[test]
fn a_malformed_or_aborted_login_is_refused() {
    let mut walk = Walk::start();
    walk.survives("method 10.20 on channel 0 is not expected here", Retry::Soon, |peer| {
        peer.handshake_until(Step::StartOk);
        peer.send_method(0, 10, 20, b"\0\0\0\x09challenge");
    });
    walk.survives("method 20.11 on channel 1 is not expected here", Retry::Soon, |peer| {
        peer.handshake_until(Step::StartOk);
        peer.send_method(1, 20, 11, &[0; 4]);
    });
    walk.survives("frames of at most 4095 octets", Retry::Slow, |peer| {
        peer.tune = (0, 4095, 0);
        peer.handshake_until(Step::StartOk);
        tune(peer);
    });
    walk.survives("while logging in, without a reason; wrong user or password?", Retry::Soon, |peer| {
        peer.handshake_until(Step::StartOk);
        hang_up(peer);
    });
    walk.ends_well();
}

#[test]
fn the_limits_that_a_broker_proposes_are_negotiated() {
    let mut walk = Walk::start();
    // Proposed are channels, frame size (octets) and heartbeat (s). Agreed are frame size and heartbeat.
    for (proposed, agreed) in
        [((0, 0, 0), (131_072, 60)), ((2047, 4096, 10), (4096, 10)), ((1, 1 << 20, 580), (131_072, 60))]
    {
        let mut peer = walk.broker.accept();
        peer.tune = proposed;
        let (_, ok) = peer.handshake_until(Step::TuneOk);
        let AMQPClass::Connection(connection::AMQPMethod::TuneOk(ok)) = ok else { unreachable!() };
        assert_eq!((ok.frame_max, ok.heartbeat), agreed, "{proposed:?}");
        assert!(ok.channel_max >= 1 && (proposed.0 == 0 || ok.channel_max <= proposed.0), "{ok:?}");
        assert_eq!(sequence(&peer.read_publish()), walk.next, "and it works");
        peer.ack(1, 1, false);
        walk.next += 1;
        end(&mut peer);
    }
    walk.ends_well();
}

#[test]
fn a_close_at_any_step_is_answered_and_its_reason_is_logged() {
    let steps = [
        (Step::StartOk, "logging in"),
        (Step::Open, "opening the virtual host"),
        (Step::ChannelOpen, "opening a channel"),
        (Step::ExchangeDeclare, "declaring the exchange"),
        (Step::QueueDeclare, "declaring the queue"),
        (Step::QueueBind, "binding the queue"),
        (Step::ConfirmSelect, "switching confirms on"),
        (Step::Publish, "publishing"),
    ];
    let mut walk = Walk::start();
    for (step, doing) in steps {
        let words =
            format!("while {doing}, the broker closed the connection with 541 INTERNAL_ERROR - {step:?}");
        walk.survives(&words, Retry::Soon, |peer| {
            peer.handshake_until(step);
            peer.close(541, &format!("INTERNAL_ERROR - {step:?}"));
            expect_close_ok(peer);
        });
    }
    for (step, doing) in &steps[3..] {
        let words =
            format!("while {doing}, the broker closed the channel with 506 RESOURCE_ERROR - {step:?}");
        walk.survives(&words, Retry::Soon, |peer| {
            let (channel, _) = peer.handshake_until(*step);
            peer.close_channel(channel, 506, &format!("RESOURCE_ERROR - {step:?}"));
        });
    }
    walk.ends_well();
}

#[test]
fn a_refused_transient_queue_is_explained() {
    // The reply of RabbitMQ 4.3, which is newer than the packaged one.
    let text = "INTERNAL_ERROR - Feature `transient_nonexcl_queues` is deprecated.";
    let mut walk = Walk::with(|config| config.set("queue", "exclusive", "no"));
    walk.survives("set [queue] exclusive=yes or durable=yes", Retry::Slow, |peer| {
        peer.handshake_until(Step::QueueDeclare);
        peer.close(541, text);
    });
    walk.ends_well();
}

#[test]
fn a_queue_whose_declaration_is_not_answered_holds_no_report_back() {
    let mut walk = Walk::start();
    let mut peer = walk.broker.accept();
    let (channel, declare) = peer.handshake_until(Step::QueueDeclare);
    assert_eq!(sequence(&peer.read_publish()), 1);
    let line = walk.agent.wait_for_line("are published without queue", PATIENCE);
    assert!(line.contains(" WARNING ") && line.contains("does not answer"), "{line}");
    peer.ack(3 - channel, 1, false);
    peer.answer(channel, &declare);
    walk.next = 2;
    // The binding is answered among the reports.
    while !walk.agent.lines().iter().any(|line| line.contains("is declared and bound")) {
        assert_eq!(sequence(&peer.read_publish()), walk.next);
        peer.ack(3 - channel, walk.next, false);
        walk.next += 1;
    }
    end(&mut peer);
    walk.delivers();
    walk.ends_well();
}

#[test]
fn a_broker_that_blocks_during_the_declarations_gets_no_report_until_it_unblocks() {
    let mut walk = Walk::start();
    let mut peer = walk.broker.accept();
    let (channel, declare) = peer.handshake_until(Step::ExchangeDeclare);
    let reason = "low on memory".into();
    peer.send(0, AMQPClass::Connection(connection::AMQPMethod::Blocked(connection::Blocked { reason })));
    peer.answer(channel, &declare);
    let (_, select) = peer.serve_until(Step::ConfirmSelect);
    peer.answer(channel, &select);
    walk.agent.wait_for_line("connected to", PATIENCE);
    walk.agent.wait_for_line("accepts no reports for now (low on memory)", PATIENCE);
    let line = walk.counters();
    assert!(line.contains("(blocked by the broker: low on memory)"), "{line}");
    // The reports are kept, and none is in flight: otherwise it would arrive before the reply to Flow.
    while figure(&walk.counters(), "pending") < 5 {}
    peer.send_method(channel, 20, 20, &[1]);
    assert!(matches!(peer.read(), AMQPFrame::Method(1, AMQPClass::Channel(_))));

    peer.send_method(0, 10, 61, &[]);
    for _ in 0..5 {
        assert_eq!(sequence(&peer.read_publish()), walk.next);
        walk.next += 1;
    }
    peer.ack(channel, 5, true);
    end(&mut peer);
    walk.delivers();
    walk.ends_well();
}

#[test]
fn giant_server_properties_pass_through_fixed_memory() {
    let mut walk = Walk::start();
    walk.delivers();
    let before = walk.agent.status("VmRSS");
    for _ in 0..5 {
        let mut peer = walk.broker.accept();
        peer.expect_header();
        // One text, as large as a frame may be before Tune.
        let text = "x".repeat(131_072 - 100);
        let mut properties = FieldTable::default();
        properties.insert("motd".into(), amq_protocol::types::AMQPValue::LongString(text.into()));
        peer.send_start(properties);
        assert_eq!(sequence(&peer.read_publish()), walk.next);
        peer.ack(1, 1, false);
        walk.next += 1;
        end(&mut peer);
    }
    let grown = walk.agent.status("VmRSS").saturating_sub(before);
    assert!(grown < 256, "{grown} KiB more than {before} KiB");
    walk.ends_well();
}

fn tune(peer: &mut Peer) {
    let (channel_max, frame_max, heartbeat) = peer.tune;
    let tune = connection::Tune { channel_max, frame_max, heartbeat };
    peer.send(0, AMQPClass::Connection(connection::AMQPMethod::Tune(tune)));
}

fn expect_close_ok(peer: &mut Peer) {
    loop {
        match peer.read() {
            AMQPFrame::Method(0, AMQPClass::Connection(connection::AMQPMethod::CloseOk(_))) => return,
            // The bytes that were in transit.
            AMQPFrame::Method(0, other) => panic!("expected Close-Ok, got {other:?}"),
            _ => {}
        }
    }
}

/// Closes the connection with FIN, after the last byte.
fn hang_up(peer: &Peer) {
    peer.stream.shutdown(std::net::Shutdown::Write).unwrap();
}
