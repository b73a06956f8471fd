//! Texts to values. Every function here gives the value, or what was expected instead.

use std::fmt::{self, Display};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use crate::conf::reading::Expected;

/// yes, true, on, 1 or no, false, off, 0, in any case.
pub fn boolean(text: &str) -> Result<bool, Expected> {
    match text.to_ascii_lowercase().as_str() {
        "yes" | "true" | "on" | "1" => Ok(true),
        "no" | "false" | "off" | "0" => Ok(false),
        _ => Err("yes or no (or true/false, on/off, 1/0)".into()),
    }
}

/// Seconds of a timer: from a millisecond to a week.
pub const TIMER: RangeInclusive<Duration> = Duration::from_millis(1)..=WEEK;

/// The longest time that any setting takes.
pub const WEEK: Duration = Duration::from_secs(604_800);

/// A port.
pub const PORT: (RangeInclusive<u64>, &str) = (1..=u16::MAX as u64, "a port");

/// A whole number of a range and its unit.
pub fn whole<T: TryFrom<u64>>(
    range: &'static (RangeInclusive<u64>, &'static str),
) -> impl Fn(&str) -> Result<T, Expected> {
    move |text| {
        let number = number(text, range)?;
        T::try_from(number).map_err(|_| "a smaller number".into())
    }
}

/// The same for all types, once.
#[inline(never)]
fn number(text: &str, (range, unit): &(RangeInclusive<u64>, &str)) -> Result<u64, Expected> {
    let number = text.parse().ok().filter(|n| range.contains(n));
    number.ok_or_else(|| format!("{unit} from {} to {}", range.start(), range.end()).into())
}

/// Seconds of a range, with decimals: `30`, `0.25`, `.5`.
pub fn seconds(range: &'static RangeInclusive<Duration>) -> impl Fn(&str) -> Result<Duration, Expected> {
    move |text| {
        let seconds = decimal_seconds(text).filter(|n| range.contains(n));
        seconds.ok_or_else(|| {
            format!("seconds from {} to {}", InSeconds(*range.start()), InSeconds(*range.end())).into()
        })
    }
}

/// Digits, perhaps with a point among, before or behind them; what is below a nanosecond is cut off.
///
/// Not by way of a double, whose reader and writer take 30 KB of a board's binary.
fn decimal_seconds(text: &str) -> Option<Duration> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let digit = |byte: u8| byte.is_ascii_digit().then(|| u32::from(byte - b'0'));
    let add = |sum: u64, byte| sum.checked_mul(10)?.checked_add(digit(byte)?.into());
    let seconds = whole.bytes().try_fold(0, add)?;
    let (nanos, _) = fraction
        .bytes()
        .try_fold((0, 100_000_000), |(nanos, unit), byte| Some((nanos + digit(byte)? * unit, unit / 10)))?;
    Some(Duration::new(seconds, nanos))
}

/// Seconds with as many decimals as they have.
struct InSeconds(Duration);

impl Display for InSeconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.as_secs())?;
        match self.0.subsec_nanos() {
            0 => Ok(()),
            nanos => f.write_str(format!(".{nanos:09}").trim_end_matches('0')),
        }
    }
}

/// A text of a number of bytes, on one line.
pub fn text(bytes: &'static RangeInclusive<usize>) -> impl Fn(&str) -> Result<String, Expected> {
    move |text| {
        if bytes.contains(&text.len()) && !has_controls(text) {
            Ok(text.to_owned())
        } else {
            Err(format!("{} to {} bytes of text on one line", bytes.start(), bytes.end()).into())
        }
    }
}

/// Whether there are control characters in it.
#[inline(never)]
pub fn has_controls(text: &str) -> bool {
    text.contains(char::is_control)
}

/// The name of a file.
pub fn path(text: &str) -> Result<PathBuf, Expected> {
    if text.is_empty() || has_controls(text) {
        return Err("the name of a file".into());
    }
    Ok(text.into())
}

/// What `read` makes of the text; an empty one is none.
pub fn optional<T>(
    read: impl Fn(&str) -> Result<T, Expected>,
) -> impl Fn(&str) -> Result<Option<T>, Expected> {
    move |text| {
        if text.is_empty() {
            return Ok(None);
        }
        read(text).map(Some).map_err(|expected| format!("{expected}, or nothing").into())
    }
}

/// Nothing, where the value is one of those that change nothing.
pub fn only(fits: bool, expected: &'static str) -> Result<(), Expected> {
    if fits { Ok(()) } else { Err(expected.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_take_decimals_and_nothing_that_is_no_time() {
        let read = seconds(&TIMER);
        assert_eq!(read("0.1"), Ok(Duration::from_millis(100)));
        assert_eq!(read("30"), Ok(Duration::from_secs(30)));
        assert_eq!(read("30."), Ok(Duration::from_secs(30)));
        assert_eq!(read(".25"), Ok(Duration::from_millis(250)));
        assert_eq!(read("604800.0000000009"), Ok(Duration::from_secs(604_800)));
        assert_eq!(read("1.0000000019"), Ok(Duration::new(1, 1)));
        for wrong in [
            "",
            ".",
            "0",
            "-1",
            "+1",
            "nan",
            "inf",
            "1e2",
            "1s",
            "1.2.3",
            "1 ",
            "1,5",
            "604800.000000001",
            "0.0009999999",
            "99999999999999999999",
        ] {
            assert_eq!(read(wrong), Err("seconds from 0.001 to 604800".into()), "{wrong}");
        }
    }

    #[test]
    fn booleans_are_pythons_in_any_case() {
        for yes in ["yes", "True", "ON", "1"] {
            assert_eq!(boolean(yes), Ok(true));
        }
        for no in ["No", "false", "off", "0"] {
            assert_eq!(boolean(no), Ok(false));
        }
        for wrong in ["", "2", "y", "enabled"] {
            assert!(boolean(wrong).is_err());
        }
    }
}
