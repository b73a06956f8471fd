//! Exchange, queue and binding, as the broker lists them.

use serde_json::{Value, json};

use crate::hostname;
use support::PATIENCE;
use support::agent::{Agent, Config};
use support::broker::Broker;
use support::consumer::Tap;

/// The settings of one section.
type Keys = &'static [(&'static str, &'static str)];

/// An agent with `keys` in `section` that has declared everything, in a new virtual host.
fn declared(broker: &Broker, section: &str, keys: Keys) -> (Agent, String) {
    let vhost = broker.vhost();
    let config = keys
        .iter()
        .fold(Config::new(broker.port, &vhost), |config, (key, value)| config.set(section, key, value));
    let agent = Agent::start(&config, &[]);
    agent.wait_for_line("connected to", PATIENCE);
    (agent, vhost)
}

#[test]
#[ignore = "needs RabbitMQ: tests/run"]
fn the_defaults_are_those_of_the_original() {
    let broker = Broker::shared();
    let (_agent, vhost) = declared(&broker, "queue", &[]);
    let name = format!("psistats.{}", hostname());

    let queue = only(broker.queues(&vhost));
    let arguments = json!({"x-message-ttl": 10000});
    assert_eq!(properties(&queue), (&json!(name), &json!(false), &json!(true), &arguments));
    assert_eq!(queue["exclusive"], json!(true));
    let exchange = only(broker.exchanges(&vhost));
    assert_eq!(properties(&exchange), (&json!("psistats"), &json!(false), &json!(false), &json!({})));
    assert_eq!(exchange["type"], "topic");
    let binding = only(broker.bindings(&vhost));
    assert_eq!(
        (&binding["source"], &binding["destination"], &binding["routing_key"]),
        (&json!("psistats"), &json!(name), &json!(name))
    );
    assert_eq!(only(broker.connections(&vhost))["timeout"], 60);
}

#[test]
#[ignore = "needs RabbitMQ: tests/run"]
fn every_key_of_the_queue_takes_effect() {
    let broker = Broker::shared();
    let ttl = json!({"x-message-ttl": 10000});
    let table: [(Keys, Value); 8] = [
        (
            &[("arguments", "x-max-length=1000,\n x-overflow=drop-head, x-single-active-consumer=true")],
            json!([false, true, true, {
                "x-message-ttl": 10000,
                "x-max-length": 1000,
                "x-overflow": "drop-head",
                "x-single-active-consumer": true
            }]),
        ),
        (&[("exclusive", "no")], json!([false, true, false, ttl])),
        (&[("autodelete", "no")], json!([false, false, true, ttl])),
        (&[("exclusive", "no"), ("durable", "yes")], json!([true, true, false, ttl])),
        (&[("ttl", "")], json!([false, true, true, {}])),
        (
            &[("ttl", "250"), ("type", "classic")],
            json!([false, true, true, {"x-message-ttl": 250, "x-queue-type": "classic"}]),
        ),
        (
            &[("type", "quorum"), ("exclusive", "no"), ("durable", "yes"), ("autodelete", "no")],
            json!([true, false, false, {"x-message-ttl": 10000, "x-queue-type": "quorum"}]),
        ),
        (
            &[("type", "stream"), ("exclusive", "no"), ("durable", "yes"), ("autodelete", "no"), ("ttl", "")],
            json!([true, false, false, {"x-queue-type": "stream"}]),
        ),
    ];
    for (keys, expected) in table {
        let (_agent, vhost) = declared(&broker, "queue", keys);
        let queue = only(broker.queues(&vhost));
        let exclusive = queue["exclusive"] == true; // the listing of a quorum queue has no such key
        let listed = json!([queue["durable"], queue["auto_delete"], exclusive, queue["arguments"]]);
        assert_eq!(listed, expected, "{keys:?}");
    }
}

#[test]
#[ignore = "needs RabbitMQ: tests/run"]
fn a_disabled_heartbeat_is_disabled_at_the_broker_too() {
    let broker = Broker::shared();
    let (_agent, vhost) = declared(&broker, "server", &[("heartbeat", "0")]);
    assert_eq!(only(broker.connections(&vhost))["timeout"], 0);
}

