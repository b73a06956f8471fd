//! What an operator does to the broker's objects while the agent publishes.

use std::time::Instant;

use crate::watch::{
    assert_kept, connections_made, counters, in_order, kept, kept_queue, queue_name, sequence, started, stop,
    wait_until, wait_until_caught_up,
};
use support::PATIENCE;
use support::agent::Config;
use support::broker::Broker;
use support::consumer::{Message, Tap};

#[test]
#[ignore = "needs RabbitMQ: tests/run"]
fn fault_14_a_connection_closed_by_an_operator_is_closed_in_order_and_opened_again() {
    let broker = Broker::shared();
    let vhost = broker.vhost();
    let mut agent = started(&kept(broker.port, &vhost));
    broker.ctl(&["close_all_connections", "--vhost", &vhost, "maintenance tonight"]);
    let line = agent.wait_for_line("closed the connection with 320", PATIENCE);
    assert!(line.contains("maintenance tonight") && line.contains("an operator"), "{line}");
    wait_until_caught_up(&agent);
    assert_eq!(connections_made(&agent), 2);
    let end = stop(&mut agent);
    assert_kept(&kept_queue(broker.port, &vhost), &end);
}

#[test]
#[ignore = "needs RabbitMQ: tests/run"]
fn fault_15_an_exchange_deleted_while_publishing_is_declared_again_and_nothing_is_lost() {
    let broker = Broker::shared();
    let vhost = broker.vhost();
    let mut agent = started(&kept(broker.port, &vhost));
    broker.api("DELETE", &format!("exchanges/{vhost}/psistats"), None);
    agent.wait_for_line("the exchange is gone", PATIENCE);
    wait_until_caught_up(&agent);
    let end = stop(&mut agent);
    assert_kept(&kept_queue(broker.port, &vhost), &end);
}

#[test]
#[ignore = "needs RabbitMQ: tests/run"]
fn fault_15_a_queue_deleted_while_publishing_is_declared_again_and_gets_every_later_report() {
    let broker = Broker::shared();
    let vhost = broker.vhost();
    let queue = kept_queue(broker.port, &vhost);
    let config = kept(broker.port, &vhost);
    let mut agent = started(&config);
    // No report is in flight while the queue is deleted, so it is known which reports are deleted with it: the last
    // for an hour is the first by these settings, which alone has a time in its body.
    let idle = config.clone().set("app", "primary_timer", 3600).set("message", "timestamp", "yes");
    agent.reload(&idle);
    let (mut before, deadline) = (Vec::new(), Instant::now() + PATIENCE);
    while before.last().is_none_or(|last: &Message| last.body["ts"].is_null()) {
        assert!(Instant::now() < deadline, "{:#?}", agent.lines());
        before.extend(queue.drain());
    }
    wait_until(&agent, "idle", |c| c.pending == 0);
    let (first, last) = in_order(&before);
    assert_eq!(first, 1);
    broker.api("DELETE", &format!("queues/{vhost}/{}", queue_name()), None);
    agent.reload(&config);
    agent.wait_for_line("came back unroutable", PATIENCE);
    wait_until_caught_up(&agent);
    let end = stop(&mut agent);
    assert_eq!((end.dropped, end.pending), (0, 0));
    assert_eq!(in_order(&queue.drain()), (last + 1, end.sampled));
}

#[test]
#[ignore = "needs RabbitMQ: tests/run"]
fn fault_19_a_returned_report_does_not_count_as_confirmed_and_is_kept_on_the_same_connection() {
    let broker = Broker::shared();
    let vhost = broker.vhost();
    // With declare=no the agent does not bind the queue, so the test does.
    let queue = kept_queue(broker.port, &vhost);
    queue.declare();
    let config = kept(broker.port, &vhost).set("queue", "declare", "no");
    let mut agent = started(&config);
    let bindings = broker.bindings(&vhost);
    let key = bindings[0]["properties_key"].as_str().unwrap();
    assert_eq!(bindings.len(), 1, "{bindings:?}");
    let path = format!("bindings/{vhost}/e/psistats/q/{}/{}", queue_name(), key.replace('#', "%23"));
    broker.api("DELETE", &path, None);
    let line = agent.wait_for_line("reports are returned (312 NO_ROUTE)", PATIENCE);
    for part in ["WARNING", "no queue is bound", &queue_name(), "[queue] declare=yes"] {
        assert!(line.contains(part), "{part} is missing in: {line}");
    }
    let away = counters(&agent);
    // The first retry comes after 0.1 s, each later one after at most 0.8 s.
    let later = wait_until(&agent, "tried again", |c| c.sampled > away.sampled + 60);
    assert_eq!(later.confirmed, away.confirmed, "an Ack after a Return is no confirmation");

    queue.declare();
    agent.wait_for_line("accepts reports again", PATIENCE);
    wait_until_caught_up(&agent);
    let told = agent.lines().iter().filter(|line| line.contains("NO_ROUTE")).count();
    assert_eq!((told, connections_made(&agent)), (1, 1), "{:#?}", agent.lines());
    let end = stop(&mut agent);
    assert_kept(&queue, &end);
}

