//! Asks a file for its keys, and keeps what is wrong with them.
//!
//! Whatever was never asked for is unknown: there is no second list of keys.

use std::borrow::Cow;
use std::fmt::Arguments;
use std::path::Path;

use crate::conf::ini::{Entry, Ini, Section, is_blank, trim};
use crate::conf::problem::{Problem, Problems, Severity};
use crate::conf::slips;

/// What was expected of a value, for `expected ..., found ...`. Never a part of the value.
pub type Expected = Cow<'static, str>;

/// Keys whose values no message shows.
const SECRET: [&str; 3] = ["pass", "url", "curve_key"];

/// Sections of later versions of the original that change nothing here, and why.
const LATER: [(&str, &str); 2] = [
    ("hddsize", "is not supported; [disk] has the sizes of file systems"),
    ("hostname", "has no effect: hostname is in every report"),
];

/// Definitions that nothing needs to use, as in Python's logging.
const DEFINITIONS: [&str; 2] = ["handler_", "formatter_"];

/// Most bytes of a text from the file in a message.
const SHOWN: usize = 60;

/// A file while its settings are read.
#[derive(Debug)]
pub struct Reading<'a> {
    /// The file.
    pub ini: &'a Ini,
    file: &'a Path,
    asked: Vec<(String, &'static str)>,
    /// Sections whose keys are anybody's.
    free: Vec<&'static str>,
    /// Errors, then warnings, then notes, each in the order of their lines.
    pub(super) problems: Vec<Problem>,
}

impl<'a> Reading<'a> {
    /// Nothing asked yet.
    pub fn new(ini: &'a Ini, file: &'a Path) -> Self {
        let mut reading = Self { ini, file, asked: Vec::new(), free: Vec::new(), problems: Vec::new() };
        for again in &ini.repeated {
            let (name, earlier) = (named(&again.section, &again.key), again.earlier);
            reading.warn(
                again.line,
                format_args!("{name}: set again; the value on line {earlier} has no effect"),
            );
        }
        reading
    }

