//! Programs that publish to a broker publish to the server unchanged: over TCP on loopback, one thread a connection.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Output};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{self, Duration};

use amqprs::BasicProperties;
use amqprs::channel::{
    BasicPublishArguments, ConfirmSelectArguments, ExchangeDeclareArguments, QueueBindArguments,
    QueueDeclareArguments,
};
use amqprs::connection::{Connection, OpenConnectionArguments};
use psistats_core::amqp::ServerEvent;
use psistats_core::link::Link;
use psistats_core::time::Instant;
use serde_json::Value;
use support::PATIENCE;
use support::agent::{Agent, Config};
use support::process::Process;

use super::guest::{self, REFUSAL};

/// A message, and who published it.
#[derive(Clone, Debug)]
struct Report {
    user: String,
    exchange: String,
    routing_key: String,
    message_id: String,
    timestamp: Option<u64>,
    body: Vec<u8>,
}

/// Serves until the test ends. Everything is confirmed at once.
struct Intake {
    port: u16,
    reports: Receiver<Report>,
}

impl Intake {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (to_test, reports) = channel();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let to_test = to_test.clone();
                thread::spawn(move || serve(&stream, &to_test));
            }
        });
        Self { port, reports }
    }

    fn next(&self) -> Report {
        self.reports.recv_timeout(PATIENCE).expect("a report in time")
    }
}

fn serve(mut stream: &TcpStream, to_test: &Sender<Report>) {
    let started = time::Instant::now();
    let now = || Instant::from_nanos(1 + started.elapsed().as_nanos() as u64);
    let mut server = guest::server(guest::OPTIONS, now());
    let mut user = String::new();
    stream.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    loop {
        let mut has_ended = false;
        while let Some(event) = server.poll_event(now()) {
            match event {
                ServerEvent::Login => {
                    let login = server.login().unwrap();
                    user = login.user.to_owned();
                    match login.password {
                        b"wrong" => server.refuse(now()),
                        _ => server.accept(now()),
                    }
                }
                ServerEvent::Publish(tag) => {
                    let message = server.message().unwrap();
                    let report = Report {
                        user: user.clone(),
                        exchange: message.exchange.to_owned(),
                        routing_key: message.routing_key.to_owned(),
                        message_id: message.properties.message_id.to_owned(),
                        timestamp: message.properties.timestamp,
                        body: message.body.to_vec(),
                    };
                    let _ = to_test.send(report);
                    server.confirm(tag);
                }
                ServerEvent::Ended(_) => has_ended = true,
                _ => {}
            }
        }
        while !server.outgoing().is_empty() {
            let Ok(n) = stream.write(server.outgoing()) else { return };
            server.sent(n, now());
        }
        if has_ended {
            return;
        }
        match stream.read(server.recv_space()) {
            Ok(0) => server.disconnected(),
            Ok(n) => server.received(n, now()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => server.disconnected(),
        }
        if server.deadline().is_some_and(|due| due <= now()) {
            server.timed_out(now());
        }
    }
}

/// Runs `script` with pika, which gets the port.
fn pika(intake: &Intake, script: &str) -> String {
    let mut python = Command::new("/usr/bin/python3");
    let script = format!("import pika, sys\nport = int(sys.argv[1])\n{script}");
    let output = python.args(["-W", "ignore", "-c", &script, &intake.port.to_string()]).output().unwrap();
    succeeded(&output)
}

fn succeeded(output: &Output) -> String {
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

#[test]
#[ignore = "needs python3-pika: tests/run"]
fn the_pythons_client_declares_publishes_and_gets_its_confirms() {
    let intake = Intake::start();
    for confirmed in ["channel.confirm_delivery()", "pass"] {
        pika(
            &intake,
            &format!(
                r#"
connection = pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", port, heartbeat=5))
channel = connection.channel()
channel.exchange_declare("psistats", "topic")
channel.queue_declare("psistats.pi", exclusive=True, auto_delete=True, arguments={{"x-message-ttl": 10000}})
channel.queue_bind("psistats.pi", "psistats", "psistats.pi")
{confirmed}
for n in range(3):
    properties = pika.BasicProperties(content_type="application/json", message_id=str(n), headers={{"ts_ms": n}})
    channel.basic_publish("psistats", "psistats.pi", "%d" % n, properties, mandatory=True)
assert channel.queue_declare("", passive=False).method.queue.startswith("amq.gen-")
channel.close()
connection.close()
"#
            ),
        );
        for n in 0..3 {
            let report = intake.next();
            assert_eq!((report.user.as_str(), report.exchange.as_str()), ("guest", "psistats"));
            assert_eq!((report.routing_key.as_str(), report.message_id), ("psistats.pi", n.to_string()));
            assert_eq!(report.body, n.to_string().as_bytes());
        }
    }
}

#[test]
#[ignore = "needs python3-pika: tests/run"]
fn the_pythons_client_is_told_why_it_may_not_consume_or_log_in() {
    let intake = Intake::start();
    let told = pika(
        &intake,
        r#"
channel = pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", port)).channel()
try:
    channel.basic_consume("q", lambda *_: None)
    channel.start_consuming()
except pika.exceptions.ConnectionClosedByBroker as error:
    print(error.reply_code, error.reply_text)
try:
    wrong = pika.PlainCredentials("pi", "wrong")
    pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", port, credentials=wrong))
except pika.exceptions.ProbableAuthenticationError as error:
    print("refused", error)
"#,
    );
    assert!(told.starts_with(&format!("540 {REFUSAL}\nrefused")) && told.contains("403"), "{told}");
}

#[test]
#[ignore = "needs the network of this machine: tests/run"]
fn amqprs_declares_and_publishes() {
    let intake = Intake::start();
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
        let login = OpenConnectionArguments::new("127.0.0.1", intake.port, "guest", "guest");
        let connection = Connection::open(&login).await.unwrap();
        // Of its two channels the second one is used.
        let _first = connection.open_channel(None).await.unwrap();
        let channel = connection.open_channel(None).await.unwrap();
        channel.exchange_declare(ExchangeDeclareArguments::new("psistats", "topic")).await.unwrap();
        let queue = QueueDeclareArguments::exclusive_server_named();
        let (queue, ..) = channel.queue_declare(queue).await.unwrap().unwrap();
        channel.queue_bind(QueueBindArguments::new(&queue, "psistats", "#")).await.unwrap();
        channel.confirm_select(ConfirmSelectArguments::default()).await.unwrap();
        for n in 0..3_usize {
            let to = BasicPublishArguments::new("psistats", "psistats.pi");
            let properties = BasicProperties::default().with_timestamp(n as u64).finish();
            channel.basic_publish(properties, vec![b'x'; 3000 * n], to).await.unwrap();
        }
        channel.close().await.unwrap();
        connection.close().await.unwrap();
    });
    for n in 0..3 {
        let report = intake.next();
        assert_eq!((report.timestamp, report.body.len()), (Some(n as u64), 3000 * n));
    }
}

