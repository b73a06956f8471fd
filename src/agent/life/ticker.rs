//! Reports and messages at their times.

use std::future::poll_fn;
use std::io;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use crate::life::connection::Connection;
use crate::life::context::{Feed, Shared};
use crate::life::notify::Manager;
use crate::net::reactor::either;
use crate::settings::Settings;
use psistats_core::time::{Instant, Periodic};
use psistats_host::chasar::collector::{self, Collector};
use psistats_host::conf::chasar::Chasar;
use psistats_host::figures::Tick;
use psistats_host::machine::Machine;
use psistats_host::machine::wanted::Wanted;
use psistats_host::output::localtime::unix_micros;
use psistats_host::sampler::Sampler;

/// Over what is measured at least, where the timers are not shorter: the first report's figures, and those
/// of sources that were opened anew.
const FIRST_INTERVAL: Duration = Duration::from_millis(250);

/// What becomes of a report, with its sample time.
pub type Deliver<'f> = dyn FnMut(i64, &[u8]) -> io::Result<()> + 'f;

/// Makes reports and messages at their times.
pub struct Ticker<'s, 'r> {
    shared: &'s Shared<'r>,
    manager: &'s Manager,
    root: PathBuf,
    /// Without messages: nobody sends them.
    local: bool,
    /// By which the sources were opened.
    settings: Rc<Settings>,
    machine: Machine,
    /// None where no reports are made.
    sampler: Option<Sampler>,
}

impl<'s, 'r> Ticker<'s, 'r> {
    /// Opens what the settings ask for, below `root`; without messages where it is `local`.
    pub fn new(shared: &'s Shared<'r>, manager: &'s Manager, root: PathBuf, local: bool) -> Self {
        let machine = Machine::open(&root);
        let mut ticker =
            Self { shared, manager, root, local, settings: shared.settings(), machine, sampler: None };
        ticker.open();
        ticker
    }

    /// Opens what the settings ask for of the machine.
    fn open(&mut self) {
        self.settings = self.shared.settings();
        let (machine, settings) = (&self.machine, &*self.settings);
        self.sampler = self.shared.makes_reports().then(|| Sampler::open(machine, &settings.reports));
        if self.sampler.is_some() {
            self.shared.replace_hostname(machine.hostname());
        }
        let Chasar { enabled, interface, processes, .. } = &settings.chasar;
        let told = collector::Options { interface: interface.as_deref(), processes: *processes };
        let collector = (*enabled && !self.local).then(|| Collector::open(machine, told));
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
        self.sample(Some(Due::Counters), None, now, deliver)?;
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
            let report = report.filter(|_| schedule.primary.fire(now)).map(|due| {
                let unix_ms = unix_micros(SystemTime::now()) / 1000;
                Due::Whole(Tick { unix_ms, now, due, secondary: schedule.secondary.fire(now) })
            });
            let message = messages.begin(now, &mut schedule.messages, self.settings.chasar.interval);
            let made = report.is_some() || message == Some(Due::Whole(()));
            self.sample(report, message, now, deliver)?;
            if made && self.sampler.is_none() {
                self.manager.sampled(&self.shared.standing(), schedule.secondary.fire(now));
            }
            // However often the settings change, what is due comes first, so that it does come, and is measured
            // over more than a moment.
            if !Rc::ptr_eq(&self.settings, &self.shared.settings())
                && (made || next.is_none_or(|next| next.since(now) >= FIRST_INTERVAL))
            {
                self.reopen(&mut schedule, now);
                let message = messages.restart();
                self.sample(Some(Due::Counters), message, now, deliver)?;
            }
            self.manager.feed_watchdog(now);
        }
    }

    /// Makes what is due, all of one snapshot.
    fn sample(
        &mut self,
        report: Option<Due<Tick>>,
        message: Option<Due<()>>,
        now: Instant,
        deliver: &mut Deliver<'_>,
    ) -> io::Result<()> {
        let Self { shared, machine, sampler, .. } = self;
        let mut collector = shared.feed.collector.borrow_mut();
        let mut report = sampler.as_mut().zip(report);
        let message = collector.as_mut().zip(message);
        let for_report = match &mut report {
            Some((sampler, Due::Whole(tick))) => sampler.begin(*tick),
            Some((sampler, Due::Counters)) => sampler.counters(),
            None => Wanted::NOTHING,
        };
        let for_message = match message {
            Some((_, Due::Whole(()))) => Collector::WANTED,
            Some((_, Due::Counters)) => Collector::COUNTERS,
            None => Wanted::NOTHING,
        };
        let mut snapshot = machine.read(for_report | for_message, now);
        match report {
            Some((sampler, Due::Whole(tick))) => {
                deliver(tick.unix_ms, sampler.report(tick, &mut snapshot))?;
                self.manager.sampled(&shared.standing(), tick.secondary);
            }
            Some((sampler, Due::Counters)) => sampler.prime(&mut snapshot),
            None => {}
        }
        match message {
            Some((collector, Due::Whole(()))) => {
                collector.message(SystemTime::now(), &mut snapshot);
                shared.feed.fresh.set(true);
                shared.feed.news.notify();
            }
            Some((collector, Due::Counters)) => collector.prime(&mut snapshot),
            None => {}
        }
        Ok(())
    }

    /// Opens what the new settings ask for, of a machine that is opened again. Where they have the same intervals
    /// as the old ones, the schedule stays; but that of reports that were not made lies in the past.
    fn reopen(&mut self, schedule: &mut Schedule, now: Instant) {
        let (before, made_reports) = (self.settings.clone(), self.sampler.is_some());
        self.machine = Machine::open(&self.root);
        self.open();
        let makes_them_again = self.sampler.is_some() && !made_reports;
        if makes_them_again || Schedule::intervals(&before) != Schedule::intervals(&self.settings) {
            *schedule = Schedule::new(&self.settings, now);
        }
    }
}

/// What is due of a report or of a message.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Due<T> {
    /// The counters that the next one is measured against.
    Counters,
    /// All of it.
    Whole(T),
}

/// When what is due. All begin together, so that one snapshot serves those that are due together.
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

/// When messages are due: while the master wants them, in step with the reports, so that one snapshot serves both.
struct Messages<'s> {
    feed: &'s Feed<'s>,
    /// Whether there is something that the next one is measured against.
    primed: bool,
}

impl Messages<'_> {
    fn is_wanted(&self) -> bool {
        self.feed.connection.get() == Connection::Ready
    }

    /// Begins anew with sources that were opened again. What is due at once.
    fn restart(&mut self) -> Option<Due<()>> {
        self.primed = self.is_wanted();
        self.primed.then_some(Due::Counters)
    }

    /// Begins the one that is due at `now`, if there is one.
    fn begin(&mut self, now: Instant, timer: &mut Periodic, interval: Duration) -> Option<Due<()>> {
        self.primed &= self.is_wanted();
        if !self.is_wanted() || !timer.fire(now) || self.feed.collector.borrow().is_none() {
            return None;
        }
        if self.primed {
            return Some(Due::Whole(()));
        }
        self.primed = true;
        // What is measured over a moment says little.
        let next = timer.deadline();
        if next.since(now) < interval / 2 {
            timer.fire(next);
        }
        Some(Due::Counters)
    }
}