#[test]
#[ignore = "needs RabbitMQ: tests/run"]
fn every_key_of_the_exchange_takes_effect() {
    let broker = Broker::shared();
    let table: [(Keys, Value); 5] = [
        (&[("name", "fleet")], json!(["fleet", "topic", false, false])),
        (&[("type", "direct")], json!(["psistats", "direct", false, false])),
        (&[("type", "fanout")], json!(["psistats", "fanout", false, false])),
        (&[("durable", "yes")], json!(["psistats", "topic", true, false])),
        (&[("autodelete", "yes")], json!(["psistats", "topic", false, true])),
    ];
    for (keys, expected) in table {
        let (_agent, vhost) = declared(&broker, "exchange", keys);
        let exchange = only(broker.exchanges(&vhost));
        let listed =
            json!([exchange["name"], exchange["type"], exchange["durable"], exchange["auto_delete"]]);
        assert_eq!(listed, expected, "{keys:?}");
        assert_eq!(only(broker.bindings(&vhost))["source"], expected[0], "{keys:?}");
    }
}

#[test]
#[ignore = "needs RabbitMQ: tests/run"]
fn a_queue_is_bound_to_an_exchange_that_hashes_with_a_weight() {
    let broker = Broker::shared();
    let (agent, vhost) = declared(&broker, "exchange", &[("type", "x-consistent-hash")]);
    assert_eq!(only(broker.bindings(&vhost))["routing_key"], "1");
    let line = agent.wait_for_line("connected to", PATIENCE);
    assert!(line.contains(&format!("as \"psistats.{}\"", hostname())), "{line}");
}

#[test]
#[ignore = "needs RabbitMQ: tests/run"]
fn a_board_of_a_fleet_publishes_under_its_own_key_and_declares_nothing() {
    let broker = Broker::shared();
    let vhost = broker.vhost();
    let messages = Tap::new(broker.port, &vhost).key("here.#").open();
    let config = Config::new(broker.port, &vhost)
        .set("server", "profile", "fleet")
        .set("exchange", "routing_key", "{tag:site}.{hostname}")
        .set("message", "headers", "tenant=\"7\", floor=3")
        .set("tags", "site", "here");
    let agent = Agent::start(&config, &[]);
    for message in messages.take(3, PATIENCE) {
        assert_eq!(message.routing_key, format!("here.{}", hostname()));
        let mut headers = message.headers;
        headers.sort();
        assert_eq!(headers, ["floor", "tenant", "timestamp_in_ms"]);
    }
    assert_eq!((broker.queues(&vhost).len(), broker.bindings(&vhost).len()), (1, 1), "the consumer's own");
    agent.reload(&config.set("message", "headers", ""));
    let deadline = std::time::Instant::now() + PATIENCE;
    while messages.take(1, PATIENCE)[0].headers.len() > 1 {
        assert!(std::time::Instant::now() < deadline, "{:#?}", agent.lines());
    }
}

#[test]
#[ignore = "needs RabbitMQ: tests/run"]
fn with_declare_no_the_existing_exchange_is_used_and_no_queue_is_declared() {
    let broker = Broker::shared();
    let vhost = broker.vhost();
    // The exchange has other arguments than the agent's, so a declaration would be refused.
    let tap = Tap::new(broker.port, &vhost).exchange("given", true);
    let messages = tap.open();
    let config = Config::new(broker.port, &vhost)
        .set("exchange", "name", "given")
        .set("exchange", "declare", "no")
        .set("queue", "declare", "no");
    let _agent = Agent::start(&config, &[]);
    messages.take(3, PATIENCE);
    assert_eq!(only(broker.exchanges(&vhost))["durable"], true);
    assert_eq!(broker.queues(&vhost).len(), 1, "the consumer's own");
    assert_eq!(broker.bindings(&vhost).len(), 1);
}

fn only(mut listed: Vec<Value>) -> Value {
    assert_eq!(listed.len(), 1, "{listed:?}");
    listed.remove(0)
}

/// Name, durable, auto-delete, arguments.
fn properties(listed: &Value) -> (&Value, &Value, &Value, &Value) {
    (&listed["name"], &listed["durable"], &listed["auto_delete"], &listed["arguments"])
}
