//! Counters to figures to JSON: a [`Report`], and figures that are [added](add) to it as further members.
//!
//! Rates and percentages need two readings: [`CpuRate`] and [`deltas`] keep the earlier one. Numbers with decimals are
//! [`Fixed`], written digit by digit.

mod board;
pub mod chasar;
mod clock;
pub mod deltas;
pub mod disk;
mod fan;
pub mod hardware;
mod percent;
mod pressure;
pub mod rates;
mod sensors;
mod throttled;

use core::net::IpAddr;

use serde::{Serialize, Serializer};

use crate::bytes::{Short, Writer};
use crate::kernel::{Fixed, Hundredths, Tenths, Thousandths};
pub use board::{Board, RaspberryPi};
pub use fan::{Fan, Fans};
pub use percent::{CpuRate, percent};
pub use sensors::{Sensor, Sensors};
pub use throttled::Throttled;

/// One report: a JSON object, whose consumers read it by key.
///
/// A figure that is due and whose source failed is `Some(None)` and becomes `null`; one that is
/// not due is `None` and has no key.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Report<'a> {
    /// The machine.
    pub hostname: &'a str,
    /// Percent of all processors' time since it was last reported, 0 to 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu: Option<Option<Tenths>>,
    /// Percent of memory that is not available, 0 to 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mem: Option<Option<Tenths>>,
    /// Degrees Celsius of the processor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_temp: Option<Option<Thousandths>>,
    /// Seconds since the machine started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uptime: Option<Option<Hundredths>>,
    /// IP addresses. Empty where they cannot be read: consumers expect an array and go through it without asking.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ipaddr: Option<&'a [IpAddr]>,
    /// Unix seconds of the sample.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ts: Option<Thousandths>,
}

impl Report<'_> {
    /// Writes the report into `buf` as a JSON object without a line end, and returns its length in
    /// bytes. Where there is no room for all addresses, the last ones are left out.
    ///
    /// # Errors
    /// [`Short`] where the report does not fit even without addresses.
    pub fn encode(&self, buf: &mut [u8]) -> Result<usize, Short> {
        let mut report = *self;
        loop {
            if let Ok(length) = serde_json_core::to_slice(&report, buf) {
                return Ok(length);
            }
            match report.ipaddr {
                Some([fewer @ .., _]) => report.ipaddr = Some(fewer),
                _ => return Err(Short),
            }
        }
    }
}

/// Adds a member to the object that `buf` begins with and that is `length` bytes long: `key`, which is
/// plain ASCII, and the value that `encode` writes. Returns the new length.
///
/// # Errors
/// [`Short`] where there is no room, or where `encode` says so; the object is then as before.
pub fn add(
    buf: &mut [u8],
    length: usize,
    key: &str,
    encode: &dyn Fn(&mut [u8]) -> Result<usize, Short>,
) -> Result<usize, Short> {
    let end = length.checked_sub(1).ok_or(Short)?;
    let start = end + key.len() + 4;
    let value = encode(buf.get_mut(start..).ok_or(Short)?)?;
    *buf.get_mut(start + value).ok_or(Short)? = b'}';
    let mut head = Writer::new(buf.get_mut(end..start).ok_or(Short)?);
    head.bytes(b",\"");
    head.bytes(key.as_bytes());
    head.bytes(b"\":");
    head.finish()?;
    Ok(start + value + 1)
}

/// Writes a value as JSON; what a figure's own `encode` is made of.
///
/// # Errors
/// [`Short`] where there is no room.
pub fn json_of<T: Serialize + ?Sized>(value: &T, buf: &mut [u8]) -> Result<usize, Short> {
    serde_json_core::to_slice(value, buf).map_err(|_| Short)
}

/// Writes what is JSON already.
///
/// # Errors
/// [`Short`] where there is no room.
pub fn copy_of(json: &[u8], buf: &mut [u8]) -> Result<usize, Short> {
    buf.get_mut(..json.len()).ok_or(Short)?.copy_from_slice(json);
    Ok(json.len())
}

