//! The broker's side, on its own thread: connects, declares, consumes, acknowledges, and connects again.

use std::time::Duration;

use amqprs::callbacks::{ChannelCallback, ConnectionCallback};
use amqprs::channel::{
    BasicAckArguments, BasicConsumeArguments, BasicGetArguments, BasicQosArguments, Channel, ConsumerMessage,
    ExchangeDeclareArguments, QueueBindArguments, QueueDeclareArguments,
};
use amqprs::connection::{Connection, OpenConnectionArguments};
use amqprs::error::Error;
use amqprs::tls::TlsAdaptor;
use amqprs::{Ack, BasicProperties, Cancel, Close, CloseChannel, FieldTable, FieldValue, Nack, Return};
use async_trait::async_trait;
use bytes::Bytes;
use log::error;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, watch};
use tokio::time::{self, Instant};
use tokio_rustls::TlsConnector;

use super::failure::{Closed, Failure, Step};
use super::outage::Outage;
use super::{Delivery, Session};
use crate::clock::Clock;
use crate::complaints::Complaints;
use crate::fleet::{Heard, MessageId, Source};
use crate::settings::Rabbitmq;
use crate::tls::client::config;
use psistats_host::conf::hosts::Host;

/// Bytes of a report: the agent's have 6 KiB at most, others may be larger.
const BODY: usize = 16 * 1024;

/// For the login, and for all declarations together.
const PATIENCE: Duration = Duration::from_secs(15);

/// Octets of a frame, which is RabbitMQ's default: the stack has room for headers that are as deep as it.
const FRAME: u32 = 131_072;

/// Seconds; a broker that is silent for two of them is given up.
const HEARTBEAT: u16 = 20;

/// A connection that held for so long is no sign of a message that cannot be read.
const LONG: Duration = Duration::from_secs(60);

/// Before each connection to another hub's queue: that hub is to be there first. RabbitMQ 3 has the first consumer be the
/// active one; later ones go by the priority.
const STANDBY: Duration = Duration::from_secs(10);

/// Connections in a row that ended at once without a reason, while the broker is there: the next one asks for one message
/// at a time, so that the one that cannot be read is found.
const SUSPICIOUS: u32 = 3;

/// Consumes until it is told to stop.
pub fn run(settings: &Rabbitmq, sessions: &mpsc::Sender<Session>, mut stopping: watch::Receiver<bool>) {
    let mut outage = Outage::new(settings);
    let (clock, complaints) = (Clock::start(), Complaints::default());
    let mut silent = 0;
    while let Some(host) = outage.host() {
        if settings.is_standby && !wait(STANDBY, &mut stopping) {
            return;
        }
        let Ok(runtime) = Builder::new_current_thread().enable_all().build() else {
            return error!(
                "RabbitMQ: no more descriptors; restart the hub with a higher limit of open files"
            );
        };
        let mut attempt = Attempt {
            settings,
            host,
            sessions,
            clock: &clock,
            complaints: &complaints,
            silent,
            acknowledged: 0,
            has_removed: false,
        };
        let begin = Instant::now();
        let ended = runtime.block_on(attempt.connect(&mut outage, &mut stopping));
        let Attempt { acknowledged, has_removed, .. } = attempt;
        give_up(runtime);
        let Err(failure) = ended else { return };
        let is_long = begin.elapsed() >= LONG;
        if acknowledged > 0 || is_long {
            outage.worked();
        }
        silent = match silent {
            _ if !failure.is_silent || is_long || has_removed => 0,
            // One at a time, those before it were taken: the next time it is the first.
            SUSPICIOUS.. if acknowledged > 0 => SUSPICIOUS,
            n => n + 1,
        };
        if !wait(outage.failed(host, &failure), &mut stopping) {
            return;
        }
    }
}

/// Drops everything that amqprs has spawned, wherever it is.
fn give_up(runtime: Runtime) {
    // A name may still be looked up, for which nobody waits.
    runtime.shutdown_background();
}

/// False: it is time to stop.
fn wait(duration: Duration, stopping: &mut watch::Receiver<bool>) -> bool {
    let Ok(runtime) = Builder::new_current_thread().enable_time().build() else { return false };
    runtime.block_on(async { time::timeout(duration, stopping.wait_for(|stops| *stops)).await.is_err() })
}

/// One connection.
struct Attempt<'a> {
    settings: &'a Rabbitmq,
    host: &'a Host,
    sessions: &'a mpsc::Sender<Session>,
    clock: &'a Clock,
    complaints: &'a Complaints,
    /// How many connections before this one ended without a reason.
    silent: u32,
    /// The last tag.
    acknowledged: u64,
    /// The message that could not be read is gone.
    has_removed: bool,
}

