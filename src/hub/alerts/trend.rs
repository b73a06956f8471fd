//! When a percentage that grows will reach 100: from one value an hour, of the last hours.

use std::collections::VecDeque;

const HOUR_MS: i64 = 3_600_000;
/// So many values.
const HOURS: usize = 7;
/// Before that nothing is foretold: what a backup or an update writes is no trend.
const LEAST_MS: i64 = 3 * HOUR_MS;

/// The values, the oldest first.
#[derive(Clone, Debug, Default)]
pub struct Trend(VecDeque<(i64, f64)>);

impl Trend {
    /// Notes the value of a moment, in the order of time.
    pub fn note(&mut self, now_ms: i64, value: f64) {
        if self.0.back().is_none_or(|(at_ms, _)| now_ms.saturating_sub(*at_ms) >= HOUR_MS) {
            if self.0.len() == HOURS {
                self.0.pop_front();
            }
            self.0.push_back((now_ms, value));
        }
    }

    /// In how many hours `value` will be 100 if it grows as slowly as it did in the last hour or in all of them, whichever
    /// is the slower. None: it does not grow, or that is not known yet.
    pub fn hours_to_full(&self, now_ms: i64, value: f64) -> Option<f64> {
        let pace = |(at_ms, before): &(i64, f64)| {
            (value - before) / (now_ms.saturating_sub(*at_ms) as f64 / HOUR_MS as f64)
        };
        let first = self.0.front().filter(|(at_ms, _)| now_ms.saturating_sub(*at_ms) >= LEAST_MS)?;
        // Of the one or two last values the older, so that it is at least an hour.
        let last = self.0.iter().rev().find(|(at_ms, _)| now_ms.saturating_sub(*at_ms) >= HOUR_MS)?;
        let pace = pace(first).min(pace(last));
        (pace > 0.0).then(|| ((100.0 - value) / pace).max(0.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A percentage of each minute.
    fn after(hours: i64, percent: impl Fn(f64) -> f64) -> Option<f64> {
        let mut trend = Trend::default();
        let minutes = hours * 60;
        (0..=minutes).for_each(|minute| trend.note(minute * 60_000, percent(minute as f64 / 60.0)));
        trend.hours_to_full(minutes * 60_000, percent(hours as f64))
    }

    #[test]
    fn what_grows_steadily_is_foretold_after_three_hours() {
        assert_eq!(after(2, |hour| 50.0 + hour), None);
        assert_eq!(after(3, |hour| 50.0 + hour), Some(47.0));
        assert_eq!(after(40, |hour| 50.0 + hour), Some(10.0));
    }

    #[test]
    fn what_has_grown_once_or_goes_up_and_down_is_no_trend() {
        assert_eq!(after(9, |hour| if hour < 5.0 { 40.0 } else { 60.0 }), None);
        assert_eq!(
            after(9, |hour| if hour < 8.9 { 40.0 } else { 60.0 }).map(|hours| hours > 11.0),
            Some(true)
        );
        assert_eq!(after(9, |hour| 50.0 - hour), None);
        assert_eq!(after(9, |_| 95.0), None);
    }
}
