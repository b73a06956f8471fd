//! All of a board's history in a stretch of time, as CSV or as InfluxDB's line protocol.

use std::fmt::Write as _;

use bytes::Bytes;

use super::history::{ms, seconds};
use super::{Replay, query};
use crate::clock::unix_ms;

/// Milliseconds of an export without `from=`, and at most.
const LENGTH_MS: i64 = 3_600_000;
const MOST_MS: i64 = 6 * LENGTH_MS;

/// How it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// CSV (RFC 4180), with a head.
    Csv,
    /// Lines of `psistats,host=NAME,path=SERIES avg=1,min=1,max=1,count=1i NANOSECONDS`.
    Lines,
}

/// The stretch and the form that a query names. Without `to=` it ends now, without `from=` it is an hour.
///
/// # Errors
/// What was expected.
pub fn asked(query: Option<&str>) -> Result<(i64, i64, Form), String> {
    let [from, to, format] = query::parse(query, ["from", "to", "format"])?;
    let to_ms = to.map_or_else(|| Ok(unix_ms()), |text| ms(&text, "to"))?;
    let from_ms = from.map_or_else(|| Ok((to_ms - LENGTH_MS).max(0)), |text| ms(&text, "from"))?;
    if !(1..=MOST_MS).contains(&(to_ms - from_ms)) {
        return Err("expected from to be before to, by at most six hours".into());
    }
    let form = match format.as_deref() {
        None | Some("csv") => Form::Csv,
        Some("influx") => Form::Lines,
        Some(_) => return Err("format: expected csv or influx".into()),
    };
    Ok((from_ms, to_ms, form))
}

/// The text.
pub fn text(name: &str, replay: &Replay, form: Form) -> Bytes {
    let mut out = String::new();
    if form == Form::Csv {
        out.push_str("time,series,avg,min,max,count\r\n");
    }
    for (series, rollups) in &replay.series {
        let (quoted, tags) = match form {
            Form::Csv => (quoted(series), String::new()),
            Form::Lines => (String::new(), format!("psistats,host={},path={}", tag(name), tag(series))),
        };
        for rollup in rollups {
            let (avg, min, max, count) = (rollup.average, rollup.min, rollup.max, rollup.count);
            // Writing to a string cannot fail.
            let _ = match form {
                Form::Csv => {
                    write!(out, "{},{quoted},{avg},{min},{max},{count}\r\n", seconds(rollup.start_ms))
                }
                Form::Lines => {
                    let ms = rollup.start_ms;
                    writeln!(out, "{tags} avg={avg:?},min={min:?},max={max:?},count={count}i {ms}000000")
                }
            };
        }
    }
    out.into()
}

/// A field of CSV.
fn quoted(text: &str) -> String {
    let is_plain = !text.contains([',', '"', '\r', '\n']);
    if is_plain { text.to_owned() } else { format!("\"{}\"", text.replace('"', "\"\"")) }
}

/// The value of a tag. Line breaks have no escape, and become spaces; nor has a backslash at the end, so that all become
/// slashes.
fn tag(text: &str) -> String {
    let mut tag = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            ',' | '=' | ' ' => tag.extend(['\\', c]),
            '\\' => tag.push('/'),
            c if c.is_control() => tag.push_str("\\ "),
            c => tag.push(c),
        }
    }
    tag
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::Rollup;

    #[test]
    fn names_are_escaped_in_both_forms() {
        let rollup = Rollup { start_ms: 1_700_000_040_000, count: 3, average: 0.5, min: -1e21, max: 2.0 };
        let replay = Replay { series: vec![("a, \"b\"=\\\n".into(), vec![rollup])] };
        assert_eq!(
            text("x y", &replay, Form::Csv),
            "time,series,avg,min,max,count\r\n1700000040,\"a, \"\"b\"\"=\\\n\",0.5,-1000000000000000000000,2,3\r\n"
        );
        assert_eq!(
            text("x y", &replay, Form::Lines),
            "psistats,host=x\\ y,path=a\\,\\ \"b\"\\=/\\  avg=0.5,min=-1e21,max=2.0,count=3i 1700000040000000000\n"
        );
    }

    #[test]
    fn a_query_names_a_stretch_of_at_most_six_hours_and_a_form() {
        assert_eq!(asked(Some("from=1&to=21601&format=influx")), Ok((1000, 21_601_000, Form::Lines)));
        let (from_ms, to_ms, form) = asked(None).unwrap();
        assert_eq!((to_ms - from_ms, form), (LENGTH_MS, Form::Csv));
        for (query, expected) in [
            ("from=1&to=1", "by at most six hours"),
            ("from=1&to=21602", "by at most six hours"),
            ("format=xml", "format: expected csv or influx"),
            ("series=cpu", "unknown parameter"),
        ] {
            assert!(asked(Some(query)).unwrap_err().contains(expected), "{query}");
        }
    }
}
