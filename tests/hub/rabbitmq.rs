//! RabbitMQ as an intake: what a broker confirmed to its publishers is in the hub's history once, whoever of the two is stopped
//! or killed.

use serde_json::Value;

use crate::hub::{Hub, assert_complete, end, number};
use crate::master::free_port;
use support::PATIENCE;
use support::agent::{Agent, Config};
use support::broker::Broker;
use support::master::python;
use support::pki::{P256, Pki, VALID};
use support::process::Process;

/// With RabbitMQ as its only intake.
fn hub(port: u16, vhost: &str, more: &str) -> Hub {
    let vhost = vhost.replace('/', "%2f");
    Hub::start(&format!(
        "self=no\nchasar=no\namqp=no\n[rabbitmq]\nurl=amqp://guest@127.0.0.1:{port}/{vhost}\n{more}"
    ))
}

/// An agent on a board of that name, whose reports go to the exchange alone, so many in a message.
fn agent(name: &str, port: u16, vhost: &str, batch: u32) -> Agent {
    let config = Config::new(port, vhost)
        .set("app", "primary_timer", "0.1")
        .set("exchange", "durable", "yes")
        .set("queue", "declare", "no")
        .set("message", "persistent", "yes")
        .set("message", "batch", batch);
    Agent::on_board(name, &config)
}

/// Publishes by pika to the hub's queue, where `script` has a channel `c`, and says so.
fn publish(port: u16, vhost: &str, script: &str) -> Process {
    let process = python(&format!(
        "import pika, pika.data, struct
P = pika.BasicProperties
c = pika.BlockingConnection(pika.ConnectionParameters('127.0.0.1', {port}, '{vhost}')).channel()
c.confirm_delivery()
def report(cpu, **properties):
    body = json.dumps({{'hostname': 'pi', 'cpu': cpu}})
    c.basic_publish('', 'psistats-hub', body, P(**properties))
{script}
print('confirmed')"
    ));
    process.wait_for_line("confirmed", PATIENCE);
    process
}

fn reports(hub: &Hub) -> u64 {
    hub.json("/api/v1/hub")["reports"].as_u64().unwrap()
}

fn waiting(broker: &Broker, vhost: &str) -> u64 {
    let listed = broker.ctl(&["list_queues", "-p", vhost, "name", "messages", "--formatter", "json"]);
    let listed: Vec<Value> = serde_json::from_str(&listed).unwrap();
    let queue = listed.iter().find(|queue| queue["name"] == "psistats-hub");
    queue.and_then(|queue| queue["messages"].as_u64()).unwrap()
}

/// Ends agents, and the hub once it has everything, and asserts that it has.
fn stop(agents: Vec<Agent>, hub: &mut Hub, broker: &Broker, vhost: &str) {
    let confirmed = end(agents);
    hub.wait_until(|_| waiting(broker, vhost) == 0);
    hub.stop();
    assert_complete(hub, &confirmed);
}

#[test]
#[ignore = "needs RabbitMQ: tests/run"]
fn reports_that_wait_in_the_queue_while_the_hub_is_stopped_are_all_there_afterwards_and_none_twice() {
    let broker = Broker::shared();
    let vhost = broker.vhost();
    let mut hub = hub(broker.port, &vhost, "exchange_durable=yes\n");
    hub.process.wait_for_line("consuming from queue \"psistats-hub\"", PATIENCE);
    let agents: Vec<_> = (0..3).map(|n| agent(&format!("pi-{n}"), broker.port, &vhost, 1)).collect();
    let board = hub.wait_for("pi-1", |board| board["reports"].as_u64() >= Some(20));
    assert_eq!((&board["lost"], &board["duplicates"]), (&0.into(), &0.into()), "{board}");
    assert_eq!((&board["source"], &board["address"]), (&"rabbitmq".into(), &Value::Null), "{board}");
    hub.stop();
    hub.wait_until(|_| waiting(&broker, &vhost) >= 60);
    hub.start_again();
    let board = hub.wait_for("pi-1", |board| board["reports"].as_u64() >= Some(60));
    // What was acknowledged at the stop did not come again.
    assert_eq!((&board["lost"], &board["duplicates"]), (&0.into(), &0.into()), "{board}");
    stop(agents, &mut hub, &broker, &vhost);
}

/// `PSISTATS_TEST_BROKER_KILLS=20` is what was recorded.
#[test]
#[ignore = "needs RabbitMQ: tests/run"]
fn however_often_the_broker_is_killed_what_it_confirmed_is_in_the_history_once() {
    let broker = Broker::bare(&[]);
    let mut hub = hub(broker.port, "/", "exchange_durable=yes\n");
    hub.process.wait_for_line("consuming from queue", PATIENCE);
    let agents: Vec<_> = (0..3).map(|n| agent(&format!("pi-{n}"), broker.port, "/", 1)).collect();
    for _ in 0..number("PSISTATS_TEST_BROKER_KILLS", 3) {
        let before = reports(&hub);
        hub.wait_until(|hub| reports(hub) >= before + 60);
        broker.kill();
        broker.restart();
    }
    let before = reports(&hub);
    hub.wait_until(|hub| reports(hub) >= before + 60);
    let lines = hub.process.lines();
    let told = |text: &str| lines.iter().filter(|line| line.contains(text)).count();
    assert_eq!(
        told("consuming from queue"),
        1 + number("PSISTATS_TEST_BROKER_KILLS", 3) as usize,
        "{lines:#?}"
    );
    assert_eq!(told("cannot be read"), 0, "{lines:#?}");
    stop(agents, &mut hub, &broker, "/");
}

