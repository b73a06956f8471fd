//! Slots: what a series was in one minute, or one quarter of an hour.

use std::collections::BTreeMap;

pub const MINUTE_MS: i64 = 60_000;
pub const QUARTER_MS: i64 = 15 * MINUTE_MS;

/// Number of samples, their sum, and their range, in slot number `at` since 1970.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Slot {
    pub at: u32,
    pub count: u32,
    pub sum: f64,
    pub min: f64,
    pub max: f64,
}

impl Slot {
    pub const fn of(at: u32, value: f64) -> Self {
        Self { at, count: 1, sum: value, min: value, max: value }
    }

    pub fn average(&self) -> f64 {
        self.sum / f64::from(self.count)
    }

    pub fn merge(&mut self, other: &Self) {
        self.count = self.count.saturating_add(other.count);
        self.sum += other.sum;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }
}

/// Slots of each series, by its number. Those of one series are in order, and no two have one number.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Columns(pub BTreeMap<u32, Vec<Slot>>);

impl Columns {
    /// Folds in `slot`, and says how many slots that added (0 or 1).
    pub fn fold(&mut self, series: u32, slot: Slot) -> usize {
        let slots = self.0.entry(series).or_default();
        let place = match slots.last() {
            // Nearly all that comes is of the slot that came last, or of a new one.
            Some(last) if last.at < slot.at => Err(slots.len()),
            Some(last) if last.at == slot.at => Ok(slots.len() - 1),
            _ => slots.binary_search_by_key(&slot.at, |slot| slot.at),
        };
        match place {
            Ok(place) => {
                if let Some(known) = slots.get_mut(place) {
                    known.merge(&slot);
                }
                0
            }
            Err(place) => {
                slots.insert(place, slot);
                1
            }
        }
    }

    pub fn merge(&mut self, other: &Self) {
        for (series, slots) in &other.0 {
            for slot in slots {
                self.fold(*series, *slot);
            }
        }
    }

    /// The same with quarters of an hour in the place of minutes.
    pub fn quarters(&self) -> Self {
        let mut quarters = Self::default();
        for (series, slots) in &self.0 {
            for slot in slots {
                quarters.fold(*series, Slot { at: slot.at / 15, ..*slot });
            }
        }
        quarters
    }
}
