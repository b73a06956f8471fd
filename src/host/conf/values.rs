//! Texts to values. Every function here gives the value, or what was expected instead.

use std::fmt::{self, Display};
use std::net::Ipv6Addr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use crate::conf::reading::Expected;
use crate::conf::settings::{Host, Secret};
use psistats_core::limits;

/// AMQP's port without TLS (IANA).
pub(super) const AMQP_PORT: u16 = 5672;

/// yes, true, on, 1 or no, false, off, 0, in any case.
pub(super) fn boolean(text: &str) -> Result<bool, Expected> {
    match text.to_ascii_lowercase().as_str() {
        "yes" | "true" | "on" | "1" => Ok(true),
        "no" | "false" | "off" | "0" => Ok(false),
        _ => Err("yes or no (or true/false, on/off, 1/0)".into()),
    }
}

/// A port.
pub(super) const PORT: (RangeInclusive<u64>, &str) = (1..=u16::MAX as u64, "a port");

/// A whole number of a range and its unit.
pub(super) fn whole<T: TryFrom<u64>>(
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
pub(super) fn seconds(
    range: &'static RangeInclusive<Duration>,
) -> impl Fn(&str) -> Result<Duration, Expected> {
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
pub(super) fn text(bytes: &'static RangeInclusive<usize>) -> impl Fn(&str) -> Result<String, Expected> {
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
pub(super) fn has_controls(text: &str) -> bool {
    text.contains(char::is_control)
}

/// A password.
pub(super) fn secret(secret: &str) -> Result<Secret, Expected> {
    text(&(0..=limits::SHORTSTR))(secret).map(Secret::new)
}

/// The name of a file.
pub(super) fn path(text: &str) -> Result<PathBuf, Expected> {
    if text.is_empty() || has_controls(text) {
        return Err("the name of a file".into());
    }
    Ok(text.into())
}

/// The name of a file; empty is `/dev/null`, as later versions of the original wrote it.
pub(super) fn stream(text: &str) -> Result<PathBuf, Expected> {
    if text.is_empty() { Ok("/dev/null".into()) } else { path(text) }
}

/// What `read` makes of the text; an empty one is none.
pub(super) fn optional<T>(
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
pub(super) fn only(fits: bool, expected: &'static str) -> Result<(), Expected> {
    if fits { Ok(()) } else { Err(expected.into()) }
}

/// Hosts between commas; at least one.
pub(super) fn hosts(text: &str, port: u16) -> Result<Vec<Host>, Expected> {
    let hosts = text.split(',').map(|one| host(one.trim(), port)).collect::<Result<_, _>>();
    hosts.map_err(|one| {
        let advice = if text.is_ascii() {
            ""
        } else {
            "; host names are ASCII: write büro.local as xn--bro-hoa.local"
        };
        format!("a host, or hosts separated by commas, each {one}{advice}").into()
    })
}

/// `name`, `name:port`, `[v6]:port`, `[v6]` or `v6`; `port` where it has none.
pub(super) fn host(text: &str, port: u16) -> Result<Host, Expected> {
    split_host(text, port).ok_or("name, name:port or [IPv6 address]:port".into())
}

fn split_host(text: &str, default: u16) -> Option<Host> {
    let (name, port) = if let Some(rest) = text.strip_prefix('[') {
        let (name, rest) = rest.split_once(']').filter(|(name, _)| is_ipv6(name))?;
        (name, if rest.is_empty() { None } else { Some(rest.strip_prefix(':')?) })
    } else if is_ipv6(text) {
        (text, None)
    } else {
        let (name, port) = text.split_once(':').map_or((text, None), |(n, p)| (n, Some(p)));
        (Some(name).filter(|n| is_name(n))?, port)
    };
    let port = match port {
        Some(text) => text.parse().ok().filter(|&port| port > 0)?,
        None => default,
    };
    Some(Host { name: name.to_owned(), port })
}

/// A DNS name (RFC 1035 §2.3.4: at most 253 characters), host name or IPv4 address.
fn is_name(name: &str) -> bool {
    (1..=253).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
}

/// An IPv6 address, perhaps with a zone (`fe80::1%eth0`, RFC 4007 §11).
fn is_ipv6(text: &str) -> bool {
    let (address, zone) = text.split_once('%').map_or((text, None), |(a, z)| (a, Some(z)));
    address.parse::<Ipv6Addr>().is_ok() && zone.is_none_or(is_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_names_addresses_and_ports_between_commas() {
        let shown =
            |text| hosts(text, 5672).map(|all| all.iter().map(|h| format!("{h}")).collect::<Vec<_>>());
        assert_eq!(
            shown("a, b.example:1,\n10.0.0.1 ,[::1]:7,[fe80::1%eth0],::1").unwrap(),
            ["a:5672", "b.example:1", "10.0.0.1:5672", "[::1]:7", "[fe80::1%eth0]:5672", "[::1]:5672"]
        );
        for wrong in ["", "a,", "a b", "a:", "a:0", "a:65536", "a:b", "[::1", "[a]", "[::1]7", "1::2::3", "ü"]
        {
            assert!(hosts(wrong, 5672).is_err(), "{wrong}");
        }
    }

    #[test]
    fn seconds_take_decimals_and_nothing_that_is_no_time() {
        const RANGE: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(604_800);
        let read = seconds(&RANGE);
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
