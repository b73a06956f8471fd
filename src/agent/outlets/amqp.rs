//! Connects, publishes what lies in the outbox, and begins anew whenever that ends.

use std::cell::Cell;
use std::fmt::Arguments;
use std::future::poll_fn;
use std::io;
use std::net::TcpStream;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use log::{Level, info};
use smol::future::{or, yield_now};

use crate::LOG_AMQP;
use crate::life::context::{Connection, Shared};
use crate::net::attempts::{Attempts, Failure, Lines};
use crate::net::reactor::{Source, Timer, either};
use crate::net::resolve::Resolver;
use crate::net::wire;
use crate::settings::Settings;
use psistats_core::amqp::delivery::{self, Envelope};
use psistats_core::amqp::{self, Buffers, Client, Event, Exchange, Options, Queue};
use psistats_core::limits;
use psistats_core::link::Link;
use psistats_core::time::Instant;
use psistats_host::conf::hosts::Host;

/// Whom broker and consumers see: in the list of connections, and on every message.
const PRODUCT: &str = "psistats";

/// From a stop to our Close, for what can still be confirmed. With the Close itself under 2 s.
const FLUSH: Duration = Duration::from_millis(900);

/// Reports in flight from which on confirms are looked at together, and how long they may gather:
/// while a backlog is sent, each would otherwise wake us by itself.
const MANY: usize = 64;
const CONFIRMS_TOGETHER: Duration = Duration::from_millis(2);

/// Passes over one connection before the other futures have their turn.
const PASSES_IN_A_ROW: u32 = 16;

/// Publishes until the agent stops. Every message id begins with `run`.
pub async fn run(shared: &Shared<'_>, run: &str) -> io::Result<()> {
    let mut resolver = Resolver::new(shared.reactor);
    let (mut receive, mut send) = (vec![0; limits::AMQP_RECV], vec![0; limits::AMQP_SEND]);
    let timer = shared.reactor.timer()?;
    let mut settings = shared.settings();
    let mut attempts = Attempts::new(&settings);
    while !shared.is_stopping() {
        let host = attempts.host(&settings);
        shared.connection.connecting(&host);
        let confirmed = shared.outbox.borrow().counters().confirmed;
        let hostname = shared.hostname();
        let routing_key = format!("{}.{hostname}", settings.queue.prefix);
        let session = Session {
            shared,
            settings: &settings,
            run,
            hostname: &hostname,
            host: &host,
            routing_key: &routing_key,
            timer: &timer,
            lines: Lines::new(shared.reactor, LOG_AMQP),
            unroutable: Cell::new(false),
        };
        let buffers = Buffers { receive: &mut receive, send: &mut send };
        let outcome = session.run(&mut resolver, buffers, &attempts).await;
        session.lines.tell_left_out();
        shared.connection.set(Connection::Away);
        shared.outbox.borrow_mut().rewind();
        if shared.outbox.borrow().counters().confirmed > confirmed {
            attempts.worked();
        }
        if let Err(failure) = outcome {
            shared.connection.failed(&failure);
            let now = shared.reactor.now();
            let until = now + attempts.failed(&failure, &host, &settings, now);
            // New settings are tried at once: they are how somebody mends what failed.
            let changed = || shared.is_stopping() || !Rc::ptr_eq(&settings, &shared.settings());
            poll_fn(|cx| either(timer.poll_at(Some(until), cx), shared.publishing.poll_if(cx, changed)))
                .await;
        }
        let newest = shared.settings();
        if !Rc::ptr_eq(&settings, &newest) {
            settings = newest;
            attempts = Attempts::new(&settings);
        }
    }
    Ok(())
}

/// One connection, from the name to the end.
struct Session<'s, 'r> {
    shared: &'s Shared<'r>,
    settings: &'s Settings,
    run: &'s str,
    hostname: &'s str,
    host: &'s Host,
    routing_key: &'s str,
    timer: &'s Timer<'r>,
    lines: Lines<'r>,
    /// Reports come back, since no queue is bound.
    unroutable: Cell<bool>,
}

