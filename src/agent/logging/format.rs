//! From a record to one line of text: Python's percent format and C's `strftime`.
//!
//! A line is put together without allocation.

use core::fmt::{self, Write};
use std::path::Path;
use std::time::Duration;

use tz::DateTime;

use psistats_host::conf::logging::{Field, Format, Level, Piece};
use psistats_host::output::level_name;
use psistats_host::output::line::Line;
use psistats_host::output::localtime::{Zone, unix_seconds};

/// What a format can show of one record.
#[derive(Debug)]
pub struct Entry<'a> {
    /// The logger's name.
    pub name: &'a str,
    /// One of Debug to Critical.
    pub level: Level,
    /// The text, escaped already.
    pub message: &'a str,
    /// Source file's path.
    pub pathname: &'a str,
    /// The module's path in the source.
    pub module_path: &'a str,
    /// Line in the source.
    pub line: u32,
    /// When it was logged, since the epoch.
    pub time: Duration,
    /// When logging started, since the epoch.
    pub started: Duration,
    /// Process id.
    pub process: u32,
}

/// Appends `entry` in `format` to `line`, without the line's end.
pub fn write_entry(line: &mut Line, format: &Format, entry: &Entry<'_>, zone: &Zone) {
    for piece in &format.pieces {
        match piece {
            Piece::Text(text) => line.push(text),
            Piece::Field { field, width, zeros, kind } => {
                let start = line.len();
                match field {
                    Field::Asctime => write_time(line, format.datefmt.as_deref(), entry, zone),
                    field => write_value(line, value(*field, entry), *kind),
                }
                // Zeros go between the sign and the digits.
                let sign = *zeros && line.as_bytes().get(start) == Some(&b'-');
                line.pad(
                    start + usize::from(sign),
                    *width - i16::from(sign),
                    if *zeros { b'0' } else { b' ' },
                );
            }
        }
    }
}

/// `%(asctime)s`
fn write_time(line: &mut Line, datefmt: Option<&str>, entry: &Entry<'_>, zone: &Zone) {
    // An empty one counts as none, as in Python.
    match datefmt.filter(|datefmt| !datefmt.is_empty()) {
        Some(datefmt) => strftime(line, datefmt, &zone.at(unix_seconds(entry.time))),
        None => line.push_time(entry.time, zone),
    }
}

/// A record's attribute as Python types it.
enum Value<'a> {
    Text(&'a str),
    Int(i64),
    Float(f64),
}

fn value<'a>(field: Field, entry: &Entry<'a>) -> Value<'a> {
    let file = Path::new(entry.pathname);
    let text =
        |part: Option<&'a std::ffi::OsStr>| Value::Text(part.and_then(|p| p.to_str()).unwrap_or_default());
    match field {
        // Written by its own function, because it needs the zone.
        Field::Asctime => Value::Text(""),
        Field::Created => Value::Float(entry.time.as_nanos() as f64 / 1e9),
        Field::Filename => text(file.file_name()),
        Field::FuncName => Value::Text(entry.module_path),
        Field::Levelname => Value::Text(level_name(entry.level)),
        Field::Levelno => Value::Int(entry.level as i64),
        Field::Lineno => Value::Int(entry.line.into()),
        Field::Message => Value::Text(entry.message),
        Field::Module => text(file.file_stem()),
        Field::Msecs => Value::Float(entry.time.subsec_millis().into()),
        Field::Name => Value::Text(entry.name),
        Field::Pathname => Value::Text(entry.pathname),
        Field::Process => Value::Int(entry.process.into()),
        Field::ProcessName => Value::Text("MainProcess"),
        Field::RelativeCreated => {
            let (now, start) = (entry.time.as_nanos() as f64, entry.started.as_nanos() as f64);
            Value::Float((now / 1e9 - start / 1e9) * 1000.0)
        }
        Field::Thread => Value::Int(nix::unistd::gettid().as_raw().into()),
        Field::ThreadName => {
            Value::Text(if nix::unistd::gettid() == nix::unistd::getpid() { "MainThread" } else { "Thread" })
        }
    }
}

/// `%s`, `%d` or `%f` of a value. Text stays text whatever letter was asked for.
#[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "as Python's %d and %f")]
fn write_value(line: &mut Line, value: Value<'_>, kind: char) {
    let _ = match (value, kind) {
        (Value::Text(text), _) => line.write_str(text),
        (Value::Int(int), 'f') => write_decimals(line, int as f64, 6),
        (Value::Int(int), _) => write!(line, "{int}"),
        (Value::Float(float), 'f') => write_decimals(line, float, 6),
        (Value::Float(float), 'd') => write!(line, "{}", float as i64),
        (Value::Float(float), _) => write_decimals(line, float, 7).map(|()| line.pop_zeros()),
    };
}

