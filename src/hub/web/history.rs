//! A history: which stretch is asked for, and its columns as JSON or CSV.

use std::borrow::Cow;
use std::fmt::Write as _;

use bytes::Bytes;

use super::query;
use crate::clock::unix_ms;

/// Points of a history without `points=`.
const POINTS: usize = 600;

/// Most points of a history.
const MOST_POINTS: usize = 2000;

/// Milliseconds of a history without `from=`.
const LENGTH_MS: i64 = 3_600_000;

/// The end of the year 9999, in Unix seconds.
const LAST: f64 = 253_402_300_799.0;

/// The stretch of time that is asked for. `from_ms < to_ms`, in Unix milliseconds, neither of them negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first instant.
    pub from_ms: i64,
    /// The last one.
    pub to_ms: i64,
    /// Most points, 1 to 2,000.
    pub points: usize,
}

/// Which of a board's records a history comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tier {
    /// Each sample of the last hour.
    Recent,
    /// Roll-ups of a minute.
    Minute,
    /// Roll-ups of a quarter of an hour.
    Quarter,
}

impl Tier {
    /// As the API has it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Recent => "recent",
            Self::Minute => "minute",
            Self::Quarter => "quarter",
        }
    }
}

/// A history: columns of one length, ascending by time.
#[derive(Clone, Debug, PartialEq)]
pub struct Columns {
    /// Where it comes from.
    pub tier: Tier,
    /// Milliseconds from point to point; for single samples, the board's usual interval.
    pub step_ms: i64,
    /// Unix milliseconds of each point.
    pub t_ms: Vec<i64>,
    /// The average of each point; `None` is a gap.
    pub avg: Vec<Option<f64>>,
    /// The minimum of each point.
    pub min: Vec<Option<f64>>,
    /// The maximum of each point.
    pub max: Vec<Option<f64>>,
}

/// Why there is no history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// No board has that name.
    Host,
    /// The board has no such series.
    Series,
    /// The disk has no time for it now.
    Busy,
}

/// The series and the stretch that a query names. Without `to=` it ends now, without `from=` it is an hour.
///
/// # Errors
/// What was expected.
pub fn asked(query: Option<&str>) -> Result<(Cow<'_, str>, Span), String> {
    let [series, from, to, points] = query::parse(query, ["series", "from", "to", "points"])?;
    let series = series.filter(|name| !name.is_empty()).ok_or("expected series=NAME")?;
    let to_ms = to.map_or_else(|| Ok(unix_ms()), |text| ms(&text, "to"))?;
    let from_ms = from.map_or_else(|| Ok((to_ms - LENGTH_MS).max(0)), |text| ms(&text, "from"))?;
    if from_ms >= to_ms {
        return Err("expected from to be before to".into());
    }
    let points =
        points.map_or(Some(POINTS), |text| text.parse().ok().filter(|n| (1..=MOST_POINTS).contains(n)));
    let points = points.ok_or_else(|| format!("points: expected a number from 1 to {MOST_POINTS}"))?;
    Ok((series, Span { from_ms, to_ms, points }))
}

/// The milliseconds of a time in seconds.
#[expect(clippy::cast_possible_truncation, reason = "of a time within the range below")]
pub(super) fn ms(text: &str, name: &str) -> Result<i64, String> {
    let seconds = text.parse::<f64>().ok().filter(|seconds| (0.0..=LAST).contains(seconds));
    let seconds = seconds.ok_or_else(|| format!("{name}: expected Unix seconds, from 0 to {LAST}"))?;
    Ok((seconds * 1000.0).round() as i64)
}

#[expect(clippy::cast_precision_loss, reason = "2^53 milliseconds are 285,000 years")]
pub(super) fn seconds(ms: i64) -> f64 {
    ms as f64 / 1000.0
}

/// The columns as the API's JSON. What is not finite is null.
pub fn json(series: &str, columns: &Columns) -> Bytes {
    let Columns { tier, step_ms, t_ms, avg, min, max } = columns;
    let t: Vec<f64> = t_ms.iter().copied().map(seconds).collect();
    // Texts and numbers always have their JSON.
    let [series, t] =
        [serde_json::to_string(series), serde_json::to_string(&t)].map(Result::unwrap_or_default);
    let [avg, min, max] = [avg, min, max].map(|column| serde_json::to_string(column).unwrap_or_default());
    let (tier, step) = (tier.name(), seconds(*step_ms));
    format!(
        r#"{{"series":{series},"tier":"{tier}","step":{step},"t":{t},"avg":{avg},"min":{min},"max":{max}}}"#
    )
    .into()
}

