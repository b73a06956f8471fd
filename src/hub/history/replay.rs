//! Everything that a board said in a stretch of time, for whoever goes through all of its history.

use std::sync::Arc;

use super::range::Tier;
use super::slots::{Columns, MINUTE_MS, Slot};
use super::store::Unavailable;
use super::{DAY_MS, History, MINUTE_DAYS};

/// A minute of a series, or a quarter of an hour.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rollup {
    /// When it begins: Unix milliseconds.
    pub start_ms: i64,
    /// How many samples it has.
    pub count: u32,
    /// Average of its samples.
    pub average: f64,
    /// The lowest of them.
    pub min: f64,
    /// The highest of them.
    pub max: f64,
}

/// Some time of a board.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Replay {
    /// Paths of series, in their order, with their roll-ups in the order of time.
    pub series: Vec<(Arc<str>, Vec<Rollup>)>,
}

/// What there is of a board from one time on.
#[derive(Debug, Clone, PartialEq)]
pub enum Replayed {
    /// Minutes of the stretch that was asked for.
    Minutes(Replay),
    /// Nothing in that stretch. The next minute begins then: Unix milliseconds.
    Later(i64),
    /// Nothing any more.
    Nothing,
}

impl History {
    /// What `board` said in the minutes that begin from `from_ms` on and before `until_ms`; if nothing, when the next
    /// minute before `end_ms` begins. Unix milliseconds. Nothing is known beyond [`MINUTE_DAYS`].
    ///
    /// # Errors
    /// The store cannot be read at present.
    pub fn replay(
        &mut self,
        board: &str,
        (from_ms, until_ms, end_ms): (i64, i64, i64),
        now_ms: i64,
    ) -> Result<Replayed, Unavailable> {
        let Some(number) = self.boards.number(board) else { return Ok(Replayed::Nothing) };
        let from_ms = from_ms.max(now_ms - i64::from(MINUTE_DAYS) * DAY_MS);
        let slots = self.all_slots(number, Tier::Minute, (from_ms, until_ms.min(end_ms)), now_ms)?;
        if !slots.0.is_empty() {
            return Ok(Replayed::Minutes(self.named(&slots, Tier::Minute)));
        }
        let mut start_ms = until_ms.max(from_ms);
        while start_ms < end_ms {
            let day_ms = (start_ms.div_euclid(DAY_MS) + 1) * DAY_MS;
            let slots = self.all_slots(number, Tier::Minute, (start_ms, day_ms.min(end_ms)), now_ms)?;
            if let Some(first) = slots.0.values().filter_map(|slots| slots.first()).map(|slot| slot.at).min()
            {
                return Ok(Replayed::Later(i64::from(first) * MINUTE_MS));
            }
            start_ms = day_ms;
        }
        Ok(Replayed::Nothing)
    }

    /// All that `board` said in the time from `from_ms` on and before `to_ms`, Unix milliseconds: by the minute, or, where
    /// those are not kept any more, by the quarter of an hour.
    ///
    /// # Errors
    /// The store cannot be read at present.
    pub fn everything(
        &mut self,
        board: &str,
        from_ms: i64,
        to_ms: i64,
        now_ms: i64,
    ) -> Result<Replay, Unavailable> {
        let Some(number) = self.boards.number(board) else { return Ok(Replay::default()) };
        let is_old = from_ms < now_ms - i64::from(MINUTE_DAYS) * DAY_MS;
        let tier = if is_old { Tier::Quarter } else { Tier::Minute };
        let slots = self.all_slots(number, tier, (from_ms, to_ms), now_ms)?;
        Ok(self.named(&slots, tier))
    }

    /// Slots of all series that begin in that stretch.
    fn all_slots(
        &mut self,
        board: u32,
        tier: Tier,
        (from_ms, to_ms): (i64, i64),
        now_ms: i64,
    ) -> Result<Columns, Unavailable> {
        if from_ms >= to_ms {
            return Ok(Columns::default());
        }
        let (mut slots, stored) = self.slots_of(board, None, tier, (from_ms, to_ms), now_ms);
        stored?;
        slots.0.retain(|_, slots| {
            slots.retain(|slot| (from_ms..to_ms).contains(&(i64::from(slot.at) * tier.step_ms())));
            !slots.is_empty()
        });
        Ok(slots)
    }

    fn named(&self, slots: &Columns, tier: Tier) -> Replay {
        let rollup = |slot: &Slot| Rollup {
            start_ms: i64::from(slot.at) * tier.step_ms(),
            count: slot.count,
            average: slot.average(),
            min: slot.min,
            max: slot.max,
        };
        let named = slots.0.iter().filter_map(|(number, slots)| {
            Some((self.series.name(*number)?.clone(), slots.iter().map(rollup).collect()))
        });
        let mut series: Vec<_> = named.collect();
        series.sort_by(|(one, _): &(Arc<str>, _), (other, _)| one.cmp(other));
        Replay { series }
    }
}
