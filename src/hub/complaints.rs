//! Log lines that peers cause, of which a few are written in a second.

use std::cell::Cell;
use std::fmt::Arguments;

use log::warn;

use psistats_core::time::{Instant, Quota};

/// The quota of one group of peers.
#[derive(Debug, Default)]
pub struct Complaints(Cell<Quota>);

impl Complaints {
    /// Logs a line about a peer, unless there were a few in this second already.
    pub fn say(&self, now: Instant, text: Arguments<'_>) {
        let mut quota = self.0.get();
        if quota.take(now) {
            let suppressed = quota.take_suppressed();
            if suppressed > 0 {
                warn!("{suppressed} more lines like these were suppressed");
            }
            warn!("{text}");
        }
        self.0.set(quota);
    }
}
