//! `/proc/loadavg`: how many tasks wanted to run, on average.

use crate::kernel::{Hundredths, hundredths, lines, words};

/// Reads the first three numbers: averages over 1, 5 and 15 minutes, with the two decimals that the
/// kernel gives.
pub fn parse(text: &[u8]) -> Option<[Hundredths; 3]> {
    let mut words = words(lines(text).next()?);
    Some([hundredths(words.next()?)?, hundredths(words.next()?)?, hundredths(words.next()?)?])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::Fixed;

    #[test]
    fn the_first_three_numbers_are_the_averages() {
        assert_eq!(parse(b"0.39 1.05 12.00 1/159 28834\n"), Some([Fixed(39), Fixed(105), Fixed(1200)]));
    }

    #[test]
    fn what_the_kernel_does_not_write_is_refused() {
        for text in [&b""[..], b"\n", b"0.39 1.05\n", b"0.39 -1.05 1.00\n", b"a b c\n", b"\n1.00 1.00 1.00\n"]
        {
            assert_eq!(parse(text), None, "{:?}", text.escape_ascii());
        }
    }
}
