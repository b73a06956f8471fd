//! From the JSON of a report to the series of its board.
//!
//! A report is expected to have the series of the one before, in their order: each series knows which came next, so
//! that a path that is as expected is compared and nothing is searched or allocated. The path of a number, truth
//! value, text or null is the keys and the indices that lead to it, joined by dots. Of several values with one path
//! the last counts.
//!
//! Left out are `hostname`, since it names the board, and `ts`, the time of the sample.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::fleet::cells::{Cells, END, Paths, Reading};
use crate::fleet::chasar;

/// The most bytes of a path.
pub const PATH: usize = 160;
/// The most bytes that are kept of a text.
pub const TEXT: usize = 128;
/// The most objects and arrays within each other.
pub const DEPTH: usize = 16;
/// So many empty objects and arrays of a report end what was in them before.
const EMPTY: usize = 16;

/// A reading whose text is in [`Reader::texts`].
#[derive(Clone, Copy, Debug)]
enum Found {
    Null,
    Number(f64),
    Truth(bool),
    Text(usize, usize),
    /// An object or array without members, which is no reading.
    Empty,
}

/// What of reports was left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// Values whose series would have been one too many.
    pub series: u64,
    /// Values whose path is too long.
    pub paths: u64,
    /// Objects and arrays that lie too deep.
    pub depth: u64,
}

/// Reads reports. One is enough for all boards.
#[derive(Debug, Default)]
pub struct Reader {
    path: String,
    mapped: String,
    texts: String,
    found: Vec<(u16, Found)>,
    /// The paths of empty objects and arrays, in `texts`.
    empty: Vec<(usize, usize)>,
    /// The body's own time: Unix milliseconds.
    pub ts_ms: Option<i64>,
    /// Of all reports.
    pub left_out: LeftOut,
}

impl Reader {
    /// Reads a report of the board whose series are `cells`, which get at most `room` more. After an error they are
    /// as before.
    ///
    /// # Errors
    /// The body is not one JSON object.
    pub fn read(
        &mut self,
        body: &[u8],
        is_chasar: bool,
        cells: &mut Cells,
        paths: &mut Paths,
        room: usize,
    ) -> Result<(), serde_json::Error> {
        self.path.clear();
        self.texts.clear();
        self.found.clear();
        self.empty.clear();
        self.ts_ms = None;
        cells.report = cells.report.wrapping_add(1);
        let known = cells.cells.len();
        let chasar = is_chasar.then(chasar::Cores::default);
        let mut pass =
            Pass { reader: self, cells, paths, most: known + room, before: END, moved: false, chasar };
        let text = str::from_utf8(body).map_err(|_| serde_json::Error::custom("not UTF-8"))?;
        let mut json = serde_json::Deserializer::from_str(text);
        let read = json.deserialize_map(Top(&mut pass)).and_then(|()| json.end());
        if let Err(error) = read {
            cells.truncate(known, paths);
            return Err(error);
        }
        pass.end();
        cells.settle(known);
        Ok(())
    }

    /// The paths of objects and arrays that have no members now.
    pub fn empty(&self) -> impl Iterator<Item = &str> {
        self.empty.iter().filter_map(|(from, to)| self.texts.get(*from..*to))
    }

    /// What was read, by slots.
    pub fn readings(&self) -> impl Iterator<Item = (u16, Reading<'_>)> {
        self.found.iter().map(|(slot, found)| {
            let reading = match found {
                Found::Null | Found::Empty => Reading::Null,
                Found::Number(number) => Reading::Number(*number),
                Found::Truth(truth) => Reading::Truth(*truth),
                Found::Text(from, to) => Reading::Text(self.texts.get(*from..*to).unwrap_or_default()),
            };
            (*slot, reading)
        })
    }
}

/// One report being read.
struct Pass<'r> {
    reader: &'r mut Reader,
    cells: &'r mut Cells,
    paths: &'r mut Paths,
    most: usize,
    before: u16,
    /// Some series was not the expected one.
    moved: bool,
    chasar: Option<chasar::Cores>,
}

