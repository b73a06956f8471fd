//! Fault 38: subscribers that do not read fast enough; and client nodes that send too much.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;

use serde_json::Value;

use crate::master::Master;
use support::PATIENCE;
use support::raw;

/// A message of 30,000 bytes.
fn large(n: usize) -> Vec<u8> {
    format!("{{\"n\":{n},\"text\":\"{}\"}}", "x".repeat(30_000)).into_bytes()
}

fn number(body: &[u8]) -> u64 {
    serde_json::from_slice::<Value>(body).unwrap()["n"].as_u64().unwrap()
}

#[test]
fn fault_38_a_subscriber_that_does_not_read_loses_whole_messages_and_nobody_else_loses_any() {
    const MESSAGES: usize = 1_500; // 45 MB, and the ring holds 2.
    let master = Master::start("publish_high_water=2097152\nmessages_per_second=0");
    let subscribe = || raw::subscriber(master.publish_port, "");
    let (mut frozen, mut good) = (subscribe(), subscribe());
    master.wait_for("subscribed", |n| n == 2);
    let mut client = raw::client(master.port);
    let (token, tokens) = std::sync::mpsc::sync_channel(20);
    let sender = thread::spawn(move || {
        for n in 0..MESSAGES {
            client.write_all(&raw::status(&large(n))).unwrap();
            // At most so many are on their way to the subscriber that reads.
            token.send(()).unwrap();
        }
        client
    });
    for n in 0..MESSAGES {
        assert_eq!(number(&raw::read_message(&mut good)), n as u64, "the good one gets each in order");
        tokens.recv().unwrap();
    }
    let _client = sender.join().unwrap();
    // Dropped messages are counted and logged while it does not read.
    master.wait_for("dropped", |dropped| dropped > 0);
    master.process.wait_for_line("does not take messages", PATIENCE);
    // When the frozen one reads again, it gets whole messages, in order, with a gap.
    let mut last = None;
    let mut got = 0_u64;
    while last != Some(MESSAGES as u64 - 1) {
        let n = number(&raw::read_message(&mut frozen));
        assert!(last.is_none_or(|last| n > last));
        last = Some(n);
        got += 1;
    }
    assert!(got < MESSAGES as u64);
    master.wait_for("dropped", |dropped| dropped == MESSAGES as u64 - got);
}

/// 400 strangers, each with 200 KB of a message that does not end: more than may be unfinished. `meanwhile` is called
/// after each twentieth.
fn strangers(master: &Master, mut meanwhile: impl FnMut(usize)) -> Vec<TcpStream> {
    let begun =
        [&raw::frame(1, b"status")[..], &[2, 0, 0, 0, 0, 0, 0x0f, 0xff, 0xff], &[b' '; 200_000]].concat();
    let come = |n: usize| {
        let mut stream = raw::client(master.port);
        stream.write_all(&begun).unwrap();
        if n.is_multiple_of(20) {
            meanwhile(n / 20);
        }
        stream
    };
    let strangers = (0..400).map(come).collect();
    master.wait_for("evicted", |n| n > 20);
    strangers
}

#[test]
fn a_slow_subscriber_stays_whatever_strangers_leave_unfinished() {
    let master = Master::start("publish_high_water=2097152\nmessages_per_second=0");
    let mut slow = raw::subscriber(master.publish_port, "");
    master.wait_for("subscribed", |n| n == 1);
    let mut client = raw::client(master.port);
    let mut n = 0;
    // Until the subscriber's socket is full, in the middle of a message.
    while master.counter("dropped") == 0 {
        for _ in 0..100 {
            client.write_all(&raw::status(&large(n))).unwrap();
            n += 1;
        }
    }
    let _strangers = strangers(&master, |_| {});
    client.write_all(&raw::status(b"{\"n\":1000000}")).unwrap();
    while number(&raw::read_message(&mut slow)) != 1_000_000 {}
}

#[test]
fn a_client_node_whose_message_comes_in_pieces_stays_whatever_strangers_leave_unfinished() {
    let master = Master::start("messages_per_second=0");
    let mut subscriber = raw::subscriber(master.publish_port, "");
    master.wait_for("subscribed", |n| n == 1);
    let mut client = raw::client(master.port);
    let body = format!("{{\"text\":\"{}\"}}", "x".repeat(600_000)).into_bytes();
    let message = raw::status(&body);
    let mut pieces = message.chunks(message.len() / 20 + 1);
    client.write_all(pieces.next().unwrap()).unwrap();
    let _strangers = strangers(&master, |n| {
        if n > 0 {
            client.write_all(pieces.next().unwrap()).unwrap();
        }
    });
    assert!(pieces.next().is_none());
    assert_eq!(raw::read_message(&mut subscriber), body);
}