/// Pairs as a JSON object; the keys are text.
#[derive(Clone, Debug)]
pub struct Members<I>(pub I);

impl<K: Serialize, V: Serialize, I: Iterator<Item = (K, V)> + Clone> Serialize for Members<I> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.clone())
    }
}

/// Values as a JSON array.
#[derive(Clone, Debug)]
pub struct Sequence<I>(pub I);

impl<V: Serialize, I: Iterator<Item = V> + Clone> Serialize for Sequence<I> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.clone())
    }
}

/// Exactly these digits, at least one decimal, and no zeros after it.
///
/// As bytes, which serde-json-core writes as they are. By way of a double its writer would take 5 KB of a board's
/// binary.
impl<const PER_UNIT: u32> Serialize for Fixed<PER_UNIT> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(decimals(self.0, PER_UNIT, &mut [0; DIGITS]))
    }
}

/// Bytes of the longest such number: 19 digits, a zero before them, a sign and a point.
const DIGITS: usize = 22;

fn decimals(value: i64, per_unit: u32, room: &mut [u8; DIGITS]) -> &[u8] {
    let mut free = DIGITS;
    let mut push = |byte: u8| {
        free = free.saturating_sub(1);
        if let Some(place) = room.get_mut(free) {
            *place = byte;
        }
    };
    let (mut rest, mut unit, mut is_begun) = (value.unsigned_abs(), per_unit, false);
    let last_digit = |rest: &mut u64| {
        let digit = *rest % 10;
        *rest /= 10;
        digit as u8
    };
    while unit > 1 {
        let digit = last_digit(&mut rest);
        unit /= 10;
        is_begun |= digit != 0 || unit == 1;
        if is_begun {
            push(b'0' + digit);
        }
    }
    push(b'.');
    push(b'0' + last_digit(&mut rest));
    while rest > 0 {
        push(b'0' + last_digit(&mut rest));
    }
    if value < 0 {
        push(b'-');
    }
    room.get(free..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits;

    const PRIMARY: Report<'_> = Report {
        hostname: "my-computer",
        cpu: Some(Some(Fixed(241))),
        mem: Some(Some(Fixed(341))),
        cpu_temp: None,
        uptime: None,
        ipaddr: None,
        ts: None,
    };

    fn json(report: &Report<'_>) -> String {
        let mut buf = [0; limits::REPORT];
        let length = report.encode(&mut buf).unwrap();
        String::from_utf8(buf[..length].to_vec()).unwrap()
    }

    #[test]
    fn a_primary_report_has_no_keys_of_the_secondary_timer() {
        assert_eq!(json(&PRIMARY), r#"{"hostname":"my-computer","cpu":24.1,"mem":34.1}"#);
    }

    #[test]
    fn a_secondary_report_is_the_same_object_with_more_keys() {
        let addresses = [[192, 168, 1, 101], [192, 168, 1, 102]].map(IpAddr::from);
        let report = Report {
            cpu_temp: Some(Some(Fixed(72_400))),
            uptime: Some(Some(Fixed(13_058_310))),
            ipaddr: Some(&addresses),
            ts: Some(Fixed(1_700_000_000_123)),
            ..PRIMARY
        };
        assert_eq!(
            json(&report),
            r#"{"hostname":"my-computer","cpu":24.1,"mem":34.1,"cpu_temp":72.4,"uptime":130583.1,"ipaddr":["192.168.1.101","192.168.1.102"],"ts":1700000000.123}"#
        );
    }

    #[test]
    fn a_figure_whose_source_failed_is_null_and_addresses_are_an_empty_array() {
        let report = Report {
            cpu: Some(None),
            mem: Some(None),
            cpu_temp: Some(None),
            uptime: Some(None),
            ipaddr: Some(&[]),
            ..PRIMARY
        };
        assert_eq!(
            json(&report),
            r#"{"hostname":"my-computer","cpu":null,"mem":null,"cpu_temp":null,"uptime":null,"ipaddr":[]}"#
        );
    }

    #[test]
    fn a_member_that_is_added_follows_the_others_and_without_room_nothing_changes() {
        let mut buf = [b'#'; 64];
        let length = PRIMARY.encode(&mut buf).unwrap();
        let with_load = r#"{"hostname":"my-computer","cpu":24.1,"mem":34.1,"n":[1,2]}"#;
        assert_eq!(add(&mut buf, length, "n", &|buf| json_of(&[1, 2], buf)), Ok(with_load.len()));
        assert_eq!(&buf[..with_load.len()], with_load.as_bytes());
        for room in length..with_load.len() {
            let mut buf = [b'#'; 64];
            PRIMARY.encode(&mut buf).unwrap();
            let added = add(&mut buf[..room], length, "n", &|buf| json_of(&[1, 2], buf));
            assert_eq!(added, Err(Short), "{room}");
            assert_eq!(&buf[..length], &[&with_load.as_bytes()[..length - 1], b"}"].concat());
        }
    }

    #[test]
    fn fixed_numbers_keep_their_decimals() {
        for (fixed, text) in
            [(0, "0.0"), (7, "0.007"), (-39_999, "-39.999"), (47_000, "47.0"), (40_084, "40.084")]
        {
            let report = Report { cpu_temp: Some(Some(Fixed(fixed))), ..PRIMARY };
            assert!(json(&report).ends_with(&std::format!("\"cpu_temp\":{text}}}")), "{text}");
        }
        for ts in (0..100_000).map(|n| 1_700_000_000_000 + n * 7_919_993) {
            let report = Report { ts: Some(Fixed(ts)), ..PRIMARY };
            let (seconds, millis) = (ts / 1000, ts % 1000);
            let text = std::format!("{seconds}.{millis:03}");
            let shortest = match text.trim_end_matches('0') {
                whole if whole.ends_with('.') => std::format!("{whole}0"),
                shortest => shortest.into(),
            };
            assert!(json(&report).ends_with(&std::format!("\"ts\":{shortest}}}")), "{ts}");
        }
    }

    #[test]
    fn a_host_name_reads_back_as_it_was_whatever_its_characters() {
        let all: String =
            (0..0x120).filter_map(char::from_u32).chain("\u{2028}\u{fffd}\u{1f600}".chars()).collect();
        for hostname in [&all, "\"},{\\", "a\u{0}b\u{1f}\u{7f}", "k\u{fc}che"] {
            let read: serde_json::Value =
                serde_json::from_str(&json(&Report { hostname, ..PRIMARY })).unwrap();
            assert_eq!(read["hostname"], hostname);
        }
    }

    #[test]
    fn the_longest_report_fits_and_in_a_small_buffer_addresses_are_cut_first() {
        let [v4, v6] =
            ["255.255.255.255", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"].map(|a| a.parse().unwrap());
        let addresses: Vec<IpAddr> = [[v4; limits::ADDRESSES], [v6; limits::ADDRESSES]].concat();
        let hostname = "\u{1}".repeat(limits::HOSTNAME);
        let longest = Report {
            hostname: &hostname,
            cpu: Some(Some(Fixed(1000))),
            mem: Some(Some(Fixed(1000))),
            cpu_temp: Some(Some(Fixed(-39_999))),
            uptime: Some(Some(Fixed(i64::MAX))),
            ipaddr: Some(&addresses),
            ts: Some(Fixed(i64::MIN)),
        };
        let whole = json(&longest);
        let mut buf = [0; limits::REPORT];
        let cut = longest.encode(&mut buf[..whole.len() - 1]).unwrap();
        let read: serde_json::Value = serde_json::from_slice(&buf[..cut]).unwrap();
        assert_eq!(read["ipaddr"].as_array().unwrap().len(), 2 * limits::ADDRESSES - 1);
        assert_eq!(longest.encode(&mut buf[..100]), Err(Short));
    }
}