impl Pass<'_> {
    /// Adds a part to the path. Gives where it began; None: the path is too long.
    fn enter(&mut self, key: &str, depth: usize) -> Option<usize> {
        let path = &mut self.reader.path;
        let begin = path.len();
        let dot = usize::from(depth > 0);
        if begin + dot + key.len() > PATH {
            self.reader.left_out.paths += 1;
            return None;
        }
        if depth > 0 {
            path.push('.');
        }
        path.push_str(key);
        Some(begin)
    }

    fn leave(&mut self, begin: usize) {
        self.reader.path.truncate(begin);
    }

    /// The value of the present path.
    fn value(&mut self, found: Found, depth: usize) {
        match (&*self.reader.path, found) {
            ("hostname", _) => return,
            ("ts", Found::Number(seconds)) => {
                self.reader.ts_ms = milliseconds(seconds);
                return;
            }
            _ => {}
        }
        let path = std::mem::take(&mut self.reader.path);
        let mut mapped = std::mem::take(&mut self.reader.mapped);
        match &mut self.chasar {
            None => self.note(&path, found, depth > 1),
            Some(cores) => {
                if let Found::Number(number) = found {
                    cores.note(&path, number);
                }
                match chasar::place(&path, &mut mapped) {
                    chasar::Place::Same => self.note(&path, found, depth > 1),
                    chasar::Place::At(path) => self.note(path, found, path.contains('.')),
                    chasar::Place::Time => {
                        if let Found::Text(from, to) = found {
                            let text = self.reader.texts.get(from..to).unwrap_or_default();
                            self.reader.ts_ms = chasar::time(text);
                        }
                    }
                    chasar::Place::Nowhere => {}
                }
            }
        }
        self.reader.path = path;
        self.reader.mapped = mapped;
    }

    fn note(&mut self, path: &str, found: Found, nested: bool) {
        if let Found::Empty = found {
            if self.reader.empty.len() < EMPTY {
                let begin = self.reader.texts.len();
                self.reader.texts.push_str(path);
                self.reader.empty.push((begin, self.reader.texts.len()));
            }
            return;
        }
        let expected = self.next();
        let slot = match self.cells.paths.get(usize::from(expected)) {
            Some(has) if **has == *path => expected,
            _ => {
                self.moved = true;
                let Some(slot) = self.find(path, nested) else {
                    self.reader.left_out.series += 1;
                    return;
                };
                self.follow(slot);
                slot
            }
        };
        self.before = slot;
        let Some(cell) = self.cells.cells.get_mut(usize::from(slot)) else { return };
        if cell.report == self.cells.report {
            if let Some(earlier) = self.reader.found.get_mut(usize::from(cell.reading)) {
                earlier.1 = found;
            }
            return;
        }
        cell.report = self.cells.report;
        cell.reading = u16::try_from(self.reader.found.len()).unwrap_or(u16::MAX);
        self.reader.found.push((slot, found));
    }

    fn find(&mut self, path: &str, nested: bool) -> Option<u16> {
        match self.cells.slot(path, self.paths) {
            None if self.cells.cells.len() < self.most => self.cells.add(path, nested, self.paths),
            slot => slot,
        }
    }

    /// The series that is expected next.
    fn next(&self) -> u16 {
        match self.cells.cells.get(usize::from(self.before)) {
            Some(before) => before.next,
            None => self.cells.first,
        }
    }

    /// Expects `slot` here the next time.
    fn follow(&mut self, slot: u16) {
        match self.cells.cells.get_mut(usize::from(self.before)) {
            Some(before) => before.next = slot,
            None => self.cells.first = slot,
        }
    }

    fn end(mut self) {
        if let Some(mean) = self.chasar.take().and_then(|cores| cores.mean()) {
            self.note("cpu", Found::Number(mean), false);
        }
        if self.next() != END {
            self.moved = true;
            self.follow(END);
        }
        self.cells.moved = self.moved;
    }
}

/// The first [`TEXT`] bytes of a text, or fewer so that no character is cut.
fn short(text: &str) -> &str {
    let end = (0..=TEXT).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    if text.len() <= TEXT { text } else { text.get(..end).unwrap_or_default() }
}

