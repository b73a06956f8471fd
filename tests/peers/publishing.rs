//! Faulty peers, while reports are published.

use amq_protocol::frame::AMQPFrame;
use amq_protocol::protocol::{AMQPClass, channel};

use crate::walk::{Retry, Walk, end, figure, sequence};
use support::scripted::{Peer, Step};

#[test]
fn a_malformed_frame_ends_the_connection_and_loses_nothing() {
    let faults: [(&str, &[u8]); 13] = [
        ("a frame ends in 0x00, expected 0xce", b"\x08\0\0\0\0\0\0\0"),
        ("a frame ends in 0xcf, expected 0xce", b"\x01\0\x01\0\0\0\x0d\0\x3c\0\x50\0\0\0\0\0\0\0\x01\0\xcf"),
        ("a frame of 131065 octets, expected at most 131064", b"\x03\0\x01\0\x01\xff\xf9"),
        ("a frame of 2863311530 octets", &[0xAA; 64]),
        ("a frame of 65536 octets, expected at most 4088", b"\x01\0\x01\0\x01\0\0"),
        ("a frame of type 4, expected 1, 2, 3 or 8", b"\x04\0\x01\0\0\0\0\xce"),
        ("a heartbeat of 1 octets on channel 0", b"\x08\0\0\0\0\0\x01\0\xce"),
        ("a heartbeat of 0 octets on channel 3", b"\x08\0\x03\0\0\0\0\xce"),
        ("method 0.0 ends before its last argument", b"\x01\0\x01\0\0\0\0\xce"),
        (
            "method 60.80 ends before its last argument",
            b"\x01\0\x01\0\0\0\x0c\0\x3c\0\x50\0\0\0\0\0\0\0\x01\xce",
        ),
        ("method 60.60 on channel 1 is not expected here", b"\x01\0\x01\0\0\0\x04\0\x3c\0\x3c\xce"),
        (
            "method 60.80 on channel 7 is not expected here",
            b"\x01\0\x07\0\0\0\x0d\0\x3c\0\x50\0\0\0\0\0\0\0\x01\0\xce",
        ),
        (
            "a message's content, without Basic.Return",
            b"\x02\0\x01\0\0\0\x0e\0\x3c\0\0\0\0\0\0\0\0\0\0\0\0\xce",
        ),
    ];
    let mut walk = Walk::start();
    for (words, bytes) in faults {
        walk.survives(words, Retry::Soon, |peer| {
            peer.handshake_until(Step::Publish);
            peer.send_raw(bytes);
        });
    }
    walk.ends_well();
}

#[test]
fn an_unexpected_method_ends_the_connection_and_loses_nothing() {
    // Start, Tune, Open-Ok and Close-Ok on channel 0; Channel.Open-Ok, Exchange.Declare-Ok and Select-Ok.
    let methods: [(u16, u16, u16, &[u8]); 7] = [
        (0, 10, 10, &[0; 14]),
        (0, 10, 30, &[0; 8]),
        (0, 10, 41, &[0]),
        (0, 10, 51, &[]),
        (1, 20, 11, &[0; 4]),
        (1, 40, 11, &[]),
        (1, 85, 11, &[]),
    ];
    let mut walk = Walk::start();
    for (channel, class, method, arguments) in methods {
        let words = format!("method {class}.{method} on channel {channel} is not expected here");
        walk.survives(&words, Retry::Soon, |peer| {
            peer.handshake_until(Step::Publish);
            peer.send_method(channel, class, method, arguments);
        });
    }
    walk.ends_well();
}

#[test]
fn channel_flow_stops_and_starts_the_reports() {
    let mut walk = Walk::start();
    let (mut peer, channel) = walk.connects();
    flow(&mut peer, channel, false);
    let mut sent = 0;
    // Reports that were published before Flow arrived. Flow-Ok follows them.
    loop {
        match peer.read() {
            AMQPFrame::Header(..) => sent += 1,
            AMQPFrame::Method(_, AMQPClass::Channel(channel::AMQPMethod::FlowOk(ok))) => {
                assert!(!ok.active);
                break;
            }
            _ => {}
        }
    }
    while figure(&walk.counters(), "pending") < sent + 5 {}
    flow(&mut peer, channel, true);
    let AMQPFrame::Method(_, AMQPClass::Channel(channel::AMQPMethod::FlowOk(ok))) = peer.read() else {
        panic!("reports came though Flow had stopped them")
    };
    assert!(ok.active);
    walk.next += sent;
    assert_eq!(sequence(&peer.read_publish()), walk.next);
    peer.ack(channel, sent + 1, true);
    walk.next += 1;
    end(&mut peer);
    walk.delivers();
    walk.ends_well();
}

fn flow(peer: &mut Peer, channel: u16, active: bool) {
    peer.send(channel, AMQPClass::Channel(channel::AMQPMethod::Flow(channel::Flow { active })));
}