impl Attempt<'_> {
    /// Consumes. Ok: until it was told to stop.
    async fn connect(
        &mut self,
        outage: &mut Outage<'_>,
        stopping: &mut watch::Receiver<bool>,
    ) -> Result<(), Failure> {
        let (closing, closed) = watch::channel(None);
        let opening = tokio::select! {
            opening = time::timeout(PATIENCE, self.open(Callback(closing))) => opening,
            _ = stopping.wait_for(|stops| *stops) => return Ok(()),
        };
        let connection = opening.map_err(|_| Failure::timeout("logging in"))??;
        let mut step = Step::Channel;
        let is_one_by_one = self.silent >= SUSPICIOUS;
        let set_up = time::timeout(PATIENCE, async {
            let channel = connection.0.open_channel(None).await?;
            channel.register_callback(connection.1.clone()).await?;
            if self.settings.declare {
                self.declare(&channel, &mut step).await?;
            }
            step = Step::Consume;
            let first = if self.silent > SUSPICIOUS { self.remove_first(&channel).await } else { None };
            let prefetch = if is_one_by_one { 1 } else { self.settings.prefetch };
            channel.basic_qos(BasicQosArguments::new(0, prefetch, false)).await?;
            let mut priority = FieldTable::new();
            let is_shared = !self.settings.standby.is_empty();
            if let Some(name) = "x-priority".try_into().ok().filter(|_| is_shared) {
                priority.insert(name, FieldValue::I(i32::from(!self.settings.is_standby)));
            }
            let consume = BasicConsumeArguments::new(&self.settings.queue, "")
                .manual_ack(true)
                .arguments(priority)
                .finish();
            let (_, messages) = channel.basic_consume_rx(consume).await?;
            Ok::<_, Error>((channel, messages, first))
        });
        let (channel, messages, first) = match set_up.await {
            Ok(Ok(consumer)) => consumer,
            Ok(Err(_)) => return Err(Failure::at(step, closed.borrow().as_ref(), self.settings)),
            Err(_) => return Err(Failure::timeout(&step.to_string())),
        };
        outage.is_over(self.host);
        self.consume(&channel, first, messages, closed, stopping).await?;
        // The last word is a courtesy.
        let _ = time::timeout(Duration::from_secs(1), connection.0.close()).await;
        Ok(())
    }

    async fn open(&self, callback: Callback) -> Result<(Connection, Callback), Failure> {
        let Rabbitmq { vhost, user, pass, .. } = self.settings;
        let name = &self.host.name;
        let name = if name.contains(':') { format!("[{name}]") } else { name.clone() };
        let mut login = OpenConnectionArguments::new(&name, self.host.port, user, pass.reveal());
        login.virtual_host(vhost).connection_name("psistats-hub").heartbeat(HEARTBEAT);
        if self.settings.has_tls {
            let trust = config(self.settings.tls_ca.as_deref()).map_err(Failure::of_authorities)?;
            login.tls_adaptor(TlsAdaptor::new(TlsConnector::from(trust), self.host.name.clone()));
        }
        let failed = |error: Error| Failure::of_opening(&error, self.host, self.settings);
        let connection = Connection::open(&login).await.map_err(failed)?;
        if connection.frame_max() > FRAME {
            return Err(Failure::of_frames(connection.frame_max(), FRAME));
        }
        connection.register_callback(callback.clone()).await.map_err(failed)?;
        Ok((connection, callback))
    }

    async fn declare(&self, channel: &Channel, step: &mut Step) -> Result<(), Error> {
        let Rabbitmq { queue, kind, single_active_consumer, exchange, keys, .. } = self.settings;
        *step = Step::Exchange;
        let declared = ExchangeDeclareArguments::new(exchange, &self.settings.exchange_type)
            .durable(self.settings.exchange_durable)
            .finish();
        channel.exchange_declare(declared).await?;
        *step = Step::Queue;
        let mut arguments = FieldTable::new();
        for (name, value) in [
            ("x-queue-type", Some(FieldValue::from(*kind))),
            ("x-single-active-consumer", single_active_consumer.then(|| FieldValue::from(true))),
        ] {
            if let (Ok(name), Some(value)) = (name.try_into(), value) {
                arguments.insert(name, value);
            }
        }
        let declared = QueueDeclareArguments::durable_client_named(queue).arguments(arguments).finish();
        channel.queue_declare(declared).await?;
        *step = Step::Binding;
        for key in keys {
            channel.queue_bind(QueueBindArguments::new(queue, exchange, key)).await?;
        }
        Ok(())
    }

    /// Has the broker forget the message at which the connections ended, which is the first by now: amqprs reads neither a
    /// text that is not UTF-8 nor every type of header, ends the connection, and names no message that could be refused.
    /// One that it reads after all is given.
    async fn remove_first(&mut self, channel: &Channel) -> Option<Delivery> {
        let queue = &self.settings.queue;
        match channel.basic_get(BasicGetArguments::new(queue).no_ack(true).finish()).await {
            Ok(message) => message
                .map(|(_, properties, body)| (0, Some(heard(self.settings.source(), &properties, body)))),
            Err(_) => {
                self.has_removed = true;
                error!(
                    "RabbitMQ at {}: the first message of queue \"{queue}\" cannot be read, and was removed: its \
                     properties have a text that is not UTF-8, or a header of a type that is not supported",
                    self.host
                );
                None
            }
        }
    }

    /// Hands on what comes, and acknowledges what is kept.
    async fn consume(
        &mut self,
        channel: &Channel,
        first: Option<Delivery>,
        mut incoming: mpsc::UnboundedReceiver<ConsumerMessage>,
        mut closed: watch::Receiver<Option<Closed>>,
        stopping: &mut watch::Receiver<bool>,
    ) -> Result<(), Failure> {
        let (to_door, messages) = mpsc::channel::<Delivery>(usize::from(self.settings.prefetch));
        let (kept_to, mut kept) = watch::channel(0);
        let mut delivered = 0;
        let gone = |closed: &watch::Receiver<Option<Closed>>| {
            Failure::at(Step::Consuming, closed.borrow().as_ref(), self.settings)
        };
        if self.sessions.send(Session { messages, kept: kept_to }).await.is_err() {
            return Ok(());
        }
        if let Some(first) = first {
            // The broker has forgotten it already.
            let _ = to_door.send(first).await;
        }
        let mut is_stopping = false;
        loop {
            tokio::select! {
                biased;
                changed = kept.changed() => {
                    let tag = *kept.borrow_and_update();
                    if changed.is_err() {
                        return Ok(());
                    }
                    // Of tag 0 the broker would acknowledge everything.
                    if tag > self.acknowledged && channel.basic_ack(BasicAckArguments::new(tag, true)).await.is_err() {
                        return Err(gone(&closed));
                    }
                    self.acknowledged = tag;
                }
                _ = closed.changed() => return Err(gone(&closed)),
                _ = stopping.wait_for(|stops| *stops), if !is_stopping => is_stopping = true,
                message = incoming.recv(), if !is_stopping => {
                    let Some((tag, heard)) = message.map(|message| self.read(message)) else {
                        return Err(gone(&closed));
                    };
                    delivered = tag;
                    if to_door.send((tag, heard)).await.is_err() {
                        return Ok(());
                    }
                }
            }
            if is_stopping && self.acknowledged >= delivered {
                return Ok(());
            }
        }
    }

    /// A delivery, without a report where it is too large for one.
    fn read(&self, message: ConsumerMessage) -> Delivery {
        let tag = message.deliver.map_or(0, |deliver| deliver.delivery_tag());
        let (properties, body) =
            (message.basic_properties.unwrap_or_default(), message.content.unwrap_or_default());
        if body.len() > BODY {
            let text = format_args!(
                "RabbitMQ at {}: a message of {} bytes was dropped, where {BODY} are the most of a report",
                self.host,
                body.len()
            );
            self.complaints.say(self.clock.now(), text);
            return (tag, None);
        }
        (tag, Some(heard(self.settings.source(), &properties, body)))
    }
}

