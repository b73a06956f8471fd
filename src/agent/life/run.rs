//! The agent's life: sampling, outlets and signals, joined on one thread.

use std::io;
use std::path::{Path, PathBuf};
use std::pin::{Pin, pin};

use log::{info, warn};
use smol::LocalExecutor;
use smol::future::{or, try_zip};

use crate::life::context::{Mode, Shared};
use crate::life::notify::Manager;
use crate::life::reload::Reload;
use crate::life::service::Launcher;
use crate::life::signals::{self, Signals};
use crate::life::status;
use crate::life::ticker::{Deliver, Ticker};
use crate::logging::{self, Fallback};
use crate::net::reactor::Reactor;
use crate::outlets::amqp;
use crate::outlets::chasar;
use crate::outlets::spool;
use crate::outlets::stdout::Printer;
use crate::settings::{Configuration, Loaded};
use psistats_core::outbox::Run;
use psistats_host::output::Reason;
use psistats_host::output::localtime::Zone;

/// What the command line decided.
#[derive(Debug)]
pub struct Options<'a> {
    /// The configuration, checked.
    pub loaded: Loaded,
    /// Where to read it again at SIGHUP.
    pub configuration: Configuration,
    /// What `/proc` and `/sys` are below: `/`, or a captured tree.
    pub root: PathBuf,
    /// Which outlets there are.
    pub mode: Mode,
    /// In the background: who waits to hear that all went well.
    pub launcher: Option<&'a mut Launcher>,
    /// In the foreground: the service manager, where there is one.
    pub manager: Manager,
    /// Where `psistats status` asks, where it can.
    pub socket: Option<PathBuf>,
}

/// Runs until SIGTERM or SIGINT.
///
/// # Errors
/// What keeps the agent from its work.
pub fn run(options: Options<'_>) -> io::Result<()> {
    let Options { loaded, configuration, root, mode, launcher, manager, socket } = options;
    signals::hold()?;
    let fallback = if launcher.is_some() { Fallback::Syslog } else { Fallback::Stderr };
    let origin = loaded.origin();
    let Loaded { settings, warnings, .. } = loaded;
    logging::open(settings.logging.as_ref(), fallback)
        .and_then(logging::replace)
        .map_err(io::Error::other)?;
    info!("psistats {}, {origin}", env!("CARGO_PKG_VERSION"));
    warnings.iter().for_each(|warning| warn!("{warning}"));
    if let Some(name) = Zone::unknown() {
        warn!(
            "TZ={name}: expected a file of zoneinfo(5) or a rule such as CET-1CEST,M3.5.0,M10.5.0/3; times are UTC"
        );
    }

    let reactor = Reactor::new()?;
    let signals = Signals::take(&reactor)?;
    let asked = status::listen(&reactor, socket);
    let shared = Shared::new(&reactor, settings, mode)?;
    // Its path alone is kept: the settings have the password in them.
    let file = shared.settings().spool().map(Path::to_owned);
    let (spool, mut ids) = spool::open(&shared, file.as_deref());
    ids.push((shared.outbox.borrow().last() + 1, amqp::run_id(&root, reactor.now())));
    let runs: Vec<_> = ids.iter().map(|(first, id)| Run { first: *first, id }).collect();
    let prints = matches!(mode, Mode::Print { .. });
    let ticker = Ticker::new(&shared, &manager, root, prints);
    if let Some(launcher) = launcher {
        let first = if shared.makes_reports() { &shared.connection } else { &shared.feed.connection };
        first.tell(launcher.ready());
    }

    let mut printer = Printer::default();
    let mut print = |_, report: &[u8]| match mode {
        Mode::Print { once: true } => {
            if printer.print_once(report)? {
                shared.stop();
            }
            Ok(())
        }
        _ => printer.print(report),
    };
    let mut keep = |ms, report: &[u8]| {
        amqp::keep(&shared, ms, report);
        Ok(())
    };
    let deliver: &mut Deliver<'_> = if prints { &mut print } else { &mut keep };
    // Pinned here: each combinator around a future would move a copy of it on the stack.
    let sampling = pin!(ticker.run(deliver));
    let publishing =
        pin!(async { if mode == Mode::Send { amqp::run(&shared, &runs).await } else { Ok(()) } });
    let feeding = pin!(async { if prints { Ok(()) } else { chasar::run(&shared).await } });
    // None is of use without the sampling.
    let work = pin!(async { try_zip(try_zip(sampling, publishing), feeding).await.map(|_| ()) });
    let reload = Reload::new(&shared, &manager, configuration, fallback);
    let obeying = pin!(signals::obey(&shared, &manager, signals, reload));
    let answering = pin!(status::answer(&shared, asked));
    let spooling = pin!(spool::run(spool.as_ref(), &runs));
    let result = drive(&reactor, pin!(or(work, or(obeying, or(answering, spooling)))))?;
    if mode == Mode::Send && shared.makes_reports() {
        info!("{}", shared.standing());
    }
    let is_kept = match &spool {
        Some(spool) => drive(&reactor, pin!(spool.close(&runs)))?.is_ok(),
        None => false,
    };
    let pending = shared.outbox.borrow().counters().pending;
    if pending > 0 && is_kept {
        info!("{pending} unconfirmed reports are kept in the spool");
    } else if pending > 0 {
        warn!("{pending} unconfirmed reports are lost");
    }
    log::logger().flush();
    match result {
        // Whoever read our standard output has enough: `start-local --stdout | head`.
        Err(error) if prints && error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) if prints => Err(io::Error::other(format!("standard output: {}", Reason(&error)))),
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
