//! Which node is tried next, when, and what of it is worth a line in the log.

use std::cell::Cell;
use std::fmt::{self, Arguments};
use std::io;
use std::time::Duration;

use log::{Level, log, warn};

use crate::LOG_AMQP;
use crate::net::reactor::Reactor;
use crate::outlets::advice;
use crate::settings::Settings;
use psistats_core::amqp;
use psistats_core::link::Retry;
use psistats_core::time::{Backoff, Instant, Quota};
use psistats_core::zmtp;
use psistats_host::conf::hosts::Host;
use psistats_host::output::Reason;

/// Least wait after an error that somebody has to mend.
const SLOW: Duration = Duration::from_secs(30);

/// Different failures that are remembered as said.
const SAID: usize = 8;

/// Why a connection came to an end.
pub enum Failure {
    /// The name could not be resolved.
    Resolve(io::Error),
    /// TCP.
    Transport(io::Error),
    /// AMQP.
    Amqp(amqp::Error),
    /// ZMTP.
    Zmtp(zmtp::Error),
}

impl Failure {
    /// How soon another attempt makes sense.
    pub fn retry(&self) -> Retry {
        match self {
            Self::Amqp(error) => error.retry(),
            Self::Zmtp(error) => error.retry(),
            Self::Resolve(_) | Self::Transport(_) => Retry::Soon,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Resolve(error) => write!(f, "the name cannot be resolved: {}", Reason(error)),
            Self::Transport(error) => match error.kind() {
                io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable => {
                    write!(f, "{}: check cable, Wi-Fi and routes (ip route)", Reason(error))
                }
                _ => write!(f, "{}", Reason(error)),
            },
            Self::Amqp(error) => write!(f, "{error}{}", advice::on_amqp(error)),
            Self::Zmtp(error) => write!(f, "{error}{}", advice::on_zmtp(error)),
        }
    }
}

/// Whom we connect to, for the log.
pub struct Peer {
    /// What should run there.
    pub name: &'static str,
    /// The target of the lines.
    pub target: &'static str,
    /// What becomes of what is made meanwhile.
    pub meanwhile: &'static str,
}

const BROKER: Peer = Peer { name: "RabbitMQ", target: LOG_AMQP, meanwhile: ", reports are kept" };

/// Lines about what a peer does on a connection, which it may do as often as it likes.
pub struct Lines<'r> {
    reactor: &'r Reactor,
    target: &'static str,
    quota: Cell<Quota>,
}

impl<'r> Lines<'r> {
    /// Lines of `target`.
    pub fn new(reactor: &'r Reactor, target: &'static str) -> Self {
        Self { reactor, target, quota: Cell::default() }
    }

    /// Says `line`, or counts it where there were many in this second.
    pub fn say(&self, level: Level, line: Arguments<'_>) {
        let mut quota = self.quota.get();
        let used_up = quota.is_used_up(self.reactor.now());
        self.quota.set(quota);
        if !used_up {
            self.tell_left_out();
            log!(target: self.target, level, "{line}");
        }
    }

    /// Says how many lines were left out, where there are any.
    pub fn tell_left_out(&self) {
        let mut quota = self.quota.get();
        let left_out = quota.take_left_out();
        self.quota.set(quota);
        if left_out > 0 {
            warn!(target: self.target, "{left_out} more lines like these were left out");
        }
    }
}

/// Failures in a row: how long to wait after each, and which is worth a line.
pub struct Outage {
    failures: u32,
    backoff: Backoff,
    /// Hashes of what was said: an outage is a line, not a line an attempt.
    said: heapless::Vec<u64, SAID>,
}

impl Outage {
    /// None so far; `base` is the wait after the first.
    pub fn new(base: Duration) -> Self {
        Self { failures: 0, backoff: Backoff::new(base), said: heapless::Vec::new() }
    }

    /// It is over: the next failure is news again.
    pub fn worked(&mut self) {
        self.failures = 0;
        self.backoff.reset();
        self.said.clear();
    }