impl Session<'_, '_> {
    async fn run(
        &self,
        resolver: &mut Resolver<'_>,
        buffers: Buffers<'_>,
        attempts: &Attempts,
    ) -> Result<(), Failure> {
        let ended = async {
            poll_fn(|cx| self.shared.publishing.poll_if(cx, || !self.is_current())).await;
            Ok(None)
        };
        // Neither a stop nor other settings wait for a connection that is still being made.
        let Some(stream) = or(ended, self.connect(resolver)).await? else { return Ok(()) };
        let mut client = Client::new(self.options(), buffers, self.shared.reactor.now());
        let mut flush_until = None;
        loop {
            for _ in 0..PASSES_IN_A_ROW {
                if let Some(result) = self.pass(&mut client, &stream, &mut flush_until, attempts)? {
                    return result.map_err(Failure::Amqp);
                }
                if self.shared.outbox.borrow().in_flight() >= MANY && client.outgoing().is_empty() {
                    self.shared.reactor.rest(CONFIRMS_TOGETHER);
                }
                let deadline = [client.deadline(), flush_until].into_iter().flatten().min();
                poll_fn(|cx| self.poll_work(cx, &client, &stream, deadline)).await;
            }
            yield_now().await;
        }
    }

    async fn connect(&self, resolver: &mut Resolver<'_>) -> Result<Option<Source<'_, TcpStream>>, Failure> {
        let heartbeat = Duration::from_secs(u64::from(self.settings.server.heartbeat));
        let dead_after = if heartbeat.is_zero() { Duration::from_secs(120) } else { heartbeat * 2 };
        wire::connect(self.shared.reactor, self.timer, resolver, self.host, dead_after).await.map(Some)
    }

    /// Ready when a pass has something to do.
    fn poll_work(
        &self,
        cx: &Context<'_>,
        client: &Client<'_>,
        stream: &Source<'_, TcpStream>,
        deadline: Option<Instant>,
    ) -> Poll<()> {
        let due = self.timer.poll_at(deadline, cx);
        let told = self.shared.publishing.poll(cx);
        either(wire::poll(client, stream, cx), either(due, told))
    }

    /// Does everything that can be done without waiting. The end, once it has come.
    fn pass(
        &self,
        client: &mut Client<'_>,
        stream: &Source<'_, TcpStream>,
        flush_until: &mut Option<Instant>,
        attempts: &Attempts,
    ) -> Result<Option<Result<(), amqp::Error>>, Failure> {
        let now = self.shared.reactor.now();
        if client.deadline().is_some_and(|at| at <= now) {
            client.timed_out(now);
        }
        wire::receive(client, stream, now).map_err(Failure::Transport)?;
        loop {
            // One statement, so that the outbox is free again for what follows.
            let event = delivery::settle(client, &mut self.shared.outbox.borrow_mut(), now);
            match event {
                None => break,
                Some(Event::Ended(result)) => {
                    // The last words, a Close or Close-Ok, are a courtesy.
                    let _ = wire::transmit(client, stream, now);
                    return Ok(Some(result));
                }
                Some(event) => self.on_event(&event, attempts),
            }
        }
        self.end_if_asked(client, flush_until, now);
        loop {
            delivery::publish_waiting(client, &mut self.shared.outbox.borrow_mut(), self.envelope(), now);
            if !wire::transmit(client, stream, now).map_err(Failure::Transport)? {
                return Ok(None);
            }
        }
    }

    fn on_event(&self, event: &Event, attempts: &Attempts) {
        let host = self.host;
        match event {
            Event::Ready { heartbeat_s } => {
                // Blocked may have come during the declarations, and holds.
                if self.shared.connection.get() != Connection::Blocked {
                    self.shared.connection.set(Connection::Ready);
                }
                let failed = match attempts.failures() {
                    0 => String::new(),
                    failures => format!(" after {failures} failed attempts"),
                };
                info!(
                    target: LOG_AMQP,
                    "connected to {host}{failed}, heartbeat {heartbeat_s} s: publishing to exchange \"{}\" as \"{}\"",
                    self.settings.exchange.name, self.routing_key,
                );
            }
            Event::Returned { code, text } => {
                self.unroutable.set(true);
                self.is(
                    Connection::Blocked,
                    format_args!(
                        "{host}: reports come back ({code} {text}): no queue is bound to exchange \"{}\" for \"{}\"; bind one, or set [queue] declare=yes. They are kept, and the oldest is tried now and then",
                        self.settings.exchange.name, self.routing_key,
                    ),
                );
            }
            Event::Confirmed { .. } if self.unroutable.take() => {
                self.is(
                    Connection::Ready,
                    format_args!("{host}: a queue is bound, which takes reports again"),
                );
            }
            Event::Blocked(reason) => {
                self.is(
                    Connection::Blocked,
                    format_args!("{host} takes no reports for now ({reason}); they are kept"),
                );
                self.shared.connection.because(reason);
            }
            Event::Unblocked => {
                self.is(Connection::Ready, format_args!("{host} takes reports again"));
            }
            // The outbox knows; the end is pass()'s.
            _ => {}
        }
    }

    /// The connection is so from now on, as `line` says.
    fn is(&self, connection: Connection, line: Arguments<'_>) {
        self.shared.connection.set(connection);
        let level = if connection == Connection::Ready { Level::Info } else { Level::Warn };
        self.lines.say(level, line);
    }

    /// Closes in order when the agent stops, after what can be confirmed soon; and when this connection is not
    /// that of the settings any more.
    fn end_if_asked(&self, client: &mut Client<'_>, flush_until: &mut Option<Instant>, now: Instant) {
        if self.shared.is_stopping() {
            let until = *flush_until.get_or_insert(now + FLUSH);
            let nothing_left = self.shared.outbox.borrow().counters().pending == 0;
            if nothing_left || now >= until || self.shared.connection.get() == Connection::Blocked {
                client.close(now);
                *flush_until = None;
            }
        } else if !self.is_current() {
            client.close(now);
        }
    }

    /// Whether the agent goes on, and would make this connection as it is.
    fn is_current(&self) -> bool {
        let (ours, now) = (self.settings, self.shared.settings());
        let same = ours.server == now.server && ours.exchange == now.exchange && ours.queue == now.queue;
        same && *self.hostname == *self.shared.hostname() && !self.shared.is_stopping()
    }

    fn envelope(&self) -> Envelope<'_> {
        let persistent = self.settings.queue.durable || self.shared.settings().message.persistent;
        Envelope { run: self.run, app_id: PRODUCT, persistent }
    }

    fn options(&self) -> Options<'_> {
        let Settings { server, exchange, queue, app, .. } = self.settings;
        Options {
            user: &server.user,
            password: server.pass.reveal(),
            vhost: &server.vhost,
            product: PRODUCT,
            version: env!("CARGO_PKG_VERSION"),
            connection_name: self.routing_key,
            heartbeat_s: server.heartbeat,
            retry: app.retry_timer,
            exchange: Exchange {
                name: &exchange.name,
                kind: &exchange.kind,
                durable: exchange.durable,
                auto_delete: exchange.autodelete,
            },
            declare_exchange: exchange.declare,
            queue: queue.declare.then_some(Queue {
                name: self.routing_key,
                durable: queue.durable,
                exclusive: queue.exclusive,
                auto_delete: queue.autodelete,
                ttl_ms: queue.ttl,
                kind: queue.kind.map(|kind| kind.as_str()),
            }),
            routing_key: self.routing_key,
        }
    }
}
