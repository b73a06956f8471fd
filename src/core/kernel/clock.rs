//! The state of the clock, as `adjtimex(2)` tells it.

use crate::kernel::Fixed;

/// The offset is corrected by the kernel itself (linux/timex.h). chronyd does without: it tells none.
const STA_PLL: i32 = 0x0001;
/// The offset is in nanoseconds, and not in microseconds.
const STA_NANO: i32 = 0x2000;
/// Microseconds of error from which on it is not synchronised. The kernel adds 500 a second, up to these.
const MOST: i64 = 16_000_000;

/// The state of the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    /// Whether somebody has set it by a better one, and not too long ago.
    pub synchronised: bool,
    /// Seconds that it still has to be put forward. None: nobody lets the kernel do that.
    pub offset: Option<Fixed<1_000_000>>,
}

impl Clock {
    /// From `status`, `maxerror` and `offset`.
    ///
    /// By the error and not by the flag `STA_UNSYNC`, which chronyd leaves in place unless it may set the
    /// hardware clock: the rule of `timedatectl` (systemd, src/basic/time-util.c, `ntp_synced`).
    pub fn of(status: i32, error_micros: i64, offset: i64) -> Self {
        let micros = if status & STA_NANO == 0 { offset } else { offset / 1000 };
        Self { synchronised: error_micros < MOST, offset: (status & STA_PLL != 0).then_some(Fixed(micros)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_synchronised_while_its_error_is_small_whatever_the_flag_says() {
        // After a start; systemd-timesyncd; ntpd; chronyd without rtcsync; 9 hours without a server.
        for (status, error, offset, expected) in [
            (0x0040, 16_000_000, 0, (false, None)),
            (0x2001, 203_500, -1_234_567, (true, Some(-1234))),
            (0x0001, 500_000, 321, (true, Some(321))),
            (0x2040, 1_500, 0, (true, None)),
            (0x2041, 16_000_000, 999, (false, Some(0))),
        ] {
            let Clock { synchronised, offset } = Clock::of(status, error, offset);
            assert_eq!((synchronised, offset.map(|Fixed(micros)| micros)), expected);
        }
    }
}
