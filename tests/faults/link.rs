//! The link to the broker breaks: at either end, in either direction, and inside a frame.

use std::time::Duration;

use crate::namespace::Cable;
use crate::watch::{
    assert_kept, connections_made, counters, kept, kept_queue, started, stop, wait_until,
    wait_until_caught_up,
};
use support::PATIENCE;
use support::agent::Agent;
use support::broker::Broker;
use support::proxy::{Direction, Proxy};
use support::refusing::Refusing;

#[test]
#[ignore = "needs RabbitMQ: tests/run"]
fn fault_2_a_connect_whose_packets_are_dropped_times_out_and_reports_are_kept() {
    let broker = Broker::shared();
    let vhost = broker.vhost();
    let cable = Cable::new();
    let proxy = Proxy::on(cable.listen(), broker.port);
    cable.pull();
    let config = kept(proxy.port, &vhost).set("server", "host", Cable::BROKER);
    let mut agent = Agent::start_by(&mut cable.psistats(), &config, &[]);
    // The kernel alone would retry for longer than this test's timeouts.
    agent.wait_for_line("no answer within 5 s", PATIENCE);
    let away = counters(&agent);
    assert!(away.sampled > 0 && away.pending == away.sampled, "{away:?}");

    cable.plug_in();
    wait_until_caught_up(&agent);
    let end = stop(&mut agent);
    assert_kept(&kept_queue(broker.port, &vhost), &end);
}

#[test]
#[ignore = "needs RabbitMQ: tests/run"]
fn fault_5_an_unplugged_cable_is_detected_and_nothing_is_lost_once_it_is_back() {
    let broker = Broker::shared();
    let vhost = broker.vhost();
    let cable = Cable::new();
    let proxy = Proxy::on(cable.listen(), broker.port);
    let config = kept(proxy.port, &vhost).set("server", "host", Cable::BROKER).set("server", "heartbeat", 1);
    let mut agent = Agent::start_by(&mut cable.psistats(), &config, &[]);
    wait_until_caught_up(&agent);

    cable.pull();
    let line = agent.wait_for_line("reports are kept", PATIENCE);
    // The kernel's timeout for unacknowledged data is as long as the timeout for silence.
    assert!(line.contains("timed out") || line.contains("nothing was heard for two heartbeats"), "{line}");

    cable.plug_in();
    wait_until_caught_up(&agent);
    assert!(connections_made(&agent) >= 2);
    let end = stop(&mut agent);
    assert_kept(&kept_queue(broker.port, &vhost), &end);
}

#[test]
#[ignore = "needs RabbitMQ: tests/run"]
fn fault_6_a_connection_that_loses_one_direction_is_ended_by_heartbeats() {
    let broker = Broker::shared();
    let vhost = broker.vhost();
    let proxy = Proxy::new(broker.port);
    let mut agent = started(&kept(proxy.port, &vhost).set("server", "heartbeat", 1));
    for direction in [Direction::FromServer, Direction::FromClient] {
        proxy.stall(direction);
        wait_until(&agent, "noticed", |c| c.connection == "Away");
        proxy.resume(direction);
        wait_until_caught_up(&agent);
    }
    agent.wait_for_line("nothing was heard for two heartbeats of 1 s", PATIENCE);
    let end = stop(&mut agent);
    assert_kept(&kept_queue(broker.port, &vhost), &end);
}

#[test]
#[ignore = "needs RabbitMQ: tests/run"]
fn fault_8_a_connection_that_ends_inside_a_frame_leaves_no_partial_message_and_loses_nothing() {
    let broker = Broker::shared();
    let vhost = broker.vhost();
    let proxy = Proxy::new(broker.port);
    let mut agent = started(&kept(proxy.port, &vhost));
    let ends: [fn(&Proxy); 2] = [Proxy::reset, Proxy::close];
    for end in ends {
        for direction in [Direction::FromClient, Direction::FromServer] {
            // One byte at a time is so slow that some frame is always in transit.
            proxy.trickle(direction, Duration::from_millis(10));
            wait_until(&agent, "held up", |c| c.pending >= 5);
            let seen = agent.lines().len();
            end(&proxy);
            proxy.resume(direction);
            agent.wait_for_line_after(seen, "connected to", PATIENCE);
            wait_until_caught_up(&agent);
        }
    }
    let end = stop(&mut agent);
    assert_kept(&kept_queue(broker.port, &vhost), &end);
}

#[test]
#[ignore = "needs RabbitMQ: tests/run"]
fn fault_8_resets_while_a_large_backlog_is_written_lose_nothing() {
    let broker = Broker::shared();
    let vhost = broker.vhost();
    let port = Refusing::new();
    let config = kept(port.port, &vhost).set("app", "primary_timer", 0.001).set("backlog", "bytes", 8 << 20);
    let mut agent = Agent::start(&config, &[]);
    wait_until(&agent, "keeping a lot", |c| c.pending > 3000);
    let mut seen = agent.lines().len();
    let proxy = Proxy::on(port.listen(), broker.port);
    for _ in 0..10 {
        agent.wait_for_line_after(seen, "connected to", PATIENCE);
        seen = agent.lines().len();
        proxy.reset();
    }
    wait_until_caught_up(&agent);
    let end = stop(&mut agent);
    assert_kept(&kept_queue(broker.port, &vhost), &end);
}
