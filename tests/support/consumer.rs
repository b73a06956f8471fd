//! Consumers that nobody here wrote: amqprs, pika, and `amqp-consume` of amqp-tools.

use std::process::Command;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use amqprs::channel::{
    BasicConsumeArguments, BasicGetArguments, Channel, ExchangeDeclareArguments, QueueBindArguments,
    QueueDeclareArguments,
};
use amqprs::connection::{Connection, OpenConnectionArguments};
use amqprs::{BasicProperties, FieldTable};
use serde_json::Value;
use tokio::sync::oneshot;

use super::PATIENCE;
use super::process::{Process, Stream};
use super::project;

/// One message with the properties that a report may carry.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    pub routing_key: String,
    pub body: Value,
    pub content_type: Option<String>,
    pub content_encoding: Option<String>,
    pub delivery_mode: Option<u8>,
    pub message_id: Option<String>,
    /// Unix seconds.
    pub timestamp: Option<u64>,
    pub app_id: Option<String>,
    /// Names of the headers.
    pub headers: Vec<String>,
}

/// What to read: a binding on a topic exchange, and the queue behind it. Exchange and queue are
/// declared, so that neither side must come first.
#[derive(Clone)]
pub struct Tap {
    port: u16,
    vhost: String,
    exchange: String,
    exchange_durable: bool,
    key: String,
    durable_queue: Option<String>,
}

impl Tap {
    /// The seed's exchange `psistats`, key `psistats.#`, an exclusive queue of one's own.
    pub fn new(port: u16, vhost: &str) -> Self {
        Self {
            port,
            vhost: vhost.into(),
            exchange: "psistats".into(),
            exchange_durable: false,
            key: "psistats.#".into(),
            durable_queue: None,
        }
    }

    /// Of another binding key.
    pub fn key(mut self, key: &str) -> Self {
        self.key = key.into();
        self
    }

    /// Of another exchange.
    pub fn exchange(mut self, name: &str, durable: bool) -> Self {
        (self.exchange, self.exchange_durable) = (name.into(), durable);
        self
    }

    /// A durable queue under a name, which outlives us and, with a durable exchange, the broker.
    pub fn durable_queue(mut self, name: &str) -> Self {
        self.durable_queue = Some(name.into());
        self
    }

    /// Declares and binds, and leaves a durable queue to fill.
    pub fn declare(&self) {
        assert!(self.durable_queue.is_some(), "an exclusive queue goes with its connection");
        runtime().block_on(async {
            let (connection, channel, _) = self.connect().await;
            channel.close().await.unwrap();
            connection.close().await.unwrap();
        });
    }

    /// Takes everything that waits in a durable queue, until it is empty.
    pub fn drain(&self) -> Vec<Message> {
        runtime().block_on(async {
            let (connection, channel, queue) = self.connect().await;
            let get = BasicGetArguments::new(&queue).no_ack(true).finish();
            let mut messages = Vec::new();
            while let Some((got, properties, body)) = channel.basic_get(get.clone()).await.unwrap() {
                messages.push(Message::new(got.routing_key(), &properties, &body));
            }
            channel.close().await.unwrap();
            connection.close().await.unwrap();
            messages
        })
    }

    /// Reads in the background from now on: what is published after this is seen.
    pub fn open(&self) -> Collector {
        let (to_test, messages) = channel();
        let (ready, is_ready) = channel();
        let (stop, mut stopped) = oneshot::channel::<()>();
        let tap = self.clone();
        thread::spawn(move || {
            runtime().block_on(async {
                let (connection, channel, queue) = tap.connect().await;
                let consume = BasicConsumeArguments::new(&queue, "").manual_ack(false).finish();
                let (_, mut incoming) = channel.basic_consume_rx(consume).await.unwrap();
                ready.send(()).unwrap();
                loop {
                    tokio::select! {
                        _ = &mut stopped => break,
                        next = incoming.recv() => {
                            let Some(next) = next else { return };
                            let (deliver, properties) = (next.deliver.unwrap(), next.basic_properties.unwrap());
                            let message = Message::new(deliver.routing_key(), &properties, &next.content.unwrap());
                            if to_test.send(message).is_err() { break }
                        }
                    }
                }
                let _ = channel.close().await; // the broker may be gone by now
                let _ = connection.close().await;
            });
        });
        is_ready.recv_timeout(PATIENCE).expect("the consumer could not connect, declare or bind");
        Collector { messages, _stop: stop }
    }

    /// pika in a process of its own, reading from now on.
    pub fn pika(&self) -> Outsider {
        let script = project::path("tests/support/consume.py");
        let mut command = Command::new("/usr/bin/python3");
        command.arg(script).args([&self.port.to_string(), &self.vhost, &self.exchange, &self.key]);
        let process = Process::start(&mut command);
        process.wait_for_line("ready", PATIENCE);
        Outsider { process, skip: 1 }
    }

