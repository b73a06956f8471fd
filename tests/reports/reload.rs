//! SIGHUP and SIGUSR1.

use nix::sys::signal::Signal;

use crate::support::PATIENCE;
use crate::support::agent::{Agent, Config};
use crate::support::broker::Broker;
use crate::support::consumer::{Collector, Message, Tap};
use crate::{eventually, sequence};

#[test]
#[ignore = "needs RabbitMQ: tests/run"]
fn new_timers_take_effect_on_the_same_connection_and_numbers_go_on() {
    let broker = Broker::shared();
    let vhost = broker.vhost();
    let messages = Tap::new(broker.port, &vhost).open();
    let config = Config::new(broker.port, &vhost).set("app", "secondary_timer", "3600");
    let agent = Agent::start(&config, &[]);
    let before = messages.take(5, PATIENCE);
    let connection = agents_connection(&broker, &vhost);

    // From now on every report has the secondary keys, and what concerns a message takes effect too.
    let changed = config.set("app", "secondary_timer", "0.05").set("message", "timestamp", "yes");
    agent.reload(&changed);
    agent.wait_for_line("the configuration was read again", PATIENCE);
    let after = until(&messages, |message| message.body["ts"].is_number());
    let full = messages.take(5, PATIENCE);
    assert!(full.iter().all(|message| message.body["uptime"].is_number()), "{full:#?}");
    let sequences: Vec<u64> = before.iter().chain(&after).chain(&full).map(sequence).collect();
    assert_eq!(sequences, (1..=sequences.len() as u64).collect::<Vec<_>>(), "once each, in order");
    assert_eq!(agents_connection(&broker, &vhost), connection);
}

#[test]
#[ignore = "needs RabbitMQ: tests/run"]
fn a_new_exchange_and_prefix_take_effect_and_numbers_go_on() {
    let broker = Broker::shared();
    let vhost = broker.vhost();
    let old = Tap::new(broker.port, &vhost).open();
    let new = Tap::new(broker.port, &vhost).exchange("other", false).key("fleet.#").open();
    let config = Config::new(broker.port, &vhost);
    let agent = Agent::start(&config, &[]);
    let before = old.take(5, PATIENCE);
    let run = |message: &Message| message.message_id.as_ref().unwrap().rsplit_once('-').unwrap().0.to_owned();

    agent.reload(&config.set("exchange", "name", "other").set("queue", "prefix", "fleet"));
    let after = new.take(5, PATIENCE);
    assert!(after[0].routing_key.starts_with("fleet."));
    assert_eq!(run(&after[0]), run(&before[0]));
    let mut seen: Vec<u64> =
        std::iter::from_fn(|| old.next(std::time::Duration::ZERO)).map(|m| sequence(&m)).collect();
    seen.extend(before.iter().chain(&after).map(sequence));
    // At least once: what was under way when the connection changed may have come twice.
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen, (1..=seen.len() as u64).collect::<Vec<_>>(), "none is missing");
    eventually("the old queue went with its connection", || {
        broker.queues(&vhost).iter().all(|queue| !queue["name"].as_str().unwrap().starts_with("psistats."))
    });
}

#[test]
#[ignore = "needs RabbitMQ: tests/run"]
fn a_wrong_file_is_named_with_its_line_and_changes_nothing() {
    let broker = Broker::shared();
    let vhost = broker.vhost();
    let messages = Tap::new(broker.port, &vhost).open();
    let config = Config::new(broker.port, &vhost);
    let agent = Agent::start(&config, &[]);
    messages.take(3, PATIENCE);
    let connection = agents_connection(&broker, &vhost);

    let wrong = config.set("queue", "prefix", "other").text("[message]\npersistent=perhaps\n");
    let line = wrong.to_string().lines().position(|line| line.contains("perhaps")).unwrap() + 1;
    agent.reload(&wrong);
    let said = agent.wait_for_line("persistent", PATIENCE);
    assert!(said.contains(&format!("{}:{line}: ", agent.config_file().display())), "{said}");
    assert!(said.contains("perhaps"), "{said}");
    agent.wait_for_line("the configuration from before stays in force", PATIENCE);
    for message in messages.take(10, PATIENCE) {
        assert!(message.routing_key.starts_with("psistats."));
    }
    assert_eq!(agents_connection(&broker, &vhost), connection);
}

#[test]
#[ignore = "needs RabbitMQ: tests/run"]
fn sigusr1_logs_counters_that_add_up() {
    let broker = Broker::shared();
    let vhost = broker.vhost();
    let messages = Tap::new(broker.port, &vhost).open();
    let mut agent = Agent::start(&Config::new(broker.port, &vhost), &[]);
    messages.take(5, PATIENCE);
    agent.signal(Signal::SIGUSR1);
    let line = agent.wait_for_line("sampled=", PATIENCE);
    let [sampled, confirmed, dropped, pending] =
        ["sampled=", "confirmed=", "dropped=", "pending="].map(|name| figure(&line, name));
    assert_eq!(sampled, confirmed + dropped + pending, "{line}");
    assert!(sampled >= 5 && dropped == 0, "{line}");
    assert!(line.contains("(connected to "), "{line}");

    assert!(agent.stop().success());
    let lines = agent.lines();
    let last = lines.iter().rfind(|line| line.contains("sampled=")).unwrap();
    assert_eq!(figure(last, "confirmed="), figure(last, "sampled="), "all is flushed at the end: {last}");
}

/// The name of the agent's connection; the tap has the other one.
fn agents_connection(broker: &Broker, vhost: &str) -> String {
    let all = broker.connections(vhost);
    let ours: Vec<_> = all
        .iter()
        .filter(|c| {
            c.to_string().contains("authentication_failure_close") && c.to_string().contains("psistats.")
        })
        .collect();
    assert_eq!(ours.len(), 1, "{all:#?}");
    ours[0]["name"].as_str().unwrap().into()
}

/// Messages up to the first one for which `wanted` says yes, that one included.
fn until(messages: &Collector, wanted: impl Fn(&Message) -> bool) -> Vec<Message> {
    let mut read = Vec::new();
    loop {
        read.push(messages.next(PATIENCE).expect("messages keep coming"));
        if wanted(&read[read.len() - 1]) {
            return read;
        }
    }
}

fn figure(line: &str, name: &str) -> u64 {
    let (_, rest) = line.split_once(name).unwrap_or_else(|| panic!("no {name} in {line}"));
    rest.split(' ').next().unwrap().parse().unwrap()
}
