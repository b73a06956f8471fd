//! The broker's memory alarm: the broker accepts nothing, and does not even answer a Close.

use crate::watch::{
    REPORT_BYTES, connections_made, counters, messages_to, sequence, stop, wait_until, wait_until_caught_up,
};
use support::PATIENCE;
use support::agent::{Agent, Config};
use support::broker::Broker;
use support::consumer::Tap;

fn raise(broker: &Broker) {
    broker.ctl(&["set_vm_memory_high_watermark", "0.00001"]);
}

fn clear(broker: &Broker) {
    broker.ctl(&["set_vm_memory_high_watermark", "0.4"]);
}

#[test]
#[ignore = "needs RabbitMQ: tests/run"]
fn faults_9_to_11_under_a_memory_alarm_the_connection_stays_reports_are_sent_once_and_a_stop_is_immediate() {
    const BYTES: u64 = 8192;
    let broker = Broker::bare(&[]);
    let config = |prefix: &str| Config::new(broker.port, "/").set("queue", "prefix", prefix);
    let tap = |key: &str| Tap::new(broker.port, "/").key(key).open();

    // The alarm comes before the first publish: no report is due for an hour, and the connection is new.
    let idle = config("roomy").set("app", "primary_timer", 3600);
    let mut roomy = Agent::start(&idle, &[]);
    wait_until(&roomy, "done with the first report", |c| c.confirmed == 1);
    raise(&broker);
    broker.ctl(&["close_all_connections", "--vhost", "/", "maintenance"]);
    wait_until(&roomy, "connected anew", |_| connections_made(&roomy) == 2);
    assert_eq!(counters(&roomy).connection, "Ready");
    assert!(!roomy.lines().iter().any(|line| line.contains("accepts no reports")));

    // The alarm comes while the agent is publishing.
    let (all, most) = (tap("roomy.#"), tap("small.#"));
    roomy.reload(&config("roomy"));
    let line = roomy.wait_for_line("accepts no reports for now", PATIENCE);
    assert!(line.contains("memory"), "{line}");
    let mut small = Agent::start(&config("small").set("backlog", "bytes", BYTES), &[]);
    let full = wait_until(&small, "dropping", |c| c.connection == "Blocked" && c.dropped > 20);
    assert!(full.pending * REPORT_BYTES < BYTES, "{full:?}");
    wait_until(&roomy, "keeping", |c| c.connection == "Blocked" && c.pending > 20);
    let mut stopped = Agent::start(&config("stopped"), &[]);
    stopped.wait_for_line("accepts no reports for now", PATIENCE);
    stop(&mut stopped);

    clear(&broker);
    for (agent, made) in [(&roomy, 2), (&small, 1)] {
        agent.wait_for_line("accepts reports again", PATIENCE);
        wait_until_caught_up(agent);
        assert_eq!(connections_made(agent), made, "{}", agent.lines().join("\n"));
    }
    let (roomy, small) = (stop(&mut roomy), stop(&mut small));
    assert_eq!((roomy.dropped, roomy.pending, small.pending), (0, 0, 0));
    let numbers = |taken: Vec<_>| taken.iter().map(sequence).collect::<Vec<_>>();
    // The first report was published before there was a consumer.
    assert_eq!(numbers(messages_to(&all, roomy.sampled)), (2..=roomy.sampled).collect::<Vec<_>>());
    // A dropped report may have been in flight, and then it is in the queue all the same.
    let stored = numbers(messages_to(&most, small.sampled));
    assert!(stored.is_sorted_by(|a, b| a < b) && stored.len() as u64 >= small.confirmed, "{stored:?}");
}
