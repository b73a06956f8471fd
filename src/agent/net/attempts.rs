//! Which host is tried next, when, and what of it is worth a line in the log.

use std::cell::Cell;
use std::fmt::{self, Arguments};
use std::io;
use std::time::Duration;

use log::{Level, log, warn};

use crate::net::reactor::Reactor;
use crate::settings::Tls;
use psistats_core::link::Retry;
use psistats_core::time::{Backoff, Instant, Quota};
use psistats_host::conf::hosts::Host;
use psistats_host::output::Reason;

/// Shortest wait after an error that an operator has to fix.
const SLOW: Duration = Duration::from_secs(30);

/// Different failures that are remembered as said.
const SAID: usize = 8;

/// Why a connection could not be made, or came to an end.
pub enum ConnectionError {
    /// The name could not be resolved.
    Resolve(io::Error),
    /// The bytes could not be moved.
    Transport(io::Error),
    /// The protocol has failed.
    Protocol {
        /// What it says.
        text: String,
        /// How soon another attempt makes sense.
        retry: Retry,
    },
}

impl ConnectionError {
    /// How soon another attempt makes sense.
    fn retry(&self) -> Retry {
        match self {
            Self::Protocol { retry, .. } => *retry,
            Self::Resolve(_) | Self::Transport(_) => Retry::Soon,
        }
    }
}

impl fmt::Display for ConnectionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Resolve(error) => write!(f, "the name cannot be resolved: {}", Reason(error)),
            Self::Transport(error) => match error.kind() {
                io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable => {
                    write!(f, "{}: check cable, Wi-Fi and routes (ip route)", Reason(error))
                }
                _ => write!(f, "{}", Reason(error)),
            },
            Self::Protocol { text, .. } => f.write_str(text),
        }
    }
}

/// How the log calls those that an outlet connects to.
pub struct Label {
    /// What should run there.
    pub name: &'static str,
    /// The target of the lines.
    pub target: &'static str,
    /// What becomes of what is made during an outage, as the end of a line.
    pub meanwhile: &'static str,
}

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
        let granted = quota.take(self.reactor.now());
        self.quota.set(quota);
        if granted {
            self.tell_suppressed();
            log!(target: self.target, level, "{line}");
        }
    }

    /// Says how many lines were suppressed, where there are any.
    pub fn tell_suppressed(&self) {
        let mut quota = self.quota.get();
        let suppressed = quota.take_suppressed();
        self.quota.set(quota);
        if suppressed > 0 {
            warn!(target: self.target, "{suppressed} more lines like these were suppressed");
        }
    }
}

/// Where to connect to, and how patiently.
pub struct Plan {
    /// Hosts that stand for each other: each is tried before any wait.
    pub hosts: Vec<Host>,
    /// How TLS is spoken with each, if it is.
    pub tls: Option<Tls>,
    /// The wait after the first failure, which grows.
    pub retry: Duration,
    /// A connection counts as dead when sent bytes stay unacknowledged for so long.
    pub dead_after: Duration,
    /// For so long our own previous connection, if it was lost, may hold what is wanted ([`Retry::Held`]).
    pub ghost: Duration,
}

/// The attempts to connect by one plan: which host is next, how long to wait, and which failure is worth a line.
pub struct Attempts {
    label: &'static Label,
    plan: Plan,
    /// The host to try.
    host: Host,
    /// Failed attempts in all, which pick the host.
    made: usize,
    /// Failures since something was delivered.
    failures: u32,
    backoff: Backoff,
    /// Hashes of what was said: an outage is a line, not a line an attempt.
    said: heapless::Vec<u64, SAID>,
    /// Since when another connection holds what is wanted.
    held_since: Option<Instant>,
}

impl Attempts {
    /// The first attempt is still to come. None where there is no host.
    pub fn new(label: &'static Label, plan: Plan) -> Option<Self> {
        Some(Self {
            label,
            host: plan.hosts.first()?.clone(),
            made: 0,
            failures: 0,
            backoff: Backoff::new(plan.retry),
            said: heapless::Vec::new(),
            held_since: None,
            plan,
        })
    }

    /// The host to try: they take turns.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// As the plan has it.
    pub fn tls(&self) -> Option<&Tls> {
        self.plan.tls.as_ref()
    }

    /// As the plan has it.
    pub fn dead_after(&self) -> Duration {
        self.plan.dead_after
    }

    /// Failures since something was delivered.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// Something was delivered: the next failure is worth a line again.
    pub fn worked(&mut self) {
        self.failures = 0;
        self.backoff.reset();
        self.said.clear();
        self.held_since = None;
    }

