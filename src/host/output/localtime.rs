//! Local time. No other module knows the time zone.

use std::env;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::fcntl::OFlag;
use tz::timezone::TimeZoneSettings;
use tz::{DateTime, LocalTimeType, TimeZone};

/// A time zone. Its files are read once, when it is made.
#[derive(Clone, Debug)]
pub struct Zone(Arc<TimeZone>);

impl Zone {
    /// The zone of the `TZ` variable, else of `/etc/localtime`, else UTC.
    pub fn local() -> Self {
        let zone = match env::var("TZ") {
            Ok(name) => Self::named(&name),
            Err(_) => FILES.parse_local().map(Self::new),
        };
        zone.unwrap_or_else(|_| Self::utc())
    }

    /// The value of the `TZ` variable, if it names no zone. Times are UTC then.
    pub fn unknown() -> Option<String> {
        env::var("TZ").ok().filter(|name| !name.is_empty() && Self::named(name).is_err())
    }

    /// The zone that `TZ=name` means: a file below `/usr/share/zoneinfo`, or a POSIX rule. As in glibc, a rule
    /// with summer time but without its dates gets those of the United States.
    pub fn named(name: &str) -> Result<Self, tz::Error> {
        let with_dates = |error| FILES.parse_posix_tz(&format!("{name},M3.2.0,M11.1.0")).map_err(|_| error);
        FILES.parse_posix_tz(name).or_else(with_dates).map(Self::new)
    }

    /// Coordinated Universal Time.
    pub fn utc() -> Self {
        let named = LocalTimeType::new(0, false, Some(b"UTC"))
            .map(|utc| TimeZone::new(vec![], vec![utc], vec![], None));
        Self::new(named.ok().and_then(Result::ok).unwrap_or_else(TimeZone::utc))
    }

    /// Date and time of day at `unix_seconds`, clamped to the years 1 to 9999, because times of files can be
    /// beyond these.
    pub fn at(&self, unix_seconds: i64) -> DateTime {
        let unix_seconds = unix_seconds.clamp(YEAR_1, YEAR_9999);
        DateTime::from_timespec_and_local(unix_seconds, 0, self.kind(unix_seconds)).unwrap_or(EPOCH)
    }

    /// Seconds that local time is ahead of UTC at `unix_seconds`.
    pub fn offset(&self, unix_seconds: i64) -> i64 {
        self.kind(unix_seconds).ut_offset().into()
    }

    fn new(zone: TimeZone) -> Self {
        Self(Arc::new(zone))
    }

    /// Offset, daylight saving and abbreviation at `unix_seconds`.
    fn kind(&self, unix_seconds: i64) -> LocalTimeType {
        let zone = (*self.0).as_ref();
        // Old zone files have no rule for the time after their last change. Then that change stays in effect.
        let last = || {
            let index = zone.transitions().last().map_or(0, tz::timezone::Transition::local_time_type_index);
            zone.local_time_types().get(index)
        };
        let kind = zone.find_local_time_type(unix_seconds).ok().or_else(last);
        kind.copied().unwrap_or(LocalTimeType::utc())
    }
}

/// The directories of the zone files, and the function that reads one.
const FILES: TimeZoneSettings<'static> =
    TimeZoneSettings::new(TimeZoneSettings::DEFAULT_DIRECTORIES, |path| Ok(read(Path::new(path))?));

/// Maximum bytes of a zone file. The usual ones have up to 4 KB.
const LARGEST: u64 = 64 * 1024;

/// Reads a regular file. A FIFO is refused, since reading it would block until its other end is opened.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let flags = OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let file = File::options().read(true).custom_flags(flags.bits()).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut bytes = Vec::new();
    file.take(LARGEST).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Whole seconds of a time since the epoch.
pub fn unix_seconds(time: Duration) -> i64 {
    i64::try_from(time.as_secs()).unwrap_or(i64::MAX)
}

/// Microseconds since 1970 by the wall clock, negative before 1970. No deadline depends on them, since the wall clock
/// can be wrong.
pub fn unix_micros(clock: SystemTime) -> i64 {
    let micros = |d: Duration| {
        let micros = d.as_secs().saturating_mul(1_000_000).saturating_add(d.subsec_micros().into());
        i64::try_from(micros).unwrap_or(i64::MAX)
    };
    match clock.duration_since(UNIX_EPOCH) {
        Ok(since) => micros(since),
        Err(before) => -micros(before.duration()),
    }
}

/// 0001-01-01 00:00:00 and 9999-12-31 00:00:00, with room for any zone's offset.
const YEAR_1: i64 = -62_135_510_400;
const YEAR_9999: i64 = 253_402_214_400;

const EPOCH: DateTime = match DateTime::from_timespec_and_local(0, 0, LocalTimeType::utc()) {
    Ok(epoch) => epoch,
    Err(_) => unreachable!(),
};

#[cfg(test)]
mod tests {
    use super::*;

    fn unix_ms(clock: SystemTime) -> i64 {
        unix_micros(clock) / 1000
    }

    #[test]
    fn time_goes_on_after_2038_on_32_bit_processors_too() {
        // With 32 bits, the system calls for the time would fail from 2038 on.
        assert_eq!(size_of::<nix::libc::time_t>(), 8);
        assert_eq!(unix_ms(UNIX_EPOCH + Duration::from_millis(4_102_444_800_123)), 4_102_444_800_123);
    }

    #[test]
    fn fault_31_timestamps_are_those_of_the_wall_clock_even_before_1970_and_at_its_maximum() {
        let day = Duration::from_secs(86_400);
        assert_eq!(unix_ms(UNIX_EPOCH), 0);
        assert_eq!(unix_ms(UNIX_EPOCH - Duration::from_millis(1500)), -1500);
        let now = UNIX_EPOCH + Duration::from_millis(1_700_000_000_123);
        assert_eq!(unix_ms(now), 1_700_000_000_123);
        assert_eq!(unix_ms(now - day) - unix_ms(now), -86_400_000);
        let farthest = UNIX_EPOCH.checked_add(Duration::from_secs(i64::MAX as u64)).unwrap();
        assert_eq!(unix_micros(farthest), i64::MAX);
    }

    #[test]
    fn absurd_times_are_clamped_and_nothing_overflows() {
        for zone in [Zone::utc(), Zone::named("<+14>-14").unwrap(), Zone::named("<-12>12").unwrap()] {
            assert!(matches!(zone.at(i64::MIN).year(), 0 | 1));
            assert_eq!(zone.at(i64::MAX).year(), 9999);
        }
    }

    #[test]
    fn dates_after_2038_and_2106_are_those_of_the_calendar() {
        for (unix_seconds, date) in [
            (2_147_483_648, (2038, 1, 19)),
            (4_102_444_800, (2100, 1, 1)),
            (4_294_967_296, (2106, 2, 7)),
            (253_370_764_800, (9999, 1, 1)),
        ] {
            let time = Zone::utc().at(unix_seconds);
            assert_eq!((time.year(), time.month(), time.month_day()), date);
        }
    }

    #[test]
    fn a_rule_with_summer_time_but_without_dates_reads_as_in_glibc() {
        let zone = Zone::named("NZST-12NZDT").unwrap();
        let (january, july) = (1_704_067_200, 1_720_000_000);
        assert_eq!((zone.offset(january), zone.offset(july)), (12 * 3600, 13 * 3600));
        assert!(Zone::named("Nowhere/Land").is_err());
    }

    #[test]
    fn the_zone_of_utc_is_named_utc() {
        assert_eq!(Zone::utc().at(0).local_time_type().time_zone_designation(), "UTC");
    }
}
