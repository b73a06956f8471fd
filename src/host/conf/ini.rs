//! The syntax of psistats.conf: sections, keys, values, as Python's `RawConfigParser` reads them.
//!
//! An own reader, because the crates that read INI files lose line numbers or continuation lines.
//!
//! - `[section]`, case-sensitive; what follows the `]` is passed over. A section that comes again
//!   goes on. Keys of `[DEFAULT]` hold in every section that is there.
//! - `key = value` or `key : value`: the first of the two signs separates; keys are lower-cased (ASCII);
//!   values are literal, without interpolation. A key that comes again replaces the earlier one.
//! - A line that is indented deeper than its key goes on with the value, after a newline.
//! - Lines that start with `#` or `;`, indented or not, are comments, also within a value.
//!   Blank lines within a value belong to it.
//!
//! The original ran under Python 2 and 3, which differ where a value holds a semicolon: Python 2
//! ends the value where the *first* `;` of its first line follows a blank; Python 3 never does.
//! Python 2's rule is kept: files with `port=5672 ; the usual` were written for it and must go on
//! working, and `pass=a;b` or `pass=;a` survives under both. What only Python 3 keeps, `pass=a ;b`,
//! is marked ([`Entry::commented`]) so that a cut password does not go unnoticed. Python 2's
//! reading of `""` as the empty value is kept too.
//!
//! Python takes a line that starts with `[` but is no section for a key, and its versions differ
//! over a second `]`. Both are errors here, as are bytes that are not UTF-8 and NUL bytes (a file
//! that was torn by a power cut).

use std::path::Path;
use std::str;

use zeroize::Zeroize as _;

use crate::conf::problem::{Problem, Problems};

/// Most bytes of a configuration file: ten times the longest that the original shipped.
pub const FILE_BYTES: usize = 64 * 1024;

/// Most errors that are told of one file's syntax: this is no configuration file.
const ERRORS: usize = 20;

/// A file taken apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ini {
    /// In the order of the file, each name once.
    pub sections: Vec<Section>,
    /// `[DEFAULT]`
    pub defaults: Vec<Entry>,
    /// Keys that came again.
    pub repeated: Vec<Repeated>,
}

/// One section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// What stands between the brackets.
    pub name: String,
    /// Line of the first header.
    pub line: usize,
    /// Each key once.
    pub entries: Vec<Entry>,
}

/// One key and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Lower-cased, as far as it is ASCII.
    pub key: String,
    /// Without the blanks around it; lines are separated by newlines.
    pub value: String,
    /// Line of the key.
    pub line: usize,
    /// Whether ` ;` and what follows it was taken for a comment.
    pub commented: bool,
}

/// It may have been a password.
impl Drop for Entry {
    fn drop(&mut self) {
        self.value.zeroize();
    }
}

/// A key that was set twice in one section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repeated {
    /// The section's name.
    pub section: String,
    /// The key.
    pub key: String,
    /// Line of the earlier one, which has no effect.
    pub earlier: usize,
    /// Line of the later one.
    pub line: usize,
}

/// Takes `bytes` apart; `file` is named in errors. No error shows a line's text: it may hold a password.
pub fn parse(bytes: &[u8], file: &Path) -> Result<Ini, Problems> {
    parse_sections(bytes, file, &|_| true)
}

/// The same with the sections alone whose names are `wanted`, and `[DEFAULT]`: of the others the keys are passed
/// over, whatever is wrong with them.
pub fn parse_sections(bytes: &[u8], file: &Path, wanted: &dyn Fn(&str) -> bool) -> Result<Ini, Problems> {
    let text = text(bytes).map_err(|(line, what)| Problem::at(file, line, what))?;
    let mut parser =
        Parser { wanted, ini: Ini::default(), place: Place::Nowhere(false), open: None, indent: 0 };
    let mut errors = Vec::new();
    for (n, line) in text.split('\n').enumerate() {
        if let Err(what) = parser.line(n + 1, line) {
            errors.push(Problem::at(file, n + 1, what));
        }
        if errors.len() == ERRORS {
            break;
        }
    }
    if errors.is_empty() { Ok(parser.finish()) } else { Err(Problems(errors)) }
}

/// What Python's `str.isspace` calls a blank.
pub(super) fn is_blank(c: char) -> bool {
    c.is_whitespace() || ('\x1c'..='\x1f').contains(&c)
}

/// Without the blanks around it. A function of its own, because each copy of the search takes 300 bytes.
#[inline(never)]
pub fn trim(text: &str) -> &str {
    trim_end(text.trim_start_matches(is_blank))
}

/// Without the blanks at its end.
#[inline(never)]
fn trim_end(text: &str) -> &str {
    text.trim_end_matches(is_blank)
}

impl Ini {
    /// The section of that name.
    pub fn section(&self, name: &str) -> Option<&Section> {
        self.sections.iter().find(|s| s.name == name)
    }

    /// What `key` is in a section; `[DEFAULT]` counts where the section is there.
    pub fn entry(&self, section: &str, key: &str) -> Option<&Entry> {
        let section = self.section(section)?;
        section.entries.iter().chain(&self.defaults).find(|e| e.key == key)
    }
}

