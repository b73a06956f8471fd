//! The agent's life: sampling, publishing and signals, joined on one thread.

use std::io;
use std::mem;
use std::path::PathBuf;
use std::pin::{Pin, pin};
use std::time::Duration;

use log::{error, info, warn};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use smol::LocalExecutor;
use smol::future::{or, try_zip, yield_now};

use super::chasar::node;
use super::configuration::Configuration;
use super::context::Shared;
use super::localtime::Zone;
use super::logging::{self, Fallback};
use super::notify::Manager;
use super::publisher;
use super::reactor::{Reactor, Source};
use super::sampling::Sampling;
use super::service::Launcher;
use super::status;
use crate::config::{Loaded, Settings, Severity};
use crate::{limits, output};

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
    /// What of the reports is printed.
    pub printing: Printing,
    /// In the background: who waits to hear that all went well.
    pub launcher: Option<&'a mut Launcher>,
    /// In the foreground: the service manager, where there is one.
    pub manager: Manager,
    /// Where `psistats status` asks, where it can.
    pub socket: Option<PathBuf>,
}

/// What of the reports is printed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Printing {
    /// They go to standard output instead of being published.
    pub stdout: bool,
    /// Only the first one, which has every figure; then the program ends.
    pub once: bool,
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
    let Options { loaded, configuration, root, printing, launcher, manager, socket } = options;
    let Printing { stdout, once } = printing;
    let signals = hold_signals()?;
    let background = launcher.is_some();
    let origin = loaded.origin();
    let Loaded { settings, warnings, .. } = loaded;
    install_logging(&settings, background).map_err(io::Error::other)?;
    info!("psistats {}, {origin}", env!("CARGO_PKG_VERSION"));
    warnings.iter().for_each(|warning| warn!("{warning}"));
    if let Some(name) = Zone::unknown() {
        warn!(
            "TZ={name}: expected a file of zoneinfo(5) or a rule such as CET-1CEST,M3.5.0,M10.5.0/3; times are UTC"
        );
    }

    let reactor = Reactor::new()?;
    let signals =
        reactor.watch(SignalFd::with_flags(&signals, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?)?;
    let asked = status::listen(&reactor, socket);
    let mut shared = Shared::new(&reactor, settings)?;
    shared.reports = !configuration.is_client_node();
    let shared = shared;
    let sampling = Sampling::new(&shared, &manager, root, stdout);
    let run_id = sampling.run_id();
    if let Some(launcher) = launcher {
        shared.connection.tell(launcher.ready());
    }

    // Pinned here: each combinator around a future would move a copy of it on the stack.
    let work = pin!(async {
        if stdout {
            let line = Vec::with_capacity(limits::REPORT + 1);
            let mut printer = Printer { line, ..Printer::default() };
            let print = |_, report: &[u8]| {
                if !once || printer.line.is_empty() {
                    printer.print(report)?;
                }
                if once && printer.write()? {
                    shared.stop();
                }
                Ok(())
            };
            sampling.run(print).await
        } else {
            let keep = |ms, report: &[u8]| {
                keep(&shared, ms, report);
                Ok(())
            };
            let publishing = async {
                match &run_id {
                    Some(run_id) => publisher::run(&shared, run_id).await,
                    None => Ok(()),
                }
            };
            // None is of use without the sampling.
            try_zip(try_zip(sampling.run(keep), publishing), node::run(&shared)).await.map(|_| ())
        }
    });
    let watch = Watch { shared: &shared, manager: &manager, signals, configuration, background };
    let watch = pin!(watch.run());
    let answering = pin!(status::answer(&shared, asked));
    let result = drive(&reactor, pin!(or(work, or(watch, answering))))?;
    if !stdout && shared.reports {
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

/// Runs everything there is to do on this thread.
fn drive(
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

/// Prints reports as lines on standard output, each whole, also into a pipe as soon as it is made.
#[derive(Default)]
struct Printer {
    /// The line that was begun last, and how much of it is written.
    line: Vec<u8>,
    written: usize,
    /// Reports that came before it could be ended.
    dropped: u64,
}

impl Printer {
    /// Prints a report, or drops it where whoever reads has left no room for the one before: a stop must not
    /// wait for them.
    fn print(&mut self, report: &[u8]) -> io::Result<()> {
        if !self.write()? {
            if self.dropped == 0 {
                warn!("standard output is full: reports are dropped until it is read");
            }
            self.dropped += 1;
            return Ok(());
        }
        if self.dropped > 0 {
            warn!("standard output is read again: {} reports were dropped", mem::take(&mut self.dropped));
        }
        self.line.clear();
        self.line.extend_from_slice(report);
        self.line.push(b'\n');
        self.written = 0;
        self.write().map(|_| ())
    }

    /// Writes what of the line is taken without a wait. Whether that is all of it.
    fn write(&mut self) -> io::Result<bool> {
        while let Some(rest) = self.line.get(self.written..).filter(|rest| !rest.is_empty()) {
            match output::write_some(io::stdout(), rest)? {
                0 => return Ok(false),
                n => self.written += n,
            }
        }
        Ok(true)
    }
}

/// The next signal's number.
async fn next_signal(signals: &Source<'_, SignalFd>) -> io::Result<i32> {
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
                    // Sampling waits for nobody, not even for whoever sends these without end.
                    yield_now().await;
                }
                SIGUSR1 => info!("{}", self.shared.standing()),
                _ => break,
            }
        }
        if self.shared.reports {
            info!("stopping");
        } else {
            info!("stopping; {}", self.shared.standing());
        }
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
                for problem in &problems.0 {
                    match problem.severity {
                        Severity::Error => error!("{problem}"),
                        Severity::Warning | Severity::Note => warn!("{problem}"),
                    }
                }
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
