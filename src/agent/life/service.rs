//! Start, stop and status of the service in the background.
//!
//! `fork(2)` is unsafe in a program that may have threads, so the program runs itself once more, as
//! [`DAEMON`]. The new process has `stdout_path` and `stderr_path` as its standard output and error
//! from the first instruction. Its standard input is at first a socket to the launching process, which
//! waits there until the service reports that it is ready, or why it is not:
//!
//! ```text
//!     psistats start                     psistats @daemon
//!       check the configuration
//!       open stdout_path, stderr_path
//!       run @daemon ------------------->  close what else was inherited
//!       wait                              check the configuration, open stdin_path
//!                                         leave terminal and directory
//!                                         lock the pidfile
//!                                         open logs and kernel files
//!       wait a little <-----------------  ready
//!                                         connect to the broker
//!       "psistats started, pid N; ..." <  outcome of the first attempt
//! ```

use std::env;
use std::ffi::{CString, OsString};
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::fd::{AsFd as _, AsRawFd as _, RawFd};
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::spawn::{PosixSpawnAttr, PosixSpawnFileActions, posix_spawn};
use nix::sys::signal::{self, Signal};
use nix::sys::stat::{Mode, umask};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{self, Pid};

use crate::life::pidfile::{self, Pidfile, Running, State};
use crate::life::signals;
use crate::life::status::{self, Service};
use crate::settings::App;
use psistats_host::output::Reason;

/// The command by which [`start`] runs the program in the background. It is not for users: it expects
/// the launcher's socket as its standard input.
pub const DAEMON: &str = "@daemon";

/// Time that the service may take to become ready, in addition to the wait for the pidfile's lock.
const READY_WITHIN: Duration = Duration::from_secs(10);
/// Time that the service may take to exit after SIGTERM. It waits up to 2 s for confirms.
const GONE_WITHIN: Duration = Duration::from_secs(10);

/// Time that [`start`] waits for the outcome of the first attempt to connect.
const CONNECTED_WITHIN: Duration = Duration::from_secs(3);

/// The exit code of [`status()`] where the state cannot be determined.
pub const UNKNOWN: u8 = 4;

/// How [`start`] succeeded.
#[derive(Debug)]
pub enum Started {
    /// The service is ready: its PID, and the outcome of its first attempt to connect.
    Now(Pid, String),
    /// The service was running already. The text names its PID.
    Before(String),
}

/// Runs the program in the background with `options` and waits until it is ready.
///
/// `app` is the checked configuration. The error is a text for the user.
pub fn start(app: &App, options: Vec<OsString>) -> Result<Started, String> {
    if let Some(Service { pid, .. }) = status::of_unit(&app.pidfile) {
        return Ok(Started::Before(by_systemd(pid, "restart")));
    }
    umask(Mode::from_bits_truncate(0o022));
    let stdout = open_output("stdout_path", &app.stdout_path)?;
    let stderr = open_output("stderr_path", &app.stderr_path)?;
    let cannot = |error: io::Error| format!("cannot run psistats in the background: {}", Reason(&error));
    let (ours, theirs) = UnixStream::pair().map_err(cannot)?;
    let streams = [theirs.as_raw_fd(), stdout.as_raw_fd(), stderr.as_raw_fd()];
    let pid = spawn(options, streams).map_err(cannot)?;
    drop(theirs);
    let patience = app.pidfile_timeout.saturating_add(READY_WITHIN);
    match listen(&ours, patience, true) {
        Ok(said) => judge(said, pid, &ours),
        Err(error) => {
            // It may have locked its pidfile. That becomes stale, which does not prevent another start.
            let _ = signal::kill(pid, Signal::SIGKILL);
            Err(format!(
                "psistats did not become ready within {} s ({}) and was killed; run `psistats start-local` to see why",
                patience.as_secs(),
                Reason(&error)
            ))
        }
    }
}

/// Runs this program once more, as [`DAEMON`] with `options`; `streams` become its standard streams.
///
/// It calls `posix_spawn(3)` directly, because `std::process::Command` adds 10 KB to the binary.
fn spawn(options: Vec<OsString>, streams: [RawFd; 3]) -> io::Result<Pid> {
    let mut arguments = vec!["psistats".into(), DAEMON.into()];
    arguments.extend(options);
    let variables = env::vars_os().map(|(mut name, value)| {
        name.push("=");
        name.push(value);
        name
    });
    let (arguments, environment) = (c_strings(arguments)?, c_strings(variables.collect())?);
    let mut actions = PosixSpawnFileActions::init()?;
    for (number, stream) in (0..).zip(streams) {
        actions.add_dup2(stream, number)?;
    }
    let program = program();
    Ok(posix_spawn(&program, &actions, &PosixSpawnAttr::init()?, &arguments, &environment)?)
}