    /// Says what went wrong with `peer` at `host`, once, and how long to wait before the next attempt: not at
    /// all where it is `at_once`.
    pub fn failed(
        &mut self,
        peer: &Peer,
        host: &Host,
        failure: &Failure,
        retry: Retry,
        at_once: bool,
    ) -> Duration {
        self.failures = self.failures.saturating_add(1);
        let slow = retry == Retry::Slow;
        let wait = if at_once {
            Duration::ZERO
        } else {
            self.backoff.next(fastrand::u32(..), if slow { SLOW } else { Duration::ZERO })
        };
        let line = match failure {
            Failure::Transport(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                let name = peer.name;
                format!("connection refused by {host}: is {name} running and listening on this port? Next")
            }
            _ => format!("{host}: {failure}; next"),
        };
        let rounded = wait.saturating_add(Duration::from_millis(50));
        let (seconds, tenths) = (rounded.as_secs(), rounded.subsec_millis() / 100);
        let level = match retry {
            _ if !self.is_news(&line, slow) => Level::Debug,
            Retry::Slow => Level::Error,
            Retry::Held | Retry::Soon => Level::Warn,
        };
        log!(target: peer.target, level, "{line} attempt in {seconds}.{tenths} s{}", peer.meanwhile);
        wait
    }

    fn is_news(&mut self, line: &str, slow: bool) -> bool {
        let hash = fnv(line) ^ u64::from(slow);
        if self.said.contains(&hash) {
            return false;
        }
        if self.said.is_full() {
            self.said.clear();
        }
        let _ = self.said.push(hash);
        true
    }
}

/// FNV-1a: <http://www.isthe.com/chongo/tech/comp/fnv/>.
fn fnv(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// The attempts to reach a broker since the settings were read.
pub struct Attempts {
    /// Attempts in all, which picks the node.
    made: usize,
    /// Failures since a report was confirmed.
    outage: Outage,
    /// Since when the queue is held by another connection (405).
    held_since: Option<Instant>,
}

impl Attempts {
    /// The first attempt is still to come.
    pub fn new(settings: &Settings) -> Self {
        Self { made: 0, outage: Outage::new(settings.app.retry_timer), held_since: None }
    }

    /// The node to try: those of a cluster take turns.
    pub fn host(&self, settings: &Settings) -> Host {
        let hosts = &settings.server.hosts;
        hosts
            .get(self.made % hosts.len().max(1))
            .cloned()
            .unwrap_or_else(|| Host { name: "localhost".into(), port: 5672 })
    }

    /// Failures since a report was confirmed.
    pub fn failures(&self) -> u32 {
        self.outage.failures
    }

    /// A report was confirmed: the next failure is news again.
    pub fn worked(&mut self) {
        self.outage.worked();
        self.held_since = None;
    }

    /// Says what went wrong, once, and how long to wait before the next attempt.
    pub fn failed(&mut self, failure: &Failure, host: &Host, settings: &Settings, now: Instant) -> Duration {
        self.made += 1;
        let retry = self.retry(failure, settings, now);
        let more_nodes = !self.made.is_multiple_of(settings.server.hosts.len().max(1));
        self.outage.failed(&BROKER, host, failure, retry, more_nodes)
    }

    /// A queue that is still held after three heartbeats is not held by our own ghost: the broker
    /// has given up on a dead connection by then.
    fn retry(&mut self, failure: &Failure, settings: &Settings, now: Instant) -> Retry {
        let retry = failure.retry();
        if retry != Retry::Held {
            self.held_since = None;
            return retry;
        }
        let heartbeat = match settings.server.heartbeat {
            0 => 60,
            seconds => u64::from(seconds),
        };
        let since = *self.held_since.get_or_insert(now);
        if now.since(since) > Duration::from_secs(3 * heartbeat) { Retry::Slow } else { Retry::Held }
    }
}
