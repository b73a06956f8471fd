//! `/proc/zoneinfo`: how many pages the kernel keeps free. Wanted on kernels before 3.14 alone.

use crate::kernel::{decimal, lines, words};

/// Adds up the low watermarks of the zones in `text`, in pages. None where one is not a number.
///
/// The file may be read in pieces, if each ends with a line.
pub fn low_pages(text: &[u8]) -> Option<u64> {
    lines(text).try_fold(0_u64, |sum, line| {
        let mut words = words(line);
        match words.next() {
            Some(b"low") => sum.checked_add(decimal(words.next()?)?),
            _ => Some(sum),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_low_watermarks_of_all_zones_are_added() {
        let text = b"Node 0, zone   Normal\n  pages free     38277\n        min      696\n        low      870\n\
            \x20       high     1044\n        protection: (0, 4038)\nNode 0, zone  HighMem\n        low      311\n";
        assert_eq!(low_pages(text), Some(870 + 311));
    }

    #[test]
    fn what_is_not_a_number_is_refused() {
        assert_eq!(low_pages(b"  low\n"), None);
        assert_eq!(low_pages(b"  low x\n"), None);
        assert_eq!(low_pages(b"low 18446744073709551615\nlow 1\n"), None);
        assert_eq!(low_pages(b""), Some(0));
    }
}
