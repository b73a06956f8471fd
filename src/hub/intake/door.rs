//! The door that every report comes through, whatever its way: into the fleet, and into the history.
//!
//! A report is taken once, and gets a [`Ticket`]. It may be confirmed to its sender once the ticket is one that
//! [`Standing::keeps`]: then it is on the disk. Where there is no history, that is at once.
//!
//! ```text
//!  take() --> fleet
//!    |
//!    +--> batch --every 150 ms--> Keeper's thread --commit, at most twice a second--> Standing
//! ```

use std::cell::RefCell;
use std::future::poll_fn;
use std::path::Path;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;
use std::{io, mem};

use log::{info, warn};
use tokio::sync::{Notify, watch};
use tokio::time;

use crate::clock::unix_ms;
use crate::fleet::{Bounds, Fleet, Heard, MessageId, Turn};
use crate::history::{Batch, Counts, Found, History, Keeper, Limits, Question, Report};

/// From a batch's first report to the moment when it goes to the disk's thread.
const GATHER: Duration = Duration::from_millis(150);
/// Batches that wait for the disk's thread. It takes them at once but for the time of a commit.
const WAITING: usize = 64;
/// Reports that wait where the disk takes nothing. Beyond, none is taken.
const MOST: usize = 20_000;
/// Notes that are written in one go.
const NOTES: usize = 64;

/// Names the moment from which on a report is on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(u64);

/// What is on the disk.
#[derive(Clone, Copy, Debug, Default)]
pub struct Kept {
    /// The last batch.
    batch: u64,
    /// Bytes of the blocks.
    pub bytes: u64,
    /// What was not kept.
    pub left_out: Counts,
}

/// How the disk stands, for one who waits for it.
#[derive(Debug)]
pub struct Standing {
    kept: watch::Receiver<Kept>,
    full: watch::Receiver<bool>,
}

impl Standing {
    /// Whether the report with this ticket is on the disk.
    pub fn keeps(&mut self, ticket: Ticket) -> bool {
        ticket.0 <= self.kept.borrow_and_update().batch
    }

    /// Whether the disk does not keep up: whoever can should send nothing until that is over.
    pub fn is_full(&mut self) -> bool {
        *self.full.borrow_and_update()
    }