/// The columns as CSV (RFC 4180), with a gap as empty fields.
pub fn csv(columns: &Columns) -> Bytes {
    let mut out = String::from("time,avg,min,max\r\n");
    let values = columns.avg.iter().zip(&columns.min).zip(&columns.max);
    for (ms, ((avg, min), max)) in columns.t_ms.iter().zip(values) {
        // Writing to a string cannot fail.
        let _ = write!(out, "{}", seconds(*ms));
        for value in [avg, min, max] {
            let _ = match value.filter(|value| value.is_finite()) {
                Some(value) => write!(out, ",{value}"),
                None => out.write_char(','),
            };
        }
        out.push_str("\r\n");
    }
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_query_names_a_series_and_a_stretch() {
        let (series, span) = asked(Some("series=cpu&from=1.5&to=2.0005&points=2000")).unwrap();
        assert_eq!((&*series, span), ("cpu", Span { from_ms: 1500, to_ms: 2001, points: 2000 }));
        let (_, span) = asked(Some("series=cpu")).unwrap();
        assert_eq!((span.to_ms - span.from_ms, span.points), (3_600_000, 600));
        let (_, span) = asked(Some("series=cpu&to=60")).unwrap();
        assert_eq!((span.from_ms, span.to_ms), (0, 60_000));
    }

    #[test]
    fn a_wrong_query_is_told_what_was_expected() {
        let seconds = "expected Unix seconds, from 0 to 253402300799";
        for (query, expected) in [
            ("", "expected series=NAME"),
            ("series=", "expected series=NAME"),
            ("series=a&from=x", &format!("from: {seconds}")),
            ("series=a&from=", &format!("from: {seconds}")),
            ("series=a&from=nan", &format!("from: {seconds}")),
            ("series=a&to=inf", &format!("to: {seconds}")),
            ("series=a&to=-1", &format!("to: {seconds}")),
            ("series=a&to=1e12", &format!("to: {seconds}")),
            ("series=a&from=2&to=2", "expected from to be before to"),
            ("series=a&to=0", "expected from to be before to"),
            ("series=a&points=0", "points: expected a number from 1 to 2000"),
            ("series=a&points=2001", "points: expected a number from 1 to 2000"),
            ("series=a&points=-1", "points: expected a number from 1 to 2000"),
            ("series=a&from=1&untill=2", "unknown parameter: expected series, from, to, points"),
        ] {
            assert_eq!(asked(Some(query)).unwrap_err(), expected, "{query}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(
            points in prop::collection::vec((0..253_402_300_799_000_i64, prop::option::of(prop::num::f64::ANY)), 0..20),
        ) {
            let (t_ms, avg): (Vec<_>, Vec<_>) = points.into_iter().unzip();
            let columns = Columns { tier: Tier::Minute, step_ms: 60_000, t_ms, min: avg.clone(), max: avg.clone(), avg };
            let read: serde_json::Value = serde_json::from_slice(&json("a\"b", &columns)).unwrap();
            prop_assert_eq!(&read["series"], "a\"b");
            prop_assert_eq!(&read["step"], 60.0);
            let text = String::from_utf8(csv(&columns).to_vec()).unwrap();
            let lines: Vec<&str> = text.lines().skip(1).collect();
            prop_assert_eq!(lines.len(), columns.t_ms.len());
            for (n, line) in lines.into_iter().enumerate() {
                let fields: Vec<Option<f64>> = line.split(',').map(|field| field.parse().ok()).collect();
                let finite = columns.avg[n].filter(|value| value.is_finite());
                prop_assert_eq!(&fields[1..], [finite; 3]);
                prop_assert_eq!((fields[0].unwrap() * 1000.0).round() as i64, columns.t_ms[n]);
                prop_assert_eq!(read["t"][n].as_f64(), fields[0]);
                // serde_json reads to within the last digits.
                let read = read["max"][n].as_f64();
                prop_assert_eq!(read.is_some(), finite.is_some());
                let (read, written) = (read.unwrap_or(0.0), finite.unwrap_or(0.0));
                prop_assert!((read / written - 1.0).abs() < 1e-12 || read == written || written.abs() < 1e-300);
            }
        }
    }
}
