//! Which node is tried next, when, and what of it is worth a line in the log.

use std::collections::hash_map::DefaultHasher;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::io;
use std::time::Duration;

use log::{debug, error, info, warn};

use super::LOG_AMQP;
use crate::amqp::{self, Retry};
use crate::config::Settings;
use crate::config::settings::Host;
use crate::time::{Backoff, Instant};

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
}

impl Failure {
    fn retry(&self) -> Retry {
        match self {
            Self::Amqp(error) => error.retry(),
            Self::Resolve(_) | Self::Transport(_) => Retry::Soon,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Resolve(error) => write!(f, "the name cannot be resolved: {error}"),
            Self::Transport(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                write!(f, "{error}; does RabbitMQ run there and listen on this port?")
            }
            Self::Transport(error) => write!(f, "{error}"),
            Self::Amqp(error) => write!(f, "{error}"),
        }
    }
}

/// The attempts since the settings were read.
pub struct Attempts {
    /// Attempts in all, which picks the node.
    made: usize,
    /// Failures since a report was confirmed.
    failures: u32,
    backoff: Backoff,
    /// Hashes of what was said since then: an outage is a line, not a line an attempt.
    said: heapless::Vec<u64, SAID>,
    /// Since when the queue is held by another connection (405).
    held_since: Option<Instant>,
}

impl Attempts {
    /// The first attempt is still to come.
    pub fn new(settings: &Settings) -> Self {
        Self {
            made: 0,
            failures: 0,
            backoff: Backoff::new(settings.app.retry_timer),
            said: heapless::Vec::new(),
            held_since: None,
        }
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
        self.failures
    }

    /// A report was confirmed: the next failure is news again.
    pub fn worked(&mut self) {
        self.failures = 0;
        self.backoff.reset();
        self.said.clear();
        self.held_since = None;
    }

    /// Says what went wrong, once, and how long to wait before the next attempt.
    pub fn failed(&mut self, failure: &Failure, host: &Host, settings: &Settings, now: Instant) -> Duration {
        self.made += 1;
        self.failures = self.failures.saturating_add(1);
        let retry = self.retry(failure, settings, now);
        let more_nodes = !self.made.is_multiple_of(settings.server.hosts.len().max(1));
        let wait = match retry {
            _ if more_nodes => Duration::ZERO,
            Retry::Slow => self.backoff.next(fastrand::u32(..), SLOW),
            Retry::Soon | Retry::Held => self.backoff.next(fastrand::u32(..), Duration::ZERO),
        };
        let line = format!("{host}: {failure}");
        let rounded = wait.saturating_add(Duration::from_millis(50));
        let (seconds, tenths) = (rounded.as_secs(), rounded.subsec_millis() / 100);
        if !self.is_news(&line, retry) {
            debug!(target: LOG_AMQP, "{line}; next attempt in {seconds}.{tenths} s");
        } else if retry == Retry::Slow {
            error!(target: LOG_AMQP, "{line}; next attempt in {seconds}.{tenths} s, reports are kept");
        } else if retry == Retry::Held {
            info!(target: LOG_AMQP, "{line}; next attempt in {seconds}.{tenths} s, reports are kept");
        } else {
            warn!(target: LOG_AMQP, "{line}; next attempt in {seconds}.{tenths} s, reports are kept");
        }
        wait
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

    fn is_news(&mut self, line: &str, retry: Retry) -> bool {
        let mut hasher = DefaultHasher::new();
        line.hash(&mut hasher);
        (retry == Retry::Slow).hash(&mut hasher);
        let hash = hasher.finish();
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
