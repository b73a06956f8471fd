//! The socket by which `psistats status` asks a running agent.
//!
//! The socket lies beside the pidfile, or in `$RUNTIME_DIRECTORY` where systemd runs the agent. A client that
//! connects gets a few lines and the end of the stream. So nothing is written while no client asks, and an
//! answer is never stale. The kernel names the process at the other end. The first line is the pidfile of the
//! configuration, which distinguishes two instances. The other lines contain no secret.

use std::env;
use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::future;
use std::io::{self, Cursor, Write as _};
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
use psistats_host::output::Reason;

/// Bytes of an answer: two connections with two reasons each, counters, and the path of the pidfile.
const ANSWER: usize = 4096;

/// Time between two answers, so that a client that asks without end cannot keep the agent busy.
const PAUSE: Duration = Duration::from_millis(10);

/// Seconds that `psistats status` waits for the answer.
const PATIENCE_S: i64 = 5;

/// The socket of the service that systemd runs: `RuntimeDirectory=` of the unit.
const UNIT_SOCKET: &str = "/run/psistats/socket";

/// The processes of the unit, in the unified cgroup hierarchy (v2) or in systemd's own (v1).
const UNIT_PROCESSES: [&str; 2] = [
    "/sys/fs/cgroup/system.slice/psistats.service/cgroup.procs",
    "/sys/fs/cgroup/systemd/system.slice/psistats.service/cgroup.procs",
];

/// The socket beside `pidfile`.
pub fn socket_of(pidfile: &Path) -> PathBuf {
    let mut path = OsString::from(pidfile);
    path.push(".socket");
    path.into()
}

/// The socket in the runtime directory that systemd has made for this service.
pub fn socket_of_unit() -> Option<PathBuf> {
    env::var_os("NOTIFY_SOCKET")?;
    Some(PathBuf::from(env::var_os("RUNTIME_DIRECTORY")?).join("socket"))
}

/// Listens at `path`. Where that fails, the agent runs all the same, and `psistats status` shows less.
///
/// Call it while there is one thread: it changes the umask of the process for a moment.
pub fn listen(reactor: &Reactor, path: Option<PathBuf>) -> Option<AsyncFd<'_, UnixListener>> {
    let path = path?;
    match bind(&path).and_then(|listener| reactor.watch(listener)) {
        Ok(listener) => Some(listener),
        Err(error) => {
            let path = path.display();
            warn!(
                "cannot listen at {path}: {}; `psistats status` cannot show the connection",
                Reason(&error)
            );
            None
        }
    }
}

fn bind(path: &Path) -> io::Result<UnixListener> {
    // A killed process leaves its socket.
    remove(path);
    // Every user may ask, and connecting needs write permission.
    let before = umask(Mode::from_bits_truncate(0o111));
    let listener = UnixListener::bind(path);
    umask(before);
    let listener = listener?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Removes the socket at `path`. Any other kind of file is left alone.
pub fn remove(path: &Path) {
    if fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket()) {
        // A socket that stays hinders only the next start, which will log it.
        let _ = fs::remove_file(path);
    }
}

/// Answers each client that connects, until the agent ends.
///
/// # Errors
/// The reactor has no room for another timer.
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
    // An error means that the client has gone, or that there is no descriptor left. Then it gets no answer.
    let _ = listener.read(&mut [0], |listener, _| {
        accepted = Some(listener.accept()?.0);
        Ok(1)
    });
    accepted
}

fn reply(shared: &Shared<'_>, mut stream: UnixStream) {
    let mut text = Text(Cursor::new([0; ANSWER]));
    let settings = shared.settings();
    // An answer that is too long is cut.
    let _ = text.0.write_all(settings.app.pidfile.as_os_str().as_bytes());
    let _ = text.0.write_all(b"\n");
    let _ = shared.standing().lines(&mut text, shared.reactor.now());
    let length = usize::try_from(text.0.position()).unwrap_or(ANSWER);
    // The buffer of a new socket takes the whole answer at once, so this does not wait for the client.
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

/// A running service.
#[derive(Debug)]
pub struct Service {
    /// Its process.
    pub pid: Pid,
    /// The lines about its connections. Empty where it did not answer.
    pub says: String,
}

/// The lines about its connections of the process `pid`, which holds `pidfile`. Empty where it does not answer.
pub fn of_holder(pidfile: &Path, pid: Pid) -> String {
    match ask(&socket_of(pidfile)) {
        Some((who, Some((_, says)))) if who == pid => says,
        _ => String::new(),
    }
}

/// The service that systemd runs, if its configuration names the same pidfile. Only then is it the instance that
/// `start` would start.
pub fn of_unit(pidfile: &Path) -> Option<Service> {
    // A service that does not answer is assumed to have the default pidfile.
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
    // 0: the process is not visible from this container (pid_namespaces(7)).
    processes.lines().find_map(|line| line.parse().ok().filter(|pid| *pid > 0)).map(Pid::from_raw)
}

/// The process that listens at `path`, and its pidfile and lines if it answers.
fn ask(path: &Path) -> Option<(Pid, Option<(String, String)>)> {
    let socket = socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None).ok()?;
    let patience = TimeVal::seconds(PATIENCE_S);
    setsockopt(&socket, sockopt::SendTimeout, &patience).ok()?;
    setsockopt(&socket, sockopt::ReceiveTimeout, &patience).ok()?;
    connect(socket.as_raw_fd(), &UnixAddr::new(path).ok()?).ok()?;
    let pid = getsockopt(&socket, sockopt::PeerCredentials).ok()?.pid();
    let (mut said, mut length) = ([0; 2 * ANSWER], 0);
    // Read to the end of the stream, until the buffer is full or the time is up.
    while let Some(room) = said.get_mut(length..)
        && let Ok(read @ 1..) = unistd::read(&socket, room)
    {
        length += read;
    }
    let said = said.get(..length).and_then(|said| str::from_utf8(said).ok());
    let lines = said.and_then(|said| said.split_once('\n'));
    let answer = lines.map(|(pidfile, says)| (pidfile.to_owned(), says.trim_end().to_owned()));
    // 0: the process is not visible from this container.
    (pid > 0).then(|| (Pid::from_raw(pid), answer))
}