#[test]
#[ignore = "needs amqp-tools: tests/run"]
fn librabbitmq_publishes() {
    let intake = Intake::start();
    let output = Command::new("amqp-publish")
        .args(["--server=127.0.0.1", &format!("--port={}", intake.port)])
        .args(["--exchange=e", "--routing-key=r", "--body={\"cpu\":1.5}"])
        .output()
        .unwrap();
    succeeded(&output);
    let report = intake.next();
    assert_eq!((report.exchange.as_str(), report.routing_key.as_str()), ("e", "r"));
    assert_eq!(report.body, b"{\"cpu\":1.5}");
}

#[test]
#[ignore = "needs collectd-core: tests/run"]
fn collectds_plugin_publishes() {
    let intake = Intake::start();
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("collectd.conf");
    let text = format!(
        r#"BaseDir "{folder}"
PIDFile "{folder}/pid"
Interval 1
LoadPlugin load
LoadPlugin amqp
<Plugin amqp>
  <Publish "psistats">
    Host "127.0.0.1"
    Port "{port}"
    User "guest"
    Password "guest"
    Exchange "amq.fanout"
    Format JSON
  </Publish>
</Plugin>
"#,
        folder = folder.path().display(),
        port = intake.port
    );
    std::fs::write(&config, text).unwrap();
    let _collectd = Process::start(Command::new("/usr/sbin/collectd").arg("-f").arg("-C").arg(&config));
    let report = intake.next();
    assert_eq!(report.exchange, "amq.fanout");
    let body: Value = serde_json::from_slice(&report.body).unwrap();
    assert_eq!(body[0]["plugin"], "load");
}

#[test]
#[ignore = "needs the agent: tests/run"]
fn our_agent_publishes_with_nothing_but_a_host() {
    let intake = Intake::start();
    let _agent = Agent::start(&Config::new(intake.port, "/"), &[]);
    for n in 1..=5 {
        let report = intake.next();
        assert!(report.message_id.ends_with(&format!("-{n}")), "{report:?}");
        let body: Value = serde_json::from_slice(&report.body).unwrap();
        assert!(body["hostname"].is_string() && report.timestamp.is_some(), "{body}");
    }
}
