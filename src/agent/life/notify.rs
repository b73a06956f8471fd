//! Notifications to the service manager, by the protocol of sd_notify(3) and without a library.
//!
//! Readiness and the watchdog report that *sampling* works. An unreachable broker is no reason to restart
//! the agent: a restart would lose the backlog.

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

use crate::life::connection::Connection;
use crate::life::context::Standing;
use psistats_core::time::{Instant, Periodic};
use psistats_host::output::Reason;
use psistats_host::output::once::Once;

/// Bytes of the longest message. A longer status is cut.
const MESSAGE: usize = 1024;

/// Shortest time between two watchdog notifications, since the loop counts milliseconds.
const SHORTEST: Duration = Duration::from_millis(1);

/// The connection to the service manager, if there is one. It allocates only when it is made.
#[derive(Debug, Default)]
pub struct Manager {
    wire: Option<(UnixDatagram, SocketAddr)>,
    /// The service manager kills the agent after this time without a watchdog notification.
    watchdog: Option<Duration>,
    alive: Cell<Option<Periodic>>,
    ready: Cell<bool>,
    told: Cell<Option<Connection>>,
    failing: Once,
}

impl Manager {
    /// The service manager at `$NOTIFY_SOCKET`, or none where that variable is not set. Its watchdog is that of
    /// `$WATCHDOG_USEC`, where `$WATCHDOG_PID` names this process or is not set (sd_watchdog_enabled(3)).
    ///
    /// # Errors
    /// `$NOTIFY_SOCKET` is not the address of a socket.
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
        // Sampling must not wait for the service manager.
        socket.set_nonblocking(true)?;
        Ok(Self { wire: Some((socket, address)), watchdog, ..Self::default() })
    }

    /// Starts the watchdog notifications, when sampling begins at `now`.
    pub fn start(&self, now: Instant) {
        // Half of the time is what sd_watchdog_enabled(3) recommends.
        self.alive.set(self.watchdog.map(|time| Periodic::new(now, (time / 2).max(SHORTEST))));
    }

    /// When the next watchdog notification is due. None without a watchdog.
    pub fn deadline(&self) -> Option<Instant> {
        self.alive.get().map(|alive| alive.deadline())
    }

    /// Notifies the watchdog if that is due at `now`. Called while sampling works.
    pub fn feed_watchdog(&self, now: Instant) {
        if let Some(mut alive) = self.alive.get()
            && alive.fire(now)
        {
            self.alive.set(Some(alive));
            self.say(format_args!("WATCHDOG=1"));
        }
    }

    /// Called after each report. Notifies readiness after the first one, and the status where `wanted` is set
    /// or the state of the connection has changed.
    pub fn sampled(&self, standing: &Standing<'_, '_>, wanted: bool) {
        if !self.ready.get() {
            self.ready.set(self.say(format_args!("READY=1")));
        }
        let connection = Some(standing.connection.get());
        if self.told.replace(connection) != connection || wanted {
            self.say(format_args!("STATUS={standing}"));
        }
    }

    /// Notifies that a reload begins at `now`.
    pub fn reloading(&self, now: Instant) {
        self.say(format_args!("RELOADING=1\nMONOTONIC_USEC={}", now.as_nanos() / 1000));
    }

    /// Notifies that the reload has ended, whether it succeeded or not.
    pub fn reloaded(&self) {
        // Before the first report the agent is not ready: that report will notify readiness.
        if self.ready.get() {
            self.say(format_args!("READY=1"));
        }
    }

    /// Notifies that the agent is stopping.
    pub fn stopping(&self) {
        self.say(format_args!("STOPPING=1"));
    }

    /// Sends `message`, and returns whether it was sent or there is no service manager. A failure is logged once
    /// until sending works again.
    fn say(&self, message: Arguments<'_>) -> bool {
        let Some((socket, address)) = &self.wire else { return true };
        let mut text = Cursor::new([0; MESSAGE]);
        // A message that is too long is cut, between two characters.
        let _ = text.write_fmt(message);
        let length = usize::try_from(text.position()).unwrap_or(MESSAGE);
        let text = text.get_ref().get(..length).unwrap_or_default();
        let text = text.utf8_chunks().next().map_or("", |whole| whole.valid());
        match socket.send_to_addr(text.as_bytes(), address) {
            Ok(_) => {
                self.failing.over();
                true
            }
            Err(error) => {
                if self.failing.first() {
                    warn!("cannot notify the service manager at $NOTIFY_SOCKET: {}", Reason(&error));
                }
                false
            }
        }
    }
}
