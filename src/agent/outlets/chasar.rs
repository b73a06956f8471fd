//! Messages to a master node, each as soon as the sampling has made it.

use std::io;
use std::ops::ControlFlow;
use std::time::Duration;

use log::{Level, error, info, warn};

use crate::life::connection::Connection;
use crate::life::context::{Shared, memory};
use crate::net::attempts::{Attempts, ConnectionError, Label, Lines, Plan};
use crate::net::channel::Channel;
use crate::net::wire;
use crate::outlets::{Driver, Opened, Outlet, Protocol, advice};
use crate::settings::Settings;
use psistats_core::limits;
use psistats_core::link::Link;
use psistats_core::time::Instant;
use psistats_core::zmtp::{Buffers, Error, Outcome, Publisher, PublisherEvent};
use psistats_host::conf::chasar::Chasar;

/// The first frame of every message, by which the master subscribes.
const TOPIC: &[u8] = b"status";

/// After so much silence the master is asked whether it is there; libzmq itself asks nobody.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// Before the first further attempt to connect: what the master misses meanwhile nobody keeps.
const RETRY: Duration = Duration::from_secs(1);

const MASTER: Label = Label { name: "a master node", target: module_path!(), meanwhile: "" };

/// Sends to the master that is configured, as long as one is, until the agent stops.
///
/// # Errors
/// Where a client node alone cannot have the memory that is configured: the reports of another go on.
pub async fn run(shared: &Shared<'_>) -> io::Result<()> {
    let (state, news) = (&shared.feed.connection, &shared.feed.news);
    let lines = Lines::new(shared.reactor, MASTER.target);
    let mut master = Master { shared, receive: Box::default(), send: Box::default(), lines };
    Driver::new(shared, &MASTER, state, news)?.run(&mut master).await
}

/// The master node, as an outlet.
struct Master<'s, 'r> {
    shared: &'s Shared<'r>,
    receive: Box<[u8]>,
    send: Box<[u8]>,
    lines: Lines<'r>,
}

impl Outlet for Master<'_, '_> {
    fn prepare(&mut self, settings: &Settings) -> io::Result<Option<Plan>> {
        let Chasar { enabled, master, send_high_water, .. } = &settings.chasar;
        if !enabled {
            (self.receive, self.send) = Default::default();
            return Ok(None);
        }
        if self.send.len() != *send_high_water {
            self.send = Box::default();
            match memory(*send_high_water, "[chasar] send_high_water") {
                Ok(memory) => self.send = memory,
                Err(error) if self.shared.makes_reports() => {
                    error!("{error}; nothing is sent to the master node {master}");
                    return Ok(None);
                }
                Err(error) => return Err(error),
            }
        }
        if self.receive.is_empty() {
            self.receive = vec![0; limits::ZMTP_RECV].into();
        }
        let hosts = Vec::from([master.clone()]);
        Ok(Some(Plan { hosts, tls: None, retry: RETRY, dead_after: HEARTBEAT * 3, spread: Duration::ZERO }))
    }

    fn is_current(&self, settings: &Settings) -> bool {
        self.shared.settings().chasar == settings.chasar
    }

    fn open<'p>(&'p mut self, settings: &'p Settings, _: &Attempts) -> Opened<'p> {
        let Self { shared, receive, send, lines } = self;
        shared.feed.fresh.set(false);
        let link = Publisher::new(TOPIC, HEARTBEAT, Buffers { receive, send }, shared.reactor.now());
        let (link, failed) = encrypted(link, &settings.chasar);
        Opened::Chasar(Feeding { shared, chasar: &settings.chasar, lines, link, failed })
    }

    fn closed(&mut self) {
        self.lines.tell_suppressed();
    }

    fn delivered(&self) -> u64 {
        self.shared.feed.sent.get()
    }
}

/// One connection to a master node.
pub struct Feeding<'p> {
    shared: &'p Shared<'p>,
    chasar: &'p Chasar,
    lines: &'p Lines<'p>,
    link: Publisher<'p>,
    /// Why it cannot begin.
    failed: Option<io::Error>,
}

