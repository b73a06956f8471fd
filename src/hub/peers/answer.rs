//! What another hub says of its worst boards.

use serde::{Deserialize, Serialize};

use super::BOARDS;
use crate::fleet::State;
use crate::fleet::name::HOST_NAME;

/// The most characters of a sentence.
const SENTENCE: usize = 200;

/// The last second of the year 9999.
const LATEST: f64 = 253_402_300_799.0;

/// How many boards have each state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    well: u32,
    warning: u32,
    critical: u32,
    lost: u32,
}

/// A board that is not well.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Host {
    name: String,
    state: State,
    since: f64,
    why: String,
}

/// `/api/v1/hosts?worst=N`, as far as it is shown.
#[derive(Debug, PartialEq, Deserialize)]
pub struct Answer {
    pub counts: Counts,
    /// Worst first.
    pub hosts: Vec<Host>,
}

impl Answer {
    /// Reads the JSON, and takes what is within bounds.
    ///
    /// # Errors
    /// It is something else.
    pub fn read(json: &[u8]) -> Result<Self, String> {
        let mut answer: Self = serde_json::from_slice(json)
            .map_err(|error| format!("expected what a psistats-hub answers, got something else: {error}"))?;
        answer.hosts.retain(|host| (1..=HOST_NAME).contains(&host.name.len()));
        answer.hosts.truncate(BOARDS);
        for Host { since, why, .. } in &mut answer.hosts {
            *since = since.clamp(0.0, LATEST);
            if let Some((end, _)) = why.char_indices().nth(SENTENCE) {
                why.truncate(end);
            }
        }
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(hosts: &serde_json::Value) -> Result<Answer, String> {
        let counts = json!({"well": 1, "warning": 0, "critical": 2, "lost": 3, "further": 4});
        Answer::read(json!({"now": 1.0, "counts": counts, "hosts": hosts}).to_string().as_bytes())
    }

    #[test]
    fn of_a_foreign_answer_no_more_is_taken_than_there_is_room_for() {
        let host = |name: &str, why: &str| json!({"name": name, "state": "lost", "since": 1e300, "why": why, "tags": {}});
        let mut hosts =
            vec![host("", ""), host(&"x".repeat(256), ""), host("\u{202e}<b>", &"ü".repeat(10_000))];
        hosts.extend((0..100).map(|n| host(&n.to_string(), "not heard")));
        let answer = read(&hosts.into()).unwrap();
        assert_eq!(answer.hosts.len(), BOARDS);
        assert_eq!((&*answer.hosts[0].name, answer.hosts[0].since), ("\u{202e}<b>", LATEST));
        assert_eq!(answer.hosts[0].why, "ü".repeat(SENTENCE));
        for wrong in ["", "[]", "{}", "<html>", &"[".repeat(100_000)] {
            assert!(Answer::read(wrong.as_bytes()).unwrap_err().starts_with("expected"), "{wrong:.9}");
        }
        assert!(read(&json!([{"name": "pi", "state": "odd", "since": 1, "why": ""}])).is_err());
    }
}
