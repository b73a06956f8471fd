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
    /// Hosts that stand for each other: each is tried before any wait. The first is home.
    pub hosts: Vec<Host>,
    /// How TLS is spoken with each, if it is.
    pub tls: Option<Tls>,
    /// The wait after the first failure, which grows.
    pub retry: Duration,
    /// A connection counts as dead when sent bytes stay unacknowledged for so long.
    pub dead_after: Duration,
    /// A part of it by chance comes before the first attempt after a loss, and is added to every wait.
    pub spread: Duration,
}

/// Other hosts than the one that is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alternatives {
    /// There is one host.
    None,
    /// At least one is still to be tried before any wait.
    Untried,
    /// Each has failed.
    Tried,
}

/// The attempts to connect by one plan: which host is next, how long to wait, and which failure is worth a line.
pub struct Attempts {
    label: &'static Label,
    plan: Plan,
    /// The host to try, and its place among them.
    host: Host,
    place: usize,
    /// Hosts that have failed since the last wait.
    tried: usize,
    /// When the last attempt failed.
    failed_at: Option<Instant>,
    /// Failures since something was delivered.
    failures: u32,
    backoff: Backoff,
    /// Hashes of what was said: an outage is a line, not a line an attempt.
    said: heapless::Vec<u64, SAID>,
}

impl Attempts {
    /// The first attempt is still to come. None where there is no host.
    pub fn new(label: &'static Label, plan: Plan) -> Option<Self> {
        Some(Self {
            label,
            host: plan.hosts.first()?.clone(),
            place: 0,
            tried: 0,
            failed_at: None,
            failures: 0,
            backoff: Backoff::new(plan.retry),
            said: heapless::Vec::new(),
            plan,
        })
    }

    /// The host to try: they take turns.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Whether that is home.
    pub fn is_home(&self) -> bool {
        self.place == 0
    }

    /// Whether there are other hosts.
    pub fn alternatives(&self) -> Alternatives {
        match self.plan.hosts.len() {
            0 | 1 => Alternatives::None,
            count if self.tried + 1 < count => Alternatives::Untried,
            _ => Alternatives::Tried,
        }
    }

    /// The next attempt is made at home.
    pub fn go_home(&mut self) {
        self.turn_to(0);
        self.tried = 0;
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
    }

    /// Says what went wrong at the host, once. How long to wait before the next attempt.
    pub fn failed(&mut self, error: &ConnectionError, now: Instant) -> Duration {
        // After a connection that lasted, no host is one that has just failed.
        let is_loss = self.failures == 0;
        if is_loss && self.failed_at.is_none_or(|at| now.since(at) >= self.plan.retry) {
            self.tried = 0;
        }
        self.failed_at = Some(now);
        self.failures = self.failures.saturating_add(1);
        let retry = error.retry();
        let slow = retry == Retry::Slow;
        let host = &self.host;
        let line = match error {
            ConnectionError::Transport(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                let name = self.label.name;
                format!("connection refused by {host}: is {name} running and listening on this port? Next")
            }
            _ => format!("{host}: {error}; next"),
        };
        let is_round = self.turn_to_next_host();
        let mut wait = Duration::ZERO;
        if is_round {
            wait = self.backoff.next(fastrand::u32(..), if slow { SLOW } else { Duration::ZERO });
        }
        if is_round || is_loss {
            wait = wait.saturating_add(by_chance(self.plan.spread));
        }
        let rounded = wait.saturating_add(Duration::from_millis(50));
        let (seconds, tenths) = (rounded.as_secs(), rounded.subsec_millis() / 100);
        let level = match retry {
            _ if !self.remember(&line, slow) => Level::Debug,
            Retry::Slow => Level::Error,
            Retry::Soon => Level::Warn,
        };
        let Label { target, meanwhile, .. } = *self.label;
        log!(target: target, level, "{line} attempt in {seconds}.{tenths} s{meanwhile}");
        wait
    }

    /// Chooses the host to try next. Whether each has had its turn.
    fn turn_to_next_host(&mut self) -> bool {
        let count = self.plan.hosts.len();
        self.turn_to((self.place + 1).checked_rem(count).unwrap_or_default());
        self.tried += 1;
        let all = self.tried >= count;
        self.tried = if all { 0 } else { self.tried };
        all
    }

