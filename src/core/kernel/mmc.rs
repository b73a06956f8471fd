//! `/sys/block/mmcblkN/device/`: what an eMMC says of its own wear.
//!
//! `life_time` and `pre_eol_info` are the fields `DEVICE_LIFE_TIME_EST_TYP_A`, `_B` and `PRE_EOL_INFO` of
//! the EXT_CSD register (JEDEC JESD84-B51, 7.4), since eMMC 5.0 and Linux 4.11. The kernel reads them when
//! it initialises the chip, which is mostly at its own start. SD cards have neither.

use crate::kernel::words;

/// `0x01 0x02`: percent of the life time used by flash of type A and of type B, at most: 1 stands for 0 to
/// 10 percent and gives 10, and so on. 110: more than the whole. None where it is not defined.
pub fn life_time(text: &[u8]) -> Option<[Option<u64>; 2]> {
    let mut words = words(text).map(byte);
    let tenths = [words.next()??, words.next()??];
    let percents = tenths.map(|tenths| (1..=11).contains(&tenths).then(|| u64::from(tenths) * 10));
    (percents != [None, None]).then_some(percents)
}

/// `0x01`: how much of the reserved blocks is used. None where it is not defined.
pub fn pre_eol(text: &[u8]) -> Option<&'static str> {
    match byte(words(text).next()?)? {
        1 => Some("normal"),
        // 80 percent of them.
        2 => Some("warning"),
        // 90 percent.
        3 => Some("urgent"),
        _ => None,
    }
}

/// Two hexadecimal digits behind `0x`.
fn byte(word: &[u8]) -> Option<u8> {
    let [b'0', b'x', high, low] = word else { return None };
    let digit = |byte: u8| u8::try_from(char::from(byte).to_digit(16)?).ok();
    Some((digit(*high)? << 4) | digit(*low)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_life_time_is_the_upper_bound_in_percent() {
        for (text, percents) in [
            ("0x01 0x02\n", Some([Some(10), Some(20)])),
            ("0x0a 0x0B\n", Some([Some(100), Some(110)])),
            ("0x01 0x00\n", Some([Some(10), None])),
            ("0x0c 0xff\n", None),
            ("0x00 0x00\n", None),
            ("0x01\n", None),
            ("1 2\n", None),
            ("", None),
        ] {
            assert_eq!(life_time(text.as_bytes()), percents, "{text:?}");
        }
    }

    #[test]
    fn the_end_of_life_has_three_words_and_undefined_values_have_none() {
        let read = |text: &str| pre_eol(text.as_bytes());
        assert_eq!(["0x01\n", "0x02", "0x03"].map(read), [Some("normal"), Some("warning"), Some("urgent")]);
        assert_eq!(["0x00\n", "0x04", "0x", "0x100", "", "one", "0x+1"].map(read), [None; 7]);
    }
}
