//! Reports and messages at their times.

use std::future::poll_fn;
use std::io;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use crate::life::context::{Connection, Feed, Shared};
use crate::life::notify::Manager;
use crate::net::reactor::either;
use psistats_core::time::{Instant, Periodic};
use psistats_host::chasar::collector::{self, Collector};
use psistats_host::conf::Settings;
use psistats_host::conf::chasar::Chasar;
use psistats_host::figures::Tick;
use psistats_host::machine::Machine;
use psistats_host::output::localtime::unix_micros;
use psistats_host::sampler::Sampler;

/// Over what is measured at least, where the timers are not shorter: the first report's figures, and those
/// of sources that were opened anew.
const FIRST_INTERVAL: Duration = Duration::from_millis(250);

/// What becomes of a report, with its sample time.
pub type Deliver<'f> = dyn FnMut(i64, &[u8]) -> io::Result<()> + 'f;

/// Makes reports and messages at their times.
pub struct Sampling<'s, 'r> {
    shared: &'s Shared<'r>,
    manager: &'s Manager,
    root: PathBuf,
    /// Without messages: nobody sends them.
    local: bool,
    /// By which the sources were opened.
    settings: Rc<Settings>,
    sampler: Option<Sampler>,
}

impl<'s, 'r> Sampling<'s, 'r> {
    /// Opens what the settings ask for, below `root`; without messages where it is `local`.
    pub fn new(shared: &'s Shared<'r>, manager: &'s Manager, root: PathBuf, local: bool) -> Self {
        let mut sampling = Self { shared, manager, root, local, settings: shared.settings(), sampler: None };
        sampling.open();
        sampling
    }

    /// Opens what the settings ask for.
    fn open(&mut self) {
        self.settings = self.shared.settings();
        let settings = &*self.settings;
        let machine = Machine::open(&self.root);
        self.sampler = self.shared.makes_reports().then(|| Sampler::of(machine.clone(), settings));
        if let Some(sampler) = &self.sampler {
            self.shared.replace_hostname(sampler.hostname());
        }
        let Chasar { enabled, interface, processes, .. } = &settings.chasar;
        let told = collector::Options { interface: interface.as_deref(), processes: *processes };
        let collector = (*enabled && !self.local).then(|| Collector::of(machine, told));
        self.shared.feed.collector.replace(collector);
        // Its last message went with the one before.
        self.shared.feed.fresh.set(false);
    }

    /// Hands each report, with its sample time, to `deliver`, until the agent stops.
    ///
    /// # Errors
    /// Those of `deliver`.
    pub async fn run(mut self, deliver: &mut Deliver<'_>) -> io::Result<()> {
        let timer = self.shared.reactor.timer()?;
        let now = self.shared.reactor.now();
        self.manager.start(now);
        if self.sampler.is_none() {
            // A master that is away is no reason to be restarted.
            self.manager.sampled(&self.shared.standing(), true);
        }
        let mut schedule = Schedule::new(&self.settings, now);
        let mut messages = Messages { feed: &self.shared.feed, primed: false };
        if let Some(sampler) = &mut self.sampler {
            sampler.prime(now);
        }
        loop {
            let report = self.sampler.is_some().then(|| schedule.primary.deadline());
            let message = messages.is_wanted().then(|| schedule.messages.deadline());
            let next = [report, message].into_iter().flatten().min();
            let due = [next, self.manager.deadline()].into_iter().flatten().min();
            poll_fn(|cx| either(timer.poll_at(due, cx), self.shared.sampling.poll(cx))).await;
            if self.shared.is_stopping() {
                return Ok(());
            }
            let now = self.shared.reactor.now();
            let mut made = false;
            if let Some(sampler) = &mut self.sampler
                && let Some(due) = report
                && schedule.primary.due(now)
            {
                let unix_ms = unix_micros(SystemTime::now()) / 1000;
                let tick = Tick { unix_ms, now, due, secondary: schedule.secondary.due(now) };
                deliver(unix_ms, sampler.report(tick))?;
                self.manager.sampled(&self.shared.standing(), tick.secondary);
                made = true;
            }
            if messages.make(now, &mut schedule.messages, self.settings.chasar.interval) {
                if self.sampler.is_none() {
                    self.manager.sampled(&self.shared.standing(), schedule.secondary.due(now));
                }
                made = true;
            }
            // However often the settings change, what is due comes first, so that it does come, and is measured
            // over more than a moment.
            if !Rc::ptr_eq(&self.settings, &self.shared.settings())
                && (made || next.is_none_or(|next| next.since(now) >= FIRST_INTERVAL))
            {
                self.reopen(&mut schedule, now);
                messages.begin(now);
            }
            self.manager.alive(now);
        }
    }

    /// Opens what the new settings ask for. Where they have the same intervals as the old ones, the schedule
    /// stays; but that of reports that were not made lies in the past.
    fn reopen(&mut self, schedule: &mut Schedule, now: Instant) {
        let (before, made_reports) = (self.settings.clone(), self.sampler.is_some());
        self.open();
        let makes_them_again = self.sampler.is_some() && !made_reports;
        if makes_them_again || Schedule::intervals(&before) != Schedule::intervals(&self.settings) {
            *schedule = Schedule::new(&self.settings, now);
        }
        if let Some(sampler) = &mut self.sampler {
            sampler.prime(now);
        }
    }
}

/// When what is due. All begin together, so that one reading serves those that are due together.
struct Schedule {
    primary: Periodic,
    secondary: Periodic,
    messages: Periodic,
}

impl Schedule {
    fn new(settings: &Settings, now: Instant) -> Self {
        let [primary, secondary, messages] = Self::intervals(settings);
        let first = now + FIRST_INTERVAL.min(primary);
        Self {
            primary: Periodic::new(first, primary),
            secondary: Periodic::new(first, secondary),
            messages: Periodic::new(first, messages),
        }
    }

    fn intervals(settings: &Settings) -> [Duration; 3] {
        let Settings { app, chasar, .. } = settings;
        [app.primary_timer, app.secondary_timer, chasar.interval]
    }
}

/// Makes messages while the master wants them, in step with the reports, so that one reading serves both.
struct Messages<'s> {
    feed: &'s Feed<'s>,
    /// Whether there is something that the next one is measured against.
    primed: bool,
}

impl Messages<'_> {
    fn is_wanted(&self) -> bool {
        self.feed.connection.get() == Connection::Ready
    }

    /// What the next one is measured against is read now, from sources that were opened anew.
    fn begin(&mut self, now: Instant) {
        self.primed = self.is_wanted();
        if self.primed
            && let Some(collector) = &mut *self.feed.collector.borrow_mut()
        {
            collector.prime(now);
        }
    }

    /// Makes one, if it is due.
    fn make(&mut self, now: Instant, timer: &mut Periodic, interval: Duration) -> bool {
        self.primed &= self.is_wanted();
        if !self.is_wanted() || !timer.due(now) {
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
        let next = timer.deadline();
        if next.since(now) < interval / 2 {
            timer.due(next);
        }
        false
    }
}