/// `link` with the keys that are configured, which may need random octets that there are none of.
#[cfg(feature = "curve")]
fn encrypted<'p>(link: Publisher<'p>, chasar: &Chasar) -> (Publisher<'p>, Option<io::Error>) {
    use psistats_core::zmtp::{Curve, KEY, RANDOM, SecretKey};
    use psistats_host::machine::random::fill;

    let Some(server) = chasar.curve.server else { return (link, None) };
    let (mut key, mut random) = ([0; KEY], [0; RANDOM]);
    if let Err(error) = fill(&mut key).and_then(|()| fill(&mut random)) {
        let text = format!("no random numbers for the keys of this connection: {error}");
        return (link, Some(io::Error::new(error.kind(), text)));
    }
    // A master node that takes everyone takes another one each time, too.
    let own = chasar.curve.own.clone().unwrap_or_else(|| SecretKey::new(&mut key));
    (link.with_curve(Curve::client(&own, server, &mut random)), None)
}

/// `link` as it is.
#[cfg(not(feature = "curve"))]
const fn encrypted<'p>(link: Publisher<'p>, _: &Chasar) -> (Publisher<'p>, Option<io::Error>) {
    (link, None)
}

impl Protocol for Feeding<'_> {
    fn pass(&mut self, channel: &mut Channel<'_>) -> Result<ControlFlow<()>, ConnectionError> {
        if self.shared.is_stopping() || self.shared.settings().chasar != *self.chasar {
            return Ok(ControlFlow::Break(()));
        }
        if let Some(error) = self.failed.take() {
            return Err(ConnectionError::Transport(error));
        }
        let now = self.shared.reactor.now();
        wire::receive(&mut self.link, channel, now)?;
        while let Some(event) = self.link.poll_event(now) {
            if let PublisherEvent::Ended(error) = event {
                // The last words are a courtesy.
                let _ = wire::transmit(&mut self.link, channel, now);
                return Err(failure(&error, self.chasar.curve.has_server()));
            }
            self.on_event(&event);
        }
        self.publish(now);
        while wire::transmit(&mut self.link, channel, now)? {}
        Ok(ControlFlow::Continue(()))
    }

    fn deadline(&self) -> Option<Instant> {
        self.link.deadline()
    }

    fn is_sending(&self) -> bool {
        !self.link.outgoing().is_empty()
    }
}

impl Feeding<'_> {
    fn on_event(&self, event: &PublisherEvent) {
        match event {
            PublisherEvent::Ready => {
                let how = if self.chasar.curve.has_server() { ", encrypted" } else { "" };
                info!("connected to the master node {}{how}", self.chasar.master);
                self.set(Connection::Blocked);
            }
            PublisherEvent::Wanted(wanted) => {
                let wants = if *wanted { "wants" } else { "no longer wants" };
                self.lines.say(Level::Info, format_args!("the master node {wants} messages"));
                self.set(if *wanted { Connection::Ready } else { Connection::Blocked });
            }
            // The end is pass()'s.
            _ => {}
        }
    }

    /// Publishes the message that was made last, unless it was.
    fn publish(&mut self, now: Instant) {
        let feed = &self.shared.feed;
        if feed.fresh.take()
            && let Some(collector) = &*feed.collector.borrow()
        {
            match self.link.publish(collector.last(), now) {
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
    }

    /// From now on the connection is so. The sampling makes messages while they are wanted.
    fn set(&self, connection: Connection) {
        self.shared.feed.connection.set(connection);
        self.shared.sampling.notify();
    }
}

/// Why a connection to a master node has ended.
fn failure(error: &Error, is_encrypted: bool) -> ConnectionError {
    let text = format!("{error}{}", advice::on_zmtp(error, is_encrypted));
    ConnectionError::Protocol { text, retry: error.retry() }
}
