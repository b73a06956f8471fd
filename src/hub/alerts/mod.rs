//! Alerts, on from the first minute: which ones there are, and who is told.
//!
//! | where | what |
//! |---|---|
//! | [`rules`] | what is worth an alert: one table, and what the operator adds |
//! | [`alert`] | one alert over time: pending, raised, over |
//! | [`trend`] | when a percentage that grows will reach 100 |
//! | [`watch`] | what the rules look at of one board |
//! | [`engine`] | all rules over all boards, in the time that it is told |
//! | [`replay`] | the same over the past |
//! | [`message`] | what is said |
//! | [`quiet`] | hours in which a receiver is not told what can wait |
//! | [`settings`] | the sections of the configuration |
//! | [`target`] | webhook, ntfy, command: one delivery; [`email`] has that of e-mail |
//! | [`delivery`] | a receiver's queue, retried in order |
//! | [`kept`] | what outlives a restart |
//! | [`heartbeat`] | says elsewhere that the hub lives |
//!
//! ```text
//!  fleet --once a second--> Engine --> Message --> Delivery of each receiver --> its task --> target
//!                             |                        |
//!                             +-------- kept ----------+
//! ```

pub mod alert;
pub mod delivery;
pub mod email;
pub mod engine;
pub mod heartbeat;
pub mod kept;
pub mod message;
pub mod quiet;
pub mod replay;
pub mod rules;
pub mod settings;
pub mod target;
pub mod trend;
pub mod watch;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use log::warn;
use serde::Serialize;
use tokio::sync::Notify;
use tokio::task::{spawn_blocking, spawn_local};
use tokio::time;

use self::delivery::Delivery;
pub use self::delivery::Untested;
pub use self::engine::{Engine, Open};
use self::kept::{File, Kept};
pub use self::message::{Message, Told};
use crate::fleet::Fleet;
use psistats_host::output::localtime::Zone;

/// Messages that are remembered.
const CHANGES: usize = 50;
/// From the first change to the moment when it is written.
const GATHER: Duration = Duration::from_millis(50);

/// All alerts, and all receivers.
pub struct Alerts {
    engine: RefCell<Engine>,
    /// The last messages: the newest first.
    changes: RefCell<VecDeque<Message>>,
    deliveries: Vec<Delivery>,
    zone: Zone,
    file: Option<File>,
    changed: Notify,
    /// Contents of the file that were made.
    contents: Cell<u64>,
}

/// The alerts that are raised, as the API has them.
#[derive(Debug, Serialize)]
pub struct Listing {
    /// The hub's clock: Unix seconds.
    now: f64,
    /// The worst first.
    alerts: Vec<Told<Listed>>,
    /// The last messages: the newest first.
    changes: Vec<Told<Message>>,
}

/// Who is told, as the API has it.
#[derive(Debug, Serialize)]
pub struct Receivers<'d> {
    /// In the order of the configuration.
    receivers: Vec<delivery::Listed<'d>>,
}

/// An alert that is raised, as the API has it.
#[derive(Debug, Serialize)]
pub struct Listed {
    #[serde(flatten)]
    message: Message,
    acknowledged: Option<f64>,
}

impl From<Open> for Told<Listed> {
    fn from(open: Open) -> Self {
        let Open { message, acknowledged, .. } = open;
        Self { id: message.id(), message: Listed { message, acknowledged } }
    }
}

impl Alerts {
    /// Starts at `now_ms`, with what is known from before in the folder `data`. Each receiver gets a task of the
    /// current [`tokio::task::LocalSet`].
    pub fn start(settings: settings::Alerts, data: Option<&Path>, now_ms: i64) -> Rc<Self> {
        let file = data.map(File::of);
        let kept = file.as_ref().map_or_else(|| Ok(Kept::default()), File::read);
        let mut kept = kept.unwrap_or_else(|why| {
            warn!("{why}; alerts that were raised before the start may be told again");
            Kept::default()
        });
        let deliveries = settings.receivers.into_iter().map(|receiver| {
            let queue = kept.queues.remove(&receiver.name).unwrap_or_default();
            let held = kept.held.remove(&receiver.name).unwrap_or_default();
            Delivery::new(receiver, queue, held)
        });
        let deliveries = deliveries.collect();
        let grace_ms = i64::try_from(settings.grace.as_millis()).unwrap_or(i64::MAX);
        let alerts = Rc::new(Self {
            engine: RefCell::new(Engine::new(settings.rules, kept.open, grace_ms, now_ms)),
            changes: RefCell::new(kept.changes),
            deliveries,
            zone: Zone::local(),
            file,
            changed: Notify::new(),
            contents: Cell::new(0),
        });
        for number in 0..alerts.deliveries.len() {
            let alerts = alerts.clone();
            spawn_local(async move {
                if let Some(delivery) = alerts.deliveries.get(number) {
                    delivery.run(|| alerts.changed.notify_one()).await;
                }
            });
        }
        spawn_local({
            let alerts = alerts.clone();
            async move { alerts.keep().await }
        });
        if let Some(heartbeat) = settings.heartbeat {
            spawn_local(heartbeat.run());
        }
        alerts
    }

