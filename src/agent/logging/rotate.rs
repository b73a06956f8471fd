//! Rotation of log files, as by Python's `RotatingFileHandler` and `TimedRotatingFileHandler`: when it is due, and
//! the names of the old files.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::logging::format::strftime;
use psistats_host::conf::logging::When;
use psistats_host::output::line::Line;
use psistats_host::output::localtime::Zone;

const DAY: i64 = 24 * 60 * 60;

/// When a `TimedRotatingFileHandler` rolls over.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// `when`
    pub when: When,
    /// `interval`, in units of `when`.
    pub interval: u32,
    /// The time zone of midnight and of the files' names.
    pub zone: Zone,
}

impl Schedule {
    /// The first rollover after `from` (Unix seconds).
    ///
    /// Midnight is that of the zone, also when its clocks change that day. As in Python 3.11 and before, `interval`
    /// then only affects the file's name.
    pub fn next(&self, from: i64) -> i64 {
        let today = self.zone.at(from);
        let days = match self.when {
            When::Midnight => 1,
            // Python's Monday is 0, C's is 1.
            When::Weekday(day) => (i64::from(day) + 1 - i64::from(today.week_day())).rem_euclid(7) + 1,
            _ => return from.saturating_add(self.seconds()),
        };
        let from = today.unix_time();
        let second_of_day =
            (i64::from(today.hour()) * 60 + i64::from(today.minute())) * 60 + i64::from(today.second());
        let at = from - second_of_day + days * DAY;
        let change = self.zone.offset(at) - self.zone.offset(from);
        // Where clocks change at midnight itself, that midnight may not exist. The day then starts with the
        // change.
        let exists = self.zone.offset(at - change) == self.zone.offset(at);
        if exists { at - change } else { at }
    }

    /// Appends the suffix of the file that is rotated at `now` and whose interval ended at `rollover`. The suffix is
    /// the time when the interval began, in the clock's present offset.
    pub fn suffix(&self, line: &mut Line, rollover: i64, now: i64) {
        let began = rollover.saturating_sub(self.seconds());
        let change = self.zone.offset(now) - self.zone.offset(began);
        strftime(line, self.suffix_format(), &self.zone.at(began.saturating_add(change)));
    }

    /// Whether `part` reads as one of this schedule's suffixes.
    fn is_suffix(&self, part: &str) -> bool {
        let shape = match self.when {
            When::Seconds => "dddd-dd-dd_dd-dd-dd",
            When::Minutes => "dddd-dd-dd_dd-dd",
            When::Hours => "dddd-dd-dd_dd",
            When::Days | When::Midnight | When::Weekday(_) => "dddd-dd-dd",
        };
        let fits =
            |(byte, shape): (u8, u8)| if shape == b'd' { byte.is_ascii_digit() } else { byte == shape };
        part.len() == shape.len() && part.bytes().zip(shape.bytes()).all(fits)
    }

    fn suffix_format(&self) -> &'static str {
        match self.when {
            When::Seconds => "%Y-%m-%d_%H-%M-%S",
            When::Minutes => "%Y-%m-%d_%H-%M",
            When::Hours => "%Y-%m-%d_%H",
            When::Days | When::Midnight | When::Weekday(_) => "%Y-%m-%d",
        }
    }

    /// Seconds of one interval.
    fn seconds(&self) -> i64 {
        let unit = match self.when {
            When::Seconds => 1,
            When::Minutes => 60,
            When::Hours => 60 * 60,
            When::Days | When::Midnight => DAY,
            When::Weekday(_) => 7 * DAY,
        };
        unit * i64::from(self.interval.max(1))
    }
}

/// Renames `path` to `path.1`, `path.1` to `path.2`, and so on up to `path.backups`, which is overwritten. The
/// time that this takes depends on the number of old files, not on `backups`.
pub fn shift(path: &Path, backups: u32) -> io::Result<()> {
    let (Some(folder), Some(base)) = (path.parent(), path.file_name()) else { return Ok(()) };
    let number = |name: &OsStr| -> Option<u32> {
        let digits = name.as_bytes().strip_prefix(base.as_bytes())?.strip_prefix(b".")?;
        str::from_utf8(digits).ok()?.parse().ok().filter(|number| (1..backups).contains(number))
    };
    let mut old = Vec::new();
    list(folder, &mut |name| old.extend(number(name)))?;
    // There are few old files, and sorting them would add 2 KB to the binary.
    while let Some((at, number)) = old.iter().copied().enumerate().max_by_key(|(_, number)| *number) {
        old.swap_remove(at);
        rename(&numbered(path, number), &numbered(path, number + 1))?;
    }
    rename(path, &numbered(path, 1))
}

/// Renames `path`, at `now`, after the interval that ended at `rollover`.
pub fn put_aside(path: &Path, schedule: &Schedule, rollover: i64, now: i64) -> io::Result<()> {
    let mut suffix = Line::default();
    schedule.suffix(&mut suffix, rollover, now);
    rename(path, &suffixed(path, suffix.as_str()))
}

/// Removes the oldest of the rotated files until `backups` are left. 0 keeps all.
pub fn remove_oldest(path: &Path, schedule: &Schedule, backups: u32) -> io::Result<()> {
    let (Some(folder), Some(base)) = (path.parent(), path.file_name().and_then(|name| name.to_str())) else {
        return Ok(());
    };
    if backups == 0 {
        return Ok(());
    }
    let mut old = Vec::new();
    list(folder, &mut |name| {
        old.extend(name.to_str().filter(|name| is_old(name, base, schedule)).map(str::to_owned));
    })?;
    let kept = usize::try_from(backups).unwrap_or(usize::MAX);
    while old.len() > kept
        && let Some((at, _)) = old.iter().enumerate().min_by_key(|(_, name)| *name)
    {
        fs::remove_file(folder.join(old.swap_remove(at)))?;
    }
    Ok(())
}

/// Calls `each` with the name of each file in a folder.
fn list(folder: &Path, each: &mut dyn FnMut(&OsStr)) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        each(&entry?.file_name());
    }
    Ok(())
}

/// Whether Python takes the file `name` for a rotated `base`: its name starts with `base`, and a part after the
/// stem's dot is a date of the schedule's form.
fn is_old(name: &str, base: &str, schedule: &Schedule) -> bool {
    let stem = Path::new(base).file_stem().and_then(|stem| stem.to_str()).unwrap_or(base);
    let parts = name.strip_prefix(stem).and_then(|rest| rest.strip_prefix('.')).unwrap_or_default();
    name.starts_with(base) && parts.split('.').any(|part| schedule.is_suffix(part))
}

/// Renames a file, over an existing one. It is no error if `from` does not exist.
fn rename(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

fn numbered(path: &Path, number: u32) -> PathBuf {
    suffixed(path, &number.to_string())
}

fn suffixed(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    name.into()
}