/// The text, or what is wrong with it on which line.
fn text(bytes: &[u8]) -> Result<&str, (usize, &'static str)> {
    let line = |at: usize| 1 + bytes.iter().take(at).filter(|&&b| b == b'\n').count();
    if bytes.len() > FILE_BYTES {
        return Err((line(FILE_BYTES), "the file is longer than 64 KiB: expected a psistats.conf"));
    }
    let text = str::from_utf8(bytes)
        .map_err(|e| (line(e.valid_up_to()), "expected UTF-8: save the file in that encoding"))?;
    if let Some(at) = text.find('\0') {
        return Err((line(at), "expected text, found a NUL byte: the file is damaged"));
    }
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

/// Where a key goes to.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    /// Before the first section, `true` once that has been said.
    Nowhere(bool),
    Defaults,
    Section(usize),
    /// In a section that nobody wants.
    Elsewhere,
}

struct Parser<'a> {
    wanted: &'a dyn Fn(&str) -> bool,
    ini: Ini,
    place: Place,
    /// The key whose value may go on, in the current place.
    open: Option<usize>,
    /// Characters before the last line that was a header or a key.
    indent: usize,
}

impl Parser<'_> {
    fn line(&mut self, number: usize, line: &str) -> Result<(), &'static str> {
        let value = trim(line);
        if value.starts_with(['#', ';']) {
            return Ok(());
        }
        let indent = line.chars().take_while(|&c| is_blank(c)).count();
        if value.is_empty() || (self.open.is_some() && indent > self.indent) {
            self.go_on(value);
            return Ok(());
        }
        self.indent = indent;
        if value.starts_with('[') { self.header(number, value) } else { self.key(number, value) }
    }

    /// One more line of the open value.
    fn go_on(&mut self, line: &str) {
        let Some(open) = self.open else { return };
        if let Some(entry) = self.entries().and_then(|entries| entries.get_mut(open)) {
            // Not in place: it may move, and what stood there may be a password.
            let longer = format!("{}\n{line}", entry.value);
            entry.value.zeroize();
            entry.value = longer;
        }
    }

    fn header(&mut self, line: usize, text: &str) -> Result<(), &'static str> {
        let (name, rest) = text
            .strip_prefix('[')
            .and_then(|text| text.split_once(']'))
            .ok_or("expected `[section]`, found no `]`")?;
        if name.is_empty() {
            return Err("expected `[section]`, found no name");
        }
        if rest.contains(']') {
            return Err("expected `[section]`, found a second `]`");
        }
        self.open = None;
        let known = self.ini.sections.iter().position(|s| s.name == name);
        self.place = match known {
            _ if name == "DEFAULT" => Place::Defaults,
            _ if !(self.wanted)(name) => Place::Elsewhere,
            Some(index) => Place::Section(index),
            None => {
                self.ini.sections.push(Section { name: name.to_owned(), line, entries: Vec::new() });
                Place::Section(self.ini.sections.len() - 1)
            }
        };
        Ok(())
    }

    fn key(&mut self, line: usize, text: &str) -> Result<(), &'static str> {
        if let Place::Nowhere(said) = &mut self.place {
            let before = core::mem::replace(said, true);
            return if before { Ok(()) } else { Err("expected a `[section]` before the first key") };
        }
        if self.place == Place::Elsewhere {
            // Its value may go on, as any other.
            self.open = Some(0);
            return Ok(());
        }
        let (key, value) = text.split_once(['=', ':']).ok_or("expected `key = value`, found no `=`")?;
        let key = trim_end(key).to_ascii_lowercase();
        if key.is_empty() {
            return Err("expected `key = value`, found no key");
        }
        let (value, commented) = python2(trim(value));
        let entry = Entry { key, value: value.to_owned(), line, commented };
        let Some(entries) = self.entries() else { return Ok(()) };
        match entries.iter().position(|e| e.key == entry.key) {
            Some(index) => {
                self.open = Some(index);
                self.replace(index, entry);
            }
            None => {
                entries.push(entry);
                self.open = Some(entries.len() - 1);
            }
        }
        Ok(())
    }

    /// Puts `entry` where an earlier one of the same key stands, and notes it.
    fn replace(&mut self, index: usize, entry: Entry) {
        let section = match self.place {
            Place::Section(n) => self.ini.sections.get(n).map(|s| s.name.clone()),
            _ => None,
        };
        let section = section.unwrap_or_else(|| "DEFAULT".to_owned());
        if let Some(old) = self.entries().and_then(|entries| entries.get_mut(index)) {
            let (key, line) = (entry.key.clone(), entry.line);
            let earlier = core::mem::replace(old, entry).line;
            self.ini.repeated.push(Repeated { section, key, earlier, line });
        }
    }

    fn entries(&mut self) -> Option<&mut Vec<Entry>> {
        match self.place {
            Place::Nowhere(_) | Place::Elsewhere => None,
            Place::Defaults => Some(&mut self.ini.defaults),
            Place::Section(n) => self.ini.sections.get_mut(n).map(|s| &mut s.entries),
        }
    }

    fn finish(mut self) -> Ini {
        let entries = self.ini.sections.iter_mut().flat_map(|s| &mut s.entries);
        for entry in entries.chain(&mut self.ini.defaults) {
            entry.value.truncate(trim_end(&entry.value).len());
        }
        self.ini
    }
}

