//! What the rules look at of one board, and what has to be remembered of it to judge.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::alerts::alert::Alert;
use crate::alerts::engine::{Open, has_tag, milliseconds};
use crate::alerts::rules::{Rule, Test, Verdict};
use crate::alerts::trend::Trend;
use crate::fleet::{Board, Fleet, State, Value};

/// Times of reboots that are remembered.
const REBOOTS: usize = 8;
/// So many samples of the same value are a figure that stands still; fewer are one that is seldom reported.
const SAME: usize = 3;

/// One board.
#[derive(Default)]
pub struct Watch {
    /// A rule, with a series where it is about one.
    pub points: Vec<Point>,
    /// The generation in which the board came.
    born: u64,
    /// The tick in which the board was there last.
    pub round: u64,
    /// So many of its series were looked at.
    series: usize,
    /// The time of the last reboot that its roster knows, by the board's clock. None: it was not looked at.
    boot_ms: Option<Option<i64>>,
    /// When reboots were noticed, by the hub's clock.
    reboots: VecDeque<i64>,
}

/// A rule at a board, or at one of its series.
pub struct Point {
    /// Which rule it is.
    pub rule: u16,
    slot: u16,
    /// The series' path.
    pub path: Option<Arc<str>>,
    /// The generation in which its value changed last.
    changed: u64,
    trend: Option<Box<Trend>>,
    /// What was measured, while it is reached.
    pub value: Value,
    /// None: nothing is the matter.
    pub alert: Option<Box<Alert>>,
}

impl Point {
    fn new(rule: u16, slot: u16, path: Option<Arc<str>>) -> Self {
        Self { rule, slot, path, changed: 0, trend: None, value: Value::Unsaid, alert: None }
    }

    /// The series' path.
    pub fn path(&self) -> Option<&str> {
        self.path.as_deref()
    }

    /// What the rule says of the board now. `watch` is the board's, without its points.
    pub(super) fn verdict(
        &mut self,
        rule: &Rule,
        watch: &Watch,
        fleet: &Fleet,
        board: &Board,
        now_ms: i64,
    ) -> Verdict {
        let of = |is_so| if is_so { Verdict::Reached } else { Verdict::Clear };
        let verdict = match rule.test {
            Test::Lost => of(board.state == State::Lost),
            Test::Duplicate => of(board.roster.conflict(now_ms).is_some()),
            Test::Reboots(times, within_ms) => {
                let count = watch.reboots(now_ms, within_ms);
                self.value = Value::Number(count as f64);
                of(count >= times)
            }
            // What it said last says nothing of now.
            _ if board.state == State::Lost => Verdict::Between,
            _ => self.of_series(rule, fleet, board, now_ms),
        };
        // Where nothing is reached or raised, a tag changes nothing.
        let has_tag = verdict != Verdict::Reached || has_tag(rule, fleet, board);
        if has_tag { verdict } else { Verdict::Clear }
    }

    fn of_series(&mut self, rule: &Rule, fleet: &Fleet, board: &Board, now_ms: i64) -> Verdict {
        let Some(cell) = board.cells.cells.get(usize::from(self.slot)) else { return Verdict::Between };
        let is_changed = std::mem::replace(&mut self.changed, cell.changed) != cell.changed;
        let verdict = match (&rule.test, &cell.value) {
            (Test::Missing, Value::Missing) if board.cells.extremes(self.slot).is_some() => Verdict::Reached,
            (Test::Missing, Value::Missing | Value::Unsaid) => Verdict::Between,
            (Test::Missing, _) => Verdict::Clear,
            (Test::Frozen(_), Value::Number(_)) if is_changed => Verdict::Clear,
            (Test::Frozen(_), Value::Number(_)) => self.stands_still(rule, board, now_ms),
            (Test::Filling(_, hours), Value::Number(percent)) => {
                let trend = self.trend.get_or_insert_default();
                trend.note(now_ms, *percent);
                match trend.hours_to_full(now_ms, *percent) {
                    Some(left) if left <= *hours => Verdict::Reached,
                    Some(left) if left <= hours * 1.5 => Verdict::Between,
                    _ => Verdict::Clear,
                }
            }
            (_, value) => rule.verdict(value),
        };
        if verdict == Verdict::Reached {
            self.value.clone_from(&cell.value);
        }
        let is_latched =
            self.alert.as_ref().is_some_and(|alert| alert.is_raised && alert.acknowledged_ms.is_none());
        if verdict == Verdict::Clear
            && is_latched
            && let Some(latch) = rule.latch
            && fleet.value(board, latch) == Some(&Value::Truth(true))
        {
            return Verdict::Between;
        }
        verdict
    }

