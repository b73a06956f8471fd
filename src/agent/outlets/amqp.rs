//! Reports to a broker, from the outbox that keeps them until they are confirmed.

mod events;

use std::cell::{Cell, RefCell};
use std::fs;
use std::io;
use std::ops::ControlFlow;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use log::{debug, error, info};

use crate::LOG_AMQP;
use crate::life::connection::Connection;
use crate::life::context::Shared;
use crate::net::attempts::{
    Alternatives, Attempts, ConnectionError, Label, Lines, Plan, by_chance, from_home,
};
use crate::net::channel::Channel;
use crate::net::wire;
use crate::outlets::{Driver, Opened, Outlet, Protocol, advice};
use crate::settings::{self, Fields, HOSTNAME, Settings};
use psistats_core::amqp::delivery::{self, Batch, Envelope};
use psistats_core::amqp::{Buffers, Client, Error, Event, Exchange, Mechanism, Options, Queue, Table, Value};
use psistats_core::kernel::boot_id;
use psistats_core::limits;
use psistats_core::link::Link;
use psistats_core::outbox::Run;
use psistats_core::time::Instant;

/// Whom broker and consumers see: in the list of connections, and on every message.
const PRODUCT: &str = "psistats";

/// From a stop to our Close, for what can still be confirmed. With the Close itself under 2 s.
const FLUSH: Duration = Duration::from_millis(900);

/// Reports in flight from which on confirms are looked at together, and how long they may gather:
/// while a backlog is sent, each would otherwise wake us by itself.
const MANY: usize = 64;
const CONFIRMS_TOGETHER: Duration = Duration::from_millis(2);

const BROKER: Label = Label { name: "RabbitMQ", target: LOG_AMQP, meanwhile: ", reports are kept" };

/// Publishes what lies in the outbox, which `runs` have made, until the agent stops.
///
/// # Errors
/// Where there is no room for another deadline.
pub async fn run(shared: &Shared<'_>, runs: &[Run<'_>]) -> io::Result<()> {
    let mut broker = Broker {
        shared,
        runs,
        receive: Vec::new(),
        send: Vec::new(),
        batch: RefCell::default(),
        hostname: Rc::default(),
        arguments: Vec::new(),
        headers: Vec::new(),
        queue: String::new(),
        routing_key: String::new(),
        lines: Lines::new(shared.reactor, BROKER.target),
        missing: Cell::default(),
    };
    Driver::new(shared, &BROKER, &shared.connection, &shared.publishing)?.run(&mut broker).await
}

/// Puts a report, with its sample time, into the outbox.
pub fn keep(shared: &Shared<'_>, unix_ms: i64, report: &[u8]) {
    // As the original worded it, whose users look there for what is in a report.
    debug!("Sending packet: {}", str::from_utf8(report).unwrap_or_default());
    // The smallest ring holds the largest report.
    if shared.outbox.borrow_mut().push(unix_ms, report).is_err() {
        error!("a report of {} bytes is larger than the whole backlog", report.len());
    }
    shared.publishing.notify();
}

/// What every message id of this run begins with: the boot of the machine below `root`, and the start.
///
/// Sequence numbers start anew with the program, so that the boot alone does not tell two reports apart; nor does
/// the millisecond, where containers, which share the boot, start at once.
pub fn run_id(root: &Path, started: Instant) -> String {
    let uuid =
        |root: &Path, file| fs::read(root.join("proc/sys/kernel/random").join(file)).unwrap_or_default();
    let (boot, random) = (uuid(root, "boot_id"), uuid("/".as_ref(), "uuid"));
    let boot = boot_id::parse(&boot).unwrap_or("no-boot-id");
    let started_ms = started.as_nanos() / 1_000_000;
    // Eight hexadecimal digits that no other process has: the kernel's, where it gives any.
    let digits = boot_id::parse(&random).and_then(|uuid| u32::from_str_radix(uuid.get(..8)?, 16).ok());
    format!("{boot}-{started_ms:x}{:08x}", digits.unwrap_or_else(|| fastrand::u32(..)))
}

