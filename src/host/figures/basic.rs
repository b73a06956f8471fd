//! The basic figures of a report: `cpu`, `mem`, `cpu_temp`, `uptime` and `ipaddr`.

use std::path::PathBuf;

use crate::conf::figures::BasicFigure;
use crate::figures::Tick;
use crate::figures::schedule::SELDOM;
use crate::machine::source::{ReadError, Watch};
use psistats_core::time::Periodic;

/// When one of them is due, and whether it can be read.
#[derive(Debug)]
pub struct Basic {
    figure: BasicFigure,
    /// Whether the secondary timer is its own, where it has no interval.
    secondary: bool,
    /// None before the first report, which has all.
    timer: Option<Periodic>,
    /// In the report that was begun last: whether it may tell that it is back. None: not due.
    due: Option<bool>,
    watch: Watch,
}

impl Basic {
    /// `name` in every report, unless it has an interval.
    pub fn primary(name: &'static str, figure: BasicFigure) -> Self {
        Self { figure, secondary: false, timer: None, due: None, watch: Watch::new(name) }
    }

    /// `name` in reports of the secondary timer, unless it has an interval.
    pub fn secondary(name: &'static str, figure: BasicFigure) -> Self {
        Self { secondary: true, ..Self::primary(name, figure) }
    }

    /// Whether it is ever due.
    pub const fn is_enabled(&self) -> bool {
        self.figure.enabled
    }

    /// Whether its source failed when it was read last.
    pub fn is_missing(&self) -> bool {
        self.watch.is_missing()
    }

    /// Finds out whether it is due at `tick`.
    #[inline(never)] // in the binary once
    pub fn begin(&mut self, tick: Tick) -> bool {
        let is_due = match self.figure.interval {
            _ if !self.figure.enabled => false,
            None => !self.secondary || tick.secondary,
            Some(interval) => {
                self.timer.get_or_insert_with(|| Periodic::new(tick.due, interval)).fire(tick.due)
            }
        };
        let is_seldom = self.figure.interval.is_some_and(|interval| interval >= SELDOM);
        self.due = is_due.then_some(tick.secondary || is_seldom);
        is_due
    }

    /// Its value in the report that was begun last: none where it is not due, null where it could not be read
    /// `from` there, which the log tells.
    pub fn read<T>(
        &mut self,
        read: impl FnOnce() -> Result<T, ReadError>,
        from: impl FnOnce() -> PathBuf,
    ) -> Option<Option<T>> {
        let tell = self.due?;
        Some(self.watch.pass(read(), from, tell))
    }
}
