//! When the basic figures of a report are due: `cpu`, `mem`, `cpu_temp`, `uptime` and `ipaddr`.

use crate::conf::reports::BasicFigure;
use crate::figures::{SELDOM, Tick};
use psistats_core::time::Periodic;

/// When one of them is due.
#[derive(Debug)]
pub struct Schedule {
    figure: BasicFigure,
    /// Whether the secondary timer is its own, where it has no interval.
    secondary: bool,
    /// None before the first report, which has all.
    timer: Option<Periodic>,
}

impl Schedule {
    /// Of one that is in every report, unless it has an interval.
    pub const fn primary(figure: BasicFigure) -> Self {
        Self { figure, secondary: false, timer: None }
    }

    /// Of one that is in reports of the secondary timer, unless it has an interval.
    pub const fn secondary(figure: BasicFigure) -> Self {
        Self { secondary: true, ..Self::primary(figure) }
    }

    /// Whether it is ever due.
    pub const fn is_enabled(&self) -> bool {
        self.figure.enabled
    }

    /// None where it is not due; else whether it may tell that it is back.
    #[inline(never)] // in the binary once
    pub fn due(&mut self, tick: Tick) -> Option<bool> {
        let is_due = match self.figure.interval {
            _ if !self.figure.enabled => false,
            None => !self.secondary || tick.secondary,
            Some(interval) => {
                self.timer.get_or_insert_with(|| Periodic::new(tick.due, interval)).due(tick.due)
            }
        };
        let is_seldom = self.figure.interval.is_some_and(|interval| interval >= SELDOM);
        is_due.then_some(tick.secondary || is_seldom)
    }
}
