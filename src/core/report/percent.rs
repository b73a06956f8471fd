//! Percentages as psutil gives them: in a double, rounded to one decimal as Python rounds.

use crate::kernel::stat::CpuTimes;
use crate::kernel::{Fixed, Tenths};

/// Processor time in use between one read and the next.
#[derive(Clone, Copy, Debug, Default)]
pub struct CpuRate {
    last: Option<CpuTimes>,
}

impl CpuRate {
    /// The percentage of time with work since the last read; 0.0 where no tick passed.
    ///
    /// None at the first read, where `now` is missing, and where the counters together went
    /// backwards: they wrapped or began again, and the difference would be a spike.
    pub fn next(&mut self, now: Option<CpuTimes>) -> Option<Tenths> {
        let now = now?;
        let before = self.last.replace(now)?;
        if now.total() < before.total() {
            return None;
        }
        let spent = now.since(&before);
        Some(percent(spent.busy(), spent.total()))
    }
}

/// `part` in percent of `whole`: `round(part / whole * 100, 1)` in Python; 0.0 where `whole` is 0.
/// A part above the whole counts as the whole.
pub fn percent(part: u64, whole: u64) -> Tenths {
    if whole == 0 {
        return Fixed(0);
    }
    // The same operations on doubles in the same order as psutil's, for the same result.
    tenths(part.min(whole) as f64 / whole as f64 * 100.0)
}

/// Rounds `value`, which is 0 to 100, to one decimal: half to even on the exact binary value. Not
/// by `value * 10.0`, which makes halves of what are none.
fn tenths(value: f64) -> Tenths {
    // IEEE 754 binary64: value = mantissa / 2^shift. (What lies below 2^-1022 has no hidden bit,
    // and rounds to 0 with or without it.)
    let bits = value.to_bits();
    let mantissa = (bits & ((1 << 52) - 1)) | (1 << 52);
    let shift = 1075_u64.saturating_sub(bits >> 52);
    let ten_times = mantissa * 10;
    if shift > 57 {
        // Below 2^57 / 2^58: no half of a tenth.
        return Fixed(0);
    }
    let whole = ten_times >> shift;
    let rest = ten_times - (whole << shift);
    let half = (1 << shift) / 2;
    let up = rest > half || (rest == half && whole % 2 == 1);
    Fixed((whole + u64::from(up)).cast_signed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_go_to_even_and_what_only_looks_like_a_half_does_not() {
        // As Python 3 rounds: round(6.25, 1) is 6.2, round(18.75, 1) is 18.8, and
        // 0.35, 2.675 and 0.15 are a little off a half.
        for (value, expected) in [
            (0.0, 0),
            (100.0, 1000),
            (6.25, 62),
            (18.75, 188),
            (0.25, 2),
            (0.75, 8),
            (0.35, 3),
            (0.15, 1),
            (0.05, 1),
            (0.049_999, 0),
            (99.95, 1000),
            (99.949_999, 999),
            (f64::MIN_POSITIVE / 4.0, 0),
        ] {
            assert_eq!(tenths(value), Fixed(expected), "{value}");
        }
    }

    #[test]
    fn a_percentage_is_never_more_than_100_and_of_nothing_it_is_0() {
        assert_eq!(percent(5, 0), Fixed(0));
        assert_eq!(percent(u64::MAX, 1), Fixed(1000));
        assert_eq!(percent(u64::MAX, u64::MAX), Fixed(1000));
        assert_eq!(percent(394_498_048, 1_014_509_568), Fixed(389));
    }

    fn ticks(user: u64, idle: u64, iowait: u64) -> Option<CpuTimes> {
        Some(CpuTimes { user, idle, iowait, ..CpuTimes::default() })
    }

    #[test]
    fn the_rate_is_the_busy_share_since_the_last_read() {
        let mut cpu = CpuRate::default();
        assert_eq!(cpu.next(ticks(100, 1000, 10)), None);
        assert_eq!(cpu.next(ticks(125, 1070, 15)), Some(Fixed(250)));
        assert_eq!(cpu.next(ticks(125, 1070, 15)), Some(Fixed(0)), "no tick passed");
        assert_eq!(cpu.next(None), None);
        assert_eq!(cpu.next(ticks(175, 1120, 15)), Some(Fixed(500)), "over the gap");
    }

    #[test]
    fn a_counter_that_falls_a_little_counts_as_still() {
        let mut cpu = CpuRate::default();
        cpu.next(ticks(100, 1000, 500));
        assert_eq!(cpu.next(ticks(150, 1150, 480)), Some(Fixed(250)));
    }

    #[test]
    fn counters_that_wrap_or_begin_again_give_no_figure_and_no_spike() {
        let mut cpu = CpuRate::default();
        cpu.next(ticks(5_000, u64::from(u32::MAX) - 10, 0));
        assert_eq!(cpu.next(ticks(5_010, 80, 0)), None, "idle wrapped at 32 bits");
        assert_eq!(cpu.next(ticks(5_020, 170, 0)), Some(Fixed(100)));
        assert_eq!(cpu.next(ticks(3, 40, 0)), None, "all began again");
        assert_eq!(cpu.next(ticks(13, 130, 0)), Some(Fixed(100)));
    }
}
