//! SIGHUP and SIGUSR1.

use std::fs;
use std::net::TcpStream;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrIn, bind, getsockname, listen, socket,
};

use crate::{eventually, sequence};
use support::PATIENCE;
use support::agent::{Agent, Config};
use support::broker::Broker;
use support::consumer::{Collector, Message, Tap};
use support::scripted::ScriptedBroker;

#[test]
#[ignore = "needs RabbitMQ: tests/run"]
fn new_timers_take_effect_on_the_same_connection_and_report_numbers_go_on() {
    let broker = Broker::shared();
    let vhost = broker.vhost();
    let messages = Tap::new(broker.port, &vhost).open();
    let config = Config::new(broker.port, &vhost).set("app", "secondary_timer", "3600");
    let agent = Agent::start(&config, &[]);
    let before = messages.take(5, PATIENCE);
    let connection = agents_connection(&broker, &vhost);

    // From now on every report has the secondary keys, and settings of messages take effect too.
    let changed = config.set("app", "secondary_timer", "0.05").set("message", "timestamp", "yes");
    agent.reload(&changed);
    agent.wait_for_line("the configuration was reloaded", PATIENCE);
    let after = until(&messages, |message| message.body["ts"].is_number());
    let full = messages.take(5, PATIENCE);
    assert!(full.iter().all(|message| message.body["uptime"].is_number()), "{full:#?}");
    let sequences: Vec<u64> = before.iter().chain(&after).chain(&full).map(sequence).collect();
    assert_eq!(sequences, (1..=sequences.len() as u64).collect::<Vec<_>>(), "once each, in order");
    assert_eq!(agents_connection(&broker, &vhost), connection);
}

#[test]
#[ignore = "needs RabbitMQ: tests/run"]
fn a_new_exchange_and_prefix_take_effect_and_report_numbers_go_on() {
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
    let mut seen: Vec<u64> = std::iter::from_fn(|| old.next(Duration::ZERO)).map(|m| sequence(&m)).collect();
    seen.extend(before.iter().chain(&after).map(sequence));
    // Delivery is at least once: reports that were in flight when the connection changed may arrive twice.
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen, (1..=seen.len() as u64).collect::<Vec<_>>(), "none is missing");
    eventually("the old queue went with its connection", || {
        broker.queues(&vhost).iter().all(|queue| !queue["name"].as_str().unwrap().starts_with("psistats."))
    });
}

#[test]
#[ignore = "needs RabbitMQ: tests/run"]
fn a_reload_of_a_wrong_file_names_the_line_and_changes_nothing() {
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
    agent.wait_for_line("keeping the previous configuration", PATIENCE);
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

#[test]
#[ignore = "needs RabbitMQ: tests/run"]
fn a_changed_host_name_changes_the_reports_their_routing_key_and_the_queue() {
    let broker = Broker::shared();
    let vhost = broker.vhost();
    let messages = Tap::new(broker.port, &vhost).open();
    let root = tempfile::tempdir().unwrap();
    let kernel = root.path().join("proc/sys/kernel");
    fs::create_dir_all(&kernel).unwrap();
    let call = |name: &str| fs::write(kernel.join("hostname"), name).unwrap();
    let config = Config::new(broker.port, &vhost);
    call("before");
    let agent = Agent::start(&config, &["--root", root.path().to_str().unwrap()]);
    assert_eq!(messages.take(1, PATIENCE)[0].routing_key, "psistats.before");

    call("after");
    agent.reload(&config);
    let all = until(&messages, |message| {
        message.routing_key == "psistats.after" && message.body["hostname"] == "after"
    });
    // Pending reports are published under the new name, and no report of the new host under the old one.
    assert!(
        all.iter().all(|m| m.body["hostname"] == "before" || m.routing_key == "psistats.after"),
        "{all:#?}"
    );
    eventually("the queue is called so too", || {
        broker.queues(&vhost).iter().all(|queue| queue["name"] != "psistats.before")
            && broker.queues(&vhost).iter().any(|queue| queue["name"] == "psistats.after")
    });
}

#[test]
fn new_settings_take_effect_while_a_connection_is_being_made() {
    // The listener's backlog is full, so it does not answer a SYN.
    let deaf = socket(AddressFamily::Inet, SockType::Stream, SockFlag::empty(), None).unwrap();
    bind(deaf.as_raw_fd(), &SockaddrIn::new(127, 0, 0, 1, 0)).unwrap();
    listen(&deaf, Backlog::new(0).unwrap()).unwrap();
    let port = getsockname::<SockaddrIn>(deaf.as_raw_fd()).unwrap().port();
    let address = ([127, 0, 0, 1], port).into();
    let mut held = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(200)) {
        held.push(stream);
    }
    let agent = Agent::start(&Config::new(port, "/"), &[]);
    agent.wait_for_line("psistats ", PATIENCE);

    let broker = ScriptedBroker::new();
    agent.reload(&Config::new(broker.port, "/"));
    broker.accept().expect_header();
    // The attempt in progress was given up. Otherwise it would have been logged as failed, after 5 s.
    let told: Vec<String> = agent.lines().into_iter().filter(|line| line.contains("next attempt")).collect();
    assert_eq!(told, [""; 0]);
}

#[test]
fn reports_are_made_while_sighup_is_sent_without_end() {
    let nobody = ScriptedBroker::new();
    let agent = Agent::start(&Config::new(nobody.port, "/").set("app", "primary_timer", "0.5"), &[]);
    agent.wait_for_line("psistats ", PATIENCE);
    let deadline = Instant::now() + PATIENCE;
    let mut sampled = 0;
    while sampled < 4 {
        assert!(Instant::now() < deadline, "{sampled} reports: {:#?}", agent.lines());
        for _ in 0..50 {
            agent.signal(Signal::SIGHUP);
            std::thread::sleep(Duration::from_millis(1));
        }
        agent.signal(Signal::SIGUSR1);
        let lines = agent.lines();
        sampled = lines.iter().rfind(|line| line.contains("sampled=")).map_or(0, |l| figure(l, "sampled="));
    }
}

/// The name of the agent's connection. The other one is the tap's.
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

/// The messages up to and including the first one for which `wanted` returns true.
fn until(messages: &Collector, wanted: impl Fn(&Message) -> bool) -> Vec<Message> {
    let deadline = Instant::now() + PATIENCE;
    let mut read = Vec::new();
    loop {
        assert!(Instant::now() < deadline, "not in time: {:#?}", read.last());
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
