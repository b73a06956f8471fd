//! Reports and messages at their times.

use std::future::poll_fn;
use std::io;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use super::chasar::collector::{self, Collector};
use super::context::{Connection, Feed, Shared};
use super::figures::Tick;
use super::machine::Machine;
use super::notify::Manager;
use super::publisher::Identity;
use super::reactor::either;
use super::sampler::Sampler;
use crate::config::chasar::Chasar;
use crate::output::localtime::unix_micros;
use crate::time::{Instant, Periodic};

/// Over what the first report's cpu figure is measured; at most the primary timer.
const FIRST_INTERVAL: Duration = Duration::from_millis(250);

/// Makes reports and messages at their times.
pub struct Sampling<'s, 'r> {
    shared: &'s Shared<'r>,
    manager: &'s Manager,
    root: PathBuf,
    /// Without messages: nobody sends them.
    local: bool,
    sampler: Option<Sampler>,
}

impl<'s, 'r> Sampling<'s, 'r> {
    /// Opens what the settings ask for, below `root`; without messages where it is `local`.
    pub fn new(shared: &'s Shared<'r>, manager: &'s Manager, root: PathBuf, local: bool) -> Self {
        let mut sampling = Self { shared, manager, root, local, sampler: None };
        sampling.open();
        sampling
    }

    /// Opens what the settings ask for.
    fn open(&mut self) {
        let settings = self.shared.settings();
        let machine = Machine::open(&self.root);
        self.sampler = self.shared.reports.then(|| Sampler::of(machine.clone(), &settings));
        let Chasar { enabled, interface, processes, .. } = &settings.chasar;
        let told = collector::Options { interface: interface.as_deref(), processes: *processes };
        let collector = (*enabled && !self.local).then(|| Collector::of(machine, told));
        self.shared.feed.collector.replace(collector);
    }

    /// Who publishes, where reports are made.
    pub fn identity(&self) -> Option<Identity> {
        // Sequence numbers start anew with the program, so that the boot alone does not tell two
        // reports apart.
        let started_ms = self.shared.reactor.now().as_nanos() / 1_000_000;
        self.sampler.as_ref().map(|sampler| Identity {
            hostname: sampler.hostname().to_owned(),
            run: format!("{}-{started_ms:x}", sampler.boot_id()),
        })
    }

    /// Hands each report, with its sample time, to `deliver`, until the agent stops.
    ///
    /// # Errors
    /// Those of `deliver`.
    pub async fn run(mut self, mut deliver: impl FnMut(i64, &[u8]) -> io::Result<()>) -> io::Result<()> {
        let timer = self.shared.reactor.timer()?;
        self.manager.start(self.shared.reactor.now());
        if self.sampler.is_none() {
            // A master that is away is no reason to be restarted.
            self.manager.sampled(&self.shared.standing(), true);
        }
        loop {
            let settings = self.shared.settings();
            let (app, chasar) = (&settings.app, &settings.chasar);
            let now = self.shared.reactor.now();
            if let Some(sampler) = &mut self.sampler {
                sampler.prime(now);
            }
            let first = now + FIRST_INTERVAL.min(app.primary_timer);
            let mut primary = Periodic::new(first, app.primary_timer);
            let mut secondary = Periodic::new(first, app.secondary_timer);
            let mut messages = Messages {
                feed: &self.shared.feed,
                timer: Periodic::new(first, chasar.interval),
                primed: false,
            };
            while Rc::ptr_eq(&settings, &self.shared.settings()) {
                let report = self.sampler.is_some().then(|| primary.deadline());
                let due = [report, messages.deadline(), self.manager.deadline()].into_iter().flatten().min();
                poll_fn(|cx| either(timer.poll_at(due, cx), self.shared.sampling.poll(cx))).await;
                if self.shared.is_stopping() {
                    return Ok(());
                }
                let now = self.shared.reactor.now();
                if let Some(sampler) = &mut self.sampler
                    && let Some(due) = report
                    && primary.due(now)
                {
                    let unix_ms = unix_micros(SystemTime::now()) / 1000;
                    let tick = Tick { unix_ms, now, due, secondary: secondary.due(now) };
                    deliver(unix_ms, sampler.report(tick))?;
                    self.manager.sampled(&self.shared.standing(), tick.secondary);
                }
                if messages.make(now, chasar.interval) && self.sampler.is_none() {
                    self.manager.sampled(&self.shared.standing(), secondary.due(now));
                }
                self.manager.alive(now);
            }
            self.open();
        }
    }
}

/// Makes messages while the master wants them, in step with the reports, so that one reading serves both.
struct Messages<'s> {
    feed: &'s Feed,
    timer: Periodic,
    /// Whether there is something that the next one is measured against.
    primed: bool,
}

impl Messages<'_> {
    fn is_wanted(&self) -> bool {
        self.feed.connection.get() == Connection::Ready
    }

    fn deadline(&self) -> Option<Instant> {
        self.is_wanted().then(|| self.timer.deadline())
    }

    /// Makes one, if it is due.
    fn make(&mut self, now: Instant, interval: Duration) -> bool {
        self.primed &= self.is_wanted();
        if !self.is_wanted() || !self.timer.due(now) {
            return false;
        }
        let Some(collector) = &mut *self.feed.collector.borrow_mut() else { return false };
        if self.primed {
            collector.message(SystemTime::now(), now);
            self.feed.fresh.set(true);
            self.feed.news.notify();
            return true;
        }
        self.primed = true;
        collector.prime(now);
        // What is measured over a moment says little.
        let next = self.timer.deadline();
        if next.since(now) < interval / 2 {
            self.timer.due(next);
        }
        false
    }
}
