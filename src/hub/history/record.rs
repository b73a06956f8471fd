//! How the journal writes reports: each as what changed since the board's last one in the same segment.
//!
//! ```text
//! record   items
//! item     0, number, name              a board's number
//!          1, number, name              a series' number
//!          2, board, time, id, values   a report with the series of the board's last one
//!          3, board, n, series, time, id, values
//! time     milliseconds since that of the last report
//! id       how many bytes it begins with that the last one's does too; the rest behind its length
//! value    0 and 8 bytes; or the difference of thousandths to the last integral one, zigzag, + 1
//! ```

use std::collections::{HashMap, HashSet};

use super::block::{float, scaled};
use super::bytes::{Cursor, Damaged, put_bytes, put_number, put_signed, unzigzag, zigzag};
use super::names::Names;

/// A report with numbers in the place of names.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    pub board: u32,
    pub time_ms: i64,
    pub id: Vec<u8>,
    pub values: Vec<(u32, f64)>,
}

/// What the reports of a segment say so far, for its writer and its reader alike.
#[derive(Debug, Default)]
pub struct Chain {
    boards: HashMap<u32, Last>,
    series: HashSet<u32>,
}

#[derive(Debug, Default)]
struct Last {
    time_ms: i64,
    id: Vec<u8>,
    series: Vec<u32>,
    thousandths: Vec<i64>,
}

const BOARD: u64 = 0;
const SERIES: u64 = 1;
const SAME: u64 = 2;
const OTHER: u64 = 3;
/// How a number that is no integer of thousandths begins.
const PLAIN: u64 = 0;

impl Chain {
    /// Appends `entry`, and before it the names that the segment does not have yet.
    pub fn write(&mut self, out: &mut Vec<u8>, entry: &Entry, boards: &Names, series: &Names) {
        if !self.boards.contains_key(&entry.board) {
            put_name(out, BOARD, entry.board, boards);
        }
        for (number, _) in &entry.values {
            if self.series.insert(*number) {
                put_name(out, SERIES, *number, series);
            }
        }
        let last = self.boards.entry(entry.board).or_default();
        if entry.values.iter().map(|(number, _)| number).eq(&last.series) && !last.series.is_empty() {
            put_number(out, SAME);
            put_number(out, u64::from(entry.board));
        } else {
            put_number(out, OTHER);
            put_number(out, u64::from(entry.board));
            put_number(out, entry.values.len() as u64);
            last.series = entry.values.iter().map(|(number, _)| *number).collect();
            last.series.iter().for_each(|number| put_number(out, u64::from(*number)));
            last.thousandths = vec![0; last.series.len()];
        }
        put_signed(out, entry.time_ms.wrapping_sub(last.time_ms));
        last.time_ms = entry.time_ms;
        let shared = entry.id.iter().zip(&last.id).take_while(|(one, other)| one == other).count();
        put_number(out, shared as u64);
        put_bytes(out, entry.id.get(shared..).unwrap_or_default());
        last.id.clone_from(&entry.id);
        for ((_, value), thousandths) in entry.values.iter().zip(&mut last.thousandths) {
            if let Some(now) = scaled(*value, 1000.0) {
                put_number(out, zigzag(now - *thousandths) + 1);
                *thousandths = now;
            } else {
                put_number(out, PLAIN);
                out.extend_from_slice(&value.to_le_bytes());
            }
        }
    }

    /// The next report, whose names it teaches `boards` and `series`; `None` at the end.
    ///
    /// # Errors
    /// It was not written by [`Chain::write`], or its names are not those that are known.
    pub fn read(
        &mut self,
        cursor: &mut Cursor<'_>,
        boards: &mut Names,
        series: &mut Names,
    ) -> Result<Option<Entry>, Damaged> {
        while !cursor.is_empty() {
            let known = match cursor.number()? {
                BOARD => boards.learn(cursor.small()?, cursor.text()?),
                SERIES => {
                    let number = cursor.small()?;
                    self.series.insert(number);
                    series.learn(number, cursor.text()?)
                }
                SAME => return self.report(cursor, false, boards).map(Some),
                OTHER => return self.report(cursor, true, boards).map(Some),
                _ => false,
            };
            if !known {
                return Err(Damaged);
            }
        }
        Ok(None)
    }

    fn report(&mut self, cursor: &mut Cursor<'_>, other: bool, boards: &Names) -> Result<Entry, Damaged> {
        let board = cursor.small()?;
        boards.name(board).ok_or(Damaged)?;
        let last = self.boards.entry(board).or_default();
        if other {
            last.series.clear();
            for _ in 0..cursor.number()? {
                let number = cursor.small()?;
                self.series.get(&number).ok_or(Damaged)?;
                last.series.push(number);
            }
            last.thousandths = vec![0; last.series.len()];
        }
        last.time_ms = last.time_ms.wrapping_add(cursor.signed()?);
        let shared = usize::try_from(cursor.number()?).map_err(|_| Damaged)?;
        let mut id = last.id.get(..shared).ok_or(Damaged)?.to_vec();
        id.extend_from_slice(cursor.bytes()?);
        last.id.clone_from(&id);
        let mut values = Vec::with_capacity(last.series.len());
        for (number, thousandths) in last.series.iter().zip(&mut last.thousandths) {
            let value = match cursor.number()? {
                PLAIN => f64::from_le_bytes(cursor.array()?),
                difference => {
                    *thousandths = thousandths.wrapping_add(unzigzag(difference - 1));
                    float(*thousandths) / 1000.0
                }
            };
            values.push((*number, value));
        }
        Ok(Entry { board, time_ms: last.time_ms, id, values })
    }
}

fn put_name(out: &mut Vec<u8>, kind: u64, number: u32, names: &Names) {
    put_number(out, kind);
    put_number(out, u64::from(number));
    put_bytes(out, names.name(number).map_or(&b""[..], |name| name.as_bytes()));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn names(count: u32) -> Names {
        let mut names = Names::new(100);
        (0..count).for_each(|number| assert!(names.learn(number, &format!("name {number}"))));
        names
    }

    fn entries() -> impl Strategy<Value = Vec<Entry>> {
        let value = prop_oneof![(0..1000_i32).prop_map(|v| f64::from(v) / 10.0), any::<f64>(), Just(-0.0)];
        let values = prop::collection::vec((0..10_u32, value), 0..6);
        let entry = (0..4_u32, any::<i64>(), prop::collection::vec(any::<u8>(), 0..8), values)
            .prop_map(|(board, time_ms, id, values)| Entry { board, time_ms, id, values });
        prop::collection::vec(entry, 0..40)
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(entries in entries()) {
            let (boards, series) = (names(4), names(10));
            let mut bytes = Vec::new();
            let mut chain = Chain::default();
            entries.iter().for_each(|entry| chain.write(&mut bytes, entry, &boards, &series));
            let (mut chain, mut cursor) = (Chain::default(), Cursor::new(&bytes));
            let (mut boards, mut series) = (Names::new(100), Names::new(100));
            let mut back = Vec::new();
            while let Some(entry) = chain.read(&mut cursor, &mut boards, &mut series).unwrap() {
                back.push(entry);
            }
            prop_assert_eq!(format!("{entries:?}"), format!("{back:?}"));
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes: Vec<u8>) {
            let (mut boards, mut series) = (names(3), names(3));
            let (mut chain, mut cursor) = (Chain::default(), Cursor::new(&bytes));
            while let Ok(Some(_)) = chain.read(&mut cursor, &mut boards, &mut series) {}
        }
    }
}