#[test]
#[ignore = "needs RabbitMQ: tests/run"]
fn however_often_the_hub_is_killed_what_is_delivered_again_counts_once() {
    let broker = Broker::shared();
    let vhost = broker.vhost();
    let mut hub = hub(broker.port, &vhost, "exchange_durable=yes\n");
    hub.process.wait_for_line("consuming from queue", PATIENCE);
    let agents: Vec<_> = (0..3).map(|n| agent(&format!("pi-{n}"), broker.port, &vhost, 1 + n)).collect();
    for _ in 0..number("PSISTATS_TEST_KILLS", 4) {
        let before = reports(&hub);
        hub.wait_until(|hub| reports(hub) >= before + 30);
        hub.kill();
        hub.start_again();
    }
    let before = reports(&hub);
    hub.wait_until(|hub| reports(hub) >= before + 30);
    stop(agents, &mut hub, &broker, &vhost);
}

#[test]
#[ignore = "needs RabbitMQ: tests/run"]
fn an_agent_and_a_hub_with_defaults_alone_agree_on_exchange_and_key() {
    let broker = Broker::shared();
    let vhost = broker.vhost();
    let hub = hub(broker.port, &vhost, "");
    hub.process.wait_for_line("consuming from queue", PATIENCE);
    let _agent = Agent::start(&Config::new(broker.port, &vhost), &[]);
    hub.wait_for(&crate::hub::own_name(), |board| board["reports"].as_u64() >= Some(5));
    let queue = broker.queues(&vhost).into_iter().find(|queue| queue["name"] == "psistats-hub").unwrap();
    assert_eq!((&queue["type"], &queue["durable"]), (&"quorum".into(), &true.into()), "{queue}");
}

#[test]
#[ignore = "needs RabbitMQ: tests/run"]
fn a_queue_has_the_type_that_is_asked_for_or_is_only_used() {
    let broker = Broker::shared();
    let vhost = broker.vhost();
    let keys = "key=psistats.a, psistats.b\nexchange=direct\nexchange_type=direct\ntype=classic\nsingle_active_consumer=yes\n";
    let first = hub(broker.port, &vhost, keys);
    first.process.wait_for_line("consuming from queue", PATIENCE);
    let queue = &broker.queues(&vhost)[0];
    assert_eq!(queue["arguments"]["x-queue-type"], "classic", "{queue}");
    assert_eq!(queue["arguments"]["x-single-active-consumer"], true, "{queue}");
    let mut bound: Vec<_> = broker.bindings(&vhost).iter().map(|b| b["routing_key"].clone()).collect();
    bound.sort_by_key(Value::to_string);
    assert_eq!(bound, ["psistats.a", "psistats.b"]);
    let other = hub(broker.port, &vhost, "exchange=other\n");
    other.process.wait_for_line("406 PRECONDITION_FAILED", PATIENCE);
    other.process.wait_for_line("make [rabbitmq] type and single_active_consumer equal", PATIENCE);
    let user = hub(broker.port, &vhost, "declare=no\n");
    user.process.wait_for_line("consuming from queue", PATIENCE);
    let missing = hub(broker.port, &vhost, "declare=no\nqueue=nowhere\n");
    missing.process.wait_for_line("create queue \"nowhere\", or set [rabbitmq] declare=yes", PATIENCE);
}

#[test]
#[ignore = "needs RabbitMQ: tests/run"]
fn a_refused_login_a_missing_virtual_host_and_no_broker_say_what_to_do_and_no_password() {
    let broker = Broker::shared();
    let port = broker.port;
    let wrong = hub(port, "/", "pass=hidden\n");
    wrong.process.wait_for_line(&format!("RabbitMQ at 127.0.0.1:{port}: login refused"), PATIENCE);
    wrong.process.wait_for_line("check user \"guest\" and the password", PATIENCE);
    let lines = wrong.process.lines();
    assert!(!lines.iter().any(|line| line.contains("hidden")), "{lines:#?}");
    let nowhere = hub(port, "nowhere", "");
    nowhere.process.wait_for_line("vhost nowhere not found", PATIENCE);
    nowhere.process.wait_for_line("the virtual host \"nowhere\" in [rabbitmq] url must exist", PATIENCE);
    let exchange = broker.vhost();
    publish(port, &exchange, "c.exchange_declare('psistats', 'fanout')");
    let other = hub(port, &exchange, "");
    other.process.wait_for_line("exchange \"psistats\" exists with other arguments", PATIENCE);
    // The second host is there.
    let none = free_port();
    let vhost = broker.vhost();
    let mut second = Hub::start(&format!(
        "self=no\nchasar=no\namqp=no\n[rabbitmq]\nurl=amqp://127.0.0.1:{none},127.0.0.1:{port}/{vhost}\n"
    ));
    second.process.wait_for_line(
        &format!("connection refused: is RabbitMQ running and listening at 127.0.0.1:{none}"),
        PATIENCE,
    );
    second.process.wait_for_line("consuming from queue \"psistats-hub\" after 1 failed attempts", PATIENCE);
    second.stop();
}

