//! The series of one board, and what each of them said last.

use std::collections::HashSet;
use std::sync::Arc;

use crate::alerts::rules::{RULES, Rule, Verdict};
use crate::fleet::recent::HOUR_MS;

/// What a series said last.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value {
    /// Nothing of its own: a null whose members have come since.
    #[default]
    Unsaid,
    /// Null: missing at present.
    Missing,
    /// A number.
    Number(f64),
    /// A truth value.
    Truth(bool),
    /// A short text.
    Text(Box<str>),
}

impl Value {
    /// As a sample.
    pub fn number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Truth(truth) => Some(f64::from(*truth)),
            Self::Unsaid | Self::Missing | Self::Text(_) => None,
        }
    }
}

/// What a report says of a series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Reading<'t> {
    /// Null.
    Null,
    /// A number.
    Number(f64),
    /// A truth value.
    Truth(bool),
    /// A short text.
    Text(&'t str),
}

impl Reading<'_> {
    fn is(&self, value: &Value) -> bool {
        match (self, value) {
            (Self::Null, Value::Missing) => true,
            (Self::Number(one), Value::Number(other)) => one == other,
            (Self::Truth(one), Value::Truth(other)) => one == other,
            (Self::Text(one), Value::Text(other)) => **one == **other,
            _ => false,
        }
    }

    /// As a sample.
    pub fn number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Truth(truth) => Some(f64::from(*truth)),
            Self::Null | Self::Text(_) => None,
        }
    }

    fn value(&self) -> Value {
        match self {
            Self::Null => Value::Missing,
            Self::Number(number) => Value::Number(*number),
            Self::Truth(truth) => Value::Truth(*truth),
            Self::Text(text) => Value::Text((*text).into()),
        }
    }
}

/// All paths of a fleet, each in memory once.
#[derive(Debug, Default)]
pub struct Paths {
    all: HashSet<Arc<str>>,
}

impl Paths {
    /// The path where some board has it.
    pub fn find(&self, path: &str) -> Option<&Arc<str>> {
        self.all.get(path)
    }

    /// The path, which is new where no board has it.
    pub fn intern(&mut self, path: &str) -> Arc<str> {
        if let Some(path) = self.all.get(path) {
            return path.clone();
        }
        let path: Arc<str> = path.into();
        self.all.insert(path.clone());
        path
    }

    /// Takes back a path of one series.
    pub fn release(&mut self, path: Arc<str>) {
        // This one and that of the set.
        if Arc::strong_count(&path) == 2 {
            self.all.remove(&path);
        }
    }
}

/// One series.
#[derive(Debug, Default)]
pub struct Cell {
    /// What it said last.
    pub value: Value,
    /// The generation of the view in which that changed.
    pub changed: u64,
    /// The series that came after it in the last report.
    pub(super) next: u16,
    /// The report that it was last in, and its place among the readings there.
    pub(super) report: u32,
    pub(super) reading: u16,
    /// Whether it lies within an object or an array.
    pub(super) nested: bool,
}

/// So many parts has the hour of [`Extremes`].
const PARTS: usize = 6;
const PART_MS: i64 = HOUR_MS / 6;

/// The lowest and the highest number of each of the last parts of an hour.
#[derive(Clone, Debug)]
struct Extremes([(f64, f64); PARTS]);

const NONE: (f64, f64) = (f64::INFINITY, f64::NEG_INFINITY);

/// No series: the end of a report.
pub const END: u16 = u16::MAX;

/// The series of one board, by their slots: from 0 in the order in which they came.
#[derive(Debug)]
pub struct Cells {
    /// The path of each.
    pub paths: Vec<Arc<str>>,
    /// What each said last.
    pub cells: Vec<Cell>,
    /// That with which the last report began.
    pub(super) first: u16,
    /// The number of the present report.
    pub(super) report: u32,
    /// The present report has other series than the one before, or another order of them.
    pub(super) moved: bool,
    extremes: Vec<Extremes>,
    part: i64,
    /// Series by which the wall shows the board, with the place of their rule in the table.
    limited: Vec<(usize, u16)>,
}

impl Default for Cells {
    fn default() -> Self {
        Self {
            paths: Vec::new(),
            cells: Vec::new(),
            first: END,
            report: 0,
            moved: false,
            extremes: Vec::new(),
            part: 0,
            limited: Vec::new(),
        }
    }
}

impl Cells {
    /// Where a path is among the series.
    pub fn slot(&self, path: &str, paths: &Paths) -> Option<u16> {
        let path = paths.find(path)?;
        let slot = self.paths.iter().position(|has| Arc::ptr_eq(has, path))?;
        u16::try_from(slot).ok()
    }

    /// What the series of a slot said last.
    pub fn value(&self, slot: u16) -> Option<&Value> {
        Some(&self.cells.get(usize::from(slot))?.value)
    }

    /// Adds a series. Gives its slot.
    pub(super) fn add(&mut self, path: &str, nested: bool, paths: &mut Paths) -> Option<u16> {
        let slot = u16::try_from(self.cells.len()).ok().filter(|slot| *slot != END)?;
        self.paths.push(paths.intern(path));
        self.cells.push(Cell { next: END, nested, report: self.report.wrapping_sub(1), ..Cell::default() });
        self.extremes.push(Extremes([NONE; PARTS]));
        Some(slot)
    }

    /// Forgets the series after the first `count`, of which nothing was said.
    pub(super) fn truncate(&mut self, count: usize, paths: &mut Paths) {
        for path in self.paths.drain(count.min(self.paths.len())..) {
            paths.release(path);
        }
        self.cells.truncate(count);
        self.extremes.truncate(count);
        let is_known = |slot: u16| usize::from(slot) < count;
        for next in self.cells.iter_mut().map(|cell| &mut cell.next).chain([&mut self.first]) {
            if !is_known(*next) {
                *next = END;
            }
        }
    }

