//! The broker's machine is reachable, but the broker does not answer.

use crate::watch::{
    assert_kept, counters, kept, kept_queue, started, stop, wait_until, wait_until_caught_up,
};
use support::PATIENCE;
use support::agent::Agent;
use support::broker::Broker;

#[test]
#[ignore = "needs RabbitMQ: tests/run"]
fn fault_4_a_frozen_broker_is_given_up_after_two_heartbeats_or_the_handshake_timeout_and_a_stop_does_not_wait()
 {
    let broker = Broker::bare(&[]);
    let mut agent = started(&kept(broker.port, "/").set("server", "heartbeat", 1));
    broker.freeze();
    agent.wait_for_line("nothing was heard for two heartbeats of 1 s", PATIENCE);

    // The kernel accepts the connection although the broker is frozen.
    let mut stopped = Agent::start(&kept(broker.port, "/").set("queue", "prefix", "other"), &[]);
    wait_until(&stopped, "sampling", |c| c.pending > 0);
    assert_eq!(stop(&mut stopped).confirmed, 0);

    let line = agent.wait_for_line("no answer in time while waiting for the broker's greeting", PATIENCE);
    assert!(line.contains("frozen?"), "{line}");
    let away = counters(&agent);
    assert_eq!(away.connection, "Away");
    assert!(away.pending > 0);

    broker.thaw();
    wait_until_caught_up(&agent);
    let end = stop(&mut agent);
    assert_kept(&kept_queue(broker.port, "/"), &end);
}
