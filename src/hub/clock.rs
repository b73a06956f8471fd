//! The time, as the core counts it and as tokio does.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time;

use psistats_core::time::Instant;

/// Time since its start.
#[derive(Debug)]
pub struct Clock(time::Instant);

impl Clock {
    /// Begins now.
    pub fn start() -> Self {
        Self(time::Instant::now())
    }

    /// The time since the start.
    pub fn now(&self) -> Instant {
        Instant::from_nanos(u64::try_from(self.0.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }

    /// `at`, as tokio counts it.
    pub fn instant(&self, at: Instant) -> time::Instant {
        self.0 + at.since(Instant::from_nanos(0)).min(Duration::from_secs(1 << 30))
    }
}

/// The wall clock's time: Unix milliseconds.
pub fn unix_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
