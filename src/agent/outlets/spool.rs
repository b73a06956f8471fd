//! What is not confirmed, kept in a file over a restart of the agent or of the board (`[backlog] file=`).
//!
//! What is in the file, and how, is [`psistats_core::spool`]'s. Here is when it is written: with the start; then
//! when a report has waited for half an interval without a confirm, or all that are in the file are confirmed, but at
//! most once an interval; and when the agent stops. So nothing is written while the broker confirms.

mod file;

use std::cell::Cell;
use std::future::pending;
use std::io;
use std::path::Path;
use std::time::Duration;

use log::{debug, info, warn};
use smol::future::or;

use crate::life::context::{Mode, Shared, Spooled};
use crate::net::reactor::Timer;
use file::{SILENT, Writer};
use psistats_core::outbox::Run;
use psistats_core::spool::{self, RUNS, pages, restore};
use psistats_host::output::Reason;
use psistats_host::output::once::Once;

/// How long a start waits for the file, and a stop.
const OPEN: Duration = Duration::from_secs(3);
const CLOSE: Duration = Duration::from_secs(5);

/// What is written.
#[derive(Clone, Copy)]
enum What {
    /// All that is not confirmed.
    All,
    /// That all is that was written.
    Nothing,
}

/// Runs of the program, as [`Run`] has them.
pub type Runs = Vec<(u64, String)>;

/// The spool of a running agent.
pub struct Spool<'s, 'r> {
    shared: &'s Shared<'r>,
    path: &'s Path,
    writer: Writer<'r>,
    timer: Timer<'r>,
    state: Cell<spool::Spool>,
    /// The first write, for which the file is made, has been done.
    is_begun: Cell<bool>,
    failing: Once,
}

/// Opens the spool of the settings, and restores what is in it. Gives the runs of the program that have made the
/// reports, without this one. None where there is to be no spool; and where there can be none, as the log says then.
pub fn open<'s, 'r>(shared: &'s Shared<'r>, path: Option<&'s Path>) -> (Option<Spool<'s, 'r>>, Runs) {
    let Some(path) = path.filter(|_| shared.mode == Mode::Send && shared.makes_reports()) else {
        return (None, Runs::new());
    };
    match begin(shared, path) {
        Ok((spool, runs)) => (Some(spool), runs),
        Err(error) => {
            let (path, error) = (path.display(), Reason(&error));
            warn!("no spool at {path}: {error}; reports are kept in memory only until the next start");
            (None, Runs::new())
        }
    }
}

fn begin<'s, 'r>(shared: &'s Shared<'r>, path: &'s Path) -> io::Result<(Spool<'s, 'r>, Runs)> {
    let bytes = shared.settings().backlog.bytes;
    let (writer, found) = Writer::open(shared.reactor, path, pages(bytes), OPEN)?;
    let runs = match restored(shared, path, &found) {
        Some(runs) => runs,
        None => {
            if !found.is_empty() {
                let path = path.display();
                warn!("{path} is no spool of this version, or damaged: it is kept as {path}.aside");
                writer.set_aside();
            }
            Runs::new()
        }
    };
    let spool = Spool {
        shared,
        path,
        writer,
        timer: shared.reactor.timer()?,
        state: Cell::new(spool::Spool::new(bytes)),
        is_begun: Cell::new(false),
        failing: Once::default(),
    };
    Ok((spool, runs))
}

/// Puts the reports of a file into the outbox, and says how many there were.
fn restored(shared: &Shared<'_>, path: &Path, file: &[u8]) -> Option<Runs> {
    let (mut outbox, mut runs) = (shared.outbox.borrow_mut(), Runs::new());
    let restored = restore(file, &mut |run, record| {
        if runs.last().is_none_or(|(_, id)| *id != run.id) {
            runs.push((run.first, run.id.to_owned()));
        }
        // One that is larger than the whole ring is the broken file's.
        let _ = outbox.restore(record.sequence, record.sampled_ms, record.body);
    })?;
    // This one is a run, too.
    let runs = runs.split_off((runs.len() + 1).saturating_sub(RUNS));
    if let Some((first, _)) = runs.first() {
        outbox.drop_before(*first);
    }
    let path = path.display();
    info!("spool {path}: {} reports restored", restored.reports);
    let lost = restored.damaged.saturating_add(restored.at_risk);
    if lost > 0 {
        let why = if restored.at_risk > 0 { "psistats had not stopped in order: " } else { "" };
        warn!(
            "spool {path}: {why}at most {lost} reports are lost, {} of them damaged or written in part",
            restored.damaged
        );
    }
    Some(runs)
}

