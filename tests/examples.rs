//! The core's examples, run as they are: against RabbitMQ, against libzmq, and for their text.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::process::Command;

use serde_json::json;
use support::broker::Broker;
use support::consumer::Tap;
use support::master::Master;
use support::project;

/// What the example prints with these arguments. It must end well.
fn run(name: &str, args: &[&str]) -> String {
    let output = Command::new(project::program(&format!("examples/{name}"))).args(args).output().unwrap();
    let text = |octets: &[u8]| String::from_utf8(octets.to_vec()).unwrap();
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

#[test]
#[ignore = "needs RabbitMQ: tests/run"]
fn amqp_publishes_three_reports_that_a_consumer_reads() {
    let broker = Broker::shared();
    let vhost = broker.vhost();
    let told = run("amqp", &[&format!("127.0.0.1:{}", broker.port), &vhost]);
    assert!(told.ends_with("sampled=3 confirmed=3 dropped=0 pending=0\n"), "{told}");

    let tap = Tap::new(broker.port, &vhost).exchange("reports", true).key("reports.#");
    let messages = tap.durable_queue("reports.example").drain();
    let bodies: Vec<_> = messages.iter().map(|message| message.body.clone()).collect();
    assert_eq!(bodies, [json!({"n": 1}), json!({"n": 2}), json!({"n": 3})]);
    for (n, message) in (1..).zip(&messages) {
        assert!(message.message_id.as_ref().unwrap().ends_with(&format!("-{n}")), "{message:?}");
        assert_eq!((message.app_id.as_deref(), message.delivery_mode), (Some("example"), Some(2)));
    }
}

#[test]
#[ignore = "needs python3-zmq: tests/run"]
fn zmtp_publishes_three_messages_that_libzmq_receives() {
    let master = Master::start(0);
    let told = run("zmtp", &[&format!("127.0.0.1:{}", master.port)]);
    assert_eq!(told, "Ready\nWanted(true)\n");
    for n in 1..=3 {
        assert_eq!(master.message(), json!({"n": n}));
    }
}

#[test]
fn report_prints_one_report() {
    let expected = r#"{"hostname":"raspberrypi","cpu":20.0,"mem":16.8,"cpu_temp":47.236,"uptime":130583.1,"load":[0.39,1.05,12.0]}"#;
    assert_eq!(run("report", &[]), format!("{expected}\n"));
}
