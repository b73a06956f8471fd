//! One receiver: its queue, and how that is emptied. Each has a task of its own, so that a slow or dead one costs
//! nothing but its own delivery.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::time::Duration;

use log::{error, info, warn};
use serde::Serialize;
use tokio::sync::{Mutex, Notify};
use tokio::time;

use crate::alerts::alert::Turn;
use crate::alerts::message::Message;
use crate::alerts::quiet;
use crate::alerts::rules::Severity;
use crate::alerts::settings::Receiver;
use crate::alerts::target::Failure;
use crate::clock::unix_ms;

/// Messages that wait for a receiver. Beyond, the oldest go.
const WAITING: usize = 1_000;
/// From the first failure to the next attempt; each further one takes twice as long, up to [`LAST`].
const FIRST: Duration = Duration::from_secs(1);
const LAST: Duration = Duration::from_secs(300);

/// A receiver and its queue.
#[derive(Debug)]
pub struct Delivery {
    receiver: Receiver,
    queue: RefCell<VecDeque<Message>>,
    /// Messages that wait for the end of quiet hours.
    held: RefCell<VecDeque<Message>>,
    filled: Notify,
    /// Since the start.
    dropped: Cell<u64>,
    last: RefCell<Option<Attempt>>,
    /// Held while a test message is on its way.
    test: Mutex<()>,
}

/// How the last attempt to tell a receiver something ended.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct Attempt {
    /// Unix seconds.
    at: f64,
    /// Why the receiver did not take it.
    error: Option<String>,
}

/// A receiver, as the API has it.
#[derive(Debug, Serialize)]
pub struct Listed<'d> {
    name: &'d str,
    #[serde(rename = "type")]
    kind: &'static str,
    severity: Severity,
    quiet: Option<String>,
    is_quiet: bool,
    waiting: usize,
    held: usize,
    dropped: u64,
    last: Option<Attempt>,
}

/// Why a test message was not delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Untested {
    /// There is no receiver of that name.
    Unknown,
    /// Another one is on its way.
    Busy,
    /// The receiver did not take it.
    Failed(String),
}

impl Delivery {
    /// With the messages that it was not told before the start, those that were held apart.
    pub fn new(receiver: Receiver, queue: VecDeque<Message>, held: VecDeque<Message>) -> Self {
        let (queue, held) = (RefCell::new(queue), RefCell::new(held));
        Self {
            receiver,
            queue,
            held,
            filled: Notify::new(),
            dropped: Cell::new(0),
            last: None.into(),
            test: ().into(),
        }
    }

    /// The receiver's name.
    pub fn name(&self) -> &str {
        &self.receiver.name
    }

    /// The messages that it was not told yet.
    pub fn queue(&self) -> VecDeque<Message> {
        self.queue.borrow().clone()
    }

    /// The messages that wait for the end of quiet hours.
    pub fn held(&self) -> VecDeque<Message> {
        self.held.borrow().clone()
    }

    /// What the API says of it, at a minute of the local day.
    pub fn listed(&self, minute: i64) -> Listed<'_> {
        let Receiver { name, kind, least, quiet } = &self.receiver;
        Listed {
            name,
            kind: kind.word(),
            severity: *least,
            quiet: quiet.map(|quiet| quiet.hours.to_string()),
            is_quiet: quiet.is_some_and(|quiet| quiet.hours.has(minute)),
            waiting: self.queue.borrow().len(),
            held: self.held.borrow().len(),
            dropped: self.dropped.get(),
            last: self.last.borrow().clone(),
        }
    }

    /// Sends a test message at once, past the queue and quiet hours. Gives what the receiver said.
    ///
    /// # Errors
    /// Why not.
    pub async fn test(&self) -> Result<String, Untested> {
        let _alone = self.test.try_lock().map_err(|_| Untested::Busy)?;
        self.attempt(&Message::test(unix_ms())).await.map_err(|failure| Untested::Failed(failure.why))
    }

    async fn attempt(&self, message: &Message) -> Result<String, Failure> {
        let result = self.receiver.kind.deliver(message).await;
        let error = result.as_ref().err().map(|failure| failure.why.clone());
        self.last.replace(Some(Attempt { at: unix_ms() as f64 / 1000.0, error }));
        result
    }

    /// Has it told a message, where that matters enough, at a minute of the local day.
    pub fn push(&self, message: &Message, minute: i64) {
        if message.severity < self.receiver.least {
            return;
        }
        if self.receiver.quiet.is_some_and(|quiet| quiet.holds(message, minute)) {
            let mut held = self.held.borrow_mut();
            held.push_back(message.clone());
            if held.len() > WAITING && held.pop_front().is_some() {
                self.dropped.set(self.dropped.get() + 1);
            }
            return;
        }
        self.enqueue(message);
    }

    /// Has it told what was held, where quiet hours are over. Whether that was something.
    pub fn release(&self, minute: i64, now_ms: i64) -> bool {
        let is_quiet = self.receiver.quiet.is_some_and(|quiet| quiet.hours.has(minute));
        if is_quiet || self.held.borrow().is_empty() {
            return false;
        }
        if let Some(message) = quiet::summary(self.held.take(), now_ms as f64 / 1000.0) {
            self.enqueue(&message);
        }
        true
    }

    fn enqueue(&self, message: &Message) {
        let mut queue = self.queue.borrow_mut();
        queue.push_back(message.clone());
        // The first one may be on its way.
        if queue.len() > WAITING && queue.remove(1).is_some() {
            self.dropped.set(self.dropped.get() + 1);
        }
        self.filled.notify_one();
    }

    /// Leaves out that an alert is raised, unless that is on its way.
    pub fn forget(&self, raised: &Message) {
        let is_else = |message: &Message| message.state != Turn::Raised || !message.is_about(raised);
        self.held.borrow_mut().retain(is_else);
        let mut place = 0;
        self.queue.borrow_mut().retain(|message| {
            place += 1;
            place == 1 || is_else(message)
        });
    }

    /// Delivers what is in the queue, one after the other, without end. Calls `changed` after each.
    pub async fn run(&self, changed: impl Fn()) {
        let (name, mut pause, mut told_dropped) = (self.name(), FIRST, self.dropped.get());
        loop {
            let Some(message) = self.queue.borrow().front().cloned() else {
                self.filled.notified().await;
                continue;
            };
            match self.attempt(&message).await {
                Ok(_) if pause > FIRST => {
                    let dropped = self.dropped.get();
                    let since = dropped - std::mem::replace(&mut told_dropped, dropped);
                    info!("[notify:{name}]: messages are delivered again; {since} were dropped");
                }
                Ok(_) => {}
                Err(failure) if failure.is_passing => {
                    if pause == FIRST {
                        warn!(
                            "[notify:{name}]: {}; it is tried again, and further failures are suppressed until it \
                             recovers",
                            failure.why
                        );
                    }
                    time::sleep(pause).await;
                    pause = (pause * 2).min(LAST);
                    continue;
                }
                Err(failure) => error!("[notify:{name}]: {}; dropped: {}", failure.why, message.text),
            }
            pause = FIRST;
            self.queue.borrow_mut().pop_front();
            changed();
        }
    }
}
