//! Signals, and what they ask for: SIGTERM and SIGINT a stop, SIGHUP a reload, SIGUSR1 the counters.

use std::io;
use std::time::Duration;

use log::{info, warn};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use smol::future::{or, yield_now};

use crate::life::context::Shared;
use crate::life::notify::Manager;
use crate::life::reload::{Reload, Reread};
use crate::net::reactor::{AsyncFd, Reactor};

/// From a stop to the end, whatever the broker does.
const STOP: Duration = Duration::from_millis(1950);

const SIGHUP: i32 = Signal::SIGHUP as i32;
const SIGUSR1: i32 = Signal::SIGUSR1 as i32;

/// From here on our signals wait until [`Signals`] take them, instead of ending us. To be called
/// as soon as somebody may send one.
///
/// # Errors
/// Those of `pthread_sigmask(3)`.
pub fn hold() -> io::Result<SigSet> {
    let signals: SigSet =
        [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGUSR1].into_iter().collect();
    signals.thread_block()?;
    Ok(signals)
}

/// Signals that were held.
pub struct Signals<'r>(AsyncFd<'r, SignalFd>);

impl<'r> Signals<'r> {
    /// Holds our signals and takes them from now on.
    ///
    /// # Errors
    /// Where there is no descriptor to be had.
    pub fn take(reactor: &'r Reactor) -> io::Result<Self> {
        let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
        Ok(Self(reactor.watch(SignalFd::with_flags(&hold()?, flags)?)?))
    }

    /// The next signal's number.
    async fn next(&self) -> io::Result<i32> {
        loop {
            self.0.readable().await;
            let mut signal = 0;
            let read = self.0.read(&mut [0], |signals, _| {
                let info = signals.read_signal()?.ok_or(io::ErrorKind::WouldBlock)?;
                signal = i32::try_from(info.ssi_signo).unwrap_or_default();
                Ok(1)
            });
            match read {
                Ok(_) => return Ok(signal),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// What [`obey`] waits for.
enum Woken {
    Signal(i32),
    Reread(Reread),
}

/// Does what signals ask for. Ends only where the agent takes too long to stop.
///
/// # Errors
/// Where signals cannot be read, or there is no room for another deadline.
pub async fn obey(
    shared: &Shared<'_>,
    manager: &Manager,
    signals: Signals<'_>,
    mut reload: Reload<'_, '_>,
) -> io::Result<()> {
    let timer = shared.reactor.timer()?;
    loop {
        let signal = async { signals.next().await.map(Woken::Signal) };
        let reread = async { Ok(Woken::Reread(reload.reread().await)) };
        match or(signal, reread).await? {
            Woken::Signal(SIGHUP) => {
                reload.begin();
                // Sampling waits for nobody, not even for whoever sends these without end.
                yield_now().await;
            }
            Woken::Signal(SIGUSR1) => info!("{}", shared.standing()),
            Woken::Signal(_) => break,
            Woken::Reread(reread) => {
                reload.end(reread);
                yield_now().await;
            }
        }
    }
    if shared.makes_reports() {
        info!("stopping");
    } else {
        info!("stopping; {}", shared.standing());
    }
    manager.stopping();
    shared.stop();
    timer.until(shared.reactor.now() + STOP).await;
    warn!("the connection could not be closed in time");
    Ok(())
}
