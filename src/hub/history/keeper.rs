//! The thread that a history runs on.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::{Full, History, Note, Report};
use crate::clock::unix_ms;

/// Commits are at least this far apart. An agent that stops waits 0.9 seconds for what is not confirmed yet.
const COMMIT: Duration = Duration::from_millis(500);
/// The same where nobody waits for a commit: each is at least a page of an SD card.
const UNHURRIED: Duration = Duration::from_secs(10);
/// So often there may be something to do without a commit.
const TEND: Duration = Duration::from_secs(1);

/// What is done with the history on its thread, between commits.
pub type Question = Box<dyn FnOnce(&mut History, i64) + Send>;

/// Reports that are kept together.
#[derive(Debug, Default)]
pub struct Batch {
    /// In the order in which they came.
    pub reports: Vec<Report>,
    /// Somebody waits for them to be kept.
    pub is_awaited: bool,
}

enum Message {
    Keep(Batch, u64),
    Ask(Question),
}

/// Sends reports and questions to the thread of a history. The thread ends, after a last commit, with this.
#[derive(Debug)]
pub struct Keeper {
    messages: Option<SyncSender<Message>>,
    thread: Option<JoinHandle<()>>,
    stop: Arc<AtomicBool>,
    next: u64,
}

impl Keeper {
    /// Starts the thread. `kept` is called on it after each commit with the last batch that is durable, as all
    /// before it are too. At most `room` messages wait.
    ///
    /// # Errors
    /// No thread could be started.
    pub fn start(
        history: History,
        room: usize,
        kept: impl FnMut(u64, &History) + Send + 'static,
    ) -> io::Result<Self> {
        let (sender, receiver) = sync_channel(room);
        let stop = Arc::new(AtomicBool::new(false));
        let stopping = stop.clone();
        let thread = thread::Builder::new().name("history".to_owned()).spawn(move || {
            Worker { history, receiver, kept, stopping, taken: 0, told: 0, due: None }.run();
        })?;
        Ok(Self { messages: Some(sender), thread: Some(thread), stop, next: 1 })
    }

    /// The number that the next batch gets.
    #[must_use]
    pub const fn next(&self) -> u64 {
        self.next
    }

    /// Has notes written about boards. Does not wait.
    ///
    /// # Errors
    /// There is no room.
    pub fn note(&self, notes: Vec<Note>) -> Result<(), Full> {
        self.ask(Box::new(move |history, now_ms| history.note(&notes, now_ms)))
    }

    /// Hands on reports, and returns the number of their batch, which `kept` will be told. Does not wait.
    ///
    /// # Errors
    /// The batch, where there is no room: the disk is slow, or full. It is not to be confirmed.
    pub fn keep(&mut self, batch: Batch) -> Result<u64, Batch> {
        let number = self.next;
        match self.send(Message::Keep(batch, number)) {
            Ok(()) => {
                self.next += 1;
                Ok(number)
            }
            Err(Message::Keep(batch, _)) => Err(batch),
            Err(Message::Ask(_)) => Ok(number),
        }
    }

    /// Has `question` done with the history and the time, Unix milliseconds. Does not wait; the question sends its
    /// answer itself.
    ///
    /// # Errors
    /// There is no room.
    pub fn ask(&self, question: Question) -> Result<(), Full> {
        self.send(Message::Ask(question)).map_err(|_| Full)
    }

    fn send(&self, message: Message) -> Result<(), Message> {
        let Some(messages) = &self.messages else { return Err(message) };
        messages.try_send(message).map_err(|error| match error {
            TrySendError::Full(message) | TrySendError::Disconnected(message) => message,
        })
    }

    /// Commits what was handed on, and waits for the thread's end. On a full disk it does not wait for room.
    pub fn stop(&mut self) {
        self.messages = None;
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Worker<F> {
    history: History,
    receiver: Receiver<Message>,
    kept: F,
    stopping: Arc<AtomicBool>,
    /// The last batch that the history took, and the last that `kept` was told.
    taken: u64,
    told: u64,
    /// When what was taken since is to be committed.
    due: Option<Instant>,
}

impl<F: FnMut(u64, &History)> Worker<F> {
    fn run(mut self) {
        let (mut committed, mut tend) = (None::<Instant>, Instant::now() + TEND);
        loop {
            // Never at once after the one before.
            let earliest = committed.map_or(Instant::now(), |at| at + COMMIT);
            let commit = self.due.map(|due| due.max(earliest));
            let due = commit.map_or(tend, |commit| commit.min(tend));
            match self.receiver.recv_timeout(due.saturating_duration_since(Instant::now())) {
                Ok(message) => {
                    if !self.handle(message) {
                        return;
                    }
                    // What has come together is committed together.
                    if commit.is_none_or(|commit| Instant::now() < commit + COMMIT) {
                        continue;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if commit.is_some_and(|commit| Instant::now() >= commit) {
                self.commit();
                committed = Some(Instant::now());
            }
            if Instant::now() >= tend {
                // A slice of the second is for what else there is to do.
                let end = Instant::now() + TEND / 4;
                while self.history.tend(unix_ms()) && Instant::now() < end {}
                tend = Instant::now() + TEND;
            }
        }
        self.commit();
    }

    /// False where it is to stop at once.
    fn handle(&mut self, message: Message) -> bool {
        match message {
            Message::Ask(question) => {
                question(&mut self.history, unix_ms());
                true
            }
            Message::Keep(batch, number) => {
                let is_taken = self.take(&batch.reports, number);
                let due = Instant::now() + if batch.is_awaited { Duration::ZERO } else { UNHURRIED };
                self.due = Some(self.due.map_or(due, |before| before.min(due)));
                is_taken
            }
        }
    }

    /// Takes a batch; where there is no room, waits until there is some: whoever sends finds the channel full. False
    /// where it is to stop first: then nothing of the batch, nor after it, is told to be kept.
    fn take(&mut self, reports: &[Report], number: u64) -> bool {
        for report in reports {
            while self.history.record(report, unix_ms()) == Err(Full) {
                if self.stopping.load(Ordering::Acquire) {
                    return false;
                }
                self.commit();
                while self.history.tend(unix_ms()) {}
                thread::sleep(COMMIT / 4);
            }
        }
        self.taken = number;
        true
    }

    fn commit(&mut self) {
        if self.history.commit(unix_ms()).is_ok() && self.taken > self.told {
            self.due = None;
            self.told = self.taken;
            (self.kept)(self.told, &self.history);
        }
    }
}