/// The broker, as an outlet.
struct Broker<'s, 'r> {
    shared: &'s Shared<'r>,
    runs: &'s [Run<'s>],
    receive: Vec<u8>,
    send: Vec<u8>,
    /// Where messages of several reports are made.
    batch: RefCell<Vec<u8>>,
    /// That of the reports when the connection was opened.
    hostname: Rc<str>,
    /// Of the queue, and of every message, as they are on the wire.
    arguments: Vec<u8>,
    headers: Vec<u8>,
    queue: String,
    routing_key: String,
    lines: Lines<'r>,
    missing: Cell<Missing>,
}

/// What is known of a queue of our own that we publish without, on one connection after another.
#[derive(Clone, Copy, Default)]
struct Missing {
    since: Option<Instant>,
    /// That it is not our own previous connection's has been said.
    is_error: bool,
}

impl Outlet for Broker<'_, '_> {
    fn prepare(&mut self, settings: &Settings) -> io::Result<Option<Plan>> {
        let server = &settings.server;
        // After a reload that switches it on there is no host name before the first report.
        if !server.enabled || self.shared.hostname().is_empty() {
            return Ok(None);
        }
        self.receive.resize(limits::AMQP_RECV, 0);
        self.send.resize(limits::AMQP_SEND, 0);
        let is_batched = settings.message.batch > 1;
        self.batch.borrow_mut().resize(if is_batched { limits::AMQP_BATCH } else { 0 }, 0);
        // That these are not too long is seen to where they are read.
        encode(&settings.queue.arguments, &mut self.arguments, &mut self.send);
        encode(&settings.message.headers, &mut self.headers, &mut self.send);
        let heartbeat = Duration::from_secs(u64::from(server.heartbeat));
        let is_off = heartbeat.is_zero();
        Ok(Some(Plan {
            hosts: from_home(server.hosts.clone(), &self.shared.hostname()),
            tls: server.tls.clone(),
            retry: settings.app.retry_timer,
            dead_after: if is_off { Duration::from_secs(120) } else { heartbeat * 2 },
            spread: server.retry_spread,
        }))
    }

    fn is_current(&self, settings: &Settings) -> bool {
        is_same(settings, &self.shared.settings())
    }

    fn is_due(&self) -> bool {
        let settings = self.shared.settings();
        if !settings.server.connects_each_time {
            return true;
        }
        let (most, is_last) = (settings.message.batch, self.shared.is_stopping());
        let (mut body, mut outbox) = (self.batch.borrow_mut(), self.shared.outbox.borrow_mut());
        match most {
            1 => outbox.counters().pending > 0,
            _ => delivery::is_due(&mut outbox, self.runs, &mut Batch { most, is_last, body: &mut body }),
        }
    }

    fn open<'p>(&'p mut self, settings: &'p Settings, attempts: &Attempts) -> Opened<'p> {
        self.hostname = self.shared.hostname();
        self.queue = format!("{}.{}", settings.queue.prefix, self.hostname);
        self.routing_key = match &settings.exchange.routing_key {
            Some(template) => template.replace(HOSTNAME, &self.hostname),
            None => self.queue.clone(),
        };
        let Self { shared, runs, receive, send, batch, hostname, arguments, headers, queue, .. } = self;
        let Self { routing_key, lines, missing, .. } = self;
        let (buffers, now) = (Buffers { receive, send }, shared.reactor.now());
        let mut options = options(settings, queue, arguments, routing_key);
        // A node that refuses everything may be cut off from its peers: another may do. Where all do, it is a queue.
        options.refused_timeout = match attempts.alternatives() {
            Alternatives::None => Duration::ZERO,
            Alternatives::Untried => options.confirm_timeout,
            Alternatives::Tried => options.confirm_timeout * 10,
        };
        Opened::Amqp(Publishing {
            shared,
            settings,
            runs,
            hostname,
            headers,
            queue,
            routing_key,
            lines,
            missing,
            failures: attempts.failures(),
            client: Client::new(options, buffers, now),
            batch: Batch { most: settings.message.batch, is_last: false, body: batch.get_mut() },
            flush_until: None,
            home_at: (!attempts.is_home()).then(|| home_at(settings.server.rebalance, now)).flatten(),
            unroutable: Cell::new(false),
            without_queue: Cell::new(false),
            refused_at: Cell::new(None),
        })
    }

