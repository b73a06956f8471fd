//! What is worth an alert, in one table, and what an operator adds to it. A rule is a function of what a board says: it
//! does no I/O, reads no clock, and remembers nothing.

use std::borrow::Cow;

use Severity::{Critical, Notice, Warning};
use serde::{Deserialize, Serialize};

use crate::fleet::{State, Value};

/// How much an alert matters, from the least on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It has happened. That it is over is no message.
    Notice,
    /// An operator should look.
    Warning,
    /// It may fail, or has failed in part.
    Critical,
}

/// What a rule says of a board at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is so.
    Reached,
    /// Not so any more, but not clear of it either; or not known. What was raised stays so.
    Between,
    /// It is not so.
    Clear,
}

/// Series by their path, in which one or two `*` stand for anything but nothing: `disk.*.percent`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Series(pub Cow<'static, str>);

impl Series {
    const fn of(pattern: &'static str) -> Self {
        Self(Cow::Borrowed(pattern))
    }

    /// What the first `*` stands for, as `/srv` in `disk./srv.percent`; empty where there is none. None: the path is of
    /// another series.
    pub fn subject<'p>(&self, path: &'p str) -> Option<&'p str> {
        let Some((begin, rest)) = self.0.split_once('*') else {
            return (*self.0 == *path).then_some("");
        };
        let tail = path.strip_prefix(begin)?;
        let subject = match rest.split_once('*') {
            None => tail.strip_suffix(rest)?,
            Some((middle, end)) => {
                let (subject, last) = tail.strip_suffix(end)?.rsplit_once(middle)?;
                (!last.is_empty()).then_some(subject)?
            }
        };
        Some(subject).filter(|subject| !subject.is_empty())
    }
}

/// A bound of a number; a truth value counts as 0 or 1. Both values belong to their side.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bound {
    /// Reached from `at` on upwards, clear from `clear` on downwards.
    Above {
        /// Where it is reached.
        at: f64,
        /// Where it is over.
        clear: f64,
    },
    /// Reached from `at` on downwards, clear from `clear` on upwards.
    Below {
        /// Where it is reached.
        at: f64,
        /// Where it is over.
        clear: f64,
    },
    /// As `Above`, of the number without its sign.
    Beyond {
        /// Where it is reached.
        at: f64,
        /// Where it is over.
        clear: f64,
    },
}

impl Bound {
    fn verdict(self, value: f64) -> Verdict {
        let (value, at, clear) = match self {
            Self::Above { at, clear } => (value, at, clear),
            Self::Below { at, clear } => (-value, -at, -clear),
            Self::Beyond { at, clear } => (value.abs(), at, clear),
        };
        match () {
            () if value >= at => Verdict::Reached,
            () if value <= clear => Verdict::Clear,
            () => Verdict::Between,
        }
    }
}

