//! `/sys/devices/system/cpu/cpuN/cpufreq/scaling_cur_freq`: how fast a core is told to run.

use crate::kernel::{Fixed, Thousandths, decimal};

/// Reads kHz, as MHz. None for 0 as well, which a driver says that does not know.
pub fn parse(text: &[u8]) -> Option<Thousandths> {
    let khz = i64::try_from(decimal(text.trim_ascii())?).ok()?;
    (khz > 0).then_some(Fixed(khz))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kilohertz_are_thousandths_of_a_megahertz() {
        assert_eq!(parse(b"800000\n"), Some(Fixed(800_000)));
        for text in [&b""[..], b"0\n", b"<unknown>\n", b"-1\n", b"9223372036854775808\n"] {
            assert_eq!(parse(text), None);
        }
    }
}
