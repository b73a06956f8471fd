//! Publishes three reports to an AMQP 0-9-1 broker, such as RabbitMQ, and ends once it has stored them.
//!
//!     cargo run --package psistats-core --example amqp -- 127.0.0.1:5672 /

use std::env;
use std::error::Error;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{self, Duration, SystemTime};

use psistats_core::amqp::delivery::{self, Envelope};
use psistats_core::amqp::{Buffers, Client, Event, Exchange, Mechanism, Options, Queue, Table};
use psistats_core::limits;
use psistats_core::link::Link;
use psistats_core::outbox::{Outbox, Run};
use psistats_core::time::Instant;

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = env::args().skip(1);
    let address = args.next().unwrap_or("127.0.0.1:5672".into());
    let vhost = args.next().unwrap_or("/".into());

    // Reports wait here until the broker has confirmed them, however many connections that takes.
    let mut outbox = Outbox::new([0; 4096]);
    for n in 1..=3 {
        let unix_ms = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_millis();
        outbox.push(i64::try_from(unix_ms)?, format!("{{\"n\":{n}}}").as_bytes())?;
    }

    let options = Options {
        mechanism: Mechanism::Plain,
        user: "guest",
        password: "guest",
        vhost: &vhost,
        product: "example",
        version: "1.0",
        connection_name: "example",
        heartbeat_s: 60,
        retry: Duration::from_secs(5),
        confirm_timeout: Duration::from_secs(30),
        refused_timeout: Duration::ZERO,
        exchange: Exchange { name: "reports", kind: "topic", durable: true, auto_delete: false },
        declare_exchange: true,
        queue: Some(Queue {
            name: "reports.example",
            binding_key: "reports.example",
            durable: true,
            exclusive: false,
            auto_delete: false,
            ttl_ms: None,
            kind: None,
            arguments: Table::EMPTY,
        }),
        routing_key: "reports.example",
    };
    // Message ids are this, a hyphen and the report's sequence number: unique to each run of the program.
    let id = std::process::id().to_string();
    let runs = [Run { first: 1, id: &id }];
    let envelope = Envelope { runs: &runs, app_id: "example", headers: Table::EMPTY, persistent: true };

    // The client has no clock, no socket and no memory: it is given all three.
    let start = time::Instant::now();
    let now = || Instant::default() + start.elapsed();
    let mut stream = TcpStream::connect(address)?;
    let (mut receive, mut send) = (vec![0; limits::AMQP_RECV], vec![0; limits::AMQP_SEND]);
    let mut client = Client::new(options, Buffers { receive: &mut receive, send: &mut send }, now());

    loop {
        // Drain: events first, since they make room and settle reports; then reports; then octets.
        while let Some(event) = delivery::settle(&mut client, &mut outbox, now()) {
            println!("{event:?}");
            if let Event::Ended(result) = event {
                println!("{}", outbox.counters());
                // After an error: outbox.rewind(), a pause, and the next client sends what is left.
                return Ok(result?);
            }
        }
        delivery::publish_waiting(&mut client, &mut outbox, envelope, now());
        if outbox.counters().pending == 0 {
            client.close(now());
        }
        while !client.outgoing().is_empty() {
            let n = stream.write(client.outgoing())?;
            client.sent(n, now());
        }
        // Wait: for octets, or for the deadline. A timeout of zero would be none.
        let wait = client.deadline().map(|at| at.since(now()).max(Duration::from_millis(1)));
        stream.set_read_timeout(wait)?;
        match stream.read(client.recv_space()) {
            Ok(0) => client.disconnected(),
            Ok(n) => client.received(n, now()),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                client.timed_out(now());
            }
            Err(error) => return Err(error.into()),
        }
    }
}
