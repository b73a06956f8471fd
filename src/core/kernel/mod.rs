//! Kernel text to counters: one module per source, each with a pure `parse` of the octets that were read.
//!
//! Kernel text is read by name or position and is never trusted: what does not read as the kernel
//! writes it gives `None`, a field that an older kernel did not have yet counts as 0. Kernels from 2.6 on are read.
//!
//! Opening and reading files is the caller's; [`crate::limits`] says how much of each is worth reading.

pub mod addresses;
pub mod boot_id;
pub mod clock;
pub mod cpufreq;
pub mod cpuinfo;
pub mod cpulist;
pub mod diskstats;
pub mod fstab;
pub mod hostname;
pub mod hwmon;
pub mod loadavg;
pub mod mailbox;
pub mod meminfo;
pub mod mmc;
pub mod mountinfo;
pub mod net_dev;
pub mod os_release;
pub mod pressure;
pub mod process;
pub mod route;
pub mod stat;
pub mod thermal;
pub mod throttled;
pub mod uptime;
pub mod wireless;
pub mod zoneinfo;

/// A number with a fixed count of decimals, as the integer that it is: `PER_UNIT` of it make 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fixed<const PER_UNIT: u32>(pub i64);

/// One decimal: percentages.
pub type Tenths = Fixed<10>;
/// Two decimals: seconds of uptime.
pub type Hundredths = Fixed<100>;
/// Three decimals: degrees of temperature, seconds of time.
pub type Thousandths = Fixed<1000>;

/// The text of a file that holds one: up to its end or a NUL (of the device tree), trimmed and not empty.
pub fn text(bytes: &[u8]) -> Option<&str> {
    let text = core::str::from_utf8(bytes.split(|byte| *byte == 0).next()?).ok()?.trim();
    (!text.is_empty()).then_some(text)
}

/// The lines of `text`, without their ends.
fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| *byte == b'\n')
}

/// The words of `line`, parted by any white space.
fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty())
}

/// Digits and nothing else, that fit.
fn decimal(word: &[u8]) -> Option<u64> {
    if word.is_empty() {
        return None;
    }
    word.iter().try_fold(0_u64, |value, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        value.checked_mul(10)?.checked_add(digit)
    })
}

/// A [`decimal`] that may have a minus sign.
fn signed(word: &[u8]) -> Option<i64> {
    match word.strip_prefix(b"-") {
        Some(digits) => i64::try_from(decimal(digits)?).ok().map(|value| -value),
        None => i64::try_from(decimal(word)?).ok(),
    }
}

/// A number with decimals, of which the first two count.
fn hundredths(word: &[u8]) -> Option<Hundredths> {
    let mut parts = word.splitn(2, |byte| *byte == b'.');
    let whole = decimal(parts.next()?)?;
    let fraction = match parts.next() {
        None => 0,
        Some([tenths @ b'0'..=b'9']) => u64::from(tenths - b'0') * 10,
        Some(digits) => decimal(digits).and(decimal(digits.get(..2)?))?,
    };
    let hundredths = whole.checked_mul(100)?.checked_add(fraction)?;
    i64::try_from(hundredths).ok().map(Fixed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_ends_at_a_nul() {
        assert_eq!(text(b"Raspberry Pi Model B Rev 2\0"), Some("Raspberry Pi Model B Rev 2"));
        assert_eq!(text(b" Standard PC\n"), Some("Standard PC"));
        for none in [&b""[..], b"\0", b" \n", b"\0x", b"\xff"] {
            assert_eq!(text(none), None);
        }
    }

    #[test]
    fn a_decimal_is_digits_that_fit_and_nothing_else() {
        assert_eq!(decimal(b"0018446744073709551615"), Some(u64::MAX));
        for not in [&b""[..], b"18446744073709551616", b"+1", b"-1", b"1.0", b" 1", b"\xff"] {
            assert_eq!(decimal(not), None);
        }
    }
}
