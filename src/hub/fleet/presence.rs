//! How a board is. Its figures tell by the rules of [`crate::alerts::rules`] that the wall shows.

use serde::{Deserialize, Serialize};

/// How a board is, from the best on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
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

/// Whether a board is lost that was heard at `heard_ms`.
pub fn is_lost(heard_ms: i64, now_ms: i64, interval_ms: i64) -> bool {
    now_ms.saturating_sub(heard_ms) > LOST_MS.max(interval_ms.saturating_mul(LOST_INTERVALS))
}