#[test]
#[ignore = "needs RabbitMQ: tests/run"]
fn fault_16_a_revoked_permission_logs_one_clear_error_and_is_retried_slowly() {
    let broker = Broker::shared();
    let vhost = broker.vhost();
    let user = format!("board-of-{vhost}");
    broker.api("PUT", &format!("users/{user}"), Some(r#"{"password": "secret", "tags": ""}"#));
    let permit = |write: &str| {
        let permissions = format!(r#"{{"configure": ".*", "write": "{write}", "read": ".*"}}"#);
        broker.api("PUT", &format!("permissions/{vhost}/{user}"), Some(&permissions));
    };
    permit(".*");
    let config = kept(broker.port, &vhost).set("server", "user", &user).set("server", "pass", "secret");
    let mut agent = started(&config);
    // The user may still bind its queue, but not publish. A channel caches permissions, so a new one is needed.
    permit("psistats[.].*");
    broker.ctl(&["close_all_connections", "--vhost", &vhost, "maintenance"]);
    let line = agent.wait_for_line("with 403", PATIENCE);
    for part in
        ["ERROR", "closed the channel with 403 ACCESS_REFUSED", "lacks a permission", "set_permissions"]
    {
        assert!(line.contains(part), "{part} is missing in: {line}");
    }
    let wait_s: f32 =
        line.split_once("next attempt in ").unwrap().1.split_once(" s").unwrap().0.parse().unwrap();
    assert!(wait_s >= 30.0, "{line}");
    let away = counters(&agent);
    wait_until(&agent, "sampling", |c| c.sampled > away.sampled + 20);
    // The line of counters repeats the last error.
    let told = |line: &&String| line.contains("with 403") && !line.contains("sampled=");
    assert_eq!(agent.lines().iter().filter(told).count(), 1);

    permit(".*");
    agent.reload(&config);
    wait_until_caught_up(&agent);
    let end = stop(&mut agent);
    assert_kept(&kept_queue(broker.port, &vhost), &end);
    broker.api("DELETE", &format!("users/{user}"), None);
}

#[test]
#[ignore = "needs RabbitMQ: tests/run"]
fn fault_18_while_another_connection_holds_the_exclusive_queue_reports_go_on_and_it_is_used_once_it_is_free()
{
    let broker = Broker::shared();
    let vhost = broker.vhost();
    let tap = Tap::new(broker.port, &vhost).durable_queue("all");
    tap.declare();
    let config = Config::new(broker.port, &vhost).set("server", "heartbeat", 1);
    let mut holder = started(&config);
    let mut other = started(&config);
    let first = other.wait_for_line("refuses it with 405", PATIENCE);
    for part in [
        "WARNING",
        &queue_name(),
        "published without queue",
        "another connection holds this exclusive queue",
        "an old psistats that still runs",
    ] {
        assert!(first.contains(part), "{part} is missing in: {first}");
    }
    // After three heartbeats the holder cannot be the agent's own previous connection.
    let last = other.wait_for_line("ERROR", PATIENCE);
    assert!(last.contains("with 405") && last.contains("stop the old one"), "{last}");
    let told = other.lines().iter().filter(|line| line.contains("with 405")).count();
    assert_eq!(told, 2, "each once: {:#?}", other.lines());

    assert_eq!(stop(&mut holder).pending, 0);
    other.wait_for_line("is declared and bound", PATIENCE);
    assert_eq!(connections_made(&other), 1);
    wait_until_caught_up(&other);
    let end = stop(&mut other);
    assert_eq!((end.dropped, end.pending), (0, 0));
    let run = |id: &Option<String>| id.as_deref().unwrap().rsplit_once('-').unwrap().0.to_owned();
    let mut messages = tap.drain();
    let its_run = run(&messages.last().unwrap().message_id);
    messages.retain(|message| run(&message.message_id) == its_run);
    let numbers: Vec<u64> = messages.iter().map(sequence).collect();
    assert_eq!(numbers, (1..=end.sampled).collect::<Vec<_>>(), "each once, in order");
}

#[test]
#[ignore = "needs RabbitMQ: tests/run"]
fn a_full_queue_of_somebody_else_costs_a_healthy_one_few_copies_and_no_connection() {
    let broker = Broker::shared();
    let vhost = broker.vhost();
    let queue = kept_queue(broker.port, &vhost);
    let full = r#"{"durable": true, "arguments": {"x-max-length": 5, "x-overflow": "reject-publish"}}"#;
    broker.api("PUT", &format!("queues/{vhost}/full"), Some(full));
    let mut agent = started(&kept(broker.port, &vhost));
    let binding = r##"{"routing_key": "psistats.#"}"##;
    broker.api("POST", &format!("bindings/{vhost}/e/psistats/q/full"), Some(binding));
    agent.wait_for_line("refuses to store reports (Nack)", PATIENCE);
    let before = counters(&agent);
    // Its data goes on to the healthy queue.
    wait_until(&agent, "sampling", |c| c.sampled > before.sampled + 60);
    broker.api("DELETE", &format!("queues/{vhost}/full"), None);
    agent.wait_for_line("has stored the reports that it had refused", PATIENCE);
    let end = stop(&mut agent);
    assert_eq!((connections_made(&agent), end.dropped, end.pending), (1, 0, 0));
    let numbers: Vec<u64> = queue.drain().iter().map(sequence).collect();
    let times = |number: u64| numbers.iter().filter(|n| **n == number).count();
    assert!((1..=end.sampled).all(|number| times(number) >= 1), "{numbers:?}");
    let copies = numbers.len() as u64 - end.sampled;
    // Each refused report once more, and the oldest for each of its waits, which grow from 0.1 to 0.8 s.
    let refused = (1..=end.sampled).filter(|number| times(*number) > 1).count() as u64;
    let oldest = (1..=end.sampled).map(times).max().unwrap() as u64;
    assert!(
        copies <= refused + oldest && oldest < 30,
        "{copies} copies of {refused}, {oldest} of the oldest"
    );
}
