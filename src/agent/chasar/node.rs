//! A client node's life: a connection to the master, and a message a second while somebody there wants
//! them.

use std::fmt::{self, Display};
use std::future::poll_fn;
use std::io;
use std::net::TcpStream;
use std::path::Path;
use std::pin::pin;
use std::time::{Duration, SystemTime};

use log::{Level, info, log, warn};
use nix::sys::signal::Signal;
use nix::sys::signalfd::{SfdFlags, SignalFd};
use smol::future::or;

use super::collector::{self, Collector};
use crate::agent::attempts::Failure;
use crate::agent::logging::{self, Fallback};
use crate::agent::reactor::{Reactor, Source, Timer, either};
use crate::agent::resolve::Resolver;
use crate::agent::{run, wire};
use crate::config::Loaded;
use crate::config::chasar::Chasar;
use crate::limits;
use crate::link::Link;
use crate::time::{Backoff, Instant, Periodic};
use crate::zmtp::{Buffers, Error, Outcome, Publisher, PublisherEvent, Retry};

/// The first frame of every message, by which the master subscribes.
const TOPIC: &[u8] = b"status";

/// After so much silence the master is asked whether it is there; libzmq itself asks nobody.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// Before the first further attempt to connect.
const RETRY: Duration = Duration::from_secs(1);

/// Least wait where somebody has to change something.
const SLOW: Duration = Duration::from_secs(30);

/// What the command line decided.
#[derive(Debug)]
pub struct Options<'a> {
    /// The configuration, with what the command line says.
    pub loaded: &'a Loaded,
    /// What `/proc` and `/sys` are below.
    pub root: &'a Path,
    /// What is told.
    pub told: collector::Options<'a>,
}

/// Runs until SIGTERM or SIGINT.
///
/// # Errors
/// What keeps it from running at all.
pub fn run(options: &Options<'_>) -> io::Result<()> {
    let signals = run::hold_signals()?;
    let Loaded { settings, warnings, .. } = options.loaded;
    logging::install(settings.logging.as_ref(), Fallback::Stderr).map_err(io::Error::other)?;
    info!("psistats {}, {}", env!("CARGO_PKG_VERSION"), options.loaded.origin());
    warnings.iter().for_each(|warning| warn!("{warning}"));
    let reactor = Reactor::new()?;
    let signals =
        reactor.watch(SignalFd::with_flags(&signals, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?)?;
    let collector = Collector::open(options.root, options.told);
    let mut node = Node { reactor: &reactor, chasar: &settings.chasar, collector, sent: 0, dropped: 0 };
    let stopped = pin!(stopped(&signals));
    let result = run::drive(&reactor, pin!(or(stopped, node.run())))?;
    info!("stopping; sent={} dropped={}", node.sent, node.dropped);
    result
}

/// Ready at the first signal that ends a program.
async fn stopped(signals: &Source<'_, SignalFd>) -> io::Result<()> {
    let ends = [Signal::SIGTERM as i32, Signal::SIGINT as i32];
    while !ends.contains(&run::next_signal(signals).await?) {}
    Ok(())
}

struct Node<'a, 'r> {
    reactor: &'r Reactor,
    chasar: &'a Chasar,
    collector: Collector,
    sent: u64,
    dropped: u64,
}

/// Why a connection came to an end.
enum End {
    /// Name or TCP.
    Transport(Failure),
    /// ZMTP.
    Zmtp(Error),
}

impl Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Transport(Failure::Transport(error))
                if error.kind() == io::ErrorKind::ConnectionRefused =>
            {
                write!(f, "{error}; does a master node run there and listen on this port?")
            }
            Self::Transport(failure) => write!(f, "{failure}"),
            Self::Zmtp(error) => write!(f, "{error}"),
        }
    }
}

impl Node<'_, '_> {
    /// Connects again and again.
    async fn run(&mut self) -> io::Result<()> {
        let mut resolver = Resolver::new(self.reactor)?;
        let (mut receive, mut send) = (vec![0; limits::ZMTP_RECV], vec![0; self.chasar.send_high_water]);
        let timer = self.reactor.timer()?;
        let mut backoff = Backoff::new(RETRY);
        let mut said = String::new();
        loop {
            let sent = self.sent;
            let buffers = Buffers { receive: &mut receive, send: &mut send };
            let end = self.session(&mut resolver, &timer, buffers).await;
            if self.sent > sent {
                backoff.reset();
                said.clear();
            }
            let slow = matches!(&end, End::Zmtp(error) if error.retry() == Retry::Slow);
            let least = if slow { SLOW } else { Duration::ZERO };
            let wait = backoff.next(fastrand::u32(..), least);
            let line = format!("{}: {end}", self.chasar.master);
            // An outage is a line, not a line an attempt.
            if line != said {
                let seconds = wait.as_secs() + 1;
                let level = if slow { Level::Error } else { Level::Warn };
                log!(level, "{line}; next attempt within {seconds} s");
                said = line;
            }
            timer.until(self.reactor.now() + wait).await;
        }
    }

    /// One connection, from the name to the end.
    async fn session(&mut self, resolver: &mut Resolver<'_>, timer: &Timer<'_>, buffers: Buffers<'_>) -> End {
        let (reactor, master) = (self.reactor, &self.chasar.master);
        let stream = match wire::connect(reactor, timer, resolver, master, HEARTBEAT * 3).await {
            Ok(stream) => stream,
            Err(failure) => return End::Transport(failure),
        };
        let now = reactor.now();
        let mut link = Publisher::new(TOPIC, HEARTBEAT, buffers, now);
        self.collector.prime(now);
        let mut messages = Periodic::new(now + self.chasar.interval, self.chasar.interval);
        loop {
            if let Err(end) = self.pass(&mut link, &stream, &mut messages) {
                return end;
            }
            let due = Some(messages.deadline());
            let due = [link.deadline(), due].into_iter().flatten().min();
            poll_fn(|cx| either(wire::poll(&link, &stream, cx), timer.poll_at(due, cx))).await;
        }
    }

    /// Does everything that can be done without waiting.
    fn pass(
        &mut self,
        link: &mut Publisher<'_>,
        stream: &Source<'_, TcpStream>,
        messages: &mut Periodic,
    ) -> Result<(), End> {
        let transport = |error| End::Transport(Failure::Transport(error));
        let now = self.reactor.now();
        if link.deadline().is_some_and(|at| at <= now) {
            link.timed_out(now);
        }
        wire::receive(link, stream, now).map_err(transport)?;
        while let Some(event) = link.poll_event(now) {
            match event {
                PublisherEvent::Ready => info!("connected to the master node {}", self.chasar.master),
                PublisherEvent::Wanted(wanted) => {
                    info!("the master node {} messages", if wanted { "wants" } else { "no longer wants" });
                }
                PublisherEvent::Ended(error) => {
                    // The last words are a courtesy.
                    let _ = wire::transmit(link, stream, now);
                    return Err(End::Zmtp(error));
                }
            }
        }
        if messages.due(now) && link.is_wanted() {
            self.send(link, now);
        }
        while wire::transmit(link, stream, now).map_err(transport)? {}
        Ok(())
    }

    fn send(&mut self, link: &mut Publisher<'_>, now: Instant) {
        let message = self.collector.message(SystemTime::now(), now);
        if link.publish(message, now) == Outcome::Queued {
            self.sent += 1;
            return;
        }
        if self.dropped == 0 {
            warn!("the master node does not take messages as fast as they come: some are dropped");
        }
        self.dropped += 1;
    }
}