    /// `amqp-consume`, which sees bodies alone. The exchange must exist. It binds a
    /// moment later ([`super::broker::Broker::bindings`] tells when).
    pub fn amqp_consume(&self) -> Outsider {
        let mut command = Command::new("amqp-consume");
        command.args([
            "--server=127.0.0.1",
            &format!("--port={}", self.port),
            &format!("--vhost={}", self.vhost),
        ]);
        command.args([&format!("--exchange={}", self.exchange), &format!("--routing-key={}", self.key)]);
        // A line a message: bodies come without an end.
        command.args(["--exclusive", "--no-ack", "--", "sh", "-c", "cat; echo"]);
        let process = Process::start(&mut command);
        process.wait_for_line("Server provided queue name", PATIENCE);
        Outsider { process, skip: 0 }
    }

    async fn connect(&self) -> (Connection, Channel, String) {
        let mut login = OpenConnectionArguments::new("127.0.0.1", self.port, "guest", "guest");
        let connection = Connection::open(login.virtual_host(&self.vhost)).await.unwrap();
        let channel = connection.open_channel(None).await.unwrap();
        let exchange =
            ExchangeDeclareArguments::new(&self.exchange, "topic").durable(self.exchange_durable).finish();
        channel.exchange_declare(exchange).await.unwrap();
        let queue = match &self.durable_queue {
            Some(name) => QueueDeclareArguments::durable_client_named(name),
            None => QueueDeclareArguments::exclusive_server_named(),
        };
        let (queue, ..) = channel.queue_declare(queue).await.unwrap().unwrap();
        channel.queue_bind(QueueBindArguments::new(&queue, &self.exchange, &self.key)).await.unwrap();
        (connection, channel, queue)
    }
}

/// amqprs, reading in the background until dropped.
pub struct Collector {
    messages: Receiver<Message>,
    _stop: oneshot::Sender<()>,
}

impl Collector {
    /// The next message, or none within `patience`.
    pub fn next(&self, patience: Duration) -> Option<Message> {
        self.messages.recv_timeout(patience).ok()
    }

    /// The next `n` messages, which come within `patience` altogether.
    pub fn take(&self, n: usize, patience: Duration) -> Vec<Message> {
        let deadline = Instant::now() + patience;
        let mut taken = Vec::new();
        while taken.len() < n {
            match self.next(deadline.saturating_duration_since(Instant::now())) {
                Some(message) => taken.push(message),
                None => panic!("{} of {n} messages within {patience:?}: {taken:#?}", taken.len()),
            }
        }
        taken
    }
}

/// A consumer in another process, reading until dropped.
pub struct Outsider {
    process: Process,
    skip: usize,
}

impl Outsider {
    /// The first `n` messages as it prints them: pika's with their properties, `amqp-consume`'s
    /// bodies alone. They come within `patience`.
    pub fn take(&self, n: usize, patience: Duration) -> Vec<Value> {
        let lines = self.process.wait_for_lines_of(Stream::Stdout, self.skip + n, patience);
        lines.iter().skip(self.skip).map(|line| json(line.as_bytes())).collect()
    }
}

impl Message {
    /// pika's view of a message ([`Tap::pika`]).
    pub fn of_pika(value: &Value) -> Self {
        let text = |name: &str| value[name].as_str().map(str::to_owned);
        Self {
            routing_key: text("routing_key").unwrap(),
            body: json(text("body").unwrap().as_bytes()),
            content_type: text("content_type"),
            content_encoding: text("content_encoding"),
            delivery_mode: value["delivery_mode"].as_u64().map(|mode| mode.try_into().unwrap()),
            message_id: text("message_id"),
            timestamp: value["timestamp"].as_u64(),
            app_id: text("app_id"),
            headers: value["headers"].as_object().map_or_else(Vec::new, |h| h.keys().cloned().collect()),
        }
    }

    fn new(routing_key: &str, properties: &BasicProperties, body: &[u8]) -> Self {
        let headers = |table: &FieldTable| table.as_ref().keys().map(ToString::to_string).collect();
        Self {
            routing_key: routing_key.into(),
            body: json(body),
            content_type: properties.content_type().cloned(),
            content_encoding: properties.content_encoding().cloned(),
            delivery_mode: properties.delivery_mode(),
            message_id: properties.message_id().cloned(),
            timestamp: properties.timestamp(),
            app_id: properties.app_id().cloned(),
            headers: properties.headers().map_or_else(Vec::new, headers),
        }
    }
}

fn json(body: &[u8]) -> Value {
    serde_json::from_slice(body)
        .unwrap_or_else(|e| panic!("not JSON: {e} in {:?}", String::from_utf8_lossy(body)))
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}
