//! SIGTERM in every state: the exit status is 0, the end comes soon, and a connection is closed in order.

use std::fs;
use std::time::Duration;

use crate::namespace::Cable;
use crate::watch::{
    assert_closed_in_order, assert_kept, connections_made, counters, in_order, kept, kept_queue, started,
    stop, wait_until,
};
use support::PATIENCE;
use support::agent::{Agent, Config};
use support::broker::Broker;
use support::proxy::{Direction, Proxy};
use support::refusing::Refusing;

/// The state `st` in `/proc/net/tcp` of a socket in SYN_SENT.
const SYN_SENT: &str = "02";

#[test]
#[ignore = "needs root, for a network of its own: tests/run"]
fn a_stop_does_not_wait_for_a_name_that_is_being_resolved() {
    let cable = Cable::new();
    cable.pull();
    let names = tempfile::NamedTempFile::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    fs::write(&names, format!("nameserver {}\n", Cable::BROKER)).unwrap();
    let config = Config::new(5672, "/").set("server", "host", "broker.example");
    let mut agent = Agent::start_by(&mut cable.psistats_with_names_of(names.path()), &config, &[]);
    wait_until(&agent, "resolving", |c| c.sampled > 5 && agent.status("Threads") == 2);
    assert_eq!(stop(&mut agent).confirmed, 0);
}

#[test]
#[ignore = "needs root, for a network of its own: tests/run"]
fn a_stop_does_not_wait_for_a_connect_whose_packets_are_dropped() {
    let cable = Cable::new();
    cable.pull();
    let config = Config::new(5672, "/").set("server", "host", Cable::BROKER);
    let mut agent = Agent::start_by(&mut cable.psistats(), &config, &[]);
    wait_until(&agent, "connecting", |c| {
        let sockets = fs::read_to_string(format!("/proc/{}/net/tcp", agent.pid())).unwrap();
        c.sampled > 5 && sockets.lines().any(|line| line.split_whitespace().nth(3) == Some(SYN_SENT))
    });
    assert_eq!(stop(&mut agent).confirmed, 0);
}

#[test]
fn a_stop_does_not_wait_for_the_next_attempt() {
    let port = Refusing::new();
    let mut agent = Agent::start(&Config::new(port.port, "/").set("app", "retry_timer", 3600), &[]);
    agent.wait_for_line("ext attempt in", PATIENCE);
    assert_eq!(stop(&mut agent).confirmed, 0);
}

#[test]
#[ignore = "needs RabbitMQ: tests/run"]
fn a_stop_while_publishing_confirms_everything_and_closes_in_order() {
    let broker = Broker::shared();
    let vhost = broker.vhost();
    let mut agent = started(&kept(broker.port, &vhost));
    let end = stop(&mut agent);
    assert_eq!(end.pending, 0);
    assert_eq!(in_order(&assert_kept(&kept_queue(broker.port, &vhost), &end)), (1, end.sampled));
    assert_closed_in_order(&broker, &vhost);
}

#[test]
#[ignore = "needs RabbitMQ: tests/run"]
fn a_stop_while_a_large_backlog_is_sent_closes_in_order_and_logs_counters_that_add_up() {
    let broker = Broker::shared();
    let vhost = broker.vhost();
    let port = Refusing::new();
    let config = kept(port.port, &vhost).set("app", "primary_timer", 0.001).set("backlog", "bytes", 8 << 20);
    let mut agent = Agent::start(&config, &[]);
    wait_until(&agent, "keeping a lot", |c| c.pending > 3000);
    let _proxy = Proxy::on(port.listen(), broker.port);
    agent.wait_for_line("connected to", PATIENCE);
    let end = stop(&mut agent);
    assert_kept(&kept_queue(broker.port, &vhost), &end);
    assert_closed_in_order(&broker, &vhost);
}

#[test]
#[ignore = "needs RabbitMQ: tests/run"]
fn a_stop_does_not_wait_for_a_backlog_on_a_slow_link() {
    let broker = Broker::shared();
    let vhost = broker.vhost();
    let port = Refusing::new();
    let config = kept(port.port, &vhost).set("app", "primary_timer", 0.005);
    let mut agent = Agent::start(&config, &[]);
    wait_until(&agent, "keeping some", |c| c.pending > 100);
    let proxy = Proxy::on(port.listen(), broker.port);
    proxy.trickle(Direction::FromClient, Duration::from_millis(1));
    wait_until(&agent, "sending", |_| connections_made(&agent) == 1);
    assert!(counters(&agent).pending > 50);
    let end = stop(&mut agent);
    assert!(end.pending > 0, "{end:?}");
    drop(proxy);
    let stored = kept_queue(broker.port, &vhost).drain();
    assert!(end.confirmed <= stored.len() as u64);
}