    /// Waits until [`Self::is_full`] says something else, or, where `tickets` are waited for, [`Self::keeps`] does.
    pub async fn changed(&mut self, tickets: bool) {
        let Self { kept, full } = self;
        // Where the door is gone, so is the process.
        let (mut kept, mut full) = (pin!(kept.changed()), pin!(full.changed()));
        poll_fn(|cx| {
            let is_changed =
                full.as_mut().poll(cx).is_ready() || tickets && kept.as_mut().poll(cx).is_ready();
            if is_changed { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

/// There is no room for the report: it was not taken, and is not to be confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// The door. One owner of the fleet and of the history.
pub struct Door {
    fleet: RefCell<Fleet>,
    archive: Option<RefCell<Archive>>,
    kept: watch::Sender<Kept>,
    full: watch::Sender<bool>,
    filled: Notify,
}

struct Archive {
    keeper: Keeper,
    batch: Batch,
}

impl Archive {
    /// Whether the batch is to go to the disk's thread: with reports, or for one who waits for those before.
    fn is_due(&self) -> bool {
        !self.batch.reports.is_empty() || self.batch.is_awaited
    }
}

impl Door {
    /// A door to a fleet that is forgotten with this process.
    pub fn without_history() -> Rc<Self> {
        Self::new(Fleet::new(Bounds::default()), None, watch::Sender::default())
    }

    /// A door to the fleet whose history is in `folder`, with what is known of it.
    ///
    /// # Errors
    /// The folder cannot be used, or another process does.
    pub fn open(folder: &Path) -> io::Result<Rc<Self>> {
        let begin = time::Instant::now();
        let mut fleet = Fleet::new(Bounds::default());
        let mut reports = 0;
        let history = History::open(folder, Limits::default(), unix_ms(), |found| match found {
            Found::Note(name, note) => {
                if !fleet.restore(name, note) {
                    warn!("what was noted about {name} cannot be read: it begins anew");
                }
            }
            Found::Report(Report { board, time_ms, id, samples }) => {
                reports += 1;
                let samples = samples.iter().map(|(path, value)| (&**path, *value));
                fleet.recall(&board, MessageId::from_bytes(&id), time_ms, samples);
            }
        });
        let history = history.map_err(|error| {
            let folder = folder.display();
            io::Error::new(
                error.kind(),
                format!("the history in {folder} cannot be opened: {error}; another folder: [hub] data="),
            )
        })?;
        fleet.open(unix_ms());
        info!(
            "history in {}: {} boards, {} MB; {reports} reports of the last hour read in {} ms",
            folder.display(),
            history.boards().count(),
            history.stored() / 1_000_000,
            begin.elapsed().as_millis()
        );
        let of =
            |batch, history: &History| Kept { batch, bytes: history.stored(), left_out: history.counts() };
        let kept = watch::Sender::new(of(0, &history));
        let last = kept.clone();
        let keeper = Keeper::start(history, WAITING, move |batch, history| {
            last.send_replace(of(batch, history));
        })?;
        Ok(Self::new(fleet, Some(RefCell::new(Archive { keeper, batch: Batch::default() })), kept))
    }

    fn new(fleet: Fleet, archive: Option<RefCell<Archive>>, kept: watch::Sender<Kept>) -> Rc<Self> {
        let full = watch::Sender::default();
        Rc::new(Self { fleet: RefCell::new(fleet), archive, kept, full, filled: Notify::new() })
    }

    /// The fleet. It is not to be borrowed while anything waits.
    pub const fn fleet(&self) -> &RefCell<Fleet> {
        &self.fleet
    }

    /// Whether anything outlives this process.
    pub const fn has_history(&self) -> bool {
        self.archive.is_some()
    }

    /// What is on the disk; None where nothing is kept.
    pub fn kept(&self) -> Option<Kept> {
        self.archive.is_some().then(|| *self.kept.borrow())
    }

    /// How the disk stands, now and whenever that changes.
    pub fn standing(&self) -> Standing {
        Standing { kept: self.kept.subscribe(), full: self.full.subscribe() }
    }

    /// Takes a report. What the fleet refuses is counted there, and done with: its ticket is as good as any.
    ///
    /// # Errors
    /// There is no room for it.
    pub fn take(&self, heard: &Heard) -> Result<Ticket, Full> {
        self.admit(heard, true)
    }

    /// Takes a report whose sender waits for no answer. Where there is no room, it is shown, and not kept.
    pub fn take_unconfirmed(&self, heard: &Heard) {
        if self.admit(heard, false) == Err(Full) {
            let _ = self.fleet.borrow_mut().take(heard, unix_ms());
        }
    }

    fn admit(&self, heard: &Heard, is_awaited: bool) -> Result<Ticket, Full> {
        let Some(archive) = &self.archive else {
            let _ = self.fleet.borrow_mut().take(heard, unix_ms());
            return Ok(Ticket(0));
        };
        let mut archive = archive.borrow_mut();
        if archive.batch.reports.len() >= MOST {
            return Err(Full);
        }
        let was_due = archive.is_due();
        let mut fleet = self.fleet.borrow_mut();
        if let Ok(taken) = fleet.take(heard, unix_ms())
            && taken.turn != Turn::Duplicate
        {
            archive.batch.reports.push(Report {
                board: taken.name.clone(),
                time_ms: taken.at_ms,
                id: heard.id.map(MessageId::to_bytes).unwrap_or_default(),
                samples: taken.samples().map(|(_, path, value)| (path.clone(), value)).collect(),
            });
        }
        let (last, next) = (archive.keeper.next() - 1, archive.keeper.next());
        // What it repeats may be on its way to the disk still, in a batch that nobody has waited for so far.
        if archive.batch.reports.is_empty() && last <= self.kept.borrow().batch {
            return Ok(Ticket(last));
        }
        archive.batch.is_awaited |= is_awaited;
        if !was_due && archive.is_due() {
            self.filled.notify_one();
        }
        Ok(Ticket(next))
    }

    /// Hands what was taken to the disk's thread, without end.
    pub async fn run(&self) {
        loop {
            self.filled.notified().await;
            time::sleep(GATHER).await;
            while !self.flush() {
                self.tell_full(true);
                time::sleep(GATHER).await;
            }
            self.tell_full(false);
        }
    }

    fn flush(&self) -> bool {
        let Some(archive) = &self.archive else { return true };
        let archive = &mut *archive.borrow_mut();
        if !archive.is_due() {
            return true;
        }
        let Archive { keeper, batch } = archive;
        let kept = keeper.keep(mem::take(batch));
        kept.map_err(|refused| *batch = refused).is_ok()
    }

    fn tell_full(&self, is_full: bool) {
        let changed = self.full.send_if_modified(|before| mem::replace(before, is_full) != is_full);
        if changed && is_full {
            warn!("the disk does not keep up with the reports: boards are asked to wait, and keep theirs");
        } else if changed {
            info!("the disk keeps up with the reports again");
        }
    }

    /// Has notes about boards written, where they are due: to be called every second.
    pub fn note(&self) {
        let Some(archive) = &self.archive else { return };
        let notes = self.fleet.borrow_mut().notes(unix_ms(), NOTES, false);
        if !notes.is_empty() {
            // Where there is no room the boards are noted again in half an hour.
            let _ = archive.borrow().keeper.note(notes);
        }
    }

    /// Forgets the boards of other hubs that are not heard here any more.
    pub fn give_back(&self) {
        let given_back = self.fleet.borrow().given_back();
        for name in given_back {
            info!("{} is left to the hub whose queue it came by", name.escape_debug());
            self.forget(&name, || ());
        }
    }

    /// Forgets a board, and calls `done` once that is on the disk. Its history stays until it is old.
    pub fn forget(&self, name: &str, done: impl FnOnce() + Send + 'static) {
        self.fleet.borrow_mut().forget(name);
        let note = [(name.into(), Vec::new())];
        self.ask(Box::new(move |history, now_ms| {
            history.note(&note, now_ms);
            done();
        }));
    }

    /// Has a question answered by the history. The answer is dropped where there is none, or no room for questions.
    pub fn ask(&self, question: Question) {
        if let Some(archive) = &self.archive {
            let _ = archive.borrow().keeper.ask(question);
        }
    }

    /// Writes everything to the disk, and ends. Nothing is taken any more.
    pub fn close(&self) {
        self.flush();
        let notes = self.fleet.borrow_mut().notes(unix_ms(), usize::MAX, true);
        if let Some(archive) = &self.archive {
            let Archive { keeper, .. } = &mut *archive.borrow_mut();
            // No room is where the disk does not work.
            let _ = keeper.note(notes);
            keeper.stop();
        }
    }
}