    fn turn_to(&mut self, place: usize) {
        if let Some(host) = self.plan.hosts.get(place) {
            self.host.clone_from(host);
            self.place = place;
        }
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

/// Anything from nothing to `most`.
pub fn by_chance(most: Duration) -> Duration {
    Duration::from_nanos(fastrand::u64(..=u64::try_from(most.as_nanos()).unwrap_or(u64::MAX)))
}

/// The hosts, from that on at which a board of this name is at home: a fleet is spread over all of them.
pub fn from_home(mut hosts: Vec<Host>, hostname: &str) -> Vec<Host> {
    let home = fnv(hostname).checked_rem(hosts.len() as u64).unwrap_or_default();
    hosts.rotate_left(usize::try_from(home).unwrap_or_default());
    hosts
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
        let [retry, dead_after] = [1, 2].map(Duration::from_secs);
        Attempts::new(&LABEL, Plan { hosts, tls: None, retry, dead_after, spread: Duration::ZERO }).unwrap()
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
            let left = if n % 3 == 2 { Alternatives::Tried } else { Alternatives::Untried };
            assert_eq!(attempts.alternatives(), left, "after {tried}");
        }
        assert_eq!((tried.as_str(), attempts.failures()), ("abcabc", 6));
    }

    #[test]
    fn after_a_connection_that_lasted_all_others_are_tried_before_any_wait_wherever_it_was_in_the_list() {
        let lost = ConnectionError::Transport(io::ErrorKind::ConnectionReset.into());
        for connected in 0..3 {
            let mut attempts = attempts(&["a", "b", "c"]);
            (0..connected).for_each(|_| assert!(attempts.failed(&lost, at(1)).is_zero()));
            attempts.worked();
            let waits = [0; 3].map(|_| attempts.failed(&lost, at(100)));
            assert_eq!(waits.map(|wait| wait.is_zero()), [true, true, false], "{connected}");
        }
    }

    #[test]
    fn hosts_that_take_one_report_and_hang_up_are_not_tried_without_a_wait_for_ever() {
        let mut attempts = attempts(&["a", "b", "c"]);
        let lost = ConnectionError::Transport(io::ErrorKind::ConnectionReset.into());
        let waits = (0..30).filter(|_| {
            attempts.worked();
            !attempts.failed(&lost, at(5)).is_zero()
        });
        assert_eq!(waits.count(), 10);
    }

    #[test]
    fn a_fleet_that_loses_its_broker_is_spread_over_the_time_for_that() {
        let lost = ConnectionError::Transport(io::ErrorKind::ConnectionReset.into());
        let mut minutes = [0; 10];
        for _ in 0..1000 {
            let mut attempts = attempts(&["a", "b", "c"]);
            attempts.plan.spread = Duration::from_secs(600);
            let waits = [0; 3].map(|_| attempts.failed(&lost, at(100)));
            assert!(waits[1].is_zero(), "the others are tried at once then");
            assert!(waits[2] >= attempts.plan.retry / 2 && waits[2] < Duration::from_secs(601));
            minutes[usize::try_from(waits[0].as_secs() / 60).unwrap().min(9)] += 1;
        }
        assert!(minutes.iter().all(|boards| (50..150).contains(boards)), "{minutes:?}");
    }

    #[test]
    fn who_goes_home_starts_anew_there() {
        let mut attempts = attempts(&["a", "b", "c"]);
        let lost = ConnectionError::Transport(io::ErrorKind::ConnectionReset.into());
        assert!(attempts.is_home());
        attempts.failed(&lost, at(1));
        assert!(!attempts.is_home());
        attempts.go_home();
        assert_eq!((attempts.host().name.as_str(), attempts.is_home()), ("a", true));
        let waits = [0; 3].map(|_| attempts.failed(&lost, at(2)));
        assert_eq!(waits.map(|wait| wait.is_zero()), [true, true, false]);
    }

    #[test]
    fn boards_of_many_names_are_at_home_at_every_host_alike() {
        let hosts: Vec<Host> = ["a", "b", "c"].map(|name| Host { name: name.into(), port: 1 }).into();
        for names in ["pi-{}", "{}.sensors.example.org", "raspberrypi{}"] {
            let mut boards = [0; 3];
            for n in 0..3000 {
                let home = from_home(hosts.clone(), &names.replace("{}", &n.to_string()));
                assert!(home.len() == 3 && (home[0] != home[1]));
                boards[usize::from(home[0].name.as_bytes()[0] - b'a')] += 1;
            }
            assert!(boards.iter().all(|n| (800..1200).contains(n)), "{boards:?}");
        }
        assert_eq!(from_home(hosts[..1].to_vec(), "x"), hosts[..1]);
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
