//! `[value:NAME]`: figures that others write into files.

use std::time::Duration;

use crate::conf::reading::{Expected, Reading};
use crate::conf::tags::{expected_name, is_name};
use crate::conf::values::{TIMER, has_controls, seconds};
use crate::figures::FIGURES;
use crate::limits;

/// What the name of such a section begins with.
const PREFIX: &str = "value:";

/// Keys that a report has anyway.
const TAKEN: [&str; 8] = ["hostname", "cpu", "mem", "cpu_temp", "uptime", "ipaddr", "ts", "tags"];

/// A figure from a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct External {
    /// `NAME`: the figure's key in a report.
    pub name: String,
    /// `file`: absolute, at most [`limits::MOUNT_POINT`] bytes, without `.` and `..`.
    pub file: String,
    /// `max_age`: from when on it is out of date, by the time of its last change.
    pub max_age: Duration,
    /// `interval`: from one reading to the next.
    pub interval: Duration,
}

/// Reads every such section.
pub(super) fn externals(r: &mut Reading<'_>) -> Vec<External> {
    let mut externals = Vec::new();
    for section in &r.ini.sections {
        let Some(name) = section.name.strip_prefix(PREFIX) else { continue };
        let mut external = External {
            name: name.to_owned(),
            file: String::new(),
            max_age: Duration::from_secs(300),
            interval: Duration::from_secs(10),
        };
        r.set(&section.name, "file", &mut external.file, path);
        r.set(&section.name, "max_age", &mut external.max_age, seconds(&TIMER));
        r.set(&section.name, "interval", &mut external.interval, seconds(&TIMER));
        if !is_name(name) {
            r.error(section.line, format_args!("[{PREFIX}NAME]: expected a NAME of {}", expected_name()));
        } else if TAKEN.contains(&name) || FIGURES.iter().any(|figure| figure.name == name) {
            r.error(
                section.line,
                format_args!("[{PREFIX}{name}]: reports have a figure {name} of their own"),
            );
        } else if r.entry(&section.name, "file").is_none() {
            r.error(
                section.line,
                format_args!("[{PREFIX}{name}]: expected file=, where the value is read from"),
            );
        } else if externals.len() == limits::EXTERNALS {
            let text = format_args!("[{PREFIX}{name}]: expected at most {} such sections", limits::EXTERNALS);
            r.error(section.line, text);
        }
        externals.push(external);
    }
    externals
}

fn path(text: &str) -> Result<String, Expected> {
    let is_whole = text.starts_with('/')
        && !text.ends_with('/')
        && text.len() <= limits::MOUNT_POINT
        && !has_controls(text)
        && !text.split('/').any(|part| matches!(part, "." | ".."));
    if is_whole {
        return Ok(text.to_owned());
    }
    Err(format!(
        "the path of a file from / on, of at most {} bytes and without . and ..",
        limits::MOUNT_POINT
    )
    .into())
}
