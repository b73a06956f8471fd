//! Monotonic instants, the backoff between attempts, and how often something is told.
//!
//! The core reads no clock: whoever drives it passes the time in.

use core::ops::{Add, Sub};
use core::time::Duration;

/// A point on the monotonic clock (`CLOCK_MONOTONIC`), in nanoseconds since its start.
///
/// 64 bits of nanoseconds last 584 years, also where `time_t` has 32 bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant {
    nanos: u64,
}

impl Instant {
    /// The instant `nanos` nanoseconds after the clock's start.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self { nanos }
    }

    /// Nanoseconds since the clock's start.
    pub const fn as_nanos(self) -> u64 {
        self.nanos
    }

    /// The time from `earlier` to here; zero where `earlier` is later.
    pub fn since(self, earlier: Instant) -> Duration {
        Duration::from_nanos(self.nanos.saturating_sub(earlier.nanos))
    }
}

impl Add<Duration> for Instant {
    type Output = Instant;

    /// Saturates: a deadline that overflows is one that never comes.
    fn add(self, by: Duration) -> Instant {
        let by = u64::try_from(by.as_nanos()).unwrap_or(u64::MAX);
        Instant::from_nanos(self.nanos.saturating_add(by))
    }
}

impl Sub<Instant> for Instant {
    type Output = Duration;

    fn sub(self, earlier: Instant) -> Duration {
        self.since(earlier)
    }
}

/// Whether a clock on the wall that says `unix_ms`, Unix milliseconds, may have been set: it does not say a time before
/// this program was made. Boards without a battery start in 1970, or at another time that their maker chose.
///
/// Of [`adjtimex(2)`](crate::kernel::clock), which knows better, a sandbox lets nothing through, and it is a system call
/// each time.
pub const fn is_clock_set(unix_ms: i64) -> bool {
    /// 2026-01-01 00:00 UTC.
    const MADE_MS: i64 = 1_767_225_600_000;
    unix_ms >= MADE_MS
}

/// A deadline that comes again every `period`, without drift.
///
/// Deadlines are multiples of the period after the start, so that time spent on the work does not
/// add up. Periods that were slept through (a suspended board, a stopped process) are passed over:
/// no burst follows, and the phase stays.
#[derive(Clone, Copy, Debug)]
pub struct Periodic {
    next: Instant,
    period: Duration,
}

impl Periodic {
    /// Due first at `first`, then every `period`, which is at least a nanosecond.
    pub fn new(first: Instant, period: Duration) -> Self {
        Self { next: first, period: period.max(Duration::from_nanos(1)) }
    }

    /// When it is due next.
    pub fn deadline(&self) -> Instant {
        self.next
    }

    /// Moves on to the first deadline after `now` where one has passed, and says whether one has.
    pub fn fire(&mut self, now: Instant) -> bool {
        if now < self.next {
            return false;
        }
        let period = u64::try_from(self.period.as_nanos()).unwrap_or(u64::MAX);
        let behind = now.nanos - self.next.nanos;
        let periods = (behind / period).saturating_add(1);
        self.next = Instant::from_nanos(self.next.nanos.saturating_add(period.saturating_mul(periods)));
        true
    }
}

/// How long to wait before the next attempt.
///
/// The first wait is `base`; each failure in a row adds half as much again, up to `cap`. The
/// wait that is used lies anywhere between half of that and the whole ("equal jitter"), so that a
/// fleet that lost its broker at once does not come back at once.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    base: Duration,
    cap: Duration,
    failures: u32,
}

/// The longest wait, in multiples of the base.
const GROWTH: u32 = 8;

impl Backoff {
    /// Starts with `base` and never waits longer than eight times that.
    pub fn new(base: Duration) -> Self {
        Self { base, cap: base.saturating_mul(GROWTH), failures: 0 }
    }

    /// The attempt worked: the next failure starts again at the base.
    pub fn reset(&mut self) {
        self.failures = 0;
    }

