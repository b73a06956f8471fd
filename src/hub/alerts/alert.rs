//! One alert of one board over time.
//!
//! ```text
//!          reached             so long without a break          clear
//!   quiet ---------> pending --------------------------> raised ------> over
//!     ^                 |                                   ^             |
//!     +-- not reached --+                                   +-------------+ reached again
//! ```
//!
//! What is raised again within an hour flaps: then it has to be clear for a minute to be over, for two minutes the next
//! time, and so on up to an hour. So a board that comes and goes all day causes some ten messages, not thousands.

use serde::{Deserialize, Serialize};

use crate::alerts::rules::Verdict;

/// What is over for so long does not flap.
pub const CALM_MS: i64 = 3_600_000;
const FIRST_MS: i64 = 60_000;

/// What has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Turn {
    /// It has begun.
    Raised,
    /// It is over.
    Cleared,
}

/// One alert. Times are Unix milliseconds.
#[derive(Clone, Debug, Default)]
pub struct Alert {
    /// Since when it is reached; of one that is over, none.
    pub since_ms: Option<i64>,
    /// Whether it has lasted long enough.
    pub is_raised: bool,
    /// Since when it is clear, where it is raised all the same.
    clear_ms: Option<i64>,
    /// When it was over last.
    over_ms: Option<i64>,
    flaps: u32,
    /// The sentence that was said when it was raised.
    pub text: String,
    /// Nothing was said, since `intake-lost` says it for all boards.
    pub is_covered: bool,
    /// When an operator took notice of it.
    pub acknowledged_ms: Option<i64>,
}

impl Alert {
    /// One that is raised already.
    pub fn raised(since_ms: i64, text: String) -> Self {
        Self { since_ms: Some(since_ms), is_raised: true, text, ..Self::default() }
    }

    /// Takes over what is so at `now_ms`, where `since_ms` is when that began as far as known. It is raised once that
    /// lasted for `hold_ms`.
    pub fn step(&mut self, verdict: Verdict, since_ms: i64, now_ms: i64, hold_ms: i64) -> Option<Turn> {
        if !self.is_raised {
            if verdict != Verdict::Reached {
                self.since_ms = None;
                return None;
            }
            // What is over has left its own, for the message.
            let known_ms =
                self.since_ms.filter(|since_ms| self.over_ms.is_none_or(|over_ms| *since_ms > over_ms));
            let since_ms = *self.since_ms.insert(known_ms.unwrap_or(since_ms));
            if now_ms.saturating_sub(since_ms) < hold_ms {
                return None;
            }
            let flaps = self.over_ms.is_some_and(|over_ms| now_ms.saturating_sub(over_ms) < CALM_MS);
            self.flaps = if flaps { self.flaps.saturating_add(1) } else { 0 };
            (self.is_raised, self.clear_ms, self.acknowledged_ms) = (true, None, None);
            return Some(Turn::Raised);
        }
        if verdict != Verdict::Clear {
            self.clear_ms = None;
            return None;
        }
        let clear_ms = *self.clear_ms.get_or_insert(now_ms);
        if now_ms.saturating_sub(clear_ms) < self.calm_ms() {
            return None;
        }
        (self.is_raised, self.over_ms) = (false, Some(now_ms));
        Some(Turn::Cleared)
    }

    /// So long it has to be clear to be over.
    fn calm_ms(&self) -> i64 {
        match self.flaps {
            0 => 0,
            flaps => FIRST_MS.saturating_mul(1 << (flaps - 1).min(10)).min(CALM_MS),
        }
    }

    /// It begins anew, as of `now_ms`, as one that was not raised.
    pub fn restart(&mut self, now_ms: i64) {
        *self = Self { since_ms: Some(now_ms), over_ms: self.over_ms, flaps: self.flaps, ..Self::default() };
    }

    /// Whether nothing of it is worth keeping.
    pub fn is_forgotten(&self, now_ms: i64) -> bool {
        let flaps = self.over_ms.is_some_and(|over_ms| now_ms.saturating_sub(over_ms) < CALM_MS);
        !self.is_raised && self.since_ms.is_none() && !flaps
    }
}
