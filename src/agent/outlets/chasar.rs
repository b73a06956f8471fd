//! The connection to a master node: made again and again, and a message whenever the sampling has made one.

use std::future::poll_fn;
use std::io;
use std::net::TcpStream;
use std::task::{Context, Poll};
use std::time::Duration;

use log::{Level, error, info, warn};
use smol::future::{or, yield_now};

use crate::life::context::{Connection, Shared, memory};
use crate::net::attempts::{Failure, Lines, Outage, Peer};
use crate::net::reactor::{Source, Timer, either};
use crate::net::resolve::Resolver;
use crate::net::wire;
use psistats_core::limits;
use psistats_core::link::Link;
use psistats_core::zmtp::{Buffers, Outcome, Publisher, PublisherEvent};
use psistats_host::conf::chasar::Chasar;

/// The first frame of every message, by which the master subscribes.
const TOPIC: &[u8] = b"status";

/// After so much silence the master is asked whether it is there; libzmq itself asks nobody.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// Before the first further attempt to connect: what the master misses meanwhile nobody keeps.
const RETRY: Duration = Duration::from_secs(1);

const MASTER: Peer = Peer { name: "a master node", target: module_path!(), meanwhile: "" };

/// Sends to the master that is configured, as long as one is, until the agent stops.
///
/// # Errors
/// Where a client node alone cannot have the memory that is configured: the reports of another go on.
pub async fn run(shared: &Shared<'_>) -> io::Result<()> {
    let mut resolver = Resolver::new(shared.reactor);
    while !shared.is_stopping() {
        let settings = shared.settings();
        if settings.chasar.enabled {
            match feed(shared, &mut resolver, &settings.chasar).await {
                Ok(()) => continue,
                Err(error) if !shared.reports => return Err(error),
                Err(error) => {
                    error!("{error}; nothing is sent to the master node {}", settings.chasar.master)
                }
            }
        }
        poll_fn(|cx| shared.feed.news.poll(cx)).await;
    }
    Ok(())
}

/// Connects again and again, while these settings hold.
async fn feed(shared: &Shared<'_>, resolver: &mut Resolver<'_>, chasar: &Chasar) -> io::Result<()> {
    let mut receive = vec![0; limits::ZMTP_RECV];
    let mut send = memory(chasar.send_high_water, "[chasar] send_high_water")?;
    let timer = shared.reactor.timer()?;
    let session = Session { shared, chasar, timer: &timer, lines: Lines::new(shared.reactor, MASTER.target) };
    let mut outage = Outage::new(RETRY);
    while session.is_current() {
        let sent = shared.feed.sent.get();
        shared.feed.connection.connecting(&chasar.master);
        let buffers = Buffers { receive: &mut receive, send: &mut send };
        let outcome = session.run(resolver, buffers).await;
        session.lines.tell_left_out();
        shared.feed.connection.set(Connection::Away);
        if shared.feed.sent.get() > sent {
            outage.worked();
        }
        if let Err(failure) = outcome {
            shared.feed.connection.failed(&failure);
            let retry = failure.retry();
            let wait = outage.failed(&MASTER, &chasar.master, &failure, retry, false);
            let until = shared.reactor.now() + wait;
            poll_fn(|cx| either(timer.poll_at(Some(until), cx), session.poll_end(cx))).await;
        }
    }
    Ok(())
}

/// One connection, from the name to the end.
struct Session<'s, 'r> {
    shared: &'s Shared<'r>,
    chasar: &'s Chasar,
    timer: &'s Timer<'r>,
    lines: Lines<'r>,
}

impl Session<'_, '_> {
    fn is_current(&self) -> bool {
        !self.shared.is_stopping() && self.shared.settings().chasar == *self.chasar
    }

    /// Ready when there are other settings, or the end is near.
    fn poll_end(&self, cx: &Context<'_>) -> Poll<()> {
        self.shared.feed.news.poll_if(cx, || !self.is_current())
    }

    async fn run(&self, resolver: &mut Resolver<'_>, buffers: Buffers<'_>) -> Result<(), Failure> {
        let Self { shared, chasar, timer, .. } = self;
        let ended = async {
            poll_fn(|cx| self.poll_end(cx)).await;
            Ok(None)
        };
        let connected = async {
            wire::connect(shared.reactor, timer, resolver, &chasar.master, HEARTBEAT * 3).await.map(Some)
        };
        let Some(stream) = or(ended, connected).await? else { return Ok(()) };
        let mut link = Publisher::new(TOPIC, HEARTBEAT, buffers, shared.reactor.now());
        shared.feed.fresh.set(false);
        while self.is_current() {
            self.pass(&mut link, &stream)?;
            let due = link.deadline();
            poll_fn(|cx| {
                let told = either(timer.poll_at(due, cx), shared.feed.news.poll(cx));
                either(wire::poll(&link, &stream, cx), told)
            })
            .await;
            // A master that always has something to say keeps neither sampling nor a stop waiting.
            yield_now().await;
        }
        Ok(())
    }

    /// Does everything that can be done without waiting.
    fn pass(&self, link: &mut Publisher<'_>, stream: &Source<'_, TcpStream>) -> Result<(), Failure> {
        let now = self.shared.reactor.now();
        if link.deadline().is_some_and(|at| at <= now) {
            link.timed_out(now);
        }
        wire::receive(link, stream, now).map_err(Failure::Transport)?;
        while let Some(event) = link.poll_event(now) {
            match event {
                PublisherEvent::Ready => {
                    info!("connected to the master node {}", self.chasar.master);
                    self.is(Connection::Blocked);
                }
                PublisherEvent::Wanted(wanted) => {
                    let wants = if wanted { "wants" } else { "no longer wants" };
                    self.lines.say(Level::Info, format_args!("the master node {wants} messages"));
                    self.is(if wanted { Connection::Ready } else { Connection::Blocked });
                }
                PublisherEvent::Ended(error) => {
                    // The last words are a courtesy.
                    let _ = wire::transmit(link, stream, now);
                    return Err(Failure::Zmtp(error));
                }
                _ => {}
            }
        }
        let feed = &self.shared.feed;
        if feed.fresh.take()
            && let Some(collector) = &*feed.collector.borrow()
        {
            match link.publish(collector.last(), now) {
                Outcome::Queued => feed.sent.update(|n| n + 1),
                Outcome::Dropped => {
                    if feed.dropped.replace(feed.dropped.get() + 1) == 0 {
                        warn!(
                            "the master node does not take messages as fast as they come: some are dropped"
                        );
                    }
                }
                Outcome::Unwanted => {}
            }
        }
        while wire::transmit(link, stream, now).map_err(Failure::Transport)? {}
        Ok(())
    }

    /// The sampling makes messages while they are wanted.
    fn is(&self, connection: Connection) {
        self.shared.feed.connection.set(connection);
        self.shared.sampling.notify();
    }
}
