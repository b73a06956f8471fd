//! The tests' own tools work: otherwise the tests would prove nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use amqprs::BasicProperties;
use amqprs::channel::{
    BasicPublishArguments, ConfirmSelectArguments, ExchangeDeclareArguments, QueueBindArguments,
    QueueDeclareArguments,
};
use amqprs::connection::{Connection, OpenConnectionArguments};
use serde_json::json;
use support::PATIENCE;
use support::agent::Config;
use support::broker::Broker;
use support::consumer::{Message, Tap};
use support::process::Process;
use support::proxy::{Direction, Proxy};
use support::scripted::{ScriptedBroker, Step};

/// Publishes as the agent does: topic exchange, a queue of its own, confirms.
fn publish(port: u16, vhost: &str, durable: bool, bodies: &[&str]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut login = OpenConnectionArguments::new("127.0.0.1", port, "guest", "guest");
        let connection = Connection::open(login.virtual_host(vhost)).await.unwrap();
        let channel = connection.open_channel(None).await.unwrap();
        let exchange = ExchangeDeclareArguments::new("psistats", "topic").durable(durable).finish();
        channel.exchange_declare(exchange).await.unwrap();
        channel
            .queue_declare(QueueDeclareArguments::new("psistats.board").exclusive(true).finish())
            .await
            .unwrap();
        channel
            .queue_bind(QueueBindArguments::new("psistats.board", "psistats", "psistats.board"))
            .await
            .unwrap();
        channel.confirm_select(ConfirmSelectArguments::new(false)).await.unwrap();
        for body in bodies {
            let properties = BasicProperties::default()
                .with_content_type("application/json")
                .with_delivery_mode(if durable { 2 } else { 1 })
                .with_message_id("boot-1")
                .with_timestamp(1_700_000_000)
                .with_app_id("psistats")
                .finish();
            let to = BasicPublishArguments::new("psistats", "psistats.board").mandatory(true).finish();
            channel.basic_publish(properties, body.as_bytes().to_vec(), to).await.unwrap();
        }
        channel.close().await.unwrap();
        connection.close().await.unwrap();
    });
}