    fn closed(&mut self) {
        self.lines.tell_suppressed();
        self.shared.outbox.borrow_mut().rewind();
    }

    fn delivered(&self) -> u64 {
        self.shared.outbox.borrow().counters().confirmed
    }
}

/// One connection to a broker.
pub struct Publishing<'p> {
    shared: &'p Shared<'p>,
    settings: &'p Settings,
    runs: &'p [Run<'p>],
    hostname: &'p str,
    headers: &'p [u8],
    queue: &'p str,
    routing_key: &'p str,
    lines: &'p Lines<'p>,
    missing: &'p Cell<Missing>,
    /// Attempts that failed before this one.
    failures: u32,
    client: Client<'p>,
    batch: Batch<'p>,
    /// While the agent stops: when to close at the latest.
    flush_until: Option<Instant>,
    /// From when on to go home, once everything is confirmed.
    home_at: Option<Instant>,
    /// Reports come back, since no queue is bound.
    unroutable: Cell<bool>,
    /// The broker refuses our own queue.
    without_queue: Cell<bool>,
    /// When it was said last that the broker refuses reports, while it does.
    refused_at: Cell<Option<Instant>>,
}

impl Protocol for Publishing<'_> {
    fn pass(&mut self, channel: &mut Channel<'_>) -> Result<ControlFlow<()>, ConnectionError> {
        let now = self.shared.reactor.now();
        wire::receive(&mut self.client, channel, now)?;
        loop {
            // One statement, so that the outbox is free again for what follows.
            let event = delivery::settle(&mut self.client, &mut self.shared.outbox.borrow_mut(), now);
            match event {
                None => break,
                Some(Event::Ended(result)) => {
                    // The last words, a Close or Close-Ok, are a courtesy.
                    let _ = wire::transmit(&mut self.client, channel, now);
                    return result.map(ControlFlow::Break).map_err(|error| failure(&error));
                }
                Some(event) => self.on_event(&event, channel),
            }
        }
        self.close_if_unwanted(now);
        self.batch.is_last = self.shared.is_stopping();
        loop {
            self.publish(now);
            if !wire::transmit(&mut self.client, channel, now)? {
                break;
            }
        }
        if self.shared.outbox.borrow().in_flight() >= MANY && !self.is_sending() {
            self.shared.reactor.rest(CONFIRMS_TOGETHER);
        }
        Ok(ControlFlow::Continue(()))
    }

    fn deadline(&self) -> Option<Instant> {
        // One that has passed waits for a confirm, not for a time.
        let home_at = self.home_at.filter(|at| *at > self.shared.reactor.now());
        [self.client.deadline(), self.flush_until, home_at].into_iter().flatten().min()
    }

    fn is_sending(&self) -> bool {
        !self.client.outgoing().is_empty()
    }
}

impl<'p> Publishing<'p> {
    /// Closes in order when the agent stops, after what can be confirmed soon; and when this connection is not
    /// that of the settings any more.
    fn close_if_unwanted(&mut self, now: Instant) {
        if self.shared.is_stopping() {
            let until = *self.flush_until.get_or_insert(now + FLUSH);
            let nothing_left = self.shared.outbox.borrow().counters().pending == 0;
            if nothing_left || now >= until || self.shared.connection.get() == Connection::Blocked {
                self.client.close(now);
                self.flush_until = None;
            }
        } else if !self.is_current() {
            self.client.close(now);
        } else if self.home_at.is_some_and(|at| now >= at)
            && self.shared.outbox.borrow().counters().pending == 0
        {
            self.home_at = None;
            info!(target: LOG_AMQP, "going back to the host of [server] host at which this board starts");
            self.client.close(now);
        }
    }

    /// Whether the agent goes on, and would make this connection as it is.
    fn is_current(&self) -> bool {
        is_same(self.settings, &self.shared.settings())
            && *self.hostname == *self.shared.hostname()
            && !self.shared.is_stopping()
    }

