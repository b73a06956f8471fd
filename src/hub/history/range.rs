//! Questions: a series of a board from then to then.

use std::collections::BTreeSet;

use super::slots::{Columns, MINUTE_MS, QUARTER_MS, Slot};
use super::store::{Key, Level, Unavailable};
use super::{DAY_MS, HOUR_MS, History, MINUTE_DAYS, QUARTER_DAYS, hour_of, slot_of};

/// The most points that an answer has.
pub const MAX_POINTS: usize = 2000;

/// What an answer was made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tier {
    /// Minutes.
    Minute,
    /// Quarters of an hour.
    Quarter,
}

impl Tier {
    /// Its name in the API.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Minute => "minute",
            Self::Quarter => "quarter",
        }
    }

    pub(super) const fn step_ms(self) -> i64 {
        match self {
            Self::Minute => MINUTE_MS,
            Self::Quarter => QUARTER_MS,
        }
    }
}

/// A series in columns of one length. Bucket `i` begins at `start_ms + i * step_ms`; where it has no sample, `None`.
#[derive(Debug, Clone, PartialEq)]
pub struct Range {
    /// What it was made from.
    pub tier: Tier,
    /// Unix time of the first bucket, milliseconds: a multiple of the step.
    pub start_ms: i64,
    /// Length of a bucket, milliseconds.
    pub step_ms: i64,
    /// How many samples are in each bucket.
    pub samples: Vec<u32>,
    /// Average of the samples in each bucket.
    pub average: Vec<Option<f64>>,
    /// Minimum.
    pub min: Vec<Option<f64>>,
    /// Maximum.
    pub max: Vec<Option<f64>>,
}

impl History {
    /// `series` of `board` between two Unix times in milliseconds, in at most `points` buckets and one: of minutes
    /// where those are kept and wanted as fine, else of quarters of an hour. What is not known is all gaps.
    pub fn range(
        &mut self,
        board: &str,
        series: &str,
        from_ms: i64,
        to_ms: i64,
        points: usize,
        now_ms: i64,
    ) -> Range {
        let oldest = |days: u32| now_ms - i64::from(days) * DAY_MS;
        let from_ms = from_ms.max(oldest(QUARTER_DAYS + 16)).max(0);
        let to_ms = to_ms.min(now_ms + DAY_MS).max(from_ms);
        let points = i64::try_from(points.clamp(1, MAX_POINTS)).unwrap_or(1);
        let fine = div_up(to_ms - from_ms, points).max(1);
        let tier =
            if fine < QUARTER_MS && from_ms >= oldest(MINUTE_DAYS) { Tier::Minute } else { Tier::Quarter };
        let step_ms = div_up(fine, tier.step_ms()) * tier.step_ms();
        let start_ms = from_ms.div_euclid(step_ms) * step_ms;
        let count = usize::try_from(div_up(to_ms - start_ms, step_ms)).unwrap_or(0);
        let mut buckets: Vec<Option<Slot>> = vec![None; count];
        let numbers = (self.boards.number(board), self.series.number(series));
        if let (Some(board), Some(series)) = numbers {
            let slots = self.slots_of(board, Some(series), tier, (start_ms, to_ms), now_ms).0;
            for slot in slots.0.get(&series).into_iter().flatten() {
                let place = (i64::from(slot.at) * tier.step_ms() - start_ms).div_euclid(step_ms);
                let bucket = usize::try_from(place).ok().and_then(|place| buckets.get_mut(place));
                match bucket {
                    Some(Some(bucket)) => bucket.merge(slot),
                    Some(bucket) => *bucket = Some(*slot),
                    None => {}
                }
            }
        }
        let column = |part: fn(&Slot) -> f64| buckets.iter().map(|slot| slot.as_ref().map(part)).collect();
        Range {
            tier,
            start_ms,
            step_ms,
            samples: buckets.iter().map(|slot| slot.map_or(0, |slot| slot.count)).collect(),
            average: column(Slot::average),
            min: column(|slot| slot.min),
            max: column(|slot| slot.max),
        }
    }

    /// The series of `board` in its newest blocks and in memory.
    pub fn series(&mut self, board: &str, now_ms: i64) -> Vec<String> {
        let Some(board) = self.boards.number(board) else { return Vec::new() };
        let mut numbers = BTreeSet::new();
        for hours in self.work.hours().into_iter().chain([&self.open]) {
            let known = hours.iter().filter(|((_, other), _)| *other == board);
            numbers.extend(known.flat_map(|(_, columns)| columns.0.keys().copied()));
        }
        for level in [Level::Hour, Level::Day, Level::Quarters] {
            let Ok(Some((_, start))) = self.store.starts(level, now_ms) else { continue };
            if let Ok(Some(columns)) = self.columns(Key { level, start, board }, None, now_ms) {
                numbers.extend(columns.0.keys().copied());
            }
        }
        numbers.iter().filter_map(|number| Some(self.series.name(*number)?.to_string())).collect()
    }

    /// The slots that all blocks and the memory have together, of one series, or of all. Where the store does not work:
    /// the memory's.
    pub(super) fn slots_of(
        &mut self,
        board: u32,
        series: Option<u32>,
        tier: Tier,
        (from_ms, to_ms): (i64, i64),
        now_ms: i64,
    ) -> (Columns, Result<(), Unavailable>) {
        let mut slots = Columns::default();
        let stored = self.stored_slots(&mut slots, board, series, tier, (from_ms, to_ms), now_ms);
        let hours = (hour_of(from_ms), 0)..(hour_of(to_ms) + 1, 0);
        for open in self.work.hours().into_iter().chain([&self.open]) {
            let known = open.range(hours.clone()).filter(|((_, other), _)| *other == board);
            for (_, columns) in known {
                add(&mut slots, columns, series, tier);
            }
        }
        (slots, stored)
    }

    fn stored_slots(
        &mut self,
        slots: &mut Columns,
        board: u32,
        series: Option<u32>,
        tier: Tier,
        (from_ms, to_ms): (i64, i64),
        now_ms: i64,
    ) -> Result<(), Unavailable> {
        let joined = if tier == Tier::Minute { Level::Day } else { Level::Quarters };
        let span_ms = i64::from(joined.hours()) * HOUR_MS;
        for start in slot_of(from_ms, span_ms)..=slot_of(to_ms, span_ms) {
            if let Some(columns) = self.columns(Key { level: joined, start, board }, series, now_ms)? {
                slots.merge(&columns);
            }
        }
        // Hours are few: those of today, and what came late since they were joined last.
        let Some((first, last)) = self.store.starts(Level::Hour, now_ms)? else { return Ok(()) };
        for start in hour_of(from_ms).max(first)..=hour_of(to_ms).min(last) {
            if let Some(columns) = self.columns(Key { level: Level::Hour, start, board }, series, now_ms)? {
                add(slots, &columns, series, tier);
            }
        }
        Ok(())
    }
}

/// Merges minutes, of one series or of all, into slots of `tier`.
fn add(slots: &mut Columns, minutes: &Columns, series: Option<u32>, tier: Tier) {
    let wanted = minutes.0.iter().filter(|(other, _)| series.is_none_or(|series| series == **other));
    for (series, minutes) in wanted {
        for slot in minutes {
            let at = if tier == Tier::Minute { slot.at } else { slot.at / 15 };
            slots.fold(*series, Slot { at, ..*slot });
        }
    }
}

/// The quotient of two positive numbers, rounded up.
const fn div_up(number: i64, divisor: i64) -> i64 {
    (number + divisor - 1).div_euclid(divisor)
}