/// A master node that holds 30 MB for a subscriber that reads nothing; its ring has room for all of them.
fn with_a_frozen_subscriber(messages: u64) -> (Master, TcpStream) {
    let master = Master::start("publish_high_water=67108864\nmessages_per_second=0");
    let frozen = raw::subscriber(master.publish_port, "");
    master.wait_for("subscribed", |n| n == 1);
    let mut client = raw::client(master.port);
    for n in 0..messages {
        client.write_all(&raw::status(&large(n as usize))).unwrap();
    }
    master.wait_for("messages", |n| n == messages);
    assert_eq!(master.counter("dropped"), 0);
    (master, frozen)
}

#[test]
fn messages_that_waited_for_a_subscriber_that_disconnects_are_counted_as_dropped() {
    let (master, frozen) = with_a_frozen_subscriber(1000);
    drop(frozen);
    master.wait_for("subscribers", |n| n == 0);
    let dropped = master.counter("dropped");
    assert!((100..1000).contains(&dropped), "{dropped}: all but those in the socket's buffers");
}

#[test]
fn at_a_stop_messages_that_still_wait_are_counted_as_dropped_and_the_others_arrive() {
    let (mut master, mut frozen) = with_a_frozen_subscriber(1000);
    let dropped = master.stop_and_count("dropped");
    for n in 0..1000 - dropped {
        assert_eq!(number(&raw::read_message(&mut frozen)), n);
    }
    // At most a part of the next message follows.
    let left = frozen.read_to_end(&mut Vec::new()).unwrap();
    assert!(left < large(1000).len(), "{left} bytes");
}

#[test]
fn a_client_node_that_floods_has_to_wait_and_anothers_messages_arrive() {
    let master = Master::start("messages_per_second=50");
    let mut subscriber = raw::subscriber(master.publish_port, "");
    master.wait_for("subscribed", |n| n == 1);
    let flood = raw::client(master.port);
    let mut writing = flood.try_clone().unwrap();
    // The thread ends when the test shuts the socket down.
    let sender = thread::spawn(move || {
        let chunk = raw::status(b"{\"from\":\"flood\"}").repeat(1000);
        while writing.write_all(&chunk).is_ok() {}
    });
    let mut good = raw::client(master.port);
    for n in 0..20 {
        good.write_all(&raw::status(format!("{{\"n\":{n}}}").as_bytes())).unwrap();
        let mut flooded = 0;
        loop {
            let body: Value = serde_json::from_slice(&raw::read_message(&mut subscriber)).unwrap();
            if body.get("from").is_none() {
                assert_eq!(body["n"], n);
                break;
            }
            flooded += 1;
            assert!(flooded <= 100, "50 a second, and those of a second may have arrived already");
        }
    }
    assert!(master.process.lines().iter().any(|line| line.contains("sends more than 50 messages a second")));
    flood.shutdown(Shutdown::Both).unwrap();
    sender.join().unwrap();
}

#[test]
fn a_client_node_that_has_to_wait_is_not_timed_out_meanwhile() {
    let master = Master::start("messages_per_second=1");
    let mut subscriber = raw::subscriber(master.publish_port, "");
    master.wait_for("subscribed", |n| n == 1);
    let mut client = raw::client(master.port);
    // Its PING asks for a timeout after 0.3 s of silence, and it has to wait for a second after each message.
    let ping = raw::frame(4, b"\x04PING\0\x03");
    let messages = (0..3).map(|n| raw::status(format!("{{\"n\":{n}}}").as_bytes()));
    client.write_all(&[ping, messages.collect::<Vec<_>>().concat()].concat()).unwrap();
    for n in 0..3 {
        assert_eq!(number(&raw::read_message(&mut subscriber)), n);
    }
}

#[test]
fn frames_of_an_endless_message_count_as_messages_for_the_limit() {
    let master = Master::start("messages_per_second=100");
    let mut client = raw::client(master.port);
    client.write_all(&raw::frame(1, b"x").repeat(1000)).unwrap();
    master.process.wait_for_line("sends more than 100 messages a second", PATIENCE);
}

#[test]
#[ignore = "needs python3-zmq: tests/run"]
fn without_a_limit_a_flood_still_starves_nobody() {
    let master = Master::start("messages_per_second=0");
    let flood = raw::client(master.port);
    let mut writing = flood.try_clone().unwrap();
    let sender = thread::spawn(move || {
        let chunk = raw::status(b"[]").repeat(1000);
        while writing.write_all(&chunk).is_ok() {}
    });
    master.wait_for("invalid", |n| n > 1000);
    master.assert_serves();
    flood.shutdown(Shutdown::Both).unwrap();
    sender.join().unwrap();
}
