//! `/proc/net/wireless`: how well each Wi-Fi interface hears its access point.
//!
//! The kernel's Wireless Extensions (`net/wireless/wext-proc.c`). A file of two lines of head is normal:
//! no interface is connected, or the driver does not take part.

use crate::kernel::{decimal, lines, words};

/// One interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interface<'a> {
    /// Its name.
    pub name: &'a str,
    /// The driver's own scale, often 0 to 70 or 100.
    pub quality: u64,
    /// dBm; None where the driver does not say, or not in dBm.
    pub level: Option<i16>,
    /// The same of the noise.
    pub noise: Option<i16>,
}

/// The interfaces of `text`; lines that do not read as one, such as the head, are passed over.
pub fn interfaces(text: &[u8]) -> impl Iterator<Item = Interface<'_>> {
    lines(text).filter_map(interface)
}

/// `NAME: STATUS QUALITY LEVEL NOISE ...`; a `.` behind a number says that it was just renewed.
fn interface(line: &[u8]) -> Option<Interface<'_>> {
    let colon = line.iter().rposition(|byte| *byte == b':')?;
    let (name, numbers) = line.split_at_checked(colon)?;
    let name = str::from_utf8(name.trim_ascii_start()).ok().filter(|name| !name.is_empty())?;
    let mut numbers = words(numbers).skip(2).map(|word| word.strip_suffix(b".").unwrap_or(word));
    let quality = decimal(numbers.next()?)?;
    Some(Interface { name, quality, level: dbm(numbers.next()?)?, noise: dbm(numbers.next()?)? })
}

/// The kernel keeps one byte, and shows it less 256 where the driver says that it is dBm. Some drivers of
/// phones do not say so: theirs is above 127. 0 is no dBm of a radio: the driver did not fill it in (then
/// it is shown as -256 or 0). What is left is a scale of the driver's own.
fn dbm(word: &[u8]) -> Option<Option<i16>> {
    let shown = match word.strip_prefix(b"-") {
        Some(digits) => 256_u64.checked_sub(decimal(digits)?)?,
        None => decimal(word)?,
    };
    let byte = u8::try_from(shown).ok()?;
    Some((byte > 127).then(|| i16::from(byte) - 256))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first interface of a line that was captured.
    fn only(line: &str) -> Option<(&str, u64, Option<i16>, Option<i16>)> {
        let one = interfaces(line.as_bytes()).next()?;
        Some((one.name, one.quality, one.level, one.noise))
    }

    #[test]
    fn a_raspberry_pi_5_says_dbm_and_no_noise() {
        let line = " wlan0: 0000   58.  -52.  -256        0      0      0      0      0        0\n";
        assert_eq!(only(line), Some(("wlan0", 58, Some(-52), None)));
    }

    #[test]
    fn an_amazon_echo_shows_the_byte_as_it_is() {
        let line = " wlan0: 0000    0   208     0        0      0      0      0      0        0\n";
        assert_eq!(only(line), Some(("wlan0", 0, Some(-48), None)));
        let line = "  p2p0: 0000    0     0     0        0      0      0      0      0        0\n";
        assert_eq!(only(line), Some(("p2p0", 0, None, None)));
    }

    #[test]
    fn a_scale_of_the_drivers_own_is_no_dbm() {
        assert_eq!(only("wlan0: 0000 43. 62. 161. 0 0 0 0 0 0"), Some(("wlan0", 43, None, Some(-95))));
    }

    #[test]
    fn the_head_alone_has_no_interface_and_neither_has_what_the_kernel_does_not_write() {
        let head = "Inter-| sta-|   Quality        |   Discarded packets               | Missed | WE\n \
            face | tus | link level noise |  nwid  crypt   frag  retry   misc | beacon | 22\n";
        for text in
            [head, "", ":", "wlan0: 0000 58 -52", "wlan0: 0000 58 -257 0", "wlan0: 0000 a 0 0", ": 0 1 2 3"]
        {
            assert_eq!(only(text), None, "{text:?}");
        }
    }
}
