//! The agent's life: sampling, publishing and signals, joined on one thread.

use std::future::poll_fn;
use std::io::{self, Write};
use std::mem;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use log::{error, info, warn};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use smol::LocalExecutor;
use smol::future::{or, try_zip};

use super::configuration::Configuration;
use super::context::Shared;
use super::figures::Tick;
use super::logging::{self, Fallback};
use super::notify::Manager;
use super::publisher::{self, Identity};
use super::reactor::{Reactor, Source, either};
use super::sampler::Sampler;
use super::service::Launcher;
use crate::config::{Loaded, Settings};
use crate::time::Periodic;

/// Over what the first report's cpu figure is measured; at most the primary timer.
const FIRST_INTERVAL: Duration = Duration::from_millis(250);

/// From a stop to the end, whatever the broker does.
const STOP: Duration = Duration::from_millis(1950);

const SIGHUP: i32 = Signal::SIGHUP as i32;
const SIGUSR1: i32 = Signal::SIGUSR1 as i32;

/// What the command line decided.
#[derive(Debug)]
pub struct Options<'a> {
    /// The configuration, checked.
    pub loaded: Loaded,
    /// Where to read it again at SIGHUP.
    pub configuration: Configuration,
    /// What `/proc` and `/sys` are below: `/`, or a captured tree.
    pub root: PathBuf,
    /// Print reports on standard output instead of publishing them.
    pub stdout: bool,
    /// In the background: who waits to hear that all went well.
    pub launcher: Option<&'a mut Launcher>,
    /// In the foreground: the service manager, where there is one.
    pub manager: Manager,
}

/// From here on our signals wait until [`run`] asks for them, instead of ending us. To be called
/// as soon as somebody may send one.
pub fn hold_signals() -> io::Result<SigSet> {
    let signals: SigSet =
        [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGUSR1].into_iter().collect();
    signals.thread_block()?;
    Ok(signals)
}

