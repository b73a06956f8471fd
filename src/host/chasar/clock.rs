//! Both clocks, as Python's `str(datetime)` has them.

use std::time::SystemTime;

use heapless::String;

use crate::output::localtime::{Zone, unix_micros};

/// `YYYY-MM-DD HH:MM:SS.ffffff`.
pub type Stamp = String<32>;

/// What `clock` says in `zone`, with microseconds.
pub fn stamp(clock: SystemTime, zone: &Zone) -> Stamp {
    let micros = unix_micros(clock);
    let (seconds, micros) = (micros.div_euclid(1_000_000), micros.rem_euclid(1_000_000));
    let time = zone.at(seconds);
    let mut stamp = Stamp::new();
    // 26 characters: the year is one of 1 to 9999.
    for (value, digits, end) in [
        (time.year().unsigned_abs(), 4, "-"),
        (time.month().into(), 2, "-"),
        (time.month_day().into(), 2, " "),
        (time.hour().into(), 2, ":"),
        (time.minute().into(), 2, ":"),
        (time.second().into(), 2, "."),
        (u32::try_from(micros).unwrap_or_default(), 6, ""),
    ] {
        for place in (0..digits).rev() {
            let digit = value / 10_u32.pow(place) % 10;
            let _ = stamp.push(char::from_digit(digit, 10).unwrap_or('?'));
        }
        let _ = stamp.push_str(end);
    }
    stamp
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn a_stamp_has_six_decimals_before_1970_too() {
        let at = |micros| UNIX_EPOCH + Duration::from_micros(micros);
        assert_eq!(stamp(at(1_473_636_385_771_686), &Zone::utc()), "2016-09-11 23:26:25.771686");
        assert_eq!(stamp(at(5), &Zone::utc()), "1970-01-01 00:00:00.000005");
        assert_eq!(stamp(UNIX_EPOCH - Duration::from_micros(1), &Zone::utc()), "1969-12-31 23:59:59.999999");
    }

    #[test]
    fn local_time_is_that_of_the_zone_at_that_time_of_the_year() {
        let zone = Zone::named("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        let at = |seconds| stamp(UNIX_EPOCH + Duration::from_secs(seconds), &zone);
        assert_eq!(at(1_711_846_799), "2024-03-31 01:59:59.000000");
        assert_eq!(at(1_711_846_800), "2024-03-31 03:00:00.000000");
        assert_eq!(at(1_729_994_400), "2024-10-27 03:00:00.000000");
    }
}