/// Unix milliseconds of seconds, from 1970 until the year 9999.
#[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
fn milliseconds(seconds: f64) -> Option<i64> {
    (0.0..253_402_300_800.0).contains(&seconds).then(|| (seconds * 1000.0).round() as i64)
}

/// The report itself.
struct Top<'p, 'r>(&'p mut Pass<'r>);

impl<'de> Visitor<'de> for Top<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        Node { pass: self.0, depth: 0 }.visit_map(map)
    }
}

/// A value at some depth.
struct Node<'p, 'r> {
    pass: &'p mut Pass<'r>,
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for Node<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.pass.value(Found::Null, self.depth);
        Ok(())
    }

    fn visit_bool<E>(self, truth: bool) -> Result<(), E> {
        self.pass.value(Found::Truth(truth), self.depth);
        Ok(())
    }

    fn visit_i64<E>(self, number: i64) -> Result<(), E> {
        self.pass.value(Found::Number(number as f64), self.depth);
        Ok(())
    }

    fn visit_u64<E>(self, number: u64) -> Result<(), E> {
        self.pass.value(Found::Number(number as f64), self.depth);
        Ok(())
    }

    fn visit_f64<E>(self, number: f64) -> Result<(), E> {
        self.pass.value(Found::Number(number), self.depth);
        Ok(())
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        let text = short(text);
        let texts = &mut self.pass.reader.texts;
        let begin = texts.len();
        texts.push_str(text);
        let end = texts.len();
        self.pass.value(Found::Text(begin, end), self.depth);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let Self { pass, depth } = self;
        if depth >= DEPTH {
            pass.reader.left_out.depth += 1;
            while seq.next_element::<IgnoredAny>()?.is_some() {}
            return Ok(());
        }
        let mut digits = Digits::default();
        loop {
            let Some(begin) = pass.enter(digits.text(), depth) else {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                return Ok(());
            };
            let more = seq.next_element_seed(Node { pass, depth: depth + 1 });
            pass.leave(begin);
            if more?.is_none() {
                if digits.text() == "0" {
                    pass.value(Found::Empty, depth);
                }
                return Ok(());
            }
            digits.up();
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self { pass, depth } = self;
        if depth >= DEPTH {
            pass.reader.left_out.depth += 1;
            while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            return Ok(());
        }
        let mut is_empty = true;
        while let Some(begin) = map.next_key_seed(Key { pass, depth })? {
            is_empty = false;
            let Some(begin) = begin else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            if depth == 0 && pass.chasar.is_some() && pass.reader.path == chasar::PROCESSES {
                let count = map.next_value::<chasar::Count>();
                pass.leave(begin);
                if let Some(count) = count?.0 {
                    pass.note("processes", Found::Number(count as f64), false);
                }
                continue;
            }
            let read = map.next_value_seed(Node { pass, depth: depth + 1 });
            pass.leave(begin);
            read?;
        }
        if is_empty && depth > 0 {
            pass.value(Found::Empty, depth);
        }
        Ok(())
    }
}

/// A key, which becomes a part of the path.
struct Key<'p, 'r> {
    pass: &'p mut Pass<'r>,
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for Key<'_, '_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Key<'_, '_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(self.pass.enter(key, self.depth))
    }
}

/// The decimal digits of an index.
struct Digits {
    octets: [u8; 20],
    begin: usize,
}

impl Default for Digits {
    fn default() -> Self {
        Self { octets: [b'0'; 20], begin: 19 }
    }
}

impl Digits {
    fn up(&mut self) {
        for place in (0..self.octets.len()).rev() {
            self.begin = self.begin.min(place);
            let Some(digit) = self.octets.get_mut(place) else { return };
            if *digit < b'9' {
                *digit += 1;
                return;
            }
            *digit = b'0';
        }
    }

    fn text(&self) -> &str {
        self.octets.get(self.begin..).and_then(|digits| str::from_utf8(digits).ok()).unwrap_or_default()
    }
}