/// What is looked at.
#[derive(Clone, Debug, PartialEq)]
pub enum Test {
    /// The number of each of these series.
    Level(Series, Bound),
    /// The text of each of these series: another one than this.
    Other(Series, &'static str),
    /// Whether a figure that said a number within the last hour is null now.
    Missing,
    /// Whether the series of this path says the same all the time.
    Frozen(&'static str),
    /// Whether each of these percentages will reach 100 within these hours as it grows.
    Filling(Series, f64),
    /// Whether nothing is heard of the board.
    Lost,
    /// Whether the board started again so often within so many milliseconds.
    Reboots(usize, i64),
    /// Whether two boards have this name.
    Duplicate,
}

/// One kind of alert.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Its name in messages, and in `[alert:NAME]`.
    pub name: Cow<'static, str>,
    /// How much it matters.
    pub severity: Severity,
    /// Whether the wall shows it, too: at once, and as long as it is reached.
    pub is_on_wall: bool,
    /// What is looked at.
    pub test: Test,
    /// So many milliseconds it has to be so without a break.
    pub hold_ms: i64,
    /// The truth value of this path latches it: it is not over as long as that is true.
    pub latch: Option<&'static str>,
    /// Key and value of a tag: other boards are not looked at.
    pub tag: Option<(String, String)>,
    /// The sentence, of the series' subject and value. None: an operator's rule, which has one made of its path.
    why: Option<Sentence>,
}

/// Makes a sentence of a series' subject and value.
#[derive(Clone, Copy, Debug)]
struct Sentence(fn(subject: &str, value: f64) -> String);

impl PartialEq for Sentence {
    /// Rules of one name have the same one.
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;

/// A rule of the table.
const fn rule(
    name: &'static str,
    severity: Severity,
    hold_ms: i64,
    test: Test,
    why: fn(&str, f64) -> String,
) -> Rule {
    let name = Cow::Borrowed(name);
    Rule {
        name,
        severity,
        is_on_wall: false,
        test,
        hold_ms,
        latch: None,
        tag: None,
        why: Some(Sentence(why)),
    }
}

const fn level(series: &'static str, at: f64, clear: f64) -> Test {
    Test::Level(Series::of(series), Bound::Above { at, clear })
}

const fn truth(series: &'static str) -> Test {
    level(series, 1.0, 0.0)
}

/// Those that are on from the start. Of those that the wall shows the first that is reached is told: the worse ones come
/// first.
pub static RULES: [Rule; 18] = [
    rule("under-voltage", Critical, 0, truth("throttled.under_voltage"), |_, _| {
        "Power: under-voltage".to_owned()
    })
    // What the firmware has seen since its start stays until the board is started again, with power that holds.
    .latched_by("throttled.since_boot.under_voltage")
    .on_wall(),
    rule("read-only", Critical, 0, truth("readonly.*.readonly"), |subject, _| {
        format!("{subject} is read-only")
    })
    .on_wall(),
    rule("temperature", Warning, 5 * MINUTE, level("cpu_temp", 80.0, 75.0), |_, value| {
        format!("CPU is at {value:.0} °C")
    })
    .on_wall(),
    rule("disk", Warning, MINUTE, level("disk.*.percent", 90.0, 88.0), |subject, value| {
        format!("{subject} is {value:.0} % full")
    })
    .on_wall(),
    rule("memory", Warning, 10 * MINUTE, level("mem", 90.0, 85.0), |_, value| {
        format!("memory is {value:.0} % full")
    })
    .on_wall(),
    rule("lost", Critical, 2 * MINUTE, Test::Lost, |_, _| "not heard".to_owned()),
    rule("throttled", Warning, 5 * MINUTE, truth("throttled.throttled"), |_, _| {
        "CPU is throttled".to_owned()
    }),
    rule("soft-limit", Warning, 5 * MINUTE, truth("throttled.soft_temperature_limit"), |_, _| {
        "CPU is slowed down: its soft temperature limit is reached".to_owned()
    }),
    rule(
        "disk-filling",
        Warning,
        10 * MINUTE,
        Test::Filling(Series::of("disk.*.percent"), 24.0),
        |subject, value| {
            format!("{subject} is {value:.0} % full, and will be full within a day as it grows now")
        },
    ),
    rule("reboots", Warning, 0, Test::Reboots(3, HOUR), |_, count| {
        format!("rebooted {count:.0} times within an hour")
    }),
    rule("reboot", Notice, 0, Test::Reboots(1, 10 * MINUTE), |_, _| "rebooted".to_owned()),
    rule(
        "clock",
        Warning,
        5 * MINUTE,
        Test::Level(Series::of("clock_difference"), Bound::Beyond { at: 2.0, clear: 1.0 }),
        |_, value| format!("clock is {:.1} s {}", value.abs(), if value > 0.0 { "ahead" } else { "behind" }),
    ),
    rule(
        "wifi",
        Warning,
        10 * MINUTE,
        Test::Level(Series::of("wifi.*.level"), Bound::Below { at: -76.0, clear: -70.0 }),
        |subject, value| format!("Wi-Fi signal of {subject} is {value:.0} dBm"),
    ),
    rule("card-life", Warning, 0, level("card.*.life_time.*", 90.0, 89.0), |subject, value| {
        format!("{subject} has used {value:.0} % of its life")
    }),
    rule("card-reserve", Warning, 0, Test::Other(Series::of("card.*.pre_eol"), "normal"), |subject, _| {
        format!("{subject} has used most of its reserved blocks")
    }),
    rule("missing", Warning, 10 * MINUTE, Test::Missing, |subject, _| format!("{subject} is missing")),
    rule("frozen", Warning, 10 * MINUTE, Test::Frozen("uptime"), |subject, value| {
        format!("{subject} stands still at {value:.0}: the agent repeats itself")
    }),
    rule("duplicate", Warning, 0, Test::Duplicate, |_, _| "two boards have this name".to_owned()),
];

impl Rule {
    /// An operator's rule about series.
    pub fn own(name: &str, series: Series, bound: Bound) -> Self {
        Self {
            name: name.to_owned().into(),
            why: None,
            ..rule("", Warning, 0, Test::Level(series, bound), |_, _| String::new())
        }
    }