fn heard(source: Source, properties: &BasicProperties, body: Vec<u8>) -> Heard {
    let seconds = properties.timestamp().and_then(|seconds| i64::try_from(seconds).ok());
    let of_seconds = seconds.and_then(|seconds| seconds.checked_mul(1000));
    let exact = properties.headers().zip("timestamp_in_ms".try_into().ok());
    let exact = match exact.and_then(|(headers, name)| headers.get(&name)) {
        Some(FieldValue::l(ms)) => Some(*ms),
        _ => None,
    };
    Heard {
        source,
        peer: None,
        id: properties.message_id().and_then(|id| MessageId::parse(id)),
        sampled_ms: exact.or(of_seconds),
        body: Bytes::from(body),
    }
}

/// Hears why the broker ends something.
#[derive(Clone)]
struct Callback(watch::Sender<Option<Closed>>);

impl Callback {
    /// The first reason is the reason. The error has amqprs answer nothing, where it would panic if the socket were gone.
    fn tell(&self, code: u16, text: &str) -> Result<(), Error> {
        self.0.send_if_modified(|closed| {
            let is_first = closed.is_none();
            closed.get_or_insert_with(|| Closed { code, text: text.to_owned() });
            is_first
        });
        Err(Error::ChannelUseError(String::new()))
    }
}

#[async_trait]
impl ConnectionCallback for Callback {
    async fn close(&mut self, _: &Connection, close: Close) -> Result<(), Error> {
        self.tell(close.reply_code(), close.reply_text())
    }

    async fn blocked(&mut self, _: &Connection, _: String) {}

    async fn unblocked(&mut self, _: &Connection) {}

    async fn secret_updated(&mut self, _: &Connection) {}
}

#[async_trait]
impl ChannelCallback for Callback {
    async fn close(&mut self, _: &Channel, close: CloseChannel) -> Result<(), Error> {
        self.tell(close.reply_code(), close.reply_text())
    }

    async fn cancel(&mut self, _: &Channel, _: Cancel) -> Result<(), Error> {
        self.tell(0, "the end of consuming: the queue was deleted or moved")
    }

    async fn flow(&mut self, _: &Channel, _: bool) -> Result<bool, Error> {
        Err(Error::ChannelUseError(String::new()))
    }

    async fn publish_ack(&mut self, _: &Channel, _: Ack) {}

    async fn publish_nack(&mut self, _: &Channel, _: Nack) {}

    async fn publish_return(&mut self, _: &Channel, _: Return, _: BasicProperties, _: Vec<u8>) {}
}
