//! The signals that this program handles, and the one that it gives.

use std::io;
use std::task::{Context, Poll};

use log::warn;
use sd_notify::NotifyState;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// SIGTERM, SIGINT: to end.
    Stop,
    /// SIGUSR1: the counters.
    Count,
    /// SIGHUP: another configuration.
    Reload,
}

/// The signals that this program handles.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    count: Signal,
    reload: Signal,
}

impl Signals {
    /// From now on they wait for us, instead of ending the program.
    ///
    /// # Errors
    /// Of the system.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            count: signal(SignalKind::user_defined1())?,
            reload: signal(SignalKind::hangup())?,
        })
    }

    /// The next one.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Asked> {
        if self.terminate.poll_recv(cx).is_ready() || self.interrupt.poll_recv(cx).is_ready() {
            Poll::Ready(Asked::Stop)
        } else if self.count.poll_recv(cx).is_ready() {
            Poll::Ready(Asked::Count)
        } else if self.reload.poll_recv(cx).is_ready() {
            Poll::Ready(Asked::Reload)
        } else {
            Poll::Pending
        }
    }
}

/// Tells the service manager, where there is one (`$NOTIFY_SOCKET`), that whoever connects is served.
pub fn ready() {
    if let Err(error) = sd_notify::notify(&[NotifyState::Ready]) {
        warn!("cannot notify the service manager at $NOTIFY_SOCKET: {error}");
    }
}