    const fn on_wall(mut self) -> Self {
        self.is_on_wall = true;
        self
    }

    const fn latched_by(mut self, path: &'static str) -> Self {
        self.latch = Some(path);
        self
    }

    /// The place in [`RULES`] of the one by which the wall shows a series.
    pub fn of_wall(path: &str) -> Option<usize> {
        RULES.iter().position(|rule| rule.is_on_wall && rule.looks_at(path))
    }

    /// What a board is that reaches it.
    pub const fn state(&self) -> State {
        match self.severity {
            Critical => State::Critical,
            Warning | Notice => State::Warning,
        }
    }

    /// Whether it is about single series, and this path is one of them.
    pub fn looks_at(&self, path: &str) -> bool {
        match &self.test {
            Test::Level(series, _) | Test::Other(series, _) | Test::Filling(series, _) => {
                series.subject(path).is_some()
            }
            // Figures of one number: members of others come and go, as disks and interfaces do.
            Test::Missing => !path.contains('.'),
            Test::Frozen(of) => path == *of,
            Test::Lost | Test::Reboots(..) | Test::Duplicate => false,
        }
    }

    /// What it says of a series' value, where that alone tells.
    pub fn verdict(&self, value: &Value) -> Verdict {
        let verdict = match (&self.test, value) {
            (Test::Level(_, bound), value) => value.number().map(|value| bound.verdict(value)),
            (Test::Other(_, well), Value::Text(text)) if **text == **well => Some(Verdict::Clear),
            (Test::Other(..), Value::Text(_)) => Some(Verdict::Reached),
            _ => None,
        };
        verdict.unwrap_or(Verdict::Between)
    }

    /// The sentence, without the board, for a series and its value; or for what was counted.
    pub fn why(&self, path: &str, value: &Value) -> String {
        let number = value.number().unwrap_or_default();
        let Some(Sentence(why)) = self.why else {
            let Test::Level(_, Bound::Above { at, .. } | Bound::Beyond { at, .. } | Bound::Below { at, .. }) =
                self.test
            else {
                return path.to_owned();
            };
            return format!("{path} is {number} (limit: {at})");
        };
        let subject = match &self.test {
            Test::Level(series, _) | Test::Other(series, _) | Test::Filling(series, _) => {
                series.subject(path).unwrap_or_default()
            }
            _ => path,
        };
        why(subject, number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_has_up_to_two_parts_that_may_be_anything() {
        let subject = |pattern: &'static str, path| Series::of(pattern).subject(path);
        assert_eq!(subject("mem", "mem"), Some(""));
        assert_eq!(subject("mem", "memory"), None);
        assert_eq!(subject("disk.*.percent", "disk./boot/a.b.percent"), Some("/boot/a.b"));
        assert_eq!(subject("disk.*.percent", "disk..percent"), None);
        assert_eq!(subject("disk.*.percent", "disk.percent"), None);
        assert_eq!(subject("card.*.life_time.*", "card.mmcblk0.life_time.1"), Some("mmcblk0"));
        assert_eq!(subject("card.*.life_time.*", "card.mmcblk0.life_time."), None);
    }

    #[test]
    fn between_a_bound_and_its_margin_nothing_changes() {
        let verdicts = |bound: Bound, values: [f64; 4]| values.map(|value| bound.verdict(value));
        let expected = [Verdict::Reached, Verdict::Between, Verdict::Between, Verdict::Clear];
        assert_eq!(verdicts(Bound::Above { at: 80.0, clear: 75.0 }, [80.0, 79.9, 75.1, 75.0]), expected);
        assert_eq!(
            verdicts(Bound::Below { at: -76.0, clear: -70.0 }, [-76.0, -75.0, -71.0, -70.0]),
            expected
        );
        assert_eq!(verdicts(Bound::Beyond { at: 2.0, clear: 1.0 }, [-2.0, 1.9, -1.1, -1.0]), expected);
        assert_eq!(Bound::Above { at: f64::NAN, clear: f64::NAN }.verdict(1.0), Verdict::Between);
    }

    #[test]
    fn each_rule_has_a_name_of_its_own() {
        let mut names: Vec<_> = RULES.iter().map(|rule| &*rule.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), RULES.len());
    }
}