    /// Hands to the client what it takes. Where a connection is made each time, it is closed once nothing is left.
    fn publish(&mut self, now: Instant) {
        let persistent = self.settings.queue.durable || self.shared.settings().message.persistent;
        let headers = Table::new(self.headers);
        let envelope = Envelope { runs: self.runs, app_id: PRODUCT, headers, persistent };
        let (client, outbox) = (&mut self.client, &mut *self.shared.outbox.borrow_mut());
        if self.batch.most == 1 {
            delivery::publish_waiting(client, outbox, envelope, now);
        } else {
            delivery::publish_batches(client, outbox, envelope, &mut self.batch, now);
        }
        // What could not be published yet is in flight, refused, or finds no room behind what waits to be sent.
        if self.settings.server.connects_each_time
            && client.can_publish()
            && outbox.in_flight() == 0
            && outbox.refused_count() == 0
            && client.outgoing().is_empty()
        {
            client.close(now);
        }
    }
}

/// Writes `fields` into `octets` as they are on the wire, by way of some memory.
fn encode(fields: &Fields, octets: &mut Vec<u8>, memory: &mut [u8]) {
    let fields = fields.iter().map(|(name, value)| {
        let value = match value {
            settings::Value::Bool(value) => Value::Bool(*value),
            settings::Value::Int(value) => Value::Int(*value),
            settings::Value::Text(text) => Value::Octets(text.as_bytes()),
        };
        (name.as_str(), value)
    });
    octets.clear();
    octets.extend_from_slice(Table::encode(fields, memory).unwrap_or_default().octets());
}

/// About `rebalance` from now, between half and one and a half: a fleet that was moved at once does not move back at
/// once. None where it is zero.
fn home_at(rebalance: Duration, now: Instant) -> Option<Instant> {
    (!rebalance.is_zero()).then(|| now + rebalance / 2 + by_chance(rebalance))
}

/// Whether both would make the same connection.
fn is_same(one: &Settings, other: &Settings) -> bool {
    one.server == other.server
        && one.exchange == other.exchange
        && one.queue == other.queue
        && one.message.headers == other.message.headers
        && one.message.batch == other.message.batch
}

/// Why a connection to a broker has ended.
fn failure(error: &Error) -> ConnectionError {
    ConnectionError::Protocol { text: format!("{error}{}", advice::on_amqp(error)), retry: error.retry() }
}

fn options<'p>(
    settings: &'p Settings,
    name: &'p str,
    arguments: &'p [u8],
    routing_key: &'p str,
) -> Options<'p> {
    let Settings { server, exchange, queue, app, .. } = settings;
    Options {
        mechanism: if server.external { Mechanism::External } else { Mechanism::Plain },
        user: &server.user,
        password: server.pass.reveal(),
        vhost: &server.vhost,
        product: PRODUCT,
        version: env!("CARGO_PKG_VERSION"),
        connection_name: name,
        heartbeat_s: server.heartbeat,
        retry: app.retry_timer,
        confirm_timeout: server.confirm_timeout,
        refused_timeout: Duration::ZERO,
        exchange: Exchange {
            name: &exchange.name,
            kind: &exchange.kind,
            durable: exchange.durable,
            auto_delete: exchange.autodelete,
        },
        declare_exchange: exchange.declare,
        queue: queue.declare.then_some(Queue {
            name,
            // RabbitMQ's plugin takes a weight there, "an integer", and nothing else.
            binding_key: if exchange.kind == "x-consistent-hash" { "1" } else { routing_key },
            durable: queue.durable,
            exclusive: queue.exclusive,
            auto_delete: queue.autodelete,
            ttl_ms: queue.ttl,
            kind: queue.kind.map(|kind| kind.as_str()),
            arguments: Table::new(arguments),
        }),
        routing_key,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_that_start_in_the_same_millisecond_of_the_same_boot_have_different_ids() {
        let now = Instant::from_nanos(5_000_000_000);
        let [one, other] = [0; 2].map(|_| run_id("/".as_ref(), now));
        assert_ne!(one, other);
        // BOOT-START, the latter in hexadecimal digits.
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
        let start = one.strip_prefix(boot.trim()).unwrap();
        assert!(start.starts_with("-1388") && u128::from_str_radix(&start[1..], 16).is_ok(), "{one}");
    }
}
