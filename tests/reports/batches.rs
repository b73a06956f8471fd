//! `[message] batch` and `[server] connect`: several reports in one message, and a connection each time.

use serde_json::Value;

use support::PATIENCE;
use support::agent::{Agent, Config};
use support::broker::Broker;
use support::consumer::{Message, Tap};
use support::reports::{Counters, sequence};

/// The reports of a message, each with its number.
fn reports(message: &Message) -> Vec<(u64, &Value)> {
    (sequence(message)..).zip(message.body.as_array().unwrap()).collect()
}

/// Reads messages until `agent`, which is told to stop, has sent its last report. Everything is confirmed, and came once.
fn read_to_the_end(
    agent: &mut Agent,
    reading: &support::consumer::Collector,
    mut messages: Vec<Message>,
) -> Vec<Message> {
    assert!(agent.stop().success());
    let counters = Counters::last(&agent.lines()).unwrap();
    assert_eq!((counters.confirmed, counters.pending), (counters.sampled, 0), "{counters:?}");
    let count =
        |messages: &[Message]| messages.iter().map(|message| reports(message).len() as u64).sum::<u64>();
    while count(&messages) < counters.sampled {
        messages.push(support::reports::next(reading));
    }
    let numbers: Vec<u64> = messages.iter().flat_map(reports).map(|(number, _)| number).collect();
    assert_eq!(numbers, (1..=counters.sampled).collect::<Vec<_>>());
    messages
}

#[test]
#[ignore = "needs RabbitMQ: tests/run"]
fn reports_are_sent_four_at_a_time_as_an_array_with_the_time_of_each_and_the_last_ones_at_the_end() {
    let broker = Broker::shared();
    let vhost = broker.vhost();
    let reading = Tap::new(broker.port, &vhost).open();
    let config = Config::new(broker.port, &vhost).set("message", "batch", 4);
    let mut agent = Agent::start(&config, &[]);
    let messages = reading.take(3, PATIENCE);
    // So that the end comes in the middle of one, as it does three times of four.
    let messages = read_to_the_end(&mut agent, &reading, messages);
    let (last, whole) = messages.split_last().unwrap();
    assert!(whole.iter().all(|message| reports(message).len() == 4));
    assert!((1..=4).contains(&reports(last).len()));
    for message in &messages {
        let all = reports(message);
        assert!(all.iter().all(|(_, report)| report["hostname"].is_string() && report["cpu"].is_number()));
        let times: Vec<f64> = all.iter().map(|(_, report)| report["ts"].as_f64().unwrap()).collect();
        assert!(times.windows(2).all(|pair| pair[0] < pair[1]), "{times:?}");
        assert_eq!(message.timestamp, Some(times[0] as u64));
    }
}

#[test]
#[ignore = "needs RabbitMQ: tests/run"]
fn as_many_reports_are_in_a_message_as_fit() {
    let broker = Broker::shared();
    let vhost = broker.vhost();
    let reading = Tap::new(broker.port, &vhost).open();
    // Each of some 700 bytes.
    let tags = (0..8).map(|n| format!("tag{n}={}", "x".repeat(60))).collect::<Vec<_>>().join("\n");
    let config = Config::new(broker.port, &vhost)
        .set("message", "batch", 100)
        .set("app", "primary_timer", "0.02")
        .text(&format!("[tags]\n{tags}\n"));
    let mut agent = Agent::start(&config, &[]);
    let messages = reading.take(3, PATIENCE);
    let messages = read_to_the_end(&mut agent, &reading, messages);
    for message in &messages[..3] {
        let length = serde_json::to_string(&message.body).unwrap().len();
        assert!((10..25).contains(&reports(message).len()) && length <= 14 * 1024, "{length} bytes");
    }
}

#[test]
#[ignore = "needs RabbitMQ: tests/run"]
fn a_connection_each_time_is_closed_in_order_and_nothing_is_lost_at_the_end() {
    let broker = Broker::shared();
    for batch in [1, 3] {
        let vhost = broker.vhost();
        let reading = Tap::new(broker.port, &vhost).open();
        let config = Config::new(broker.port, &vhost)
            .set("server", "connect", "each")
            .set("message", "batch", batch)
            .set("queue", "declare", "no")
            .set("app", "primary_timer", "0.2");
        let mut agent = Agent::start(&config, &[]);
        let of_vhost = format!("granted access to vhost '{vhost}'");
        let logins = || broker.log().lines().filter(|line| line.contains(&of_vhost)).count();
        let mut messages = reading.take(4, PATIENCE);
        // The consumer's, and one for each message; but what is sampled while a busy machine connects goes along.
        while logins() <= 4 {
            messages.extend(reading.take(1, PATIENCE));
            assert!(messages.len() < 100, "{} logins", logins());
        }
        if batch > 1 {
            read_to_the_end(&mut agent, &reading, messages);
        } else {
            assert!((1..).zip(&messages).all(|(n, message)| sequence(message) == n));
            assert!(agent.stop().success());
        }
        let lines = agent.lines();
        let told = |text: &str| lines.iter().filter(|line| line.contains(text)).count();
        assert_eq!((told("connected to "), told("lost"), told("ERROR")), (1, 0, 0), "{lines:#?}");
        let log = broker.log();
        assert!(!log.lines().any(|line| line.contains("closed abruptly") && line.contains(&vhost)), "{log}");
    }
}
