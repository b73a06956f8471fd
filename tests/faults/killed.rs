//! The broker dies.

use crate::watch::{
    assert_kept, counters, in_order, kept, kept_queue, started, stop, wait_until, wait_until_caught_up,
};
use psistats::net::attempts::from_home;
use psistats_host::conf::hosts::Host;
use support::PATIENCE;
use support::agent::Agent;
use support::broker::Broker;
use support::refusing::Refusing;

#[test]
#[ignore = "needs RabbitMQ: tests/run"]
fn fault_3_no_confirmed_report_is_lost_when_the_broker_is_killed_twenty_times_while_publishing() {
    const KILLS: usize = 20;
    let broker = Broker::bare(&[]);
    let config = kept(broker.port, "/").set("app", "primary_timer", 0.01).set("backlog", "bytes", 8 << 20);
    let mut agent = started(&config);
    for kill in 1..=KILLS {
        // Every second kill happens while the backlog of the previous outage is being sent.
        if kill % 2 == 0 {
            wait_until_caught_up(&agent);
        }
        let seen = agent.lines().len();
        broker.kill();
        let away = wait_until(&agent, "disconnected", |c| c.connection == "Away");
        assert_eq!(away.dropped, 0, "{away:?}");
        broker.restart();
        agent.wait_for_line_after(seen, "connected to", PATIENCE);
        let back = counters(&agent);
        assert!(back.confirmed >= away.confirmed && back.sampled > away.sampled, "{away:?}, {back:?}");
    }
    wait_until_caught_up(&agent);
    let end = stop(&mut agent);
    assert_eq!(end.pending, 0);
    assert_kept(&kept_queue(broker.port, "/"), &end);
}

#[test]
#[ignore = "needs RabbitMQ: tests/run"]
fn of_a_list_of_nodes_the_one_that_runs_is_used_at_once_and_another_when_it_dies() {
    let (first, second) = (Broker::bare(&[]), Broker::shared());
    let vhost = second.vhost();
    first.ctl(&["add_vhost", &vhost]);
    first.ctl(&["set_permissions", "--vhost", &vhost, "guest", ".*", ".*", ".*"]);
    let dead = Refusing::new();
    // At home where nobody answers.
    let mut ports = [dead.port, first.port, second.port];
    let host = |port: u16| Host { name: "127.0.0.1".into(), port };
    let hostname = nix::unistd::gethostname().unwrap().into_string().unwrap();
    while from_home(ports.map(host).to_vec(), &hostname)[0].port != dead.port {
        ports.rotate_left(1);
    }
    let list = ports.map(|port| format!("127.0.0.1:{port}")).join(",");
    let hosts = [dead.port, first.port, second.port].map(|port| format!("127.0.0.1:{port}"));
    // A delay between the nodes would exceed the timeouts of this test.
    let config = kept(first.port, &vhost).set("server", "host", list).set("app", "retry_timer", 3600);
    let mut agent = Agent::start(&config, &[]);
    agent.wait_for_line(&format!("connected to {}", hosts[1]), PATIENCE);
    let before = wait_until_caught_up(&agent);

    first.kill();
    agent.wait_for_line(&format!("connected to {}", hosts[2]), PATIENCE);
    wait_until_caught_up(&agent);
    let end = stop(&mut agent);
    assert_eq!((end.dropped, end.pending), (0, 0));

    // The second node need not have what the first one confirmed, but together they have every report.
    first.restart();
    let on_first = kept_queue(first.port, &vhost).drain();
    let on_second = kept_queue(second.port, &vhost).drain();
    let (one, last_of_first) = in_order(&on_first);
    let (first_of_second, last) = in_order(&on_second);
    assert!(one == 1 && last_of_first >= before.confirmed);
    assert!(first_of_second <= last_of_first + 1 && last == end.sampled);
}
