//! How a connection is, in words, and the socket by which `psistats status` asks for it.
//!
//! The socket lies beside the pidfile, or in `$RUNTIME_DIRECTORY` where systemd runs us. Whoever connects
//! gets a few lines and the end: nothing is written while nobody asks, and what is told is never stale.
//! The kernel names the process at its other end. The first line is the pidfile of the configuration, by
//! which two instances are told apart; there is no secret in the rest.

use std::cell::{Cell, RefCell};
use std::env;
use std::ffi::OsString;
use std::fmt::{self, Display, Write as _};
use std::fs;
use std::future;
use std::io::{self, Cursor, Write as _};
use std::net::Shutdown;
use std::os::fd::AsRawFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::FileTypeExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use log::warn;
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, UnixAddr, connect, getsockopt, setsockopt, socket, sockopt,
};
use nix::sys::stat::{Mode, umask};
use nix::sys::time::{TimeVal, TimeValLike as _};
use nix::unistd::{self, Pid};

use crate::life::context::Shared;
use crate::net::reactor::{AsyncFd, Reactor};
use crate::settings::DEFAULT_PIDFILE;
use psistats_core::time::Instant;

/// Bytes of a reason that are kept: the longest that a broker can give, and words around it.
const REASON: usize = 400;

/// Bytes of an answer: two connections with two reasons each, counters, and the path of the pidfile.
const ANSWER: usize = 4096;

/// Between two answers: somebody who asks all the time shall not keep us busy.
const PAUSE: Duration = Duration::from_millis(10);

/// Seconds that whoever asks waits for the answer.
const PATIENCE_S: i64 = 5;

/// The socket of the service that systemd runs: `RuntimeDirectory=` of the unit.
const UNIT_SOCKET: &str = "/run/psistats/socket";

/// Processes of the unit, in the one hierarchy of cgroups or in systemd's own.
const UNIT_PROCESSES: [&str; 2] = [
    "/sys/fs/cgroup/system.slice/psistats.service/cgroup.procs",
    "/sys/fs/cgroup/systemd/system.slice/psistats.service/cgroup.procs",
];

/// A connection's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connection {
    /// Being made, or waiting for the next attempt.
    Away,
    /// Ready to publish.
    Ready,
    /// The broker wants no publishes for now; the master node has not subscribed.
    Blocked,
}

/// A connection's state, since when, and what was wrong last.
pub struct State<'r> {
    reactor: &'r Reactor,
    connection: Cell<Connection>,
    since: Cell<Instant>,
    /// What [`Connection::Blocked`] means, in words.
    blocked: &'static str,
    peer: RefCell<String>,
    reason: RefCell<String>,
    error: RefCell<String>,
    failed: Cell<Option<Instant>>,
    /// Who waits to hear how the first attempt ends.
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

    /// How it is.
    pub fn get(&self) -> Connection {
        self.connection.get()
    }

    /// From now on it is so. What is no change changes nothing.
    pub fn set(&self, connection: Connection) {
        if self.connection.replace(connection) != connection {
            self.since.set(self.reactor.now());
            self.reason.borrow_mut().clear();
        }
        if connection != Connection::Away {
            self.tell_launcher();
        }
    }

    /// The next attempt goes to `peer`.
    pub fn connecting(&self, peer: impl Display) {
        keep(&self.peer, format_args!("{peer}"));
    }

    /// Why it is [`Connection::Blocked`].
    pub fn because(&self, reason: impl Display) {
        keep(&self.reason, format_args!("{reason}"));
    }

    /// An attempt, or the connection, has ended for this reason.
    pub fn failed(&self, error: impl Display) {
        let peer = self.peer.borrow();
        keep(&self.error, format_args!("{peer}: {error}"));
        self.failed.set(Some(self.reactor.now()));
        self.tell_launcher();
    }

    /// `launcher` hears how the first attempt ends.
    pub fn tell(&self, launcher: Option<UnixStream>) {
        self.launcher.replace(launcher);
    }

    fn tell_launcher(&self) {
        if let Some(mut launcher) = self.launcher.take() {
            let words = match self.get() {
                Connection::Away => format!("no connection yet: {}", self.error.borrow()),
                _ => self.to_string(),
            };
            // It may have gone: it does not wait for long.
            let _ = launcher.write_all(words.as_bytes());
            let _ = launcher.shutdown(Shutdown::Both);
        }
    }

    /// Whether there has been a failure since the connection was lost.
    fn is_failing(&self) -> bool {
        self.get() == Connection::Away && self.failed.get().is_some_and(|at| at >= self.since.get())
    }

    /// The state with `for_how_long`, and its reason.
    fn words(&self, f: &mut dyn fmt::Write, for_how_long: &str) -> fmt::Result {
        let (peer, reason) = (self.peer.borrow(), self.reason.borrow());
        match self.get() {
            Connection::Ready => write!(f, "connected to {peer}{for_how_long}"),
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

    /// The same on lines of their own, with times, and the last error.
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

/// In one line: how it is, and the last error.
impl Display for State<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.words(f, "")?;
        if self.failed.get().is_none() || self.is_failing() {
            return Ok(());
        }
        write!(f, "; last error: {}", self.error.borrow())
    }
}

