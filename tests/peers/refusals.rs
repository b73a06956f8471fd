//! Refusals of a real RabbitMQ: one helpful line, no tight loop, and recovery once an operator has fixed the
//! cause.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::walk::wait_s;
use support::PATIENCE;
use support::agent::{Agent, Config};
use support::broker::Broker;
use support::consumer::Tap;
use support::memory;
use support::proxy::Proxy;

const PASSWORD: &str = "mistyped-secret";

/// Log level DEBUG, so that no line is hidden.
const VERBOSE: &str = "[logging]\nkeys=root\n[handlers]\nkeys=out\n[formatters]\nkeys=form\n\
    [logger_root]\nlevel=DEBUG\nhandlers=out\n[handler_out]\nclass=StreamHandler\nformatter=form\n\
    [formatter_form]\nformat=%(levelname)s %(message)s\n";

/// A virtual host of the shared broker, behind a proxy that counts the attempts.
struct Stage {
    broker: Broker,
    vhost: String,
    proxy: Proxy,
}

impl Stage {
    fn new() -> Self {
        let broker = Broker::shared();
        let vhost = broker.vhost();
        let proxy = Proxy::new(broker.port);
        Self { broker, vhost, proxy }
    }

    /// With room for every report until an operator has done something, on a machine that is busy, too.
    fn config(&self) -> Config {
        Config::new(self.proxy.port, &self.vhost).set("backlog", "bytes", 1 << 20).text(VERBOSE)
    }

    /// Asserts that the agent logs one error, with the address and all of `words`, and makes no second attempt.
    fn assert_refused(&self, agent: &Agent, words: &[&str]) {
        let line = agent.wait_for_line("next attempt in", PATIENCE);
        assert!(line.starts_with(&format!("ERROR 127.0.0.1:{}: ", self.proxy.port)), "{line}");
        for word in words {
            assert!(line.contains(word), "no {word:?} in {line}");
        }
        assert!(wait_s(&line) >= 30.0, "{line}");
        // With a retry_timer of 0.1 s, a tight loop would have made a dozen attempts.
        thread::sleep(Duration::from_millis(1500));
        assert_eq!(self.proxy.accepted(), 1, "{:#?}", agent.lines());
        let lines = agent.lines();
        assert_eq!(lines.iter().filter(|line| line.starts_with("ERROR")).count(), 1, "{lines:#?}");
    }

    /// Asserts that with `config` every report since the first one arrives.
    fn assert_recovers(&self, agent: &Agent, config: &Config) {
        let messages = Tap::new(self.broker.port, &self.vhost).open();
        agent.reload(config);
        for (n, message) in (1..).zip(messages.take(20, PATIENCE)) {
            let id = message.message_id.unwrap();
            assert!(id.ends_with(&format!("-{n}")), "{id} in place of {n}: {:#?}", agent.lines());
        }
    }
}

#[test]
#[ignore = "needs RabbitMQ: tests/run"]
fn fault_12_a_wrong_password_logs_one_error_without_the_password() {
    let stage = Stage::new();
    let wrong = stage.config().set("server", "pass", PASSWORD);
    let agent = Agent::start(&wrong, &[]);
    stage.assert_refused(&agent, &["403", "ACCESS_REFUSED", "while logging in", "[server] user and pass"]);
    thread::sleep(Duration::from_secs(2));
    assert_eq!(stage.proxy.accepted(), 1);

    let seen = |file: &str| String::from_utf8_lossy(&fs::read(file).unwrap()).into_owned();
    let shown = [
        agent.lines().concat(),
        seen(&format!("/proc/{}/cmdline", agent.pid())),
        seen(&format!("/proc/{}/environ", agent.pid())),
    ];
    assert!(shown.iter().all(|text| !text.is_empty() && !text.contains(PASSWORD)), "{shown:#?}");
    // Neither more than once in memory, as a wrong password is tried again, nor at all when there is another.
    assert_eq!(memory::occurrences(agent.pid(), PASSWORD), 1);
    stage.assert_recovers(&agent, &stage.config());
    assert!(!agent.lines().concat().contains(PASSWORD));
    // Each part of the agent takes over the new settings when it is its turn.
    let deadline = Instant::now() + PATIENCE;
    while memory::occurrences(agent.pid(), PASSWORD) > 0 {
        assert!(Instant::now() < deadline, "the former password stays in memory");
        thread::sleep(Duration::from_millis(100));
    }
}

#[test]
#[ignore = "needs RabbitMQ: tests/run"]
fn fault_13_a_virtual_host_that_is_missing_or_not_permitted_is_an_error_that_names_the_setting() {
    let stage = Stage::new();
    let agent = Agent::start(&stage.config().set("server", "path", "no-such-place"), &[]);
    stage.assert_refused(&agent, &["530", "no-such-place", "not found", "[server] path"]);
    stage.assert_recovers(&agent, &stage.config());

    let stage = Stage::new();
    stage.broker.api("DELETE", &format!("permissions/{}/guest", stage.vhost), None);
    let agent = Agent::start(&stage.config(), &[]);
    stage.assert_refused(&agent, &["530", &stage.vhost, "refused", "[server] path", "access"]);
    permit(&stage, ".*", ".*");
    stage.assert_recovers(&agent, &stage.config());
}

