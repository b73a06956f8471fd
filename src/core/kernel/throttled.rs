//! The Raspberry Pi's throttling, as the firmware and its drivers tell it.

/// What the firmware knows: bit 0 under-voltage, 1 frequency capped, 2 throttled, 3 soft temperature limit;
/// 16 to 19 the same since the start. (github.com/raspberrypi/documentation, `vcgencmd get_throttled`)
pub const KNOWN: u32 = 0x000f_000f;
/// Bit 0.
pub const UNDER_VOLTAGE: u32 = 1;

/// Reads `get_throttled` of the firmware's driver: hexadecimal digits without `0x`.
pub fn parse(text: &[u8]) -> Option<u32> {
    let digits = core::str::from_utf8(text).ok()?.trim();
    // from_str_radix takes a sign too.
    u32::from_str_radix(digits, 16).ok().filter(|_| !digits.starts_with('+'))
}

/// Reads `in0_lcrit_alarm` of the chip `rpi_volt`: whether the voltage was too low within the two seconds
/// between the driver's own looks. (Linux, drivers/hwmon/raspberrypi-hwmon.c)
pub fn parse_alarm(text: &[u8]) -> Option<bool> {
    match text.trim_ascii() {
        b"0" => Some(false),
        b"1" => Some(true),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_drivers_digits_are_hexadecimal() {
        assert_eq!(parse(b"80008\n"), Some(0x80008));
        assert_eq!(parse(b"0\n"), Some(0));
        assert_eq!(parse(b"ffffffff"), Some(u32::MAX));
        for text in [&b""[..], b"\n", b"+5", b"-5", b"0x5", b"throttled=0x0", b"100000000", b"\xff"] {
            assert_eq!(parse(text), None, "{:?}", text.escape_ascii());
        }
    }

    #[test]
    fn an_alarm_is_0_or_1() {
        assert_eq!((parse_alarm(b"0\n"), parse_alarm(b"1\n")), (Some(false), Some(true)));
        for text in [&b""[..], b"2\n", b"01", b"no"] {
            assert_eq!(parse_alarm(text), None, "{:?}", text.escape_ascii());
        }
    }
}