/// Runs until SIGTERM or SIGINT.
pub fn run(options: Options<'_>) -> io::Result<()> {
    let Options { loaded, configuration, root, stdout, launcher, manager } = options;
    let signals = hold_signals()?;
    let background = launcher.is_some();
    let origin = loaded.origin();
    let Loaded { settings, warnings, .. } = loaded;
    install_logging(&settings, background).map_err(io::Error::other)?;
    info!("psistats {}, {origin}", env!("CARGO_PKG_VERSION"));
    warnings.iter().for_each(|warning| warn!("{warning}"));

    let reactor = Reactor::new()?;
    let signals =
        reactor.watch(SignalFd::with_flags(&signals, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?)?;
    let shared = Shared::new(&reactor, settings)?;
    let sampling = Sampling::new(&shared, &manager, root);
    let identity = sampling.identity();
    if let Some(launcher) = launcher {
        launcher.ready();
    }

    // Pinned here: each combinator around a future would move a copy of it on the stack.
    let work = pin!(async {
        if stdout {
            let mut printer = Printer::default();
            sampling.run(|_, report| printer.print(report)).await
        } else {
            let keep = |ms, report: &[u8]| {
                keep(&shared, ms, report);
                Ok(())
            };
            // Neither is of use without the other.
            try_zip(sampling.run(keep), publisher::run(&shared, &identity)).await.map(|_| ())
        }
    });
    let watch = Watch { shared: &shared, manager: &manager, signals, configuration, background };
    let watch = pin!(watch.run());
    let result = drive(&reactor, pin!(or(work, watch)))?;
    if !stdout {
        info!("{}", shared.standing());
        let pending = shared.outbox.borrow().counters().pending;
        if pending > 0 {
            warn!("{pending} reports that the broker has not confirmed end with the program");
        }
    }
    match result {
        // Whoever read our standard output has enough: `start-local --stdout | head`.
        Err(error) if stdout && error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

/// Runs everything there is to do on this thread. One function for all programs: the executor is in it once.
///
/// # Errors
/// As [`Reactor::block_on`].
pub fn drive(
    reactor: &Reactor,
    everything: Pin<&mut dyn Future<Output = io::Result<()>>>,
) -> io::Result<io::Result<()>> {
    reactor.block_on(LocalExecutor::new().run(everything))
}

fn install_logging(settings: &Settings, background: bool) -> Result<(), logging::Error> {
    let fallback = if background { Fallback::Syslog } else { Fallback::Stderr };
    logging::install(settings.logging.as_ref(), fallback)
}

/// Puts a report into the outbox, for the publisher.
fn keep(shared: &Shared<'_>, unix_ms: i64, report: &[u8]) {
    // The smallest ring holds the largest report.
    if shared.outbox.borrow_mut().push(unix_ms, report).is_err() {
        error!("a report of {} bytes is larger than the whole backlog", report.len());
    }
    shared.publishing.notify();
}

/// Prints reports as lines on standard output.
#[derive(Default)]
struct Printer {
    full: bool,
}

impl Printer {
    /// Prints a report, or drops it where whoever reads has left no room: a stop must not wait for
    /// them.
    fn print(&mut self, report: &[u8]) -> io::Result<()> {
        let mut out = io::stdout().lock();
        if poll(&mut [PollFd::new(out.as_fd(), PollFlags::POLLOUT)], PollTimeout::ZERO) == Ok(0) {
            if !mem::replace(&mut self.full, true) {
                warn!("standard output is full: reports are dropped until somebody reads it");
            }
            return Ok(());
        }
        self.full = false;
        // Line by line, also into a pipe: whoever reads wants it now.
        out.write_all(report)?;
        out.write_all(b"\n")?;
        out.flush()
    }
}

/// Makes reports at their times.
struct Sampling<'s, 'r> {
    shared: &'s Shared<'r>,
    manager: &'s Manager,
    root: PathBuf,
    sampler: Sampler,
}

impl<'s, 'r> Sampling<'s, 'r> {
    fn new(shared: &'s Shared<'r>, manager: &'s Manager, root: PathBuf) -> Self {
        let sampler = Sampler::open(&root, &shared.settings());
        Self { shared, manager, root, sampler }
    }

    fn identity(&self) -> Identity {
        // Sequence numbers start anew with the program, so that the boot alone does not tell two
        // reports apart.
        let started_ms = self.shared.reactor.now().as_nanos() / 1_000_000;
        Identity {
            hostname: self.sampler.hostname().to_owned(),
            run: format!("{}-{started_ms:x}", self.sampler.boot_id()),
        }
    }

    /// Hands each report, with its sample time, to `deliver`, until the agent stops.
    async fn run(mut self, mut deliver: impl FnMut(i64, &[u8]) -> io::Result<()>) -> io::Result<()> {
        let timer = self.shared.reactor.timer()?;
        self.manager.start(self.shared.reactor.now());
        loop {
            let settings = self.shared.settings();
            self.sampler.prime(self.shared.reactor.now());
            let period = settings.app.primary_timer;
            let first = self.shared.reactor.now() + FIRST_INTERVAL.min(period);
            let mut primary = Periodic::new(first, period);
            let mut secondary = Periodic::new(first, settings.app.secondary_timer);
            while Rc::ptr_eq(&settings, &self.shared.settings()) {
                let report = primary.deadline();
                let due = self.manager.deadline().map_or(report, |sign| sign.min(report));
                poll_fn(|cx| either(timer.poll_at(Some(due), cx), self.shared.sampling.poll(cx))).await;
                if self.shared.is_stopping() {
                    return Ok(());
                }
                let now = self.shared.reactor.now();
                if primary.due(now) {
                    let unix_ms = unix_ms(SystemTime::now());
                    let tick = Tick { unix_ms, now, due: report, secondary: secondary.due(now) };
                    deliver(unix_ms, self.sampler.report(tick))?;
                    self.manager.sampled(&self.shared.standing(), tick.secondary);
                }
                self.manager.alive(now);
            }
            self.sampler = Sampler::open(&self.root, &self.shared.settings());
        }
    }
}

/// What the wall clock says, whatever that is: before 1970 it is negative. No deadline depends on it.
fn unix_ms(clock: SystemTime) -> i64 {
    let ms = |d: Duration| i64::try_from(d.as_millis()).unwrap_or(i64::MAX);
    match clock.duration_since(UNIX_EPOCH) {
        Ok(since) => ms(since),
        Err(before) => -ms(before.duration()),
    }
}

/// The next signal's number.
///
/// # Errors
/// As `read(2)` of a signalfd.
pub async fn next_signal(signals: &Source<'_, SignalFd>) -> io::Result<i32> {
    loop {
        signals.readable().await;
        let mut signal = 0;
        let read = signals.read(&mut [0], |signals, _| {
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

/// Waits for signals and does what they ask for.
struct Watch<'s, 'r> {
    shared: &'s Shared<'r>,
    manager: &'s Manager,
    signals: Source<'r, SignalFd>,
    configuration: Configuration,
    background: bool,
}

impl Watch<'_, '_> {
    /// Ends only where the agent takes too long to stop.
    async fn run(mut self) -> io::Result<()> {
        let timer = self.shared.reactor.timer()?;
        loop {
            match next_signal(&self.signals).await? {
                SIGHUP => {
                    let (manager, now) = (self.manager, self.shared.reactor.now());
                    manager.reloading(now, || self.reload());
                }
                SIGUSR1 => info!("{}", self.shared.standing()),
                _ => break,
            }
        }
        info!("stopping");
        self.manager.stopping();
        self.shared.stop();
        timer.until(self.shared.reactor.now() + STOP).await;
        warn!("the connection could not be closed in time");
        Ok(())
    }

    /// Takes over the configuration as it is now, all of it or, where it is wrong, nothing.
    fn reload(&mut self) {
        let loaded = match self.configuration.load() {
            Ok(loaded) => loaded,
            Err(problems) => {
                problems.0.iter().for_each(|problem| error!("{problem}"));
                return error!("the configuration from before stays in force");
            }
        };
        if let Err(error) = install_logging(&loaded.settings, self.background) {
            return error!("{error}; the configuration from before stays in force");
        }
        loaded.warnings.iter().for_each(|warning| warn!("{warning}"));
        let now = self.shared.settings();
        if loaded.settings.backlog != now.backlog {
            warn!("[backlog] bytes takes effect at the next start: the ring is allocated once");
        }
        info!("the configuration was read again");
        self.shared.replace_settings(loaded.settings);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_goes_on_after_2038_also_where_a_word_has_32_bits() {
        // Seconds of the system's own calls: with 32 bits, they fail from then on.
        assert_eq!(size_of::<nix::libc::time_t>(), 8);
        assert_eq!(unix_ms(UNIX_EPOCH + Duration::from_millis(4_102_444_800_123)), 4_102_444_800_123);
    }

    #[test]
    fn fault_31_stamps_say_what_the_clock_said_also_before_1970_and_where_it_has_no_end() {
        let day = Duration::from_secs(86_400);
        assert_eq!(unix_ms(UNIX_EPOCH), 0);
        assert_eq!(unix_ms(UNIX_EPOCH - Duration::from_millis(1500)), -1500);
        let now = UNIX_EPOCH + Duration::from_millis(1_700_000_000_123);
        assert_eq!(unix_ms(now), 1_700_000_000_123);
        assert_eq!(unix_ms(now - day) - unix_ms(now), -86_400_000);
        let farthest = UNIX_EPOCH.checked_add(Duration::from_secs(i64::MAX as u64)).unwrap();
        assert_eq!(unix_ms(farthest), i64::MAX);
    }
}