    /// The entry of a key, if the section has it.
    pub fn entry(&mut self, section: &str, key: &'static str) -> Option<&'a Entry> {
        if !self.is_asked(section, key) {
            self.asked.push((section.to_owned(), key));
        }
        self.ini.entry(section, key)
    }

    /// All entries of a section whose keys are anybody's.
    pub fn entries(&mut self, section: &'static str) -> &'a [Entry] {
        self.free.push(section);
        self.ini.sections.iter().find(|s| s.name == section).map_or(&[], |s| &s.entries)
    }

    /// The line of a section's head, if the file has it.
    pub fn section_line(&self, section: &str) -> Option<usize> {
        self.ini.sections.iter().find(|s| s.name == section).map(|s| s.line)
    }

    /// Puts a key's value into `setting`, if the section has it.
    pub fn set<T>(
        &mut self,
        section: &str,
        key: &'static str,
        setting: &mut T,
        read: impl Fn(&str) -> Result<T, Expected>,
    ) {
        self.take(section, key, &mut |text| {
            *setting = read(text)?;
            Ok(())
        });
    }

    /// Gives a key's value to `take`, if the section has it. Not generic: there are 70 keys.
    #[inline(never)]
    fn take(&mut self, section: &str, key: &'static str, take: &mut dyn FnMut(&str) -> Result<(), Expected>) {
        let Some(entry) = self.entry(section, key) else { return };
        if let Err(expected) = take(trim(&entry.value)) {
            self.wrong(section, entry, &expected);
        }
    }

    /// `entry`'s value is not what was expected.
    pub fn wrong(&mut self, section: &str, entry: &Entry, expected: &str) {
        let name = named(section, &entry.key);
        // It may be a URL with a password in the wrong place.
        let like_url = entry.value.contains('@') || entry.value.contains("://");
        if SECRET.contains(&entry.key.as_str()) || like_url {
            self.error(entry.line, format_args!("{name}: expected {expected}"));
        } else {
            let found = shown(trim(&entry.value));
            self.error(entry.line, format_args!("{name}: expected {expected}, found \"{found}\""));
        }
    }

    /// Notes an error of a line.
    pub fn error(&mut self, line: usize, text: Arguments<'_>) {
        self.tell(Severity::Error, line, text);
    }

    /// Notes a warning of a line.
    pub fn warn(&mut self, line: usize, text: Arguments<'_>) {
        self.tell(Severity::Warning, line, text);
    }

    /// Notes a problem of a line.
    #[inline(never)]
    pub fn tell(&mut self, severity: Severity, line: usize, text: Arguments<'_>) {
        let text = text.to_string();
        let problem = Problem { severity, file: self.file.into(), line: Some(line), text };
        let order = |problem: &Problem| (problem.severity, problem.line);
        let place = self.problems.partition_point(|other| order(other) <= order(&problem));
        self.problems.insert(place, problem);
    }

    /// Ends the reading: gives the warnings and notes, or every problem where one is an error. What was not asked
    /// for until now is unknown.
    pub fn finish(mut self) -> Result<Vec<Problem>, Problems> {
        self.warn_of_unknown();
        self.warn_of_slips();
        // A misspelt key is often why another is wrong: warnings go with the errors.
        if self.problems.first().is_some_and(|problem| problem.severity == Severity::Error) {
            return Err(Problems(self.problems));
        }
        Ok(self.problems)
    }

    /// Warns of keys of `[DEFAULT]` that were not asked for in any section. For a program that reads every section:
    /// others cannot know them.
    pub fn warn_of_unknown_defaults(&mut self) {
        for entry in &self.ini.defaults {
            if !self.asked.iter().any(|(_, key)| *key == entry.key) {
                self.warn(entry.line, format_args!("{}: unknown key", named("DEFAULT", &entry.key)));
            }
        }
    }

    /// Warns of values that are surely meant otherwise.
    fn warn_of_slips(&mut self) {
        for section in &self.ini.sections {
            for Entry { key, value, line, .. } in &section.entries {
                if self.is_asked(&section.name, key) {
                    for (is_so, slip) in slips::of(key, value) {
                        if is_so {
                            self.warn(*line, format_args!("{}: {slip}", named(&section.name, key)));
                        }
                    }
                }
            }
        }
    }

    fn is_asked(&self, section: &str, key: &str) -> bool {
        self.asked.iter().any(|(s, k)| s == section && *k == key)
    }

    /// Warns of every section and key that was not asked for.
    fn warn_of_unknown(&mut self) {
        for section in &self.ini.sections {
            let name = section.name.as_str();
            if self.free.contains(&name) {
                continue;
            }
            if self.asked.iter().any(|(s, _)| s == name) {
                self.warn_of_unknown_keys(section);
            } else if let Some((_, why)) = LATER.iter().find(|(later, _)| *later == name) {
                self.warn(section.line, format_args!("[{name}]: {why}"));
            } else if name.starts_with("logger_") {
                let name = shown(name);
                self.warn(
                    section.line,
                    format_args!(
                        "[{name}]: has no effect: the loggers here are root and pika, where keys= lists them"
                    ),
                );
            } else if !DEFINITIONS.iter().any(|kind| name.starts_with(kind)) {
                let asked = self.asked.iter().map(|(section, _)| section.as_str());
                let near = near(name, asked.chain(self.free.iter().copied()));
                let hint = near.map(|n| format!(", did you mean [{n}]?")).unwrap_or_default();
                self.warn(section.line, format_args!("[{}]: unknown section{hint}", shown(name)));
            }
        }
    }

    fn warn_of_unknown_keys(&mut self, section: &Section) {
        let asked: Vec<&str> =
            self.asked.iter().filter(|(s, _)| *s == section.name).map(|(_, key)| *key).collect();
        for entry in section.entries.iter().filter(|e| !asked.contains(&e.key.as_str())) {
            let near = near(&entry.key, asked.iter().copied());
            let hint = near.map(|n| format!(", did you mean {n}?")).unwrap_or_default();
            self.warn(entry.line, format_args!("{}: unknown key{hint}", named(&section.name, &entry.key)));
        }
    }
}

/// `[section] key`, with the first word of the key alone: the rest may be a value whose `=` is missing.
fn named(section: &str, key: &str) -> String {
    format!("[{}] {}", shown(section), shown(key.split(is_blank).next().unwrap_or_default()))
}

/// A text from the file, for a message: on one line, without control characters, not too long.
pub fn shown(text: &str) -> String {
    let mut shown = String::new();
    for c in text.chars() {
        if shown.len() >= SHOWN {
            shown.push_str("...");
            break;
        }
        match c {
            '\'' | '"' => shown.push(c),
            other => shown.extend(other.escape_debug()),
        }
    }
    shown
}

/// The known name that `name` is most likely a misspelling of: one or two edits away.
pub fn near<'n>(name: &str, mut known: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    nearest(name, &mut || known.next())
}

/// The same for all lists, once.
#[inline(never)]
fn nearest<'n>(name: &str, known: &mut dyn FnMut() -> Option<&'n str>) -> Option<&'n str> {
    // In a short name two edits leave nothing of it.
    let most = if name.chars().count() > 3 { 2 } else { 1 };
    let (mut least, mut nearest) = (most + 1, None);
    while let Some(known) = known() {
        let edits = edits(name, known);
        if edits < least {
            (least, nearest) = (edits, Some(known));
        }
    }
    nearest
}

/// Characters to insert, delete or replace between two names (Levenshtein), or `usize::MAX` where
/// the lengths alone differ by more than two.
fn edits(a: &str, b: &str) -> usize {
    if a.len().abs_diff(b.len()) > 2 {
        return usize::MAX;
    }
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut corner = i; // row above, one to the left
        let mut left = i + 1;
        for (cell, y) in row.iter_mut().zip(core::iter::once(None).chain(b.chars().map(Some))) {
            let above = *cell;
            if let Some(y) = y {
                left = (corner + usize::from(x != y)).min(above + 1).min(left + 1);
            }
            corner = above;
            *cell = left;
        }
    }
    row.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_are_counted_as_by_hand() {
        for (a, b, n) in [("host", "host", 0), ("hots", "host", 2), ("hst", "host", 1), ("", "ab", 2)] {
            assert_eq!(edits(a, b), n, "{a} {b}");
            assert_eq!(edits(b, a), n, "{b} {a}");
        }
        assert_eq!(edits("kitten", "sittin"), 2);
    }

    #[test]
    fn a_misspelt_name_finds_the_nearest_and_a_foreign_one_none() {
        let known = ["host", "port", "path", "pass"];
        assert_eq!(near("prot", known.into_iter()), Some("port"));
        assert_eq!(near("pw", known.into_iter()), None);
        assert_eq!(near("hosts", known.into_iter()), Some("host"));
        assert_eq!(near("pasd", known.into_iter()), Some("pass"));
        assert_eq!(near("timer", known.into_iter()), None);
    }

    #[test]
    fn what_is_shown_of_a_file_is_one_short_line() {
        assert_eq!(shown("a\nb\u{1b}[2J\"'"), "a\\nb\\u{1b}[2J\"'");
        assert!(shown(&"x".repeat(1000)).len() < 70);
    }
}
