//! The broker is unreachable for a while: what is kept, what is logged, and when the next attempt is made.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::watch::{
    REPORT_BYTES, assert_kept, counters, in_order, kept, kept_queue, messages_to, sequence, stop, wait_until,
    wait_until_caught_up,
};
use support::PATIENCE;
use support::agent::{Agent, Config};
use support::broker::Broker;
use support::consumer::Tap;
use support::proxy::Proxy;
use support::refusing::Refusing;

/// Log level DEBUG, at which every attempt is logged and not only changes.
const EVERY_ATTEMPT: &str = "
[logging]
keys=root,pika
[handlers]
keys=out
[formatters]
keys=plain
[logger_root]
level=INFO
handlers=out
[logger_pika]
level=DEBUG
qualname=pika
handlers=
[handler_out]
class=StreamHandler
formatter=plain
[formatter_plain]
format=%(message)s
";

/// The seconds until the next attempt, as they are logged.
fn waits(agent: &Agent) -> Vec<f32> {
    let wait =
        |line: &String| Some(line.split_once("ext attempt in ")?.1.split_once(" s")?.0.parse().unwrap());
    agent.lines().iter().filter_map(wait).collect()
}

#[test]
#[ignore = "needs RabbitMQ: tests/run"]
fn fault_1_a_broker_that_refuses_connections_is_retried_with_growing_jittered_delays_while_sampling_goes_on()
{
    const ATTEMPTS: usize = 6;
    const RETRY_S: f32 = 0.4;
    let broker = Broker::shared();
    let vhosts = [broker.vhost(), broker.vhost()];
    let port = Refusing::new();
    let agents = vhosts.each_ref().map(|vhost| {
        let config = kept(port.port, vhost).set("app", "retry_timer", RETRY_S);
        Agent::start(&config.text(EVERY_ATTEMPT), &[])
    });
    for agent in &agents {
        wait_until(agent, "tried often enough", |_| waits(agent).len() >= ATTEMPTS);
        let first = agent.wait_for_line("refused", PATIENCE);
        assert!(first.contains("is RabbitMQ running and listening on this port?"), "{first}");
        let mut longest = RETRY_S;
        for wait in &waits(agent)[..ATTEMPTS] {
            // The log has tenths of a second.
            assert!((longest / 2.0 - 0.06..=longest + 0.06).contains(wait), "{wait} of {longest}");
            longest = (longest * 1.5).min(RETRY_S * 8.0);
        }
        let sampled = counters(agent).sampled;
        let later = wait_until(agent, "sampling", |c| c.sampled > sampled);
        assert_eq!((later.pending, later.connection), (later.sampled, "Away"));
    }
    let [one, other] = agents.each_ref().map(waits);
    assert_ne!(one[..ATTEMPTS], other[..ATTEMPTS], "two agents must not come back together");

    let _proxy = Proxy::on(port.listen(), broker.port);
    for (mut agent, vhost) in agents.into_iter().zip(&vhosts) {
        wait_until_caught_up(&agent);
        let end = stop(&mut agent);
        assert_eq!(end.pending, 0);
        assert_kept(&kept_queue(broker.port, vhost), &end);
    }
}

#[test]
#[ignore = "needs RabbitMQ: tests/run"]
fn reports_of_an_outage_arrive_in_order_with_their_original_times() {
    let broker = Broker::shared();
    let vhost = broker.vhost();
    let port = Refusing::new();
    let config = kept(port.port, &vhost).set("message", "timestamp", "yes");
    let mut agent = Agent::start(&config, &[]);
    let during = wait_until(&agent, "out for more than a second", |c| c.sampled > 30).sampled;
    let back_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
    let _proxy = Proxy::on(port.listen(), broker.port);
    wait_until_caught_up(&agent);
    let end = stop(&mut agent);

    let messages = assert_kept(&kept_queue(broker.port, &vhost), &end);
    let mut before_s = 0.0;
    for message in &messages {
        let ts = message.body["ts"].as_f64().expect("a time in the body");
        assert_eq!(message.timestamp.map(|s| s as f64), Some(ts.floor()));
        assert!(ts > before_s, "{ts} after {before_s}");
        assert!(ts < back_s || sequence(message) > during, "{message:?} was sampled before {back_s}");
        before_s = ts;
    }
    assert!(end.sampled > during);
}

#[test]
#[ignore = "needs RabbitMQ: tests/run"]
fn a_full_backlog_drops_the_oldest_reports_and_messages_and_log_give_their_number() {
    const BYTES: u64 = 8192;
    let broker = Broker::shared();
    let vhost = broker.vhost();
    let (tap, pika) = (Tap::new(broker.port, &vhost).open(), Tap::new(broker.port, &vhost).pika());
    let port = Refusing::new();
    let config =
        Config::new(port.port, &vhost).set("backlog", "bytes", BYTES).set("app", "primary_timer", 0.01);
    let mut agent = Agent::start(&config, &[]);
    let full = wait_until(&agent, "dropping", |c| c.dropped > 20);
    assert!(full.pending * REPORT_BYTES < BYTES, "{full:?}");
    let _proxy = Proxy::on(port.listen(), broker.port);
    wait_until_caught_up(&agent);
    let end = stop(&mut agent);
    assert_eq!(end.pending, 0);
    assert!(end.dropped >= full.dropped);

    let messages = messages_to(&tap, end.sampled);
    // A dropped report may have been in flight, and then it is in the queue all the same.
    let (first, _) = in_order(&messages);
    assert!(first <= end.dropped + 1, "{first} of {end:?}");
    assert!(messages.iter().all(|message| message.headers.contains(&"dropped".to_owned())), "{messages:?}");
    let told = pika.take(messages.len(), PATIENCE);
    let dropped: Vec<u64> = told.iter().map(|m| m["headers"]["dropped"].as_u64().unwrap()).collect();
    assert_eq!((dropped[0], *dropped.last().unwrap()), (first - 1, end.dropped));
    assert!(dropped.is_sorted());
}