/// The texts as C strings, for exec and spawn.
///
/// # Errors
/// A text contains a NUL, which no argument and no environment variable does.
pub fn c_strings(texts: Vec<OsString>) -> io::Result<Vec<CString>> {
    let texts = texts.into_iter().map(|text| CString::new(text.into_vec()));
    Ok(texts.collect::<Result<_, _>>()?)
}

fn by_systemd(pid: Pid, verb: &str) -> String {
    format!(
        "psistats is already running as a systemd service, pid {pid}: use `sudo systemctl {verb} psistats`"
    )
}

/// Sends SIGTERM to the service, waits until it has exited, and returns a message for the user. It succeeds
/// where nothing is running, and removes a stale pidfile. `verb` is the command of systemctl that does the same
/// for a service that systemd runs.
pub fn stop(path: &Path, verb: &str) -> Result<String, String> {
    let state = pidfile::inspect(path).map_err(|error| error.to_string())?;
    if !matches!(state, State::Running(_))
        && let Some(Service { pid, .. }) = status::of_unit(path)
    {
        return Err(by_systemd(pid, verb));
    }
    let running = match state {
        State::Absent => return Ok(format!("psistats is not running (no {})", path.display())),
        State::Stale(stale) => {
            return Ok(match stale.remove() {
                Ok(()) => {
                    status::remove(&status::socket_of(path));
                    format!("psistats is not running; removed the stale pidfile {}", path.display())
                }
                Err(error) => format!("psistats is not running; {error}"),
            });
        }
        State::Running(running) => running,
    };
    let pid = running.pid;
    match signal::kill(pid, Signal::SIGTERM) {
        Ok(()) | Err(Errno::ESRCH) => {}
        Err(errno) => {
            let root = if errno == Errno::EPERM { "; run as root" } else { "" };
            return Err(format!("cannot stop psistats, pid {pid}: {}{root}", Reason(&errno.into())));
        }
    }
    if running.wait_for_end(GONE_WITHIN).map_err(|error| error.to_string())? {
        Ok(format!("psistats stopped, pid {pid}"))
    } else {
        let seconds = GONE_WITHIN.as_secs();
        Err(format!(
            "psistats, pid {pid}, is still running {seconds} s after SIGTERM; `kill -9 {pid}` kills it"
        ))
    }
}

/// The state of the service: its exit code by LSB ("Init Script Actions"), and a text for the user. The code is
/// 0 for running, 1 for dead with a pidfile, 3 for not running, 4 for unknown. The text of a running service
/// includes the state of its connections.
pub fn status(path: &Path) -> (u8, String) {
    let state = pidfile::inspect(path);
    if !matches!(state, Ok(State::Running(_)))
        && let Some(Service { pid, says }) = status::of_unit(path)
    {
        return (0, format!("psistats is running, pid {pid} (psistats.service)\n{says}"));
    }
    match state {
        Ok(State::Running(Running { pid, .. })) => {
            (0, format!("psistats is running, pid {pid}\n{}", status::of_holder(path, pid)))
        }
        Ok(State::Stale(_)) => (1, format!("psistats is not running, but {} exists", path.display())),
        Ok(State::Absent) => (3, "psistats is not running".into()),
        Err(error) => (UNKNOWN, error.to_string()),
    }
}

/// Moves this process into the background and locks the pidfile, which makes it the service. The process gets
/// `stdin_path` as its standard input, a session of its own, and `/` as its working directory.
pub fn become_service(app: &App) -> Result<Pidfile, Unstarted> {
    let cannot = |error: io::Error| {
        Unstarted::Failed(format!("cannot run psistats in the background: {}", Reason(&error)))
    };
    // stdin_path is opened before the terminal is left, so that it can be /dev/tty, as with the original.
    let stdin = open_key("stdin_path", &app.stdin_path, OpenOptions::new().read(true))?;
    unistd::dup2_stdin(stdin).map_err(io::Error::from).map_err(cannot)?;
    unistd::setsid().map_err(io::Error::from).map_err(cannot)?;
    unistd::chdir("/").map_err(io::Error::from).map_err(cannot)?;
    // Once the pidfile holds our PID, signals can arrive.
    signals::hold().map_err(cannot)?;
    Pidfile::acquire(&app.pidfile, app.pidfile_timeout).map_err(|error| match error {
        pidfile::Error::Held { .. } => Unstarted::RunsAlready(error.to_string()),
        _ => Unstarted::Failed(error.to_string()),
    })
}

/// Why the service has not become ready.
#[derive(Debug)]
pub enum Unstarted {
    /// The service is already running. The text names its PID.
    RunsAlready(String),
    /// It failed. The text says why.
    Failed(String),
}

impl From<String> for Unstarted {
    fn from(text: String) -> Self {
        Self::Failed(text)
    }
}

const READY: u8 = b'+';
const RUNS_ALREADY: u8 = b'=';
const FAILED: u8 = b'-';

/// The process that waits to hear whether the service is ready.
#[derive(Debug)]
pub struct Launcher {
    socket: Option<UnixStream>,
}