#[test]
#[ignore = "needs RabbitMQ and openssl: tests/run"]
fn over_tls_it_consumes_and_a_wrong_authority_a_wrong_name_and_a_plain_port_say_what_to_do() {
    let pki = Pki::default();
    pki.issue("other-ca", "other-ca", P256, VALID, "basicConstraints=critical,CA:TRUE");
    pki.issue("broker", "ca", P256, VALID, "subjectAltName=DNS:localhost");
    let broker = Broker::tls(&pki, "broker", &[]);
    let over_tls = |host: &str, port: u16, ca: &str| {
        Hub::start(&format!("self=no\nchasar=no\namqp=no\n[rabbitmq]\nurl=amqps://guest@{host}:{port}\n{ca}"))
    };
    let ca = |name: &str| format!("tls_ca={}\n", pki.cert(name).display());
    let hub = over_tls("localhost", broker.tls_port, &ca("ca"));
    hub.process.wait_for_line("consuming from queue", PATIENCE);
    publish(broker.port, "/", "report(7)");
    hub.wait_for("pi", |board| board["values"]["cpu"] == 7);
    let tls = broker.ctl(&["list_connections", "ssl", "ssl_protocol"]);
    assert!(tls.contains("true\ttlsv1.3"), "{tls}");
    for (host, port, ca, says) in [
        ("localhost", broker.tls_port, "", "name its file in [rabbitmq] tls_ca"),
        ("localhost", broker.tls_port, &*ca("other-ca"), "is not signed by an authority in"),
        (
            "127.0.0.1",
            broker.tls_port,
            &*ca("ca"),
            "its certificate is not trusted: certificate not valid for name",
        ),
        ("localhost", broker.port, &*ca("ca"), "no TLS is spoken at"),
        ("localhost", broker.tls_port, "tls_ca=/nowhere\n", "/nowhere: expected certificates in PEM"),
    ] {
        over_tls(host, port, ca).process.wait_for_line(says, PATIENCE);
    }
}

#[test]
#[ignore = "needs RabbitMQ and python3-pika: tests/run"]
fn no_message_of_a_publisher_ends_the_hub_or_keeps_others_from_it() {
    let broker = Broker::shared();
    let vhost = broker.vhost();
    let hub = hub(broker.port, &vhost, "");
    hub.process.wait_for_line("consuming from queue", PATIENCE);
    let table = "def table(fields):
    def encode(pieces, _):
        pieces.append(struct.pack('>I', len(fields)) + fields)
        return 4 + len(fields)
    pika.data.encode_table = encode
    return {'a': 1}";
    // As deep as a frame allows: a tag and a length of five octets a level.
    let deep = "
deep = b'V'
for _ in range(26000): deep = b'A' + struct.pack('>I', len(deep)) + deep
report(1, headers=table(b'\\x01a' + deep))";
    publish(broker.port, &vhost, &[table, deep].concat());
    hub.wait_for("pi", |board| board["values"]["cpu"] == 1.0);
    hub.wait_until(|_| waiting(&broker, &vhost) == 0);
    let unreadable = "
report(2)
c.basic_publish('', 'psistats-hub', 'x' * 20000, P())
report(3, headers=table(b'\\x01aS' + struct.pack('>I', 2) + b'\\xff\\xfe'))
report(4)
usual = pika.data.encode_short_string
def short(pieces, text):
    if text != 'no UTF-8': return usual(pieces, text)
    pieces.append(b'\\x02\\xff\\xfe')
    return 3
pika.data.encode_short_string = short
report(5, message_id='no UTF-8')";
    publish(broker.port, &vhost, &[table, unreadable].concat());
    hub.process.wait_for_line("a message of 20000 bytes was dropped, where 16384 are the most", PATIENCE);
    let removed = |hub: &Hub| {
        let lines = hub.process.lines();
        lines.iter().filter(|line| line.contains("cannot be read, and was removed")).count()
    };
    hub.wait_until(|hub| removed(hub) == 2);
    publish(broker.port, &vhost, "report(6)");
    hub.wait_for("pi", |board| board["values"]["cpu"] == 6.0);
    hub.wait_until(|_| waiting(&broker, &vhost) == 0);
}
