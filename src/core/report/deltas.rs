//! Counters of things that come and go by name, and what they counted since the previous reading.

use heapless::{String, Vec};

use crate::bytes::Short;
use crate::kernel::Tenths;
use crate::limits;
use crate::report::percent;
use crate::time::Instant;

/// The counters of one thing.
#[derive(Clone, Debug)]
pub struct Row {
    name: String<{ limits::COUNTED_NAME }>,
    counters: [u64; 4],
    at: Instant,
    micros: u64,
    since: [Option<u64>; 4],
    seen: bool,
}

impl Row {
    /// The thing's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The counter `index` itself, times `unit`.
    pub fn counter(&self, index: usize, unit: u64) -> Option<u64> {
        Some(self.counters.get(index)?.saturating_mul(unit))
    }

    /// What the counter `index` has counted since the previous reading.
    ///
    /// None at the first reading, and where the counter is lower than before: it wrapped (on machines of
    /// 32 bits at 4 GiB), or the thing is another of the same name.
    pub fn since(&self, index: usize) -> Option<u64> {
        *self.since.get(index)?
    }

    /// The same a second, times `unit`. None where no time has passed, too.
    pub fn rate(&self, index: usize, unit: u64) -> Option<u64> {
        let since = self.since(index)?.checked_mul(unit)?;
        since.checked_mul(1_000_000)?.checked_div(self.micros)
    }

    /// Of a counter of milliseconds: the percentage of the time since the previous reading.
    pub fn share(&self, index: usize) -> Option<Tenths> {
        let micros = self.since(index)?.saturating_mul(1000);
        (self.micros > 0).then(|| percent(micros, self.micros))
    }
}

/// The counters of all things of a kind, at most [`limits::COUNTED`].
#[derive(Clone, Debug, Default)]
pub struct Deltas {
    rows: Vec<Row, { limits::COUNTED }>,
}

impl Deltas {
    /// In the order in which they came.
    pub fn rows(&self) -> core::slice::Iter<'_, Row> {
        self.rows.iter()
    }

    /// Begins a read: nothing is seen yet.
    pub fn begin(&mut self) {
        for row in &mut self.rows {
            row.seen = false;
        }
    }

    /// Adds what was read of `name` at `now`; counters that there are not are 0.
    ///
    /// # Errors
    /// [`Short`] for one more than there is room for, and for a name that is too long.
    pub fn add(&mut self, name: &str, counters: [u64; 4], now: Instant) -> Result<(), Short> {
        let Some(row) = self.rows.iter_mut().find(|row| row.name == name) else {
            let name = String::try_from(name).map_err(|_| Short)?;
            let row = Row { name, counters, at: now, micros: 0, since: [None; 4], seen: true };
            return self.rows.push(row).map_err(|_| Short);
        };
        for ((since, new), old) in row.since.iter_mut().zip(counters).zip(row.counters) {
            *since = new.checked_sub(old);
        }
        row.micros = u64::try_from(now.since(row.at).as_micros()).unwrap_or(u64::MAX);
        (row.counters, row.at, row.seen) = (counters, now, true);
        Ok(())
    }

    /// Ends a read: forgets what is gone, since it would come back with other counters.
    pub fn end(&mut self) {
        self.rows.retain(|row| row.seen);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::Fixed;

    const fn at(ms: u64) -> Instant {
        Instant::from_nanos(ms * 1_000_000)
    }

    /// One read of `sda`; none is one without it.
    fn read(deltas: &mut Deltas, counters: Option<[u64; 4]>, ms: u64) -> Option<Row> {
        deltas.begin();
        if let Some(counters) = counters {
            deltas.add("sda", counters, at(ms)).unwrap();
        }
        deltas.end();
        deltas.rows().next().cloned()
    }

    #[test]
    fn the_rate_is_what_was_counted_by_the_time_that_passed() {
        let mut deltas = Deltas::default();
        let first = read(&mut deltas, Some([100, 0, 0, 7]), 0).unwrap();
        assert_eq!((first.since(0), first.rate(0, 1), first.share(2)), (None, None, None));
        let row = read(&mut deltas, Some([150, 3, 500, 9]), 2_000).unwrap();
        assert_eq!(
            (row.rate(0, 512), row.rate(1, 1), row.share(2)),
            (Some(12_800), Some(1), Some(Fixed(250)))
        );
        assert_eq!((row.since(3), row.since(4)), (Some(2), None));
        let row = read(&mut deltas, Some([150, 3, 5_000, 9]), 3_000).unwrap();
        assert_eq!((row.rate(0, 512), row.share(2)), (Some(0), Some(Fixed(1000))), "never above 100 percent");
    }

    #[test]
    fn a_counter_that_wrapped_has_no_rate_once_and_the_others_have() {
        let mut deltas = Deltas::default();
        read(&mut deltas, Some([u64::from(u32::MAX) - 10, 1, 2, 3]), 0);
        let row = read(&mut deltas, Some([89, 2, 3, 4]), 1_000).unwrap();
        assert_eq!([0, 1, 2, 3].map(|index| row.since(index)), [None, Some(1), Some(1), Some(1)]);
        assert_eq!(row.rate(0, 1), None);
        assert_eq!(read(&mut deltas, Some([189, 2, 3, 4]), 2_000).unwrap().rate(0, 1), Some(100));
    }

    #[test]
    fn what_was_gone_in_between_begins_anew() {
        let mut deltas = Deltas::default();
        read(&mut deltas, Some([5, 5, 5, 5]), 0);
        assert!(read(&mut deltas, None, 1_000).is_none());
        assert_eq!(read(&mut deltas, Some([9, 9, 9, 9]), 2_000).unwrap().since(0), None);
    }

    #[test]
    fn a_reading_that_broke_off_adds_its_time_and_makes_no_spike() {
        let mut deltas = Deltas::default();
        read(&mut deltas, Some([100, 0, 0, 0]), 0);
        deltas.begin();
        assert_eq!(read(&mut deltas, Some([300, 0, 0, 0]), 2_000).unwrap().rate(0, 1), Some(100));
    }

    #[test]
    fn without_time_or_with_more_than_fits_there_is_no_rate() {
        let mut deltas = Deltas::default();
        read(&mut deltas, Some([0; 4]), 0);
        let row = read(&mut deltas, Some([u64::MAX, 10, 10, 0]), 0).unwrap();
        assert_eq!((row.rate(0, 512), row.rate(1, 1), row.share(2)), (None, None, None));
    }

    #[test]
    fn one_more_than_there_is_room_for_is_refused() {
        let mut deltas = Deltas::default();
        for n in 0..limits::COUNTED {
            deltas.add(&std::format!("eth{n}"), [0; 4], at(0)).unwrap();
        }
        assert_eq!(deltas.add("one", [0; 4], at(0)), Err(Short));
        assert_eq!(deltas.add("eth0", [1; 4], at(1)), Ok(()));
        assert_eq!(Deltas::default().add(&"x".repeat(limits::COUNTED_NAME + 1), [0; 4], at(0)), Err(Short));
    }
}
