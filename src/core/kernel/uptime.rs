//! `/proc/uptime`: time since the start. Not `btime` of `/proc/stat`, which a board without a
//! clock gets wrong.

use crate::kernel::{Hundredths, hundredths, lines, words};

/// Reads the first number: seconds, with the two decimals that the kernel gives.
pub fn parse(text: &[u8]) -> Option<Hundredths> {
    hundredths(words(lines(text).next()?).next()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::Fixed;

    #[test]
    fn the_first_number_is_the_uptime() {
        assert_eq!(parse(b"2908.88 1498.80\n"), Some(Fixed(290_888)));
        assert_eq!(parse(b"0.05 0.00\n"), Some(Fixed(5)));
        assert_eq!(parse(b"12.5"), Some(Fixed(1250)));
        assert_eq!(parse(b"12"), Some(Fixed(1200)));
    }

    #[test]
    fn what_the_kernel_does_not_write_is_refused() {
        for text in
            [&b""[..], b"\n1.00 1.00\n", b".50\n", b"1.\n", b"1.x5\n", b"-1.00\n", b"1.5.5\n", b"1e3\n"]
        {
            assert_eq!(parse(text), None, "{:?}", text.escape_ascii());
        }
        assert_eq!(parse(b"18446744073709551615.99 0\n"), None);
        assert_eq!(parse(b"92233720368547758.07 0\n"), Some(Fixed(i64::MAX)));
        assert_eq!(parse(b"92233720368547758.08 0\n"), None);
    }
}