/// Appends `value` rounded to `decimals`, half to even on the exact binary value as `printf(3)` does.
/// At least 1 and at most 15 of them.
///
/// Rust's own takes 14 KB of a board's binary.
#[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, clippy::cast_sign_loss)]
fn write_decimals(line: &mut Line, value: f64, decimals: usize) -> fmt::Result {
    const TWO_TO_64: f64 = (1_u128 << 64) as f64;
    let unit = 10_u64.pow(decimals as u32);
    let mut whole = value.abs() as u64;
    // Without a rounding error: the first removes leading bits, the second moves the point.
    let fraction = ((value.abs() - whole as f64) * TWO_TO_64) as u64;
    let scaled = u128::from(fraction) * u128::from(unit);
    let (mut digits, rest) = ((scaled >> 64) as u64, scaled as u64);
    digits += u64::from(rest > 1 << 63 || (rest == 1 << 63 && digits % 2 == 1));
    if digits == unit {
        (whole, digits) = (whole.saturating_add(1), 0);
    }
    let sign = if value.is_sign_negative() { "-" } else { "" };
    write!(line, "{sign}{whole}.{digits:0decimals$}")
}

/// Appends `time` in a `strftime(3)` format, as in the C locale.
///
/// Knows a A b B d F H I j m M p S T y Y z Z and %. An unknown directive stays as it is, as in glibc.
pub fn strftime(line: &mut Line, format: &str, time: &DateTime) {
    let mut rest = format;
    while let Some((text, directive)) = rest.split_once('%') {
        line.push(text);
        let mut characters = directive.chars();
        match characters.next() {
            Some(letter) => write_directive(line, letter, time),
            None => line.push("%"),
        }
        rest = characters.as_str();
    }
    line.push(rest);
}

const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

fn write_directive(line: &mut Line, letter: char, t: &DateTime) {
    let day = DAYS.get(usize::from(t.week_day())).copied().unwrap_or_default();
    let month = MONTHS.get(usize::from(t.month()).saturating_sub(1)).copied().unwrap_or_default();
    let short = |name: &'static str| name.get(..3).unwrap_or_default();
    let zone = t.local_time_type();
    // A number, and how many digits it has.
    let (number, digits) = match letter {
        'a' => return line.push(short(day)),
        'A' => return line.push(day),
        'b' => return line.push(short(month)),
        'B' => return line.push(month),
        'F' => return strftime(line, "%Y-%m-%d", t),
        'p' => return line.push(if t.hour() < 12 { "AM" } else { "PM" }),
        'T' => return strftime(line, "%H:%M:%S", t),
        'z' => return write_offset(line, zone.ut_offset()),
        'Z' => return line.push(zone.time_zone_designation()),
        '%' => return line.push("%"),
        'd' => (t.month_day().into(), 2),
        'H' => (t.hour().into(), 2),
        'I' => (i32::from((t.hour() + 11) % 12 + 1), 2),
        'j' => (i32::from(t.year_day() + 1), 3),
        'm' => (t.month().into(), 2),
        'M' => (t.minute().into(), 2),
        'S' => (t.second().into(), 2),
        'y' => (t.year().rem_euclid(100), 2),
        'Y' => (t.year(), 1),
        unknown => {
            line.push("%");
            return line.push(unknown.encode_utf8(&mut [0; 4]));
        }
    };
    let _ = write!(line, "{number:0digits$}");
}

/// `+hhmm`
fn write_offset(line: &mut Line, seconds: i32) {
    let minutes = seconds.unsigned_abs() / 60;
    let sign = if seconds < 0 { '-' } else { '+' };
    let _ = write!(line, "{sign}{:02}{:02}", minutes / 60, minutes % 60);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fraction_as_a_text_has_at_most_seven_decimals_and_no_zeros_behind_them() {
        for (value, text) in [
            (411.0, "411.0"),
            (0.25, "0.25"),
            (-0.000_000_04, "-0.0"),
            (1_700_000_000.123_456_7, "1700000000.1234567"),
            (1_700_000_000.100_000_1, "1700000000.1000001"),
        ] {
            let mut line = Line::default();
            write_value(&mut line, Value::Float(value), 's');
            assert_eq!(line.as_str(), text);
        }
    }

    #[test]
    fn decimals_are_those_of_rusts_own_writer() {
        let values = [
            0.0,
            -0.0,
            0.5,
            1.5,
            2.5,
            -2.5,
            0.125,
            0.375,
            0.999_999_5,
            9.999_999_9,
            0.1,
            1e-7,
            -39.96,
            411.999_999,
            1_700_000_000.123_456_7,
            4_102_444_799.999_999,
            9_007_199_254_740_993.0,
            1e18,
        ];
        for value in values {
            for decimals in [1, 2, 3, 6, 7, 15] {
                let mut line = Line::default();
                write_decimals(&mut line, value, decimals).unwrap();
                assert_eq!(line.as_str(), std::format!("{value:.decimals$}"));
            }
        }
    }
}