    /// Takes series over whose first report was read whole.
    pub(super) fn settle(&mut self, from: usize) {
        for (slot, path) in self.paths.iter().enumerate().skip(from) {
            if let (Some(rule), Ok(slot)) = (Rule::of_wall(path), u16::try_from(slot)) {
                self.limited.push((rule, slot));
            }
        }
        self.limited.sort_unstable();
    }

    /// Says what a series says now. `generation` is that of the view.
    pub(super) fn say(&mut self, slot: u16, reading: Reading<'_>, generation: u64, paths: &Paths) {
        let Some(cell) = self.cells.get_mut(usize::from(slot)) else { return };
        if reading.is(&cell.value) {
            return;
        }
        let was_number = matches!(cell.value, Value::Number(_));
        let is_number = matches!(reading, Reading::Number(_));
        let was_silent = matches!(cell.value, Value::Missing | Value::Unsaid);
        cell.value = reading.value();
        cell.changed = generation;
        if was_number && is_number {
            return;
        }
        if matches!(reading, Reading::Null) {
            if let Some(whole) = self.paths.get(usize::from(slot)).cloned() {
                self.end_members(&whole, generation);
            }
        } else if was_silent && cell.nested {
            self.unsay_wholes(slot, generation, paths);
        }
    }

    /// Ends each member of `whole`.
    pub(super) fn end_members(&mut self, whole: &str, generation: u64) {
        for (member, cell) in self.paths.iter().zip(&mut self.cells) {
            let is_member = member.strip_prefix(whole).is_some_and(|rest| rest.starts_with('.'));
            if is_member && !matches!(cell.value, Value::Missing | Value::Unsaid) {
                (cell.value, cell.changed) = (Value::Missing, generation);
            }
        }
    }

    /// A member has come, so that nothing it lies in is null.
    fn unsay_wholes(&mut self, member: u16, generation: u64, paths: &Paths) {
        let Some(path) = self.paths.get(usize::from(member)).cloned() else { return };
        for (dot, _) in path.match_indices('.') {
            let whole = path.get(..dot).and_then(|whole| self.slot(whole, paths));
            if let Some(cell) = whole.and_then(|slot| self.cells.get_mut(usize::from(slot)))
                && cell.value == Value::Missing
            {
                (cell.value, cell.changed) = (Value::Unsaid, generation);
            }
        }
    }

    /// Ends what is no longer in a figure: members that were not in the present report, though others were.
    pub(super) fn sweep(&mut self, generation: u64) {
        let figure = |path: &Arc<str>| path.split('.').next().map(str::len);
        let mut figures: Vec<&str> = Vec::new();
        let mut gone = Vec::new();
        for (path, cell) in self.paths.iter().zip(&self.cells).filter(|(_, cell)| cell.nested) {
            let Some(figure) = figure(path).and_then(|length| path.get(..length)) else { continue };
            if cell.report == self.report && figures.last() != Some(&figure) {
                figures.push(figure);
            }
        }
        figures.sort_unstable();
        for (slot, (path, cell)) in self.paths.iter().zip(&self.cells).enumerate() {
            let is_silent = matches!(cell.value, Value::Missing | Value::Unsaid);
            if cell.nested && cell.report != self.report && !is_silent {
                let figure = figure(path).and_then(|length| path.get(..length)).unwrap_or_default();
                if figures.binary_search(&figure).is_ok() {
                    gone.push(slot);
                }
            }
        }
        for slot in gone {
            if let Some(cell) = self.cells.get_mut(slot) {
                (cell.value, cell.changed) = (Value::Missing, generation);
            }
        }
    }

    /// Notes samples for [`Self::extremes`].
    pub(super) fn extend(&mut self, samples: &[(u16, f64)], now_ms: i64) {
        self.turn(now_ms);
        let part = usize::try_from(self.part.rem_euclid(6)).unwrap_or(0);
        for (slot, value) in samples {
            if let Some(extremes) = self.extremes.get_mut(usize::from(*slot))
                && let Some((low, high)) = extremes.0.get_mut(part)
            {
                (*low, *high) = (low.min(*value), high.max(*value));
            }
        }
    }

    /// Drops the parts that are older than an hour.
    fn turn(&mut self, now_ms: i64) {
        let part = now_ms.div_euclid(PART_MS);
        if part == self.part {
            return;
        }
        for n in 0..(part - self.part).clamp(0, 6) {
            let part = usize::try_from((part - n).rem_euclid(6)).unwrap_or(0);
            for extremes in &mut self.extremes {
                if let Some(part) = extremes.0.get_mut(part) {
                    *part = NONE;
                }
            }
        }
        self.part = part;
    }

    /// The lowest and the highest number of a series in the last 50 to 60 minutes before its last report.
    pub fn extremes(&self, slot: u16) -> Option<(f64, f64)> {
        let parts = &self.extremes.get(usize::from(slot))?.0;
        let all = parts.iter().fold(NONE, |all, part| (all.0.min(part.0), all.1.max(part.1)));
        (all.0 <= all.1).then_some(all)
    }

    /// The first rule of the wall that is reached, with the sentence for it.
    pub fn limit(&self) -> Option<(&'static Rule, String)> {
        self.limited.iter().find_map(|(rule, slot)| {
            let rule = RULES.get(*rule)?;
            let value = self.value(*slot)?;
            let path = self.paths.get(usize::from(*slot))?;
            (rule.verdict(value) == Verdict::Reached).then(|| (rule, rule.why(path, value)))
        })
    }
}
