//! Formats a record as one line, by Python's percent format and C's `strftime`, without allocation.

use core::fmt::Write;
use std::path::Path;
use std::time::Duration;

use tz::DateTime;

use psistats_host::conf::logging::{Field, Format, Level, Piece};
use psistats_host::output::level_name;
use psistats_host::output::line::Line;
use psistats_host::output::localtime::{Zone, unix_seconds};

/// The parts of a record that a format can show.
#[derive(Debug)]
pub struct Entry<'a> {
    /// The logger's name.
    pub name: &'a str,
    /// The level, from Debug to Critical.
    pub level: Level,
    /// The text, already escaped.
    pub message: &'a str,
    /// Source file's path.
    pub pathname: &'a str,
    /// The module's path in the source.
    pub module_path: &'a str,
    /// Line in the source.
    pub line: u32,
    /// The time of the record, since the epoch.
    pub time: Duration,
    /// The time when logging started, since the epoch.
    pub started: Duration,
    /// The PID.
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
                line.pad(start, *width, if *zeros { b'0' } else { b' ' });
            }
        }
    }
}

/// `%(asctime)s`
fn write_time(line: &mut Line, datefmt: Option<&str>, entry: &Entry<'_>, zone: &Zone) {
    // As in Python, an empty datefmt counts as none.
    match datefmt.filter(|datefmt| !datefmt.is_empty()) {
        Some(datefmt) => strftime(line, datefmt, &zone.at(unix_seconds(entry.time))),
        None => line.push_time(entry.time, zone),
    }
}

/// A record's attribute as Python types it.
enum Value<'a> {
    Text(&'a str),
    Int(u64),
    /// A float, as the millionths that Python's `%f` shows.
    Millionths(u64),
}

const MILLION: u64 = 1_000_000;

fn value<'a>(field: Field, entry: &Entry<'a>) -> Value<'a> {
    let file = Path::new(entry.pathname);
    let text =
        |part: Option<&'a std::ffi::OsStr>| Value::Text(part.and_then(|p| p.to_str()).unwrap_or_default());
    match field {
        // Written by its own function, because it needs the zone.
        Field::Asctime => Value::Text(""),
        Field::Created => Value::Millionths((nanos(entry.time) + 500) / 1000),
        Field::Filename => text(file.file_name()),
        Field::FuncName => Value::Text(entry.module_path),
        Field::Levelname => Value::Text(level_name(entry.level)),
        Field::Levelno => Value::Int(entry.level as u64),
        Field::Lineno => Value::Int(entry.line.into()),
        Field::Message => Value::Text(entry.message),
        Field::Module => text(file.file_stem()),
        Field::Msecs => Value::Millionths(u64::from(entry.time.subsec_millis()) * MILLION),
        Field::Name => Value::Text(entry.name),
        Field::Pathname => Value::Text(entry.pathname),
        Field::Process => Value::Int(entry.process.into()),
        Field::ProcessName => Value::Text("MainProcess"),
        // Milliseconds, whose millionths are nanoseconds. 0 where the clock was set back.
        Field::RelativeCreated => Value::Millionths(nanos(entry.time).saturating_sub(nanos(entry.started))),
        // Records are made on the main thread alone, whose id is the process's.
        Field::Thread => Value::Int(entry.process.into()),
        Field::ThreadName => Value::Text("MainThread"),
    }
}

/// Nanoseconds of `time`, which fit up to the year 2554.
fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or_default()
}

/// A value by its letter, which matters to a float alone: without its fraction as `d`.
fn write_value(line: &mut Line, value: Value<'_>, kind: char) {
    let _ = match value {
        Value::Text(text) => line.write_str(text),
        Value::Int(int) => write!(line, "{int}"),
        Value::Millionths(float) if kind == 'd' => write!(line, "{}", float / MILLION),
        Value::Millionths(float) => write!(line, "{}.{:06}", float / MILLION, float % MILLION),
    };
}

/// Appends `time` in a `strftime(3)` format, as in the C locale.
///
/// Supports a A b B d F H I j m M p S T y Y z Z and %. As in glibc, an unknown directive stays as it is.
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
    // The number, and its minimum of digits.
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
