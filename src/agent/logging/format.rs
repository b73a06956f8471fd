//! From a record to one line of text: Python's percent format and C's `strftime`.
//!
//! A line is put together without allocation.

use core::fmt::{self, Write};
use std::path::Path;
use std::time::Duration;

use tz::DateTime;

use crate::config::logging::{Field, Format, Level, Piece};
use crate::output::level_name;
use crate::output::line::Line;
use crate::output::localtime::{Zone, unix_seconds};

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
            Piece::Field { field, width, zeros, precision, kind } => {
                let start = line.len();
                match field {
                    Field::Asctime => write_time(line, format.datefmt.as_deref(), entry, zone),
                    field => write_value(line, value(*field, entry), *kind, *precision),
                }
                if let (Some(most), 's') = (precision, kind) {
                    line.shorten(start, usize::from(*most));
                }
                // Zeros go between the sign and the digits.
                let sign = *zeros && line.as_bytes().get(start) == Some(&b'-');
                line.pad(start + usize::from(sign), *width - i16::from(sign), if *zeros { "0" } else { " " });
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
fn write_value(line: &mut Line, value: Value<'_>, kind: char, precision: Option<u8>) {
    let decimals = precision.unwrap_or(6).into();
    let _ = match (value, kind) {
        (Value::Text(text), _) => line.write_str(text),
        (Value::Int(int), 'f') => write_decimals(line, int as f64, decimals, false),
        (Value::Int(int), _) => write!(line, "{int}"),
        (Value::Float(float), 'f') => write_decimals(line, float, decimals, false),
        (Value::Float(float), 'd') => write!(line, "{}", float as i64),
        (Value::Float(float), _) => write_decimals(line, float, 7, true),
    };
}

/// Appends `value` rounded to `decimals`, half to even on the exact binary value as `printf(3)` does.
/// Decimals after the 15th are zeros.
///
/// Rust's own takes 14 KB of a board's binary.
#[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, clippy::cast_sign_loss)]
fn write_decimals(line: &mut Line, value: f64, decimals: usize, shortest: bool) -> fmt::Result {
    const TWO_TO_64: f64 = (1_u128 << 64) as f64;
    let mut exact = decimals.min(15);
    let unit = 10_u64.pow(exact as u32);
    let mut whole = value.abs() as u64;
    // Without a rounding error: the first removes leading bits, the second moves the point.
    let fraction = ((value.abs() - whole as f64) * TWO_TO_64) as u64;
    let scaled = u128::from(fraction) * u128::from(unit);
    let (mut digits, rest) = ((scaled >> 64) as u64, scaled as u64);
    let odd = if exact == 0 { whole % 2 == 1 } else { digits % 2 == 1 };
    digits += u64::from(rest > 1 << 63 || (rest == 1 << 63 && odd));
    if digits == unit {
        (whole, digits) = (whole.saturating_add(1), 0);
    }
    while shortest && exact > 1 && digits % 10 == 0 {
        (exact, digits) = (exact - 1, digits / 10);
    }
    line.write_str(if value.is_sign_negative() { "-" } else { "" })?;
    write!(line, "{whole}")?;
    if exact > 0 {
        write!(line, ".{digits:0exact$}{:0<1$}", "", decimals - exact)?;
    }
    Ok(())
}

/// Appends `time` in a `strftime(3)` format, as in the C locale.
///
/// Knows a A b B c C d D e F h H I j k l m M n p r R s S t T u U w W x X y Y z Z and %. An unknown
/// directive stays as it is, as in glibc; flags and ISO 8601 weeks (`%-d`, `%G`) are unknown.
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
    let hour_of_12 = (t.hour() + 11) % 12 + 1;
    // Week of the year, where weeks start `day` days after Sunday.
    let week = |day: u8| (t.year_day() + 7 - u16::from((t.week_day() + 7 - day) % 7)) / 7;
    let zone = t.local_time_type();
    let _ = match letter {
        'a' => line.write_str(short(day)),
        'A' => line.write_str(day),
        'b' | 'h' => line.write_str(short(month)),
        'B' => line.write_str(month),
        'c' => return strftime(line, "%a %b %e %H:%M:%S %Y", t),
        'C' => write!(line, "{:02}", t.year() / 100),
        'd' => write!(line, "{:02}", t.month_day()),
        'D' | 'x' => return strftime(line, "%m/%d/%y", t),
        'e' => write!(line, "{:2}", t.month_day()),
        'F' => return strftime(line, "%Y-%m-%d", t),
        'H' => write!(line, "{:02}", t.hour()),
        'I' => write!(line, "{hour_of_12:02}"),
        'j' => write!(line, "{:03}", t.year_day() + 1),
        'k' => write!(line, "{:2}", t.hour()),
        'l' => write!(line, "{hour_of_12:2}"),
        'm' => write!(line, "{:02}", t.month()),
        'M' => write!(line, "{:02}", t.minute()),
        'n' => line.write_str("\n"),
        'p' => line.write_str(if t.hour() < 12 { "AM" } else { "PM" }),
        'r' => return strftime(line, "%I:%M:%S %p", t),
        'R' => return strftime(line, "%H:%M", t),
        's' => write!(line, "{}", t.unix_time()),
        'S' => write!(line, "{:02}", t.second()),
        't' => line.write_str("\t"),
        'T' | 'X' => return strftime(line, "%H:%M:%S", t),
        'u' => write!(line, "{}", (t.week_day() + 6) % 7 + 1),
        'U' => write!(line, "{:02}", week(0)),
        'w' => write!(line, "{}", t.week_day()),
        'W' => write!(line, "{:02}", week(1)),
        'y' => write!(line, "{:02}", t.year() % 100),
        'Y' => write!(line, "{}", t.year()),
        'z' => write_offset(line, zone.ut_offset()),
        'Z' => line.write_str(zone.time_zone_designation()),
        '%' => line.write_str("%"),
        unknown => write!(line, "%{unknown}"),
    };
}

/// `+hhmm`
fn write_offset(line: &mut Line, seconds: i32) -> fmt::Result {
    let minutes = seconds.unsigned_abs() / 60;
    let sign = if seconds < 0 { '-' } else { '+' };
    write!(line, "{sign}{:02}{:02}", minutes / 60, minutes % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

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
            for decimals in [0, 1, 2, 3, 6, 9, 15] {
                let mut line = Line::default();
                write_decimals(&mut line, value, decimals).unwrap();
                assert_eq!(line.as_str(), std::format!("{value:.decimals$}"));
            }
        }
        let mut line = Line::default();
        write_decimals(&mut line, 1.5, 21).unwrap();
        assert_eq!(line.as_str(), "1.500000000000000000000");
    }
}
