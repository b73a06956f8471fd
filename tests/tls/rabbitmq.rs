//! RabbitMQ at the other end.

use std::fs;

use nix::sys::signal::Signal;
use support::PATIENCE;
use support::agent::{Agent, Config};
use support::broker::Broker;
use support::consumer::Tap;
use support::pki::{LOCALHOST, P256, Pki, RSA, VALID};

const FOR_CLIENTS: &str = "extendedKeyUsage=clientAuth";

/// A user of RabbitMQ without a password, who may do everything.
fn user(broker: &Broker, name: &str) {
    broker.ctl(&["add_user", name, "unused"]);
    broker.ctl(&["clear_password", name]);
    broker.ctl(&["set_permissions", name, ".*", ".*", ".*"]);
}

fn over_tls(broker: &Broker, pki: &Pki) -> Config {
    Config::new(broker.tls_port, "/").set("server", "tls", "yes").set(
        "server",
        "tls_ca",
        pki.cert("ca").display(),
    )
}

fn as_board(config: Config, pki: &Pki) -> Config {
    config
        .set("server", "tls_cert", pki.cert("board").display())
        .set("server", "tls_key", pki.key("board").display())
        .set("server", "auth_mechanism", "EXTERNAL")
}

#[test]
#[ignore = "needs RabbitMQ and openssl: tests/run"]
fn reports_come_over_tls_by_the_certificate_that_is_in_the_file_when_it_connects() {
    let pki = Pki::default();
    pki.issue("broker", "ca", P256, VALID, LOCALHOST);
    pki.issue("board", "ca", P256, VALID, FOR_CLIENTS);
    pki.issue("renewed", "ca", RSA, VALID, FOR_CLIENTS);
    let broker = Broker::tls(&pki, "broker", &[]);
    user(&broker, "board");
    user(&broker, "renewed");
    let reading = Tap::new(broker.port, "/").open();

    let mut agent = Agent::start(&as_board(over_tls(&broker, &pki), &pki), &[]);
    agent.wait_for_line(
        &format!("connected to 127.0.0.1:{} over TLS 1.3, heartbeat", broker.tls_port),
        PATIENCE,
    );
    assert_eq!(reading.take(20, PATIENCE).len(), 20);
    let users = || broker.ctl(&["list_connections", "user", "ssl", "ssl_protocol"]);
    assert!(users().contains("board\ttrue\ttlsv1.3"), "{}", users());

    for kind in ["pem", "key"] {
        let [from, to] = ["renewed", "board"].map(|name| pki.path().join(format!("{name}.{kind}")));
        fs::rename(from, to).unwrap();
    }
    let seen = agent.lines().len();
    broker.ctl(&["close_all_connections", "renewed"]);
    // An orderly end of TLS is none that was cut.
    let ended = agent.wait_for_line_after(seen, "CONNECTION_FORCED", PATIENCE);
    assert!(!ended.contains("cut off"), "{ended}");
    agent.wait_for_line_after(seen, "connected to", PATIENCE);
    assert!(users().contains("renewed\ttrue"), "{}", users());

    let seen = agent.lines().len();
    broker.kill();
    agent.wait_for_line_after(seen, "(cut off: TLS had not been closed)", PATIENCE);
    assert!(agent.stop().success());
}

#[test]
#[ignore = "needs RabbitMQ and openssl: tests/run"]
fn fault_27_a_port_of_the_other_kind_is_told_and_nothing_is_sent_in_the_clear() {
    let pki = Pki::default();
    pki.issue("broker", "ca", RSA, VALID, LOCALHOST);
    pki.issue("board", "ca", P256, VALID, FOR_CLIENTS);
    let broker = Broker::tls(
        &pki,
        "broker",
        &["ssl_options.versions.1 = tlsv1.2", "ssl_options.fail_if_no_peer_cert = true"],
    );
    let config = over_tls(&broker, &pki);

    // TLS to the plain port, and the reverse.
    let agent = Agent::start(&config.clone().set("server", "port", broker.port), &[]);
    let line = agent.wait_for_line("next attempt in", PATIENCE);
    assert!(line.contains("ERROR") && line.contains("speaks AMQP without TLS: set [server] port"), "{line}");
    let agent = Agent::start(&config.clone().set("server", "tls", "no"), &[]);
    let line = agent.wait_for_line("next attempt in", PATIENCE);
    assert!(line.contains("set [server] tls=yes (amqps://)"), "{line}");

    // TLS 1.2 alone, and a certificate is wanted, whatever the login.
    let agent = Agent::start(&config, &[]);
    let line = agent.wait_for_line("next attempt in", PATIENCE);
    assert!(line.contains("the broker wants a certificate of ours: set [server] tls_cert"), "{line}");
    let reading = Tap::new(broker.port, "/").open();
    let config = as_board(config, &pki).set("server", "auth_mechanism", "PLAIN");
    let mut agent = Agent::start(&config, &[]);
    agent.wait_for_line("over TLS 1.2, heartbeat", PATIENCE);
    assert_eq!(reading.take(20, PATIENCE).len(), 20);
    agent.signal(Signal::SIGTERM);
    assert!(agent.wait(PATIENCE).success());
    // A close in order is one for the broker, too: it logs others as a warning.
    assert!(!broker.log().contains("client unexpectedly closed TCP connection"), "{}", broker.log());
}
