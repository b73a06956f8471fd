//! Properties, routing key and mandatory bit of a published report.

use crate::{hostname, sequence};
use support::PATIENCE;
use support::agent::{Agent, Config};
use support::broker::Broker;
use support::consumer::Tap;
use support::scripted::ScriptedBroker;

#[test]
#[ignore = "needs RabbitMQ: tests/run"]
fn properties_name_the_content_the_sample_time_and_the_report() {
    let broker = Broker::shared();
    let vhost = broker.vhost();
    let messages = Tap::new(broker.port, &vhost).open();
    let _agent = Agent::start(&Config::new(broker.port, &vhost).set("message", "timestamp", "yes"), &[]);
    let read = messages.take(30, PATIENCE);

    let boot_id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let run =
        read[0].message_id.as_deref().unwrap().strip_suffix("-1").expect("the first report is number 1");
    assert!(run.starts_with(boot_id.trim()), "{run}");
    for (n, message) in (1..).zip(&read) {
        assert_eq!(message.content_type.as_deref(), Some("application/json"));
        assert_eq!(message.content_encoding.as_deref(), Some("utf-8"));
        assert_eq!(message.app_id.as_deref(), Some("psistats"));
        assert_eq!(message.routing_key, format!("psistats.{}", hostname()));
        assert_eq!(message.message_id, Some(format!("{run}-{n}")));
        assert_eq!(message.headers, ["timestamp_in_ms"], "nothing was dropped");
        assert_ne!(message.delivery_mode, Some(2), "neither asked for nor of use in a queue that goes");

        let ts = message.body["ts"].as_f64().unwrap();
        let ms = ts * 1000.0;
        assert!((ms - ms.round()).abs() < 0.01, "decimals of ts are milliseconds: {}", message.body);
        assert_eq!(message.timestamp, Some(ts as u64), "one sample, one time");
    }
    let fractions = read.iter().filter(|m| m.body["ts"].as_f64().unwrap().fract() != 0.0);
    assert!(fractions.count() > 20, "ts in whole seconds is no sample time of every 50 ms");
}

#[test]
#[ignore = "needs RabbitMQ: tests/run"]
fn reports_are_persistent_if_the_queue_is_durable_or_if_configured() {
    let broker = Broker::shared();
    for (section, key) in [("queue", "durable"), ("message", "persistent")] {
        let vhost = broker.vhost();
        let messages = Tap::new(broker.port, &vhost).open();
        let config =
            Config::new(broker.port, &vhost).set("queue", "exclusive", "no").set(section, key, "yes");
        let _agent = Agent::start(&config, &[]);
        for message in messages.take(3, PATIENCE) {
            assert_eq!(message.delivery_mode, Some(2), "[{section}] {key}=yes");
            assert!(message.body.get("ts").is_none(), "ts is off unless asked for");
        }
    }
}

#[test]
fn reports_are_published_as_mandatory_to_the_configured_exchange() {
    let broker = ScriptedBroker::new();
    let config =
        Config::new(broker.port, "/").set("exchange", "name", "fleet").set("queue", "prefix", "stats");
    let _agent = Agent::start(&config, &[]);
    let mut peer = broker.accept();
    peer.expect_header();
    peer.send_start(amq_protocol::types::FieldTable::default());
    for _ in 0..5 {
        let publish = peer.read_publish();
        assert!(publish.mandatory);
        assert_eq!(publish.exchange, "fleet");
        assert_eq!(publish.routing_key, format!("stats.{}", hostname()));
    }
}

#[test]
#[ignore = "needs RabbitMQ: tests/run"]
fn an_agent_that_starts_again_counts_from_one_under_another_id() {
    let broker = Broker::shared();
    let vhost = broker.vhost();
    let messages = Tap::new(broker.port, &vhost).open();
    let mut runs = Vec::new();
    for _ in 0..2 {
        let mut agent = Agent::start(&Config::new(broker.port, &vhost), &[]);
        let mut first = messages.next(PATIENCE).unwrap();
        while sequence(&first) != 1 {
            first = messages.next(PATIENCE).unwrap(); // the last ones of the run before
        }
        assert!(agent.stop().success());
        runs.push(first.message_id);
    }
    assert_ne!(runs[0], runs[1]);
}