impl Spool<'_, '_> {
    /// Keeps the file as the outbox is, whose reports `runs` have made. Does not end.
    pub async fn run(&self, runs: &[Run<'_>]) {
        let (mut seen, mut since, mut due) = (0, 0, Some(What::All));
        loop {
            if let Some(what) = due {
                if let Err(error) = self.flush(runs, what, self.at_risk()).await {
                    self.failed(&error);
                }
                since = match what {
                    What::All => 0,
                    // What has come meanwhile is half an interval old by the next time.
                    What::Nothing => 1,
                };
            }
            // Seen unwritten at two of these, a report has waited for half an interval at least, and for a whole one
            // at most.
            let half = self.shared.settings().backlog.spool_interval / 2;
            self.timer.until(self.shared.reactor.now() + half).await;
            since += 1;
            let (state, outbox) = (self.state.get(), self.shared.outbox.borrow());
            let is_old = state.unwritten(&outbox).is_some_and(|sequence| sequence <= seen);
            seen = outbox.last();
            let wanted = if is_old || !self.is_begun.get() {
                Some(What::All)
            } else {
                state.is_outdated(&outbox).then_some(What::Nothing)
            };
            due = wanted.filter(|_| since >= 2);
        }
    }

    /// Writes what there is when the agent stops.
    ///
    /// # Errors
    /// Why it is not in the file, which the log says, too.
    pub async fn close(&self, runs: &[Run<'_>]) -> io::Result<()> {
        let until = self.shared.reactor.now() + CLOSE;
        let late = async {
            self.timer.until(until).await;
            Err(io::Error::other(SILENT))
        };
        or(self.flush(runs, What::All, 0), late).await.inspect_err(|error| self.failed(error))
    }

    /// Writes what has changed.
    async fn flush(&self, runs: &[Run<'_>], what: What, at_risk: u64) -> io::Result<()> {
        let mut state = self.state.get();
        let mut flush = match what {
            What::All => state.begin(&self.shared.outbox.borrow(), at_risk),
            What::Nothing => state.clear(at_risk),
        };
        self.state.set(state);
        let mut count = 0;
        loop {
            let fill = |page: &mut _| flush.page(&self.shared.outbox.borrow(), runs, page);
            let is_last = self.writer.write(fill).await?.is_last;
            count += 1;
            if is_last {
                break;
            }
        }
        self.state.set(flush.end());
        self.is_begun.set(true);
        let (path, reports) = (self.path.display(), flush.reports());
        debug!("spool {path}: {reports} reports, {count} pages written");
        if self.failing.over() {
            info!("spool {path} is written again");
        }
        let pages = count + self.shared.spooled.get().map_or(0, |spooled| spooled.pages);
        self.shared.spooled.set(Some(Spooled { reports, pages }));
        Ok(())
    }

    fn failed(&self, error: &io::Error) {
        if self.failing.first() {
            let (path, error) = (self.path.display(), Reason(error));
            warn!(
                "cannot write the spool {path}: {error}; reports are kept in memory only; further failures are \
                 suppressed until it recovers"
            );
        }
    }

    /// Reports that come between two writes, at the most.
    fn at_risk(&self) -> u64 {
        let settings = self.shared.settings();
        settings.backlog.reports_between_writes(settings.app.primary_timer)
    }
}

/// Runs `spool`, or waits for ever where there is none.
pub async fn run(spool: Option<&Spool<'_, '_>>, runs: &[Run<'_>]) -> io::Result<()> {
    match spool {
        Some(spool) => spool.run(runs).await,
        None => pending().await,
    }
    Ok(())
}