/// Keeps a text as one line of limited length.
fn keep(place: &RefCell<String>, text: fmt::Arguments<'_>) {
    let mut kept = place.borrow_mut();
    kept.clear();
    // A String takes everything.
    let _ = kept.write_fmt(text);
    // Nor what turns a line around in a terminal: a broker's words are among them.
    let turns = |c| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    kept.retain(|c| !c.is_control() && !turns(c));
    while kept.len() > REASON {
        kept.pop();
    }
}

/// A duration in the unit that suits it.
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

/// The socket beside `pidfile`.
pub fn socket_of(pidfile: &Path) -> PathBuf {
    let mut path = OsString::from(pidfile);
    path.push(".socket");
    path.into()
}

/// The socket in the directory that systemd has made for this process alone.
pub fn socket_of_unit() -> Option<PathBuf> {
    env::var_os("NOTIFY_SOCKET")?;
    Some(PathBuf::from(env::var_os("RUNTIME_DIRECTORY")?).join("socket"))
}

/// Listens at `path`. Where that cannot be `psistats status` says less, and nothing else is amiss.
///
/// To be called while there is one thread: for a moment files are made with other modes.
pub fn listen(reactor: &Reactor, path: Option<PathBuf>) -> Option<AsyncFd<'_, UnixListener>> {
    let path = path?;
    match bind(&path).and_then(|listener| reactor.watch(listener)) {
        Ok(listener) => Some(listener),
        Err(error) => {
            let path = path.display();
            warn!("`psistats status` cannot ask how the connection is: cannot listen at {path}: {error}");
            None
        }
    }
}

fn bind(path: &Path) -> io::Result<UnixListener> {
    // What a killed process has left.
    remove(path);
    // Everybody may ask; to connect takes the right to write.
    let before = umask(Mode::from_bits_truncate(0o111));
    let listener = UnixListener::bind(path);
    umask(before);
    let listener = listener?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Removes the socket at `path`, and nothing that is none.
pub fn remove(path: &Path) {
    if fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket()) {
        // What stays is in nobody's way but a successor's, who will say so.
        let _ = fs::remove_file(path);
    }
}

/// Answers whoever connects, as long as the agent lives.
///
/// # Errors
/// Where there is no room for another deadline.
pub async fn answer(shared: &Shared<'_>, listener: Option<AsyncFd<'_, UnixListener>>) -> io::Result<()> {
    let Some(listener) = listener else { return future::pending().await };
    let timer = shared.reactor.timer()?;
    loop {
        if let Some(stream) = accept(&listener).await {
            reply(shared, stream);
        }
        timer.until(shared.reactor.now() + PAUSE).await;
    }
}

async fn accept(listener: &AsyncFd<'_, UnixListener>) -> Option<UnixStream> {
    listener.readable().await;
    let mut accepted = None;
    // It may have gone again, or there is no descriptor: it finds out.
    let _ = listener.read(&mut [0], |listener, _| {
        accepted = Some(listener.accept()?.0);
        Ok(1)
    });
    accepted
}

fn reply(shared: &Shared<'_>, mut stream: UnixStream) {
    let mut text = Text(Cursor::new([0; ANSWER]));
    let settings = shared.settings();
    // What finds no room is left out.
    let _ = text.0.write_all(settings.app.pidfile.as_os_str().as_bytes());
    let _ = text.0.write_all(b"\n");
    let _ = shared.standing().lines(&mut text, shared.reactor.now());
    let length = usize::try_from(text.0.position()).unwrap_or(ANSWER);
    // An empty socket takes as much at once; whoever does not read it gets less.
    if stream.set_nonblocking(true).is_ok() {
        let _ = stream.write_all(text.0.get_ref().get(..length).unwrap_or_default());
    }
}

