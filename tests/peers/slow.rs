//! Links and peers that deliver one byte at a time.

use std::io::Write;
use std::thread;
use std::time::Duration;

use crate::walk::{Retry, Walk};
use support::PATIENCE;
use support::agent::{Agent, Config};
use support::broker::Broker;
use support::consumer::Tap;
use support::proxy::{Direction, Proxy};

#[test]
#[ignore = "needs RabbitMQ: tests/run"]
fn a_link_that_delivers_one_byte_at_a_time_delivers_the_same_reports() {
    let broker = Broker::shared();
    let vhost = broker.vhost();
    let messages = Tap::new(broker.port, &vhost).open();
    let proxy = Proxy::new(broker.port);
    for direction in [Direction::FromClient, Direction::FromServer] {
        proxy.trickle(direction, Duration::ZERO);
    }
    let mut agent = Agent::start(&Config::new(proxy.port, &vhost), &[]);
    for (n, message) in (1..).zip(messages.take(20, PATIENCE)) {
        assert!(message.message_id.unwrap().ends_with(&format!("-{n}")));
    }
    assert!(agent.stop().success());
    let lines = agent.lines();
    assert!(lines.iter().any(|line| line.contains("dropped=0 pending=0")), "{lines:#?}");
    assert_eq!(proxy.accepted(), 1);
}

#[test]
fn a_peer_that_sends_one_byte_a_second_hits_the_timeout_of_the_whole_handshake() {
    let mut walk = Walk::start();
    walk.survives("no answer in time while waiting for the broker's greeting", Retry::Soon, |peer| {
        peer.expect_header();
        let mut stream = peer.stream.try_clone().unwrap();
        // A Connection.Start that takes two minutes. Each byte of it shows that the peer is alive.
        let start = [&[1, 0, 0, 0, 0, 1, 0, 0, 10, 0, 10, 0, 9][..], &[0; 110]].concat();
        thread::spawn(move || {
            for byte in start {
                if stream.write_all(&[byte]).is_err() {
                    return;
                }
                thread::sleep(Duration::from_secs(1));
            }
        });
        peer.read_end(PATIENCE);
    });
    walk.ends_well();
}
