//! What a service manager hears of us: the protocol of sd_notify(3), without a library.
//!
//! Readiness and the watchdog tell that *sampling* works. A broker that is away is no reason to
//! restart us: it would cost the backlog.

use std::cell::Cell;
use std::env;
use std::ffi::OsStr;
use std::fmt::Arguments;
use std::io::{self, Cursor, ErrorKind, Write as _};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::process;
use std::time::Duration;

use log::warn;

use crate::life::context::{Connection, Standing};
use psistats_core::time::{Instant, Periodic};
use psistats_host::output::Reason;

/// Bytes of the longest message; of a longer status the end is left out.
const MESSAGE: usize = 1024;

/// Shortest time between two signs of life; the loop counts milliseconds.
const SHORTEST: Duration = Duration::from_millis(1);

/// The service manager, or nobody. Allocates nothing after it was made.
#[derive(Debug, Default)]
pub struct Manager {
    wire: Option<(UnixDatagram, SocketAddr)>,
    /// It will end us where it hears nothing for this long.
    watchdog: Option<Duration>,
    alive: Cell<Option<Periodic>>,
    ready: Cell<bool>,
    told: Cell<Option<Connection>>,
    failing: Cell<bool>,
}

impl Manager {
    /// Whom `$NOTIFY_SOCKET` names, and the watchdog of `$WATCHDOG_USEC` where that means this
    /// process (`$WATCHDOG_PID`, sd_watchdog_enabled(3)). Nobody where there is no such variable.
    ///
    /// # Errors
    /// An address that is none.
    pub fn from_environment() -> io::Result<Self> {
        let Some(socket) = env::var_os("NOTIFY_SOCKET") else { return Ok(Self::default()) };
        let number = |name| env::var(name).ok().and_then(|text| text.parse().ok());
        let ours =
            env::var_os("WATCHDOG_PID").is_none() || number("WATCHDOG_PID") == Some(process::id().into());
        let watchdog = number("WATCHDOG_USEC").filter(|&usec| ours && usec > 0).map(Duration::from_micros);
        Self::new(&socket, watchdog)
    }

    /// The manager at `socket`: an absolute path, or `@` and an abstract name.
    pub fn new(socket: &OsStr, watchdog: Option<Duration>) -> io::Result<Self> {
        let address = match socket.as_bytes() {
            [b'@', name @ ..] => SocketAddr::from_abstract_name(name),
            [b'/', ..] => SocketAddr::from_pathname(socket),
            _ => Err(ErrorKind::InvalidInput.into()),
        };
        let address = address.map_err(|_| {
            let found = socket.display();
            io::Error::other(format!("NOTIFY_SOCKET: expected /PATH or @NAME of a socket, found {found}"))
        })?;
        let socket = UnixDatagram::unbound()?;
        // Sampling waits for nobody.
        socket.set_nonblocking(true)?;
        Ok(Self { wire: Some((socket, address)), watchdog, ..Self::default() })
    }

    /// Sampling begins: from now on it gives signs of life.
    pub fn start(&self, now: Instant) {
        // Half of the time is what sd_watchdog_enabled(3) recommends.
        self.alive.set(self.watchdog.map(|time| Periodic::new(now, (time / 2).max(SHORTEST))));
    }

    /// When the next sign of life is due, where anybody wants one.
    pub fn deadline(&self) -> Option<Instant> {
        self.alive.get().map(|alive| alive.deadline())
    }

    /// Sampling goes on at `now`.
    pub fn alive(&self, now: Instant) {
        if let Some(mut alive) = self.alive.get()
            && alive.due(now)
        {
            self.alive.set(Some(alive));
            self.say(format_args!("WATCHDOG=1"));
        }
    }

    /// A report was made. The first one makes us ready; the status follows where `wanted`, or where
    /// the connection is another than was told.
    pub fn sampled(&self, standing: &Standing<'_, '_>, wanted: bool) {
        if !self.ready.get() {
            self.ready.set(self.say(format_args!("READY=1")));
        }
        let connection = Some(standing.connection.get());
        if self.told.replace(connection) != connection || wanted {
            self.say(format_args!("STATUS={standing}"));
        }
    }

    /// A reload begins at `now`.
    pub fn reloading(&self, now: Instant) {
        self.say(format_args!("RELOADING=1\nMONOTONIC_USEC={}", now.as_nanos() / 1000));
    }

    /// It has ended, one way or the other.
    pub fn reloaded(&self) {
        // Otherwise the first report will say so.
        if self.ready.get() {
            self.say(format_args!("READY=1"));
        }
    }

    /// The end begins.
    pub fn stopping(&self) {
        self.say(format_args!("STOPPING=1"));
    }

    /// Whether it was heard, or nobody listens. A failure is told once until it works again.
    fn say(&self, message: Arguments<'_>) -> bool {
        let Some((socket, address)) = &self.wire else { return true };
        let mut text = Cursor::new([0; MESSAGE]);
        // What finds no room is left out, whole characters of it.
        let _ = text.write_fmt(message);
        let length = usize::try_from(text.position()).unwrap_or(MESSAGE);
        let text = text.get_ref().get(..length).unwrap_or_default();
        let text = text.utf8_chunks().next().map_or("", |whole| whole.valid());
        let said = socket.send_to_addr(text.as_bytes(), address);
        let failed = said.as_ref().err();
        if let (Some(error), false) = (failed, self.failing.replace(failed.is_some())) {
            warn!("cannot notify the service manager at $NOTIFY_SOCKET: {}", Reason(error));
        }
        said.is_ok()
    }
}
