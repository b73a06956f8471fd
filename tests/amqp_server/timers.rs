//! Heartbeats and alarms.

use psistats_core::amqp::ServerError;
use psistats_core::link::Link;

use super::SECOND;
use super::guest::{Guest, start_ok};
use super::peer::{self, AMQPFrame};

#[test]
fn heartbeats_go_by_what_the_client_agreed_to() {
    let mut g = Guest::tuned(1, 8192, 10);
    g.pass(5 * SECOND);
    assert_eq!(g.hear_all(), [AMQPFrame::Heartbeat]);
    g.say(&AMQPFrame::Heartbeat);
    g.pass(15 * SECOND);
    assert_eq!(g.hear_all(), [AMQPFrame::Heartbeat, AMQPFrame::Heartbeat, AMQPFrame::Heartbeat]);
    assert!(g.events.is_empty());
    g.pass(5 * SECOND);
    assert_eq!(g.end(), Err(ServerError::Silent { heartbeat_s: 10 }));

    let mut g = Guest::tuned(1, 8192, 0);
    assert_eq!(g.server.deadline(), None);
    g.pass(1000 * SECOND);
    assert_eq!(g.hear_all(), []);
}

#[test]
fn a_peer_that_takes_nothing_for_two_heartbeats_is_dead() {
    let mut g = Guest::tuned(1, 8192, 10);
    g.stalled = true;
    for _ in 0..24 {
        g.say(&AMQPFrame::Heartbeat);
        g.pass(SECOND);
    }
    assert!(g.events.is_empty());
    g.say(&AMQPFrame::Heartbeat);
    g.pass(SECOND);
    assert_eq!(g.end(), Err(ServerError::Stalled { heartbeat_s: 10 }));
}

#[test]
fn an_alarm_is_told_once_to_clients_that_understand_it() {
    let mut g = Guest::ready();
    for _ in 0..2 {
        g.server.block("the store is full", g.now);
    }
    g.settle();
    assert_eq!(g.hear_all(), [peer::blocked("the store is full")]);
    g.publish(1, b"nevertheless");
    assert_eq!(g.came.len(), 1);
    for _ in 0..2 {
        g.server.unblock(g.now);
    }
    g.settle();
    assert_eq!(g.hear_all(), [peer::unblocked()]);

    let mut g = Guest::greeted();
    g.say(&start_ok("PLAIN", b"\0pi\0secret", false));
    g.say(&super::guest::tune_ok(1, 8192, 0));
    g.say(&super::guest::open("/"));
    g.hear_all();
    g.server.block("the store is full", g.now);
    g.settle();
    assert_eq!(g.hear_all(), []);
}
