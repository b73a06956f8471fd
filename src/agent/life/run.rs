//! The agent's life: sampling, publishing and signals, joined on one thread.

use std::future::pending;
use std::io;
use std::mem;
use std::path::PathBuf;
use std::pin::{Pin, pin};
use std::time::Duration;

use log::{debug, error, info, warn};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use smol::LocalExecutor;
use smol::future::{or, try_zip, yield_now};

use crate::life::context::Shared;
use crate::life::notify::Manager;
use crate::life::service::Launcher;
use crate::life::status;
use crate::life::ticker::{Deliver, Ticker};
use crate::logging::{self, Fallback, Loggers};
use crate::net::aside::{Aside, drop_aside};
use crate::net::reactor::{Reactor, Source};
use crate::outlets::amqp;
use crate::outlets::chasar;
use crate::settings::Configuration;
use psistats_core::limits;
use psistats_host::conf::{Loaded, Problems, Settings, Severity};
use psistats_host::output::localtime::Zone;
use psistats_host::output::{self, Reason};

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
    open_logging(&settings, background).and_then(logging::replace).map_err(io::Error::other)?;
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
    let ticker = Ticker::new(&shared, &manager, root, stdout);
    let run_id = ticker.run_id();
    if let Some(launcher) = launcher {
        shared.connection.tell(launcher.ready());
    }

    let line = Vec::with_capacity(if stdout { limits::REPORT + 1 } else { 0 });
    let mut printer = Printer { line, ..Printer::default() };
    let mut print = |_, report: &[u8]| {
        if !once || printer.line.is_empty() {
            printer.print(report)?;
        }
        if once && printer.write()? {
            shared.stop();
        }
        Ok(())
    };
    let mut keep = |ms, report: &[u8]| {
        keep(&shared, ms, report);
        Ok(())
    };
    let deliver: &mut Deliver<'_> = if stdout { &mut print } else { &mut keep };
    // Pinned here: each combinator around a future would move a copy of it on the stack.
    let sampling = pin!(ticker.run(deliver));
    let publishing = pin!(async {
        match &run_id {
            Some(run_id) if !stdout => amqp::run(&shared, run_id).await,
            _ => Ok(()),
        }
    });
    let feeding = pin!(async { if stdout { Ok(()) } else { chasar::run(&shared).await } });
    // None is of use without the sampling.
    let work = pin!(async { try_zip(try_zip(sampling, publishing), feeding).await.map(|_| ()) });
    let reading = None;
    let watch = Watch { shared: &shared, manager: &manager, signals, configuration, background, reading };
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
    log::logger().flush();
    match result {
        // Whoever read our standard output has enough: `start-local --stdout | head`.
        Err(error) if stdout && error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) if stdout => Err(io::Error::other(format!("standard output: {}", Reason(&error)))),
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

fn open_logging(settings: &Settings, background: bool) -> Result<Loggers, logging::Error> {
    let fallback = if background { Fallback::Syslog } else { Fallback::Stderr };
    logging::open(settings.logging.as_ref(), fallback)
}

/// Puts a report into the outbox, for the publisher.
fn keep(shared: &Shared<'_>, unix_ms: i64, report: &[u8]) {
    // As the original worded it, whose users look there for what is in a report.
    debug!("Sending packet: {}", str::from_utf8(report).unwrap_or_default());
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

/// A configuration that was read again, from where it is read the next time, and its logging, opened.
type Reread = (Configuration, Result<(Loaded, Result<Loggers, logging::Error>), Problems>);

/// What [`Watch`] waits for.
enum Woken {
    Signal(i32),
    Reread(Reread),
}

/// Waits for signals and does what they ask for.
struct Watch<'s, 'r> {
    shared: &'s Shared<'r>,
    manager: &'s Manager,
    signals: Source<'r, SignalFd>,
    configuration: Configuration,
    background: bool,
    /// While the configuration is being read again.
    reading: Option<Aside<'r, Reread>>,
}

impl Watch<'_, '_> {
    /// Ends only where the agent takes too long to stop.
    async fn run(mut self) -> io::Result<()> {
        let timer = self.shared.reactor.timer()?;
        let mut once_more = false;
        loop {
            match self.next().await? {
                Woken::Signal(SIGHUP) if self.reading.is_none() => self.read_again(),
                Woken::Signal(SIGHUP) => {
                    if !mem::replace(&mut once_more, true) {
                        warn!(
                            "SIGHUP: the configuration is still being read, which the SIGHUP before asked for; \
                             it is read once more after that"
                        );
                    }
                    // Sampling waits for nobody, not even for whoever sends these without end.
                    yield_now().await;
                }
                Woken::Signal(SIGUSR1) => info!("{}", self.shared.standing()),
                Woken::Signal(_) => break,
                Woken::Reread(reread) => {
                    self.reading = None;
                    self.reload(reread);
                    self.manager.reloaded();
                    if mem::take(&mut once_more) {
                        self.read_again();
                    }
                    yield_now().await;
                }
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

    async fn next(&self) -> io::Result<Woken> {
        let signal = async { next_signal(&self.signals).await.map(Woken::Signal) };
        let reread = async {
            match &self.reading {
                Some(reading) => Ok(Woken::Reread(reading.result().await)),
                None => pending().await,
            }
        };
        or(signal, reread).await
    }

    /// Begins to read the configuration: aside, because its files and those that it names, and the name servers that
    /// it needs, may be slow to answer, or never do.
    fn read_again(&mut self) {
        self.manager.reloading(self.shared.reactor.now());
        let (mut configuration, background) = (self.configuration.clone(), self.background);
        let reading = Aside::start(self.shared.reactor, "reload", move || {
            let loaded = configuration.load();
            let read = loaded.map(|loaded| {
                let loggers = open_logging(&loaded.settings, background);
                (loaded, loggers)
            });
            (configuration, read)
        });
        match reading {
            Ok(reading) => self.reading = Some(reading),
            Err(error) => {
                error!("the configuration cannot be read again: {error}");
                self.manager.reloaded();
            }
        }
    }

    /// Takes over the configuration that was read, all of it or, where it is wrong, nothing.
    fn reload(&mut self, (configuration, read): Reread) {
        self.configuration = configuration;
        let (loaded, loggers) = match read {
            Ok(read) => read,
            Err(problems) => {
                for problem in &problems.0 {
                    match problem.severity {
                        Severity::Error => error!("{problem}"),
                        Severity::Warning | Severity::Note => warn!("{problem}"),
                    }
                }
                return error!("keeping the previous configuration");
            }
        };
        match loggers.and_then(logging::replace) {
            Ok(before) => drop_aside(before),
            Err(error) => return error!("{error}; keeping the previous configuration"),
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
