//! What is said when an alert begins or is over. As JSON it is what a webhook gets, and what the API lists.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::alerts::alert::Turn;
use crate::alerts::rules::Severity;

/// One message. Times are Unix seconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// The board's host name; none: it is about all boards.
    pub board: Option<String>,
    /// The rule's name.
    pub alert: String,
    /// The path of the series, where the rule is about one.
    pub series: Option<String>,
    /// How much it matters.
    pub severity: Severity,
    /// What has changed.
    pub state: Turn,
    /// Since when it is, or was, so.
    pub since: f64,
    /// When this was said.
    pub at: f64,
    /// A sentence with all that a person needs.
    pub text: String,
}

impl Message {
    /// One that says nothing but that a receiver hears.
    pub fn test(now_ms: i64) -> Self {
        let now = now_ms as f64 / 1000.0;
        Self {
            board: None,
            alert: "test".to_owned(),
            series: None,
            severity: Severity::Notice,
            state: Turn::Raised,
            since: now,
            at: now,
            text: "A test message of psistats-hub: alerts will come here".to_owned(),
        }
    }

    /// Names the alert from when it is raised to when it is over: 16 hexadecimal digits.
    pub fn id(&self) -> String {
        let about = format!("{:?} {:?} {:?} {:.3}", self.board, self.alert, self.series, self.since);
        Sha256::digest(about).iter().take(8).map(|octet| format!("{octet:02x}")).collect()
    }

    /// Whether both are about one and the same.
    pub fn is_about(&self, other: &Self) -> bool {
        (&self.board, &self.alert, &self.series) == (&other.board, &other.alert, &other.series)
    }

    /// As JSON.
    pub fn json(&self) -> String {
        // Every key is a text.
        serde_json::to_string(&Told { id: self.id(), message: self }).unwrap_or_default()
    }
}

/// A message as others see it.
#[derive(Debug, Serialize)]
pub struct Told<M> {
    /// See [`Message::id`].
    pub id: String,
    /// The message, and perhaps more.
    #[serde(flatten)]
    pub message: M,
}

/// A board's name on one line.
pub fn shown(name: &str) -> String {
    name.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// How long something lasted: `45 s`, `12 min`, `3 h`, `5 d`.
pub fn span(ms: i64) -> String {
    match ms / 1000 {
        s @ ..120 => format!("{s} s"),
        s @ ..7_200 => format!("{} min", s / 60),
        s @ ..172_800 => format!("{} h", s / 3_600),
        s => format!("{} d", s / 86_400),
    }
}
