//! The state of a connection, in words for the log and for `psistats status`.

use std::cell::{Cell, RefCell};
use std::fmt::{self, Display, Write as _};
use std::io::Write as _;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::net::reactor::Reactor;
use psistats_core::time::Instant;

/// Bytes of a reason that are kept: the longest text of a broker, with a sentence around it.
const REASON: usize = 400;

/// A connection's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connection {
    /// Not connected: an attempt is running, or the next one is being waited for.
    Away,
    /// Not connected, since nothing is due to be sent.
    Idle,
    /// Connected, and ready to publish.
    Ready,
    /// Connected, but the broker accepts no publishes for now, or the master node has not subscribed.
    Blocked,
}

/// A connection's state, the time of its last change, and the last error.
pub struct State<'r> {
    reactor: &'r Reactor,
    connection: Cell<Connection>,
    since: Cell<Instant>,
    /// The text for [`Connection::Blocked`].
    blocked: &'static str,
    peer: RefCell<String>,
    reason: RefCell<String>,
    error: RefCell<String>,
    failed: Cell<Option<Instant>>,
    /// The launcher that waits for the outcome of the first attempt.
    launcher: RefCell<Option<UnixStream>>,
}

impl<'r> State<'r> {
    /// No attempt has been made.
    pub fn new(reactor: &'r Reactor, blocked: &'static str) -> Self {
        Self {
            reactor,
            connection: Cell::new(Connection::Away),
            since: Cell::new(reactor.now()),
            blocked,
            peer: RefCell::default(),
            reason: RefCell::default(),
            error: RefCell::default(),
            failed: Cell::default(),
            launcher: RefCell::default(),
        }
    }

    /// The present state.
    pub fn get(&self) -> Connection {
        self.connection.get()
    }

    /// Sets the state. Where it is not a change, the time of the last change and the reason stay.
    pub fn set(&self, connection: Connection) {
        if self.connection.replace(connection) != connection {
            self.since.set(self.reactor.now());
            self.reason.borrow_mut().clear();
        }
        if connection != Connection::Away {
            self.tell_launcher();
        }
    }

    /// Sets the peer of the next attempt.
    pub fn connecting(&self, peer: impl Display) {
        keep(&self.peer, format_args!("{peer}"));
    }

    /// Sets the reason why the state is [`Connection::Blocked`].
    pub fn because(&self, reason: impl Display) {
        keep(&self.reason, format_args!("{reason}"));
    }

    /// Records why an attempt, or the connection, has failed.
    pub fn failed(&self, error: impl Display) {
        let peer = self.peer.borrow();
        keep(&self.error, format_args!("{peer}: {error}"));
        self.failed.set(Some(self.reactor.now()));
        self.tell_launcher();
    }

    /// Sets the launcher that is told the outcome of the first attempt.
    pub fn tell(&self, launcher: Option<UnixStream>) {
        self.launcher.replace(launcher);
    }

    fn tell_launcher(&self) {
        if let Some(mut launcher) = self.launcher.take() {
            let words = match self.get() {
                Connection::Away => format!("no connection yet: {}", self.error.borrow()),
                _ => self.to_string(),
            };
            // An error means that the launcher has stopped waiting.
            let _ = launcher.write_all(words.as_bytes());
            let _ = launcher.shutdown(Shutdown::Both);
        }
    }

    /// Whether an attempt has failed since the connection was lost.
    fn is_failing(&self) -> bool {
        self.get() == Connection::Away && self.failed.get().is_some_and(|at| at >= self.since.get())
    }

    /// Writes the state, followed by `for_how_long`, and its reason.
    fn words(&self, f: &mut dyn fmt::Write, for_how_long: &str) -> fmt::Result {
        let (peer, reason) = (self.peer.borrow(), self.reason.borrow());
        match self.get() {
            Connection::Ready => write!(f, "connected to {peer}{for_how_long}"),
            Connection::Idle => write!(f, "no connection needed{for_how_long}: nothing is due"),
            Connection::Blocked => {
                write!(f, "{}{for_how_long}", self.blocked)?;
                if reason.is_empty() { Ok(()) } else { write!(f, ": {reason}") }
            }
            Connection::Away if self.is_failing() => {
                write!(f, "no connection{for_how_long}: {}", self.error.borrow())
            }
            Connection::Away => write!(f, "no connection{for_how_long}"),
        }
    }

    /// Writes the state and the last error as lines, with their ages at `now`.
    ///
    /// # Errors
    /// Those of `f`.
    pub fn lines(&self, f: &mut dyn fmt::Write, now: Instant) -> fmt::Result {
        self.words(f, &format!(" (for {})", Age(now.since(self.since.get()))))?;
        f.write_char('\n')?;
        match self.failed.get() {
            Some(at) if !self.is_failing() => {
                writeln!(f, "last error ({} ago): {}", Age(now.since(at)), self.error.borrow())
            }
            _ => Ok(()),
        }
    }
}

/// The state and the last error, in one line.
impl Display for State<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.words(f, "")?;
        if self.failed.get().is_none() || self.is_failing() {
            return Ok(());
        }
        write!(f, "; last error: {}", self.error.borrow())
    }
}

/// Replaces `place` by `text`, as one line of at most [`REASON`] bytes.
fn keep(place: &RefCell<String>, text: fmt::Arguments<'_>) {
    let mut kept = place.borrow_mut();
    kept.clear();
    // Writing to a String cannot fail.
    let _ = kept.write_fmt(text);
    // The text may come from a broker: control characters go, and so do those that reverse the direction of a
    // line in a terminal.
    let turns = |c| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    kept.retain(|c| !c.is_control() && !turns(c));
    while kept.len() > REASON {
        kept.pop();
    }
}

/// A duration, shown in seconds, minutes, hours or days.
struct Age(Duration);

impl Display for Age {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        let (number, unit) = match seconds {
            0..120 => (seconds, "s"),
            120..7200 => (seconds / 60, "min"),
            7200..172_800 => (seconds / 3600, "h"),
            _ => (seconds / 86_400, "d"),
        };
        write!(f, "{number} {unit}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_kept_as_one_bounded_line_without_control_or_bidi_characters() {
        let kept = RefCell::default();
        keep(&kept, format_args!("low on\n mem\u{1b}[2Jory \u{202e}\u{2066}now"));
        assert_eq!(*kept.borrow(), "low on mem[2Jory now");
        keep(&kept, format_args!("{}", "\u{e9}".repeat(1000)));
        assert_eq!(kept.borrow().len(), REASON);
    }

    #[test]
    fn an_age_is_shown_in_seconds_minutes_hours_or_days() {
        for (seconds, text) in [(0, "0 s"), (119, "119 s"), (120, "2 min"), (7200, "2 h"), (259_200, "3 d")] {
            assert_eq!(Age(Duration::from_secs(seconds)).to_string(), text);
        }
    }
}