    /// Looks at all boards, and has the receivers told what has changed: to be called every second.
    pub fn tick(&self, fleet: &Fleet, now_ms: i64) {
        let minute = quiet::minute_at(&self.zone, now_ms);
        for message in self.engine.borrow_mut().tick(fleet, now_ms) {
            log::info!("alert {}: {}", message.alert, message.text);
            self.deliveries.iter().for_each(|delivery| delivery.push(&message, minute));
            let mut changes = self.changes.borrow_mut();
            changes.push_front(message);
            changes.truncate(CHANGES);
            self.changed.notify_one();
        }
        for delivery in &self.deliveries {
            if delivery.release(minute, now_ms) {
                self.changed.notify_one();
            }
        }
    }

    /// Notes that an operator took notice of the alert of that id: of what is still to be told, it is raised no more.
    /// None: no such alert is raised.
    pub fn acknowledge(&self, id: &str, now_ms: i64) -> Option<Told<Listed>> {
        let open = self.engine.borrow_mut().acknowledge(id, now_ms)?;
        log::info!("alert {} was acknowledged: {}", open.message.alert, open.message.text);
        self.deliveries.iter().for_each(|delivery| delivery.forget(&open.message));
        self.changed.notify_one();
        Some(open.into())
    }

    /// The alerts that are raised.
    pub fn open(&self, now_ms: i64) -> Listing {
        let open = self.engine.borrow().open().into_iter().filter(|open| !open.is_covered);
        let changes = self.changes.borrow();
        let changes = changes.iter().cloned().map(|message| Told { id: message.id(), message });
        Listing {
            now: now_ms as f64 / 1000.0,
            alerts: open.map(Told::from).collect(),
            changes: changes.collect(),
        }
    }

    /// Who is told, and how that goes.
    pub fn receivers(&self, now_ms: i64) -> Receivers<'_> {
        let minute = quiet::minute_at(&self.zone, now_ms);
        Receivers { receivers: self.deliveries.iter().map(|delivery| delivery.listed(minute)).collect() }
    }

    /// Sends the receiver of that name a test message. Gives what it said.
    ///
    /// # Errors
    /// Why it was not delivered.
    pub async fn test(&self, name: &str) -> Result<String, Untested> {
        let delivery = self.deliveries.iter().find(|delivery| delivery.name() == name);
        let result = delivery.ok_or(Untested::Unknown)?.test().await;
        log::info!(
            "[notify:{name}]: a test message was {}",
            if result.is_ok() { "delivered" } else { "not delivered" }
        );
        result
    }

    /// What is to be kept, with its number.
    fn kept(&self) -> (u64, Kept) {
        self.contents.set(self.contents.get() + 1);
        let of_all = |messages: fn(&Delivery) -> VecDeque<Message>| {
            self.deliveries.iter().map(|delivery| (delivery.name().to_owned(), messages(delivery))).collect()
        };
        let kept = Kept {
            open: self.engine.borrow().open(),
            queues: of_all(Delivery::queue),
            held: of_all(Delivery::held),
            changes: self.changes.borrow().clone(),
        };
        (self.contents.get(), kept)
    }

    /// Writes what changed, without end.
    async fn keep(&self) {
        let Some(file) = &self.file else { return };
        let mut has_failed = false;
        loop {
            self.changed.notified().await;
            time::sleep(GATHER).await;
            let (file, (number, kept)) = (file.clone(), self.kept());
            let written = spawn_blocking(move || file.write(number, &kept)).await;
            let failure = written.map_or_else(|error| Some(error.to_string()), Result::err);
            if let Some(why) = failure.as_ref().filter(|_| !has_failed) {
                warn!("{why}; further failures are suppressed until it recovers");
            }
            has_failed = failure.is_some();
        }
    }

    /// Writes everything, at the end.
    pub fn close(&self) {
        let (number, kept) = self.kept();
        if let Some(Err(why)) = self.file.as_ref().map(|file| file.write(number, &kept)) {
            warn!("{why}");
        }
    }
}