/// A value without its comment, and whether it had one (see the module).
fn python2(value: &str) -> (&str, bool) {
    if value == "\"\"" {
        return ("", false);
    }
    match value.split_once(';') {
        Some((kept, _)) if trim_end(kept).len() < kept.len() => (trim_end(kept), true),
        _ => (value, false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Ini {
        parse(text.as_bytes(), Path::new("f")).unwrap()
    }

    fn error(bytes: &[u8]) -> String {
        parse(bytes, Path::new("f")).unwrap_err().to_string()
    }

    fn value(text: &str) -> String {
        read(&format!("[s]\n{text}")).entry("s", "k").unwrap().value.clone()
    }

    #[test]
    fn keys_are_lower_cased_and_the_first_separator_counts() {
        let ini = read("[S]\nKey = a=b\nother:c = d\n");
        assert_eq!(ini.entry("S", "key").unwrap().value, "a=b");
        assert_eq!(ini.entry("S", "other").unwrap().value, "c = d");
        assert_eq!(ini.section("s"), None);
    }

    #[test]
    fn every_entry_knows_its_line_behind_comments_continuations_and_crlf() {
        let ini = read("\u{feff}# one\r\n[a]\r\nx = 1\r\n  2\r\n\r\ny =\r\n[b]\r\n; c\r\nz: 3");
        let lines: Vec<_> =
            ini.sections.iter().flat_map(|s| &s.entries).map(|e| (e.line, &*e.value)).collect();
        assert_eq!(lines, [(3, "1\n2"), (6, ""), (9, "3")]);
        assert_eq!(ini.section("b").unwrap().line, 7);
    }

    #[test]
    fn a_semicolon_starts_a_comment_where_python_2_says_so() {
        for (text, expected, commented) in [
            ("k = 5672 ; the usual", "5672", true),
            ("k = 5672\t;the usual", "5672", true),
            ("k = a;b", "a;b", false),
            ("k = ;a", ";a", false),
            ("k = a;b ;c", "a;b ;c", false), // the first one decides
            ("k = a # b", "a # b", false),
            ("k = a\n b ;c", "a\nb ;c", false),
            ("k = \"\"", "", false),
        ] {
            let ini = read(&format!("[s]\n{text}"));
            let entry = ini.entry("s", "k").unwrap();
            assert_eq!((&*entry.value, entry.commented), (expected, commented), "{text}");
        }
    }

    #[test]
    fn comments_and_blank_lines_within_a_value_are_read_as_python_3_does() {
        assert_eq!(value("k = a\n  # no\n; no\n\n  b\n\n\n"), "a\n\nb");
        assert_eq!(value("  k = a\n  j = b\n   c"), "a"); // deeper than its key, or a new key
    }

    #[test]
    fn what_comes_again_goes_on_or_replaces_and_is_noted() {
        let ini = read("[a]\nx=1\n[b]\n[a]\nX=2\ny=3");
        assert_eq!(ini.sections.len(), 2);
        assert_eq!(ini.entry("a", "x").unwrap().value, "2");
        let again = Repeated { section: "a".into(), key: "x".into(), earlier: 2, line: 5 };
        assert_eq!(ini.repeated, [again]);
    }

    #[test]
    fn defaults_hold_in_sections_that_are_there() {
        let ini = read("[a]\ny=2\n[DEFAULT]\nx=1\ny=1");
        assert_eq!(ini.entry("a", "x").unwrap().value, "1");
        assert_eq!(ini.entry("a", "y").unwrap().value, "2");
        assert_eq!(ini.entry("b", "x"), None);
    }

    #[test]
    fn what_is_no_configuration_is_an_error_with_its_line() {
        for (text, expected) in [
            ("\n[a", "f:2: expected `[section]`, found no `]`"),
            ("[]", "f:1: expected `[section]`, found no name"),
            ("[a] ; [b]", "f:1: expected `[section]`, found a second `]`"),
            ("[a]\nkey", "f:2: expected `key = value`, found no `=`"),
            ("[a]\n= 1", "f:2: expected `key = value`, found no key"),
            ("\nx = 1\ny = 2", "f:2: expected a `[section]` before the first key"),
            ("[a]\nx = \0", "f:2: expected text, found a NUL byte: the file is damaged"),
        ] {
            assert_eq!(error(text.as_bytes()), expected);
        }
        assert_eq!(error(b"[a]\nx = \xff"), "f:2: expected UTF-8: save the file in that encoding");
        assert!(error(&[b'\n'; FILE_BYTES + 1]).contains("longer than 64 KiB"));
        assert_eq!(error(format!("[a]\n{}", "x\n".repeat(1000)).as_bytes()).lines().count(), ERRORS);
    }
}