#[test]
#[ignore = "needs RabbitMQ: tests/run"]
fn three_consumers_read_the_messages_of_one_publisher() {
    let broker = Broker::shared();
    let vhost = broker.vhost();
    let tap = Tap::new(broker.port, &vhost);
    let amqprs = tap.open();
    let pika = tap.pika();
    let tools = tap.amqp_consume();
    let deadline = Instant::now() + PATIENCE;
    while broker.bindings(&vhost).len() < 3 {
        assert!(Instant::now() < deadline, "{:?}", broker.bindings(&vhost));
    }

    publish(broker.port, &vhost, false, &[r#"{"cpu": 1.5}"#, r#"{"cpu": 2.5}"#]);

    let read = amqprs.take(2, PATIENCE);
    assert_eq!(read[0].routing_key, "psistats.board");
    assert_eq!(read[0].body, json!({"cpu": 1.5}));
    assert_eq!(read[0].content_type.as_deref(), Some("application/json"));
    assert_eq!((read[0].delivery_mode, read[0].timestamp), (Some(1), Some(1_700_000_000)));
    assert_eq!(
        (read[0].message_id.as_deref(), read[0].app_id.as_deref()),
        (Some("boot-1"), Some("psistats"))
    );
    let of_pika: Vec<_> = pika.take(2, PATIENCE).iter().map(Message::of_pika).collect();
    assert_eq!(of_pika, read);
    assert_eq!(tools.take(2, PATIENCE), [json!({"cpu": 1.5}), json!({"cpu": 2.5})]);
}

#[test]
#[ignore = "needs RabbitMQ: tests/run"]
fn the_brokers_listings_show_the_declared_objects() {
    let broker = Broker::shared();
    let vhost = broker.vhost();
    let tap = Tap::new(broker.port, &vhost);
    assert!(broker.queues(&vhost).is_empty() && broker.connections(&vhost).is_empty());
    let _reading = tap.open();
    tap.clone().durable_queue("kept").declare();
    publish(broker.port, &vhost, false, &["1", "2"]);

    let queues = broker.queues(&vhost);
    let kept = queues.iter().find(|q| q["name"] == "kept").unwrap();
    assert_eq!((&kept["durable"], &kept["messages"]), (&json!(true), &json!(2)));
    let exchanges = broker.exchanges(&vhost);
    assert_eq!(exchanges.len(), 1);
    assert_eq!((&exchanges[0]["name"], &exchanges[0]["type"]), (&json!("psistats"), &json!("topic")));
    assert_eq!(broker.bindings(&vhost).len(), 2);
    assert_eq!(broker.connections(&vhost).len(), 1);
}

#[test]
#[ignore = "needs RabbitMQ: tests/run"]
fn a_private_broker_keeps_a_persistent_message_when_it_is_killed() {
    let broker = Broker::private(&["heartbeat = 7"]);
    let tap = Tap::new(broker.port, "/").exchange("psistats", true).durable_queue("kept");
    tap.declare();
    publish(broker.port, "/", true, &["41", "42"]);
    assert!(broker.ctl(&["environment"]).contains("{heartbeat,7}"));

    broker.kill();
    let refused = TcpStream::connect((Ipv4Addr::LOCALHOST, broker.port)).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    broker.restart();
    let bodies: Vec<_> = tap.drain().into_iter().map(|m| m.body).collect();
    assert_eq!(bodies, [json!(41), json!(42)]);

    broker.freeze();
    let mut mute = TcpStream::connect((Ipv4Addr::LOCALHOST, broker.port)).unwrap();
    mute.write_all(b"AMQP\0\0\x09\x01").unwrap();
    mute.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    assert_eq!(mute.read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
    broker.thaw();
    mute.set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(mute.read(&mut [0]).unwrap(), 1);
}

#[test]
fn the_scripted_broker_serves_an_independent_client() {
    let broker = ScriptedBroker::new();
    let port = broker.port;
    let client = thread::spawn(move || publish(port, "/", true, &["{}", r#"{"mem": 41.2}"#]));

    let mut peer = broker.accept();
    let (channel, _) = peer.handshake_until(Step::ConfirmSelect);
    peer.send_method(channel, 85, 11, &[]); // Confirm.Select-Ok by hand
    assert_eq!(peer.read_publish().body, b"{}");
    let second = peer.read_publish();
    assert_eq!(second.body, br#"{"mem": 41.2}"#);
    assert_eq!((second.exchange.as_str(), second.routing_key.as_str()), ("psistats", "psistats.board"));
    assert!(second.mandatory);
    assert_eq!(*second.properties.delivery_mode(), Some(2));
    peer.ack(channel, 2, true);
    let (channel, close) = peer.serve_until(Step::Close);
    peer.answer(channel, &close);
    peer.read_end(PATIENCE);
    client.join().unwrap();
}

/// A server that echoes, and a client that is connected to it through a proxy.
fn echo_through_a_proxy() -> (Proxy, TcpStream) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let proxy = Proxy::new(listener.local_addr().unwrap().port());
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut buffer = [0; 1024];
        while let Ok(n @ 1..) = stream.read(&mut buffer) {
            stream.write_all(&buffer[..n]).unwrap();
        }
    });
    let client = TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port)).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    (proxy, client)
}

fn echo(client: &mut TcpStream, text: &[u8]) {
    client.write_all(text).unwrap();
    let mut back = vec![0; text.len()];
    client.read_exact(&mut back).unwrap();
    assert_eq!(back, text);
}

#[test]
fn the_proxy_forwards_trickles_and_stalls() {
    let (proxy, mut client) = echo_through_a_proxy();
    echo(&mut client, b"hello");
    assert_eq!(proxy.accepted(), 1);

    proxy.trickle(Direction::FromServer, Duration::from_millis(20));
    client.write_all(b"trickle").unwrap();
    let mut buffer = [0; 16];
    assert_eq!(client.read(&mut buffer).unwrap(), 1);
    let mut rest = [0; 6];
    client.read_exact(&mut rest).unwrap();
    assert_eq!(&rest, b"rickle");
    proxy.resume(Direction::FromServer);
    echo(&mut client, b"again");

    proxy.stall(Direction::FromClient);
    client.write_all(b"later").unwrap();
    client.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    assert_eq!(client.read(&mut buffer).unwrap_err().kind(), ErrorKind::WouldBlock);
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    proxy.resume(Direction::FromClient);
    let mut back = [0; 5];
    client.read_exact(&mut back).unwrap();
    assert_eq!(&back, b"later");
}

#[test]
fn the_proxy_resets_or_closes_on_request() {
    let (proxy, mut client) = echo_through_a_proxy();
    echo(&mut client, b"hello");
    proxy.reset();
    assert_eq!(client.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);

    let (proxy, mut client) = echo_through_a_proxy();
    echo(&mut client, b"hello");
    proxy.close();
    assert_eq!(client.read(&mut [0]).unwrap(), 0);

    // The proxy closes even while a stalled direction holds bytes back.
    let (proxy, mut client) = echo_through_a_proxy();
    echo(&mut client, b"hello");
    proxy.stall(Direction::FromClient);
    client.write_all(b"never").unwrap();
    proxy.reset();
    assert_eq!(client.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[test]
fn a_process_can_be_read_measured_and_stopped() {
    let mut process =
        Process::start(Command::new("sh").args(["-c", "echo out; echo err >&2; exec sleep 1000"]));
    process.wait_for_line("out", PATIENCE);
    process.wait_for_line("err", PATIENCE);
    assert_eq!(process.status("Threads"), 1);
    assert!(!process.has_ended());
    process.signal(nix::sys::signal::Signal::SIGTERM);
    assert_eq!(process.wait(PATIENCE).code(), None);

    let dropped = Process::start(Command::new("sleep").arg("1000"));
    let entry = format!("/proc/{}", dropped.pid());
    assert!(std::path::Path::new(&entry).exists());
    drop(dropped);
    assert!(!std::path::Path::new(&entry).exists());
}

#[test]
fn a_key_added_to_a_configuration_goes_into_its_existing_section() {
    let config = Config::new(5673, "/x")
        .set("queue", "ttl", 5)
        .set("server", "port", 9)
        .text("[cpu_temp]\nenabled=0\n");
    let expected = "[server]\nhost=127.0.0.1\nport=9\npath=/x\n\
                    [app]\nprimary_timer=0.05\nsecondary_timer=0.2\nretry_timer=0.1\n\
                    [queue]\nttl=5\n[cpu_temp]\nenabled=0\n";
    assert_eq!(config.to_string(), expected);
}