    /// Says what went wrong at the host, once. How long to wait before the next attempt.
    pub fn failed(&mut self, error: &ConnectionError, now: Instant) -> Duration {
        self.failures = self.failures.saturating_add(1);
        let retry = self.retry(error, now);
        let slow = retry == Retry::Slow;
        let host = &self.host;
        let line = match error {
            ConnectionError::Transport(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                let name = self.label.name;
                format!("connection refused by {host}: is {name} running and listening on this port? Next")
            }
            _ => format!("{host}: {error}; next"),
        };
        let wait = if self.turn_to_next_host() {
            self.backoff.next(fastrand::u32(..), if slow { SLOW } else { Duration::ZERO })
        } else {
            Duration::ZERO
        };
        let rounded = wait.saturating_add(Duration::from_millis(50));
        let (seconds, tenths) = (rounded.as_secs(), rounded.subsec_millis() / 100);
        let level = match retry {
            _ if !self.remember(&line, slow) => Level::Debug,
            Retry::Slow => Level::Error,
            Retry::Held | Retry::Soon => Level::Warn,
        };
        let Label { target, meanwhile, .. } = *self.label;
        log!(target: target, level, "{line} attempt in {seconds}.{tenths} s{meanwhile}");
        wait
    }

    /// Chooses the host to try next. Whether each has had its turn.
    fn turn_to_next_host(&mut self) -> bool {
        self.made = self.made.wrapping_add(1);
        let turn = self.made.checked_rem(self.plan.hosts.len()).unwrap_or_default();
        if let Some(next) = self.plan.hosts.get(turn) {
            self.host.clone_from(next);
        }
        turn == 0
    }

    /// What is still held after the plan's time is not held by our own ghost: the peer has given up on a dead
    /// connection by then.
    fn retry(&mut self, error: &ConnectionError, now: Instant) -> Retry {
        let retry = error.retry();
        if retry != Retry::Held {
            self.held_since = None;
            return retry;
        }
        let since = *self.held_since.get_or_insert(now);
        if now.since(since) > self.plan.ghost { Retry::Slow } else { Retry::Held }
    }

    /// Remembers `line` as said. Whether it had not been said.
    fn remember(&mut self, line: &str, slow: bool) -> bool {
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

#[cfg(test)]
mod tests {
    use super::*;

    const LABEL: Label = Label { name: "a peer", target: "test", meanwhile: "" };

    fn attempts(names: &[&str]) -> Attempts {
        let hosts = names.iter().map(|name| Host { name: (*name).into(), port: 1 }).collect();
        let [retry, dead_after, ghost] = [1, 2, 3].map(Duration::from_secs);
        Attempts::new(&LABEL, Plan { hosts, tls: None, retry, dead_after, ghost }).unwrap()
    }

    const fn at(seconds: u64) -> Instant {
        Instant::from_nanos(seconds * 1_000_000_000)
    }

    #[test]
    fn hosts_take_turns_and_there_is_no_wait_before_each_was_tried() {
        let mut attempts = attempts(&["a", "b", "c"]);
        let error = ConnectionError::Transport(io::ErrorKind::ConnectionRefused.into());
        let mut tried = String::new();
        for n in 1..=6 {
            tried.push_str(&attempts.host().name);
            let wait = attempts.failed(&error, at(n));
            assert_eq!(wait.is_zero(), n % 3 != 0, "{wait:?} after {tried}");
        }
        assert_eq!((tried.as_str(), attempts.failures()), ("abcabc", 6));
    }

    #[test]
    fn what_is_held_for_longer_than_by_a_ghost_is_tried_seldom_until_it_was_free() {
        let mut attempts = attempts(&["a"]);
        let held = ConnectionError::Protocol { text: "405".into(), retry: Retry::Held };
        let slow = |attempts: &mut Attempts, second| attempts.failed(&held, at(second)) >= SLOW;
        assert_eq!([10, 13, 14].map(|second| slow(&mut attempts, second)), [false, false, true]);
        attempts.worked();
        assert_eq!([15, 18, 19].map(|second| slow(&mut attempts, second)), [false, false, true]);
    }

    #[test]
    fn a_failure_is_remembered_until_something_was_delivered() {
        let mut attempts = attempts(&["a"]);
        assert!(attempts.remember("away", false) && !attempts.remember("away", false));
        assert!(attempts.remember("away", true), "it is told again where an operator has to fix it");
        attempts.worked();
        assert!(attempts.remember("away", false));
    }
}
