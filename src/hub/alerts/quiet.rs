//! Quiet hours of a receiver: what can wait is held meanwhile, and told as one message after them.

use std::collections::VecDeque;
use std::fmt;

use crate::alerts::alert::Turn;
use crate::alerts::message::Message;
use crate::alerts::rules::Severity;
use psistats_host::conf::Expected;
use psistats_host::output::localtime::Zone;

/// The name of what is told after them, in the place of an alert's.
pub const SUMMARY: &str = "quiet-hours";
/// Lines of it.
const LINES: usize = 20;
const DAY_MINUTES: i64 = 24 * 60;

/// From one minute of the local day until another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hours {
    from: i64,
    until: i64,
}

/// `quiet` and `quiet_except`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quiet {
    /// When it is quiet.
    pub hours: Hours,
    /// What matters so much is told all the same.
    pub except: Option<Severity>,
}

impl Hours {
    /// Reads `22:00-07:00`. A day ends at 24:00.
    ///
    /// # Errors
    /// What was expected.
    pub fn parse(text: &str) -> Result<Self, Expected> {
        let expected = "two different times of day, as 22:00-07:00, and not the whole day: what is held then is never told";
        let (from, until) = text.split_once('-').ok_or(expected)?;
        let hours = Self { from: minute(from).ok_or(expected)?, until: end(until).ok_or(expected)? };
        if hours.from == hours.until % DAY_MINUTES { Err(expected.into()) } else { Ok(hours) }
    }

    /// Whether a minute of the day lies within; the last one does not.
    pub fn has(self, minute: i64) -> bool {
        let Self { from, until } = self;
        if from < until { (from..until).contains(&minute) } else { !(until..from).contains(&minute) }
    }
}

impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, until } = self;
        write!(f, "{:02}:{:02}-{:02}:{:02}", from / 60, from % 60, until / 60, until % 60)
    }
}

/// Of `HH:MM`.
fn minute(text: &str) -> Option<i64> {
    let (hour, minute) = text.trim().split_once(':')?;
    let number = |digits: &str, below: i64| {
        let is_number = (1..=2).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
        digits.parse().ok().filter(|number: &i64| is_number && *number < below)
    };
    Some(number(hour, 24)? * 60 + number(minute, 60)?)
}

/// Of `HH:MM`, or `24:00`.
fn end(text: &str) -> Option<i64> {
    if text.trim() == "24:00" { Some(DAY_MINUTES) } else { minute(text) }
}

/// The minute of the local day.
pub fn minute_at(zone: &Zone, now_ms: i64) -> i64 {
    let seconds = now_ms.div_euclid(1_000);
    (seconds + zone.offset(seconds)).div_euclid(60).rem_euclid(DAY_MINUTES)
}

impl Quiet {
    /// Whether a message waits that comes at that minute of the day.
    pub fn holds(&self, message: &Message, minute: i64) -> bool {
        self.hours.has(minute) && self.except.is_none_or(|except| message.severity < except)
    }
}

/// What is told of all that was held: each alert with what was said of it last. A single message stays as it is.
pub fn summary(held: VecDeque<Message>, now: f64) -> Option<Message> {
    let mut alerts: Vec<Message> = Vec::new();
    for message in held {
        match alerts.iter_mut().find(|known| known.is_about(&message) && known.since == message.since) {
            Some(known) => *known = message,
            None => alerts.push(message),
        }
    }
    let severity = alerts.iter().map(|message| message.severity).max()?;
    let since = alerts.iter().map(|message| message.since).reduce(f64::min)?;
    if alerts.len() == 1 {
        return alerts.pop();
    }
    let over = alerts.iter().filter(|message| message.state == Turn::Cleared).count();
    let mut lines = vec![format!("{} alerts in quiet hours, {over} of them over", alerts.len())];
    lines.extend(alerts.iter().take(LINES).map(|message| message.text.clone()));
    lines.extend((alerts.len() > LINES).then(|| format!("and {} more", alerts.len() - LINES)));
    Some(Message {
        board: None,
        alert: SUMMARY.to_owned(),
        series: None,
        severity,
        state: if over == alerts.len() { Turn::Cleared } else { Turn::Raised },
        since,
        at: now,
        text: lines.join("\n"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_go_over_midnight_and_their_end_is_not_among_them() {
        let has = |text, time| Hours::parse(text).unwrap().has(minute(time).unwrap());
        for (time, night, noon) in [
            ("21:59", false, false),
            ("22:00", true, false),
            ("00:00", true, false),
            ("06:59", true, false),
            ("07:00", false, false),
            ("12:00", false, true),
            ("12:30", false, false),
        ] {
            assert_eq!((has("22:00-07:00", time), has("12:00 - 12:30", time)), (night, noon), "{time}");
            assert_eq!(
                (has("22:00-24:00", time), has("00:00-22:00", time)),
                (time == "22:00", time != "22:00"),
                "{time}"
            );
        }
        for wrong in [
            "",
            "22:00",
            "22-7",
            "22:00-22:00",
            "00:00-24:00",
            "24:00-07:00",
            "22:00-24:01",
            "22:60-07:00",
            "+2:00-07:00",
            "22:00-07:000",
        ] {
            assert!(Hours::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_day_is_that_of_the_zone() {
        let zone = Zone::named("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        // 2026-01-15 and 2026-07-15, 21:30 UTC.
        assert_eq!(minute_at(&zone, 1_768_512_600_000), 22 * 60 + 30);
        assert_eq!(minute_at(&zone, 1_784_151_000_999), 23 * 60 + 30);
        assert_eq!(minute_at(&Zone::utc(), -60_000), 23 * 60 + 59);
    }
}
