//! A broker that is unreachable for long (fault 30). The simulation covers a week.

use serde_json::Value;

use support::PATIENCE;
use support::agent::{Agent, Config};
use support::broker::Broker;
use support::consumer::{Message, Tap};
use support::memory::Memory;
use support::refusing::Refusing;
use support::reports::{Counters, sequence};

#[test]
#[ignore = "needs RabbitMQ: tests/run"]
fn fault_30_a_long_outage_costs_the_oldest_reports_but_no_memory_and_their_number_is_logged() {
    let broker = Broker::shared();
    let vhost = broker.vhost();
    let reading = Tap::new(broker.port, &vhost).pika();
    let away = Refusing::new();
    let config = Config::new(broker.port, &vhost)
        .set("app", "primary_timer", "0.005")
        .set("app", "secondary_timer", "0.01")
        .set("backlog", "bytes", 8192);
    let mut agent = Agent::start(&config.clone().set("server", "port", away.port), &[]);

    let begin = Counters::wait_for(&agent, |c| c.dropped >= 200);
    let before = Memory::of(&agent);
    let end = Counters::wait_for(&agent, |c| c.sampled >= begin.sampled + 1000);
    Memory::of(&agent).assert_not_above(before);
    assert_eq!((end.confirmed, end.sampled), (0, end.dropped + end.pending));
    assert!(end.pending < 100, "{end:?}");

    agent.reload(&config);
    let reports = reading.take(100, PATIENCE);
    let sequences: Vec<u64> = reports.iter().map(|r| sequence(&Message::of_pika(r))).collect();
    let oldest = sequences[0];
    assert_eq!(sequences, (oldest..oldest + 100).collect::<Vec<_>>());
    // Nothing was confirmed before, so every report before the first one here was dropped.
    assert_eq!(reports[0]["headers"]["dropped"], Value::from(oldest - 1));
    assert!(oldest > end.dropped);

    assert_eq!(agent.stop().code(), Some(0));
    let last = Counters::last(&agent.lines()).unwrap();
    assert_eq!(last.sampled, last.confirmed + last.dropped + last.pending);
    assert_eq!(last.pending, 0, "{last:?}");
}