impl Launcher {
    /// Takes over the socket that [`start`] left at standard input, and closes every other inherited
    /// descriptor: a service that kept a caller's pipe open would make its reader wait for ever. Returns
    /// None where no launcher started this process. Call it before any file is opened.
    pub fn attach() -> Option<Self> {
        let socket = UnixStream::from(io::stdin().as_fd().try_clone_to_owned().ok()?);
        socket.peer_addr().ok()?;
        let socket_number = socket.as_raw_fd();
        let open = fs::read_dir("/proc/self/fd").ok()?;
        let numbers = open.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        let inherited: Vec<RawFd> = numbers.filter(|&fd| fd > 2 && fd != socket_number).collect();
        for descriptor in inherited {
            // EBADF comes from the descriptor that listed the others, which is closed already.
            let _ = unistd::close(descriptor);
        }
        Some(Self { socket: Some(socket) })
    }

    /// Reports that the service is ready: the pidfile is locked, logs and kernel files are open. Call it
    /// once. The socket that it returns takes the outcome of the first attempt to connect.
    pub fn ready(&mut self) -> Option<UnixStream> {
        let socket = self.socket.as_mut()?;
        socket.write_all(&[READY]).ok()?;
        socket.try_clone().ok()
    }

    /// Reports why the service does not start, or why it has ended. It goes to the log once the launcher has
    /// gone.
    pub fn failed(&mut self, why: &Unstarted) {
        let (verdict, text) = match why {
            Unstarted::RunsAlready(text) => (RUNS_ALREADY, text),
            Unstarted::Failed(text) => (FAILED, text),
        };
        if !self.say(verdict, text) {
            log::error!("{text}");
        }
    }

    fn say(&mut self, verdict: u8, text: &str) -> bool {
        // An error means that the launcher has its answer and has gone, or was interrupted.
        let socket = self.socket.take();
        socket.is_some_and(|mut socket| socket.write_all(&[&[verdict], text.as_bytes()].concat()).is_ok())
    }
}

/// Reads what the service reports within `patience`: until the end of the stream, or where `ready` is set until
/// it reports that it is ready. The result is empty where the service ended without a report.
fn listen(mut socket: &UnixStream, patience: Duration, ready: bool) -> io::Result<Vec<u8>> {
    let begin = Instant::now();
    let mut said = Vec::new();
    let mut piece = [0; 1024];
    while !(ready && said.first() == Some(&READY)) {
        let left = patience.saturating_sub(begin.elapsed());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        socket.set_read_timeout(Some(left))?;
        match socket.read(&mut piece) {
            Ok(0) => return Ok(said),
            Ok(n) => said.extend_from_slice(piece.get(..n).unwrap_or_default()),
            Err(error) if matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::WouldBlock) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(said)
}

fn judge(mut said: Vec<u8>, pid: Pid, socket: &UnixStream) -> Result<Started, String> {
    let words = |text: &[u8]| String::from_utf8_lossy(text).into_owned();
    if said.first() == Some(&READY) {
        said.remove(0);
        let Ok(more) = listen(socket, CONNECTED_WITHIN, false) else {
            return Ok(Started::Now(pid, "no connection yet".into()));
        };
        said.extend(more);
        if !matches!(said[..], [] | [FAILED, ..]) {
            return Ok(Started::Now(pid, words(&said)));
        }
    }
    // The service has failed. Wait for its end, so that no process is left when the command returns.
    let end = waitpid(pid, None);
    match &said[..] {
        [RUNS_ALREADY, text @ ..] => Ok(Started::Before(words(text))),
        [FAILED, text @ ..] => Err(words(text)),
        _ => {
            let how = match end {
                Ok(WaitStatus::Exited(_, code)) => format!("exit status {code}"),
                Ok(WaitStatus::Signaled(_, signal, _)) => format!("signal {signal}"),
                _ => "unknown cause".into(),
            };
            Err(format!("psistats ended during startup ({how}): see [app] stderr_path"))
        }
    }
}

/// The program to run in the background: by its own path, because the kernel takes the process's name
/// from it. Where an upgrade has replaced the file, `/proc/self/exe` still works.
fn program() -> PathBuf {
    env::current_exe().ok().filter(|file| file.exists()).unwrap_or_else(|| "/proc/self/exe".into())
}

fn open_output(key: &str, path: &Path) -> Result<File, String> {
    open_key(key, path, OpenOptions::new().append(true).create(true))
}

fn open_key(key: &str, path: &Path, options: &mut OpenOptions) -> Result<File, String> {
    // O_NONBLOCK: a FIFO must block neither the start, where its other end is missing, nor the service,
    // where it is full.
    let flags = OFlag::O_NOCTTY | OFlag::O_NONBLOCK;
    options.custom_flags(flags.bits()).open(path).map_err(|error| {
        format!("cannot open [app] {key}={}: {}; /dev/null always works", path.display(), Reason(&error))
    })
}