    /// Of a value that has not changed since the tick before: whether it was told again all that time.
    fn stands_still(&self, rule: &Rule, board: &Board, now_ms: i64) -> Verdict {
        let since_ms = self.alert.as_ref().and_then(|alert| alert.since_ms).unwrap_or(now_ms);
        if now_ms.saturating_sub(since_ms) < rule.hold_ms {
            return Verdict::Reached;
        }
        let mut samples = Vec::new();
        board.recent.samples(self.slot, now_ms.saturating_sub(rule.hold_ms), now_ms, &mut samples);
        if samples.len() >= SAME { Verdict::Reached } else { Verdict::Clear }
    }
}

impl Watch {
    /// Takes over series and reboots that came since the tick before.
    pub(super) fn look(&mut self, board: &Board, rules: &[Rule], round: u64, now_ms: i64) {
        if self.born != board.born {
            // Another board of that name, after that one was forgotten.
            *self = Self { born: board.born, ..Self::default() };
        }
        self.round = round;
        let numbered = || (0_u16..).zip(rules);
        let count = board.cells.paths.len();
        if self.points.is_empty() {
            let is_of_board = |test: &Test| matches!(test, Test::Lost | Test::Reboots(..) | Test::Duplicate);
            let of_board = numbered().filter(|(_, rule)| is_of_board(&rule.test));
            self.points.extend(of_board.map(|(rule, _)| Point::new(rule, 0, None)));
        }
        for (slot, path) in (0_u16..).zip(&board.cells.paths).skip(self.series) {
            let about = numbered().filter(|(_, rule)| rule.looks_at(path));
            self.points.extend(about.map(|(rule, _)| Point::new(rule, slot, Some(path.clone()))));
        }
        self.series = count;
        let last = board.roster.boots.back().copied();
        if self.boot_ms.replace(last).is_some_and(|before| before != last) {
            self.reboots.push_back(now_ms);
            if self.reboots.len() > REBOOTS {
                self.reboots.pop_front();
            }
        }
    }

    /// How often the board started again within so long.
    fn reboots(&self, now_ms: i64, within_ms: i64) -> usize {
        self.reboots.iter().filter(|at_ms| now_ms.saturating_sub(**at_ms) < within_ms).count()
    }

    /// Takes over alerts from before the start, as far as there are their rules and series.
    pub(super) fn restore(&mut self, board: &Board, rules: &[Rule], kept: Vec<Open>) {
        for Open { message, is_covered, acknowledged } in kept {
            let is_it = |point: &&mut Point| {
                let rule = rules.get(usize::from(point.rule));
                rule.is_some_and(|rule| rule.name == message.alert)
                    && point.path() == message.series.as_deref()
            };
            if let Some(point) = self.points.iter_mut().find(is_it) {
                let mut alert = Alert::raised(milliseconds(message.since), message.text);
                (alert.is_covered, alert.acknowledged_ms) = (is_covered, acknowledged.map(milliseconds));
                point.alert = Some(Box::new(alert));
            } else {
                log::info!(
                    "{}: the alert {} ends with its rule or its series",
                    board.name.escape_debug(),
                    message.alert
                );
            }
        }
    }

    /// That of the rule about boards that are not heard.
    pub(super) fn lost(&mut self, rules: &[Rule]) -> Option<&mut Point> {
        self.points
            .iter_mut()
            .find(|point| rules.get(usize::from(point.rule)).is_some_and(|rule| rule.test == Test::Lost))
    }
}
