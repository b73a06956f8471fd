//! The figures that a configuration asks for, and when each is due.

use std::fmt;
use std::time::Duration;

use log::warn;

use crate::conf;
use crate::figures::external::External;
use crate::figures::figure::Figure;
use crate::figures::{FIGURES, Tick};
use crate::machine::snapshot::Snapshot;
use crate::machine::source::{Root, Watch};
use crate::machine::wanted::Wanted;
use crate::output::once::Once;
use psistats_core::bytes::Short;
use psistats_core::report;
use psistats_core::time::Periodic;

/// Between two reads that are each worth a line in the log.
pub const SELDOM: Duration = Duration::from_secs(30);

/// The figures that the configuration asks for.
#[derive(Debug)]
pub struct Figures {
    all: Vec<Scheduled>,
}

impl Figures {
    /// Opens the sources of those that are wanted.
    pub fn open(root: &Root, settings: &conf::figures::Figures) -> Self {
        let listed = FIGURES.iter().filter_map(|entry| {
            let interval = settings.interval(entry.name)?;
            let figure = (entry.open)(root, &settings.options);
            Some(Scheduled::new(figure, interval, Watch::new(entry.name)))
        });
        let mut all: Vec<_> = listed.collect();
        all.extend(settings.externals.iter().map(|external| {
            let figure = Box::new(External::open(root, external));
            Scheduled::new(figure, external.interval, Watch::new(external.name.clone()))
        }));
        Self { all }
    }

    /// What all of them take from snapshots.
    pub fn wanted(&self) -> Wanted {
        self.all.iter().fold(Wanted::NOTHING, |wanted, scheduled| wanted | scheduled.figure.wanted())
    }

    /// Reads what the first report is measured against.
    pub fn prime(&mut self, snapshot: &mut Snapshot<'_>) {
        for scheduled in &mut self.all {
            scheduled.figure.prime(snapshot);
        }
    }

    /// Finds out which are due at `tick`, and what these take from a snapshot.
    pub fn begin(&mut self, tick: Tick) -> Wanted {
        self.all.iter_mut().fold(Wanted::NOTHING, |wanted, scheduled| wanted | scheduled.begin(tick))
    }

    /// Adds those that are due to the report that `json` begins with and that is `length` bytes long.
    /// Returns its new length.
    pub fn add(
        &mut self,
        json: &mut [u8],
        mut length: usize,
        tick: Tick,
        snapshot: &mut Snapshot<'_>,
    ) -> usize {
        for scheduled in self.all.iter_mut().filter(|scheduled| scheduled.is_due) {
            length = scheduled.add(json, length, tick, snapshot);
        }
        length
    }
}

struct Scheduled {
    figure: Box<dyn Figure>,
    interval: Duration,
    /// None before the first report, which has all.
    timer: Option<Periodic>,
    /// In the report that was begun last.
    is_due: bool,
    /// Of its key in a report.
    watch: Watch,
    no_room: Once,
}

// Not of the figure: in its table of functions nobody would call it, and a dozen take kilobytes.
impl fmt::Debug for Scheduled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scheduled").field("watch", &self.watch).finish_non_exhaustive()
    }
}

impl Scheduled {
    fn new(figure: Box<dyn Figure>, interval: Duration, watch: Watch) -> Self {
        Self { figure, interval, timer: None, is_due: false, watch, no_room: Once::default() }
    }

    fn begin(&mut self, tick: Tick) -> Wanted {
        self.is_due = self.timer.get_or_insert_with(|| Periodic::new(tick.due, self.interval)).fire(tick.due);
        self.figure.wanted().when(self.is_due)
    }

    fn add(&mut self, json: &mut [u8], length: usize, tick: Tick, snapshot: &mut Snapshot<'_>) -> usize {
        // What is seldom read may tell each time that it is back.
        let tell = tick.secondary || self.interval >= SELDOM;
        if tell && (self.watch.is_missing() || self.figure.is_incomplete()) {
            self.figure.reopen(snapshot.root);
        }
        let outcome = self.figure.read(snapshot);
        let found = self.watch.pass(outcome, || self.figure.place(snapshot.root), tell).is_some();
        let key = self.watch.figure();
        let longer = report::add(json, length, key, &|buf| {
            if found { self.figure.encode(buf) } else { report::json_of(&None::<u8>, buf) }
        });
        longer.unwrap_or_else(|Short| {
            if self.no_room.first() {
                warn!("{key}: reports have no room for it; disable another figure");
            }
            length
        })
    }
}