#[test]
#[ignore = "needs RabbitMQ: tests/run"]
fn fault_17_a_queue_declared_with_other_arguments_is_reported_with_both_values() {
    let stage = Stage::new();
    let hostname = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let queue = format!("psistats.{}", hostname.trim());
    let path = format!("queues/{}/{queue}", stage.vhost);
    let other = json!({"durable": false, "auto_delete": true, "arguments": {"x-message-ttl": 777}});
    stage.broker.api("PUT", &path, Some(&other.to_string()));
    let config = stage.config().set("queue", "exclusive", "no");
    let agent = Agent::start(&config, &[]);
    stage.assert_refused(
        &agent,
        &["406", &queue, "x-message-ttl", "777", "10000", "declaring the queue", "make [queue] equal"],
    );
    stage.broker.api("DELETE", &path, None);
    stage.assert_recovers(&agent, &config);
}

#[test]
#[ignore = "needs RabbitMQ: tests/run"]
fn fault_17_an_exchange_declared_with_other_arguments_is_reported_with_both_values() {
    let stage = Stage::new();
    let path = format!("exchanges/{}/psistats", stage.vhost);
    stage.broker.api("PUT", &path, Some(r#"{"type": "topic", "durable": true}"#));
    let agent = Agent::start(&stage.config(), &[]);
    let both = [
        "406",
        "exchange 'psistats'",
        "durable",
        "received 'false'",
        "current is 'true'",
        "make [exchange] equal",
    ];
    stage.assert_refused(&agent, &both);
    stage.broker.api("DELETE", &path, None);
    stage.assert_recovers(&agent, &stage.config());
}

#[test]
#[ignore = "needs RabbitMQ: tests/run"]
fn a_missing_permission_is_reported_with_the_command_that_grants_it() {
    for (configure, write, words) in [
        ("", ".*", ["403", "declaring the exchange", "access to exchange 'psistats'", "set_permissions"]),
        (".*", "", ["403", "binding the queue", "access to queue 'psistats.", "set_permissions"]),
        (".*", r"^psistats\.", ["403", "publishing", "access to exchange 'psistats'", "set_permissions"]),
    ] {
        let stage = Stage::new();
        permit(&stage, configure, write);
        let agent = Agent::start(&stage.config(), &[]);
        stage.assert_refused(&agent, &words);
        permit(&stage, ".*", ".*");
        stage.assert_recovers(&agent, &stage.config());
    }
}

#[test]
#[ignore = "needs RabbitMQ: tests/run"]
fn a_missing_exchange_that_may_not_be_declared_is_reported() {
    let stage = Stage::new();
    let config = stage.config().set("exchange", "declare", "no");
    let agent = Agent::start(&config, &[]);
    stage.assert_refused(&agent, &["404", "no exchange 'psistats'", "create it, or set declare=yes"]);
    stage.assert_recovers(&agent, &config); // its consumer declares it

    // Without a queue to bind, only a published report reveals that the exchange is missing. It may have been
    // deleted a moment ago, so the agent retries soon.
    let stage = Stage::new();
    let agent = Agent::start(
        &config.set("queue", "declare", "no").set("server", "port", stage.proxy.port).set(
            "server",
            "path",
            &stage.vhost,
        ),
        &[],
    );
    let line = agent.wait_for_line("no exchange 'psistats'", PATIENCE);
    for words in ["404 ", "while publishing", "create it where [exchange] declare=no"] {
        assert!(line.contains(words), "no {words:?} in {line}");
    }
    let messages = Tap::new(stage.broker.port, &stage.vhost).open();
    assert!(messages.take(1, PATIENCE)[0].message_id.as_ref().unwrap().ends_with("-1"));
    let warnings =
        agent.lines().iter().filter(|l| l.contains("no exchange") && !l.starts_with("DEBUG")).count();
    assert_eq!(warnings, 1, "{:#?}", agent.lines());
}

#[test]
#[ignore = "needs RabbitMQ: tests/run"]
fn a_limit_of_the_virtual_host_is_reported_as_that() {
    for (limit, words) in [
        ("max-connections", ["530", "connection limit", "raise that limit"]),
        ("max-queues", ["406", "queue limit", "raise that limit"]),
    ] {
        let stage = Stage::new();
        let limit = format!("vhost-limits/{}/{limit}", stage.vhost);
        stage.broker.api("PUT", &limit, Some(r#"{"value": 0}"#));
        let agent = Agent::start(&stage.config(), &[]);
        stage.assert_refused(&agent, &words);
        // rabbitmqctl can take so long that the agent is back before anybody reads.
        stage.broker.api("DELETE", &limit, None);
        stage.assert_recovers(&agent, &stage.config());
    }
}

fn permit(stage: &Stage, configure: &str, write: &str) {
    let permission = json!({"configure": configure, "write": write, "read": ".*"});
    stage.broker.api("PUT", &format!("permissions/{}/guest", stage.vhost), Some(&permission.to_string()));
}