    /// The wait after one more failure, at least `floor`. `random` is uniform over all of u32.
    pub fn next(&mut self, random: u32, floor: Duration) -> Duration {
        let mut wait = self.base;
        for _ in 0..self.failures.min(16) {
            wait = wait.saturating_add(wait / 2).min(self.cap);
        }
        self.failures = self.failures.saturating_add(1);
        // Half of it is certain, so that half must be the floor.
        let wait = wait.max(floor.saturating_mul(2));
        let half = wait / 2;
        let spread = u64::try_from(half.as_nanos()).unwrap_or(u64::MAX);
        // random / 2^32 of the half, without a division and without overflow.
        let part = (u128::from(spread) * u128::from(random)) >> 32;
        half + Duration::from_nanos(u64::try_from(part).unwrap_or(spread))
    }
}

/// Lines that a peer can cause in one second of a log.
const LINES: u32 = 5;

/// A limit for log lines that a peer can cause as often as it likes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Quota {
    since: Instant,
    used: u32,
    suppressed: u64,
}

impl Quota {
    /// Takes a line of the quota at `now`; false where there is none left: the line is counted as suppressed.
    pub fn take(&mut self, now: Instant) -> bool {
        if now.since(self.since) >= Duration::from_secs(1) {
            (self.since, self.used) = (now, 0);
        }
        let granted = self.used < LINES;
        self.suppressed += u64::from(!granted);
        self.used += u32::from(granted);
        granted
    }

    /// How many lines were suppressed since the previous call.
    pub fn take_suppressed(&mut self) -> u64 {
        core::mem::take(&mut self.suppressed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(ms: u64) -> Instant {
        Instant::from_nanos(ms * 1_000_000)
    }

    #[test]
    fn a_periodic_deadline_does_not_drift_when_the_work_is_late() {
        let mut tick = Periodic::new(at(1000), Duration::from_millis(100));
        assert!(!tick.fire(at(999)));
        assert!(tick.fire(at(1007)));
        assert_eq!(tick.deadline(), at(1100));
        assert!(tick.fire(at(1100)));
        assert_eq!(tick.deadline(), at(1200));
    }

    #[test]
    fn periods_slept_through_are_passed_over_and_the_phase_stays() {
        let mut tick = Periodic::new(at(1000), Duration::from_millis(100));
        assert!(tick.fire(at(5_050)));
        assert_eq!(tick.deadline(), at(5_100));
        assert!(!tick.fire(at(5_099)));
    }

    #[test]
    fn the_backoff_grows_to_its_cap_and_stays_within_its_jitter() {
        let base = Duration::from_secs(5);
        let mut backoff = Backoff::new(base);
        let mut last = Duration::ZERO;
        for _ in 0..20 {
            last = backoff.next(u32::MAX, Duration::ZERO);
            assert!(last <= base * GROWTH);
        }
        assert!(last > base * (GROWTH - 1));
        assert!(backoff.next(0, Duration::ZERO) >= base * GROWTH / 2);
        backoff.reset();
        assert!(backoff.next(u32::MAX, Duration::ZERO) <= base);
    }

    #[test]
    fn no_wait_is_shorter_than_its_floor() {
        let floor = Duration::from_secs(30);
        for base in [Duration::ZERO, Duration::from_secs(5), Duration::from_secs(100)] {
            let mut backoff = Backoff::new(base);
            for random in [0, 1, u32::MAX / 2, u32::MAX] {
                assert!(backoff.next(random, floor) >= floor);
            }
        }
    }

    #[test]
    fn five_lines_a_second_are_told_and_the_others_counted() {
        let mut quota = Quota::default();
        let told = (0..3000).filter(|ms| quota.take(at(*ms))).count();
        assert_eq!(told, 15);
        assert_eq!(quota.take_suppressed(), 2985);
        assert_eq!(quota.take_suppressed(), 0);
        assert!((3000..10_000).step_by(200).all(|ms| quota.take(at(ms))));
    }

    #[test]
    fn a_retry_timer_of_any_length_does_not_overflow() {
        let mut backoff = Backoff::new(Duration::MAX);
        for _ in 0..20 {
            assert!(backoff.next(u32::MAX, Duration::MAX) > Duration::from_secs(1 << 32));
        }
    }
}