/// Text in a buffer.
struct Text(Cursor<[u8; ANSWER]>);

impl fmt::Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.write_all(text.as_bytes()).map_err(|_| fmt::Error)
    }
}

/// A service that runs, and what it says of its connections: lines, or nothing.
#[derive(Debug)]
pub struct Service {
    /// Its process.
    pub pid: Pid,
    /// What it says.
    pub says: String,
}

/// What the process `pid`, which holds `pidfile`, says of itself. Nothing where it does not answer.
pub fn of_holder(pidfile: &Path, pid: Pid) -> String {
    match ask(&socket_of(pidfile)) {
        Some((who, Some((_, says)))) if who == pid => says,
        _ => String::new(),
    }
}

/// The service that systemd runs, if its configuration names the same pidfile: then it is the same
/// instance as one that `start` would start. Another one is none of ours.
pub fn of_unit(pidfile: &Path) -> Option<Service> {
    // What of an instance that does not say its pidfile is likely.
    let is_default = pidfile.as_os_str() == DEFAULT_PIDFILE;
    match ask(Path::new(UNIT_SOCKET)) {
        Some((pid, Some((its_pidfile, says)))) => {
            (its_pidfile.as_str() == pidfile.as_os_str()).then_some(Service { pid, says })
        }
        Some((pid, None)) => is_default.then(|| Service { pid, says: String::new() }),
        None => {
            // A unit without RuntimeDirectory=.
            let pid = is_default.then(pid_of_unit)??;
            Some(Service { pid, says: String::new() })
        }
    }
}

/// A process of the unit psistats.service, where systemd runs this machine or container (sd_booted(3)).
fn pid_of_unit() -> Option<Pid> {
    if !Path::new("/run/systemd/system").is_dir() {
        return None;
    }
    let processes = UNIT_PROCESSES.iter().find_map(|path| fs::read_to_string(path).ok())?;
    // 0 is a process that cannot be seen from this container: pid_namespaces(7).
    processes.lines().find_map(|line| line.parse().ok().filter(|pid| *pid > 0)).map(Pid::from_raw)
}

/// Who listens at `path`, and its pidfile and lines if it answers.
fn ask(path: &Path) -> Option<(Pid, Option<(String, String)>)> {
    let socket = socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None).ok()?;
    let patience = TimeVal::seconds(PATIENCE_S);
    setsockopt(&socket, sockopt::SendTimeout, &patience).ok()?;
    setsockopt(&socket, sockopt::ReceiveTimeout, &patience).ok()?;
    connect(socket.as_raw_fd(), &UnixAddr::new(path).ok()?).ok()?;
    let pid = getsockopt(&socket, sockopt::PeerCredentials).ok()?.pid();
    let (mut said, mut length) = ([0; 2 * ANSWER], 0);
    // To its end, or as much as there is room for or time.
    while let Some(room) = said.get_mut(length..)
        && let Ok(read @ 1..) = unistd::read(&socket, room)
    {
        length += read;
    }
    let said = said.get(..length).and_then(|said| str::from_utf8(said).ok());
    let lines = said.and_then(|said| said.split_once('\n'));
    let answer = lines.map(|(pidfile, says)| (pidfile.to_owned(), says.trim_end().to_owned()));
    // 0: it cannot be seen from this container.
    (pid > 0).then(|| (Pid::from_raw(pid), answer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_kept_as_one_short_line_that_a_terminal_shows_as_it_is() {
        let kept = RefCell::default();
        keep(&kept, format_args!("low on\n mem\u{1b}[2Jory \u{202e}\u{2066}now"));
        assert_eq!(*kept.borrow(), "low on mem[2Jory now");
        keep(&kept, format_args!("{}", "\u{e9}".repeat(1000)));
        assert_eq!(kept.borrow().len(), REASON);
    }

    #[test]
    fn an_age_is_in_the_unit_that_suits_it() {
        for (seconds, text) in [(0, "0 s"), (119, "119 s"), (120, "2 min"), (7200, "2 h"), (259_200, "3 d")] {
            assert_eq!(Age(Duration::from_secs(seconds)).to_string(), text);
        }
    }
}
