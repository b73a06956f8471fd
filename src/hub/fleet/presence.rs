//! How a board is, by limits that are all in one table.

use serde::Serialize;

/// How a board is, from the best on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// No limit is reached.
    #[default]
    Well,
    /// An operator should look.
    Warning,
    /// It may fail, or has failed in part.
    Critical,
    /// It is not heard.
    Lost,
}

/// A board is lost after this silence, or after [`LOST_INTERVALS`] where those are longer.
const LOST_MS: i64 = 15_000;
const LOST_INTERVALS: i64 = 5;

/// The sentence for a board that is lost.
pub const NOT_HEARD: &str = "not heard";

/// A figure that says how a board is.
#[derive(Debug)]
pub struct Limit {
    /// The series are those whose path begins and ends so. In between is their subject.
    begin: &'static str,
    end: &'static str,
    /// Reached from this value on; a truth value counts as 1.
    at: f64,
    /// What the board is then.
    pub state: State,
    why: fn(subject: &str, value: f64) -> String,
}

/// The worse ones first, since the first that is reached is told.
pub const LIMITS: [Limit; 5] = [
    Limit {
        begin: "throttled.under_voltage",
        end: "",
        at: 1.0,
        state: State::Critical,
        why: |_, _| "Power: under-voltage".to_owned(),
    },
    Limit {
        begin: "readonly.",
        end: ".readonly",
        at: 1.0,
        state: State::Critical,
        why: |subject, _| format!("{subject} is read-only"),
    },
    Limit {
        begin: "cpu_temp",
        end: "",
        at: 80.0,
        state: State::Warning,
        why: |_, value| format!("CPU is at {value:.0} °C"),
    },
    Limit {
        begin: "disk.",
        end: ".percent",
        at: 90.0,
        state: State::Warning,
        why: |subject, value| format!("{subject} is {value:.0} % full"),
    },
    Limit {
        begin: "mem",
        end: "",
        at: 90.0,
        state: State::Warning,
        why: |_, value| format!("memory is {value:.0} % full"),
    },
];

impl Limit {
    /// The place in [`LIMITS`] of the one for a series.
    pub fn of(path: &str) -> Option<usize> {
        LIMITS.iter().position(|limit| limit.subject(path).is_some())
    }

    fn subject<'p>(&self, path: &'p str) -> Option<&'p str> {
        let subject = path.strip_prefix(self.begin)?.strip_suffix(self.end)?;
        // A subject stands between two parts.
        (subject.is_empty() == self.end.is_empty()).then_some(subject)
    }

    /// Whether a value reaches it.
    pub fn is_reached(&self, value: f64) -> bool {
        value >= self.at
    }

    /// The sentence for a value that reaches it.
    pub fn why(&self, path: &str, value: f64) -> String {
        (self.why)(self.subject(path).unwrap_or_default(), value)
    }
}

/// Whether a board is lost that was heard at `heard_ms`.
pub fn is_lost(heard_ms: i64, now_ms: i64, interval_ms: i64) -> bool {
    now_ms.saturating_sub(heard_ms) > LOST_MS.max(interval_ms.saturating_mul(LOST_INTERVALS))
}
