//! `/sys/class/thermal` and `/sys/class/hwmon`: which sensor is the processor's, and what it says.

use crate::kernel::{Fixed, Thousandths, signed};

/// How sure a sensor's name makes it that it is the processor's; the lesser is the surer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    /// It names the CPU: `cpu-thermal`, `cpu_thermal`, `cpu0-thermal`, `CPU-therm`.
    Cpu,
    /// It names the chip that the CPU is part of: `soc-thermal`, `bcm2835_thermal`, `bigcore0-thermal`.
    Soc,
}

/// Ranks a zone's `type` or a chip's `name`. None: it may be anything (a clock, a disk, the GPU).
pub fn rank(name: &[u8]) -> Option<Rank> {
    let name = name.trim_ascii();
    if name.windows(3).any(|part| part.eq_ignore_ascii_case(b"cpu")) {
        Some(Rank::Cpu)
    } else if matches!(name, b"soc-thermal" | b"soc_thermal" | b"bcm2835_thermal")
        || name.starts_with(b"bigcore")
    {
        Some(Rank::Soc)
    } else {
        None
    }
}

/// Reads `temp` or `temp1_input`, in degrees Celsius.
pub fn parse(text: &[u8]) -> Option<Thousandths> {
    celsius(signed(text.trim_ascii())?)
}

/// Degrees Celsius of a sensor's `raw` number, which is in millidegrees, or in degrees on some kernels.
///
/// None for what no working sensor says: at or below -40, above 150, and exactly 0, which is how
/// sensors answer that are switched off.
pub fn celsius(raw: i64) -> Option<Thousandths> {
    let millidegrees = if raw.unsigned_abs() >= 1000 { raw } else { raw * 1000 };
    (-39_999..=150_000).contains(&millidegrees).then_some(Fixed(millidegrees)).filter(|t| t.0 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpu_is_found_by_the_names_that_kernels_give_it() {
        for name in ["cpu-thermal\n", "cpu_thermal", "cpu0-thermal", "CPU-therm\n", "cpu_thermal_zone"] {
            assert_eq!(rank(name.as_bytes()), Some(Rank::Cpu), "{name}");
        }
        for name in ["soc-thermal\n", "soc_thermal", "bcm2835_thermal", "bigcore0-thermal"] {
            assert_eq!(rank(name.as_bytes()), Some(Rank::Soc), "{name}");
        }
        for name in [
            "",
            "AO-therm\n",
            "GPU-therm",
            "gpu-thermal",
            "ds3231",
            "rp1_adc",
            "littlecore",
            "cp",
            "\u{fffd}",
        ] {
            assert_eq!(rank(name.as_bytes()), None, "{name}");
        }
    }

    #[test]
    fn millidegrees_and_whole_degrees_are_told_apart() {
        assert_eq!(parse(b"40084\n"), Some(Fixed(40_084)));
        assert_eq!(parse(b"47\n"), Some(Fixed(47_000)));
        assert_eq!(parse(b"-5\n"), Some(Fixed(-5_000)));
        assert_eq!(parse(b"-1250"), Some(Fixed(-1_250)));
        assert_eq!(parse(b"1000\n"), Some(Fixed(1_000)));
    }

    #[test]
    fn what_no_working_sensor_says_is_dropped() {
        for dropped in [-40_000, -40, 0, 150_001, 151, 999, -999, i64::MIN, i64::MAX] {
            assert_eq!(celsius(dropped), None, "{dropped}");
        }
        for kept in [-39_999, 150_000] {
            assert_eq!(celsius(kept), Some(Fixed(kept)));
        }
        assert_eq!((celsius(-39), celsius(150)), (Some(Fixed(-39_000)), Some(Fixed(150_000))));
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in [&b""[..], b"\n", b"-", b"--5", b"+5", b"4x\n", b"40084 1\n", b"99999999999999999999\n"] {
            assert_eq!(parse(text), None, "{:?}", text.escape_ascii());
        }
    }
}
