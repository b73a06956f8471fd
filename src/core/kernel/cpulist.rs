//! `/sys/devices/system/cpu/online` and the like: lists of processors, `0,2-3`.

use core::ops::RangeInclusive;

use crate::kernel::decimal;

/// The ranges of a list, until what is none.
pub fn ranges(text: &[u8]) -> impl Iterator<Item = RangeInclusive<usize>> {
    text.trim_ascii().split(|byte| *byte == b',').map_while(|range| {
        let mut ends = range.splitn(2, |byte| *byte == b'-').map(number);
        let first = ends.next()??;
        Some(first..=ends.next().unwrap_or(Some(first))?)
    })
}

fn number(digits: &[u8]) -> Option<usize> {
    usize::try_from(decimal(digits)?).ok()
}

#[cfg(test)]
#[allow(clippy::single_range_in_vec_init, reason = "a list of one range is what is meant")]
mod tests {
    use super::*;

    fn list(text: &str) -> Vec<RangeInclusive<usize>> {
        ranges(text.as_bytes()).collect()
    }

    #[test]
    fn a_list_is_of_numbers_and_ranges() {
        assert_eq!(list("0\n"), vec![RangeInclusive::new(0, 0)]);
        assert_eq!(list("0-3\n"), vec![RangeInclusive::new(0, 3)]);
        assert_eq!(list("0,2-3,7\n"), [0..=0, 2..=3, 7..=7]);
    }

    #[test]
    fn what_is_no_range_ends_the_list() {
        assert_eq!(list("0-1,x,3\n"), vec![RangeInclusive::new(0, 1)]);
        for text in ["", "\n", "-1\n", "1-\n", "1-2-3\n", " ,1\n", "99999999999999999999\n"] {
            assert_eq!(list(text), [], "{text}");
        }
    }
}
