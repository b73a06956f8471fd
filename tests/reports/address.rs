//! How the broker can be named in the configuration.

use std::net::Ipv6Addr;

use crate::{eventually, hostname};
use support::PATIENCE;
use support::agent::{Agent, Config};
use support::broker::Broker;
use support::consumer::Tap;
use support::scripted::{ScriptedBroker, Step};

#[test]
#[ignore = "needs RabbitMQ: tests/run"]
fn a_url_gives_user_password_host_port_and_virtual_host() {
    let broker = Broker::shared();
    let vhost = broker.vhost();
    broker.api("PUT", &format!("users/{vhost}"), Some(r#"{"password": "p@ss/word:1", "tags": ""}"#));
    let all = r#"{"configure": ".*", "write": ".*", "read": ".*"}"#;
    broker.api("PUT", &format!("permissions/{vhost}/{vhost}"), Some(all));
    let messages = Tap::new(broker.port, &vhost).open();
    let config = Config::new(1, "/").set(
        "server",
        "url",
        format!("amqp://{vhost}:p%40ss%2Fword%3A1@127.0.0.1:{}/{vhost}", broker.port),
    );
    let agent = Agent::start(&config, &[]);
    messages.take(3, PATIENCE);
    assert!(!agent.lines().concat().contains("p@ss"), "{:?}", agent.lines());
    drop(agent);
    broker.api("DELETE", &format!("users/{vhost}"), None);
}

#[test]
fn an_ipv6_address_is_configured_and_shown_in_brackets() {
    let broker = ScriptedBroker::on(Ipv6Addr::LOCALHOST.into());
    let host = format!("[::1]:{}", broker.port);
    let agent = Agent::start(&Config::new(1, "/").set("server", "host", &host), &[]);
    let mut peer = broker.accept();
    let (channel, select) = peer.handshake_until(Step::ConfirmSelect);
    peer.answer(channel, &select);
    peer.read_publish();
    agent.wait_for_line(&format!("connected to {host},"), PATIENCE);
}

#[test]
#[ignore = "needs RabbitMQ: tests/run"]
fn a_name_is_resolved_by_a_thread_that_ends_afterwards() {
    let broker = Broker::shared();
    let vhost = broker.vhost();
    let messages = Tap::new(broker.port, &vhost).open();
    // ::1 comes first in many hosts files, and nothing listens there.
    let agent = Agent::start(&Config::new(broker.port, &vhost).set("server", "host", "localhost"), &[]);
    messages.take(3, PATIENCE);
    agent.wait_for_line(&format!("connected to localhost:{},", broker.port), PATIENCE);
    eventually("one thread is left", || agent.status("Threads") == 1);
}

#[test]
#[ignore = "needs RabbitMQ: tests/run"]
fn the_nodes_of_a_cluster_are_tried_one_after_another() {
    let broker = Broker::shared();
    let vhost = broker.vhost();
    let messages = Tap::new(broker.port, &vhost).open();
    let dead = ScriptedBroker::new().port; // nobody listens there any more
    let hosts = format!("127.0.0.1:{dead}, 127.0.0.1:{}", broker.port);
    let agent = Agent::start(&Config::new(1, &vhost).set("server", "host", hosts), &[]);
    agent.wait_for_line(&format!("127.0.0.1:{dead}: "), PATIENCE);
    let read = messages.take(1, PATIENCE).remove(0);
    assert_eq!(read.routing_key, format!("psistats.{}", hostname()));
}
