//! The Raspberry Pi's firmware mailbox: a last place to ask for the temperature and the throttling, where
//! no driver shows them in /sys.
//!
//! A message is words of 32 bits: `[bytes, 0, tag, value_bytes, 0, values.., 0]`. The firmware
//! writes its answer over it. (github.com/raspberrypi/firmware/wiki/Mailbox-property-interface)

use crate::kernel::{Thousandths, thermal};

/// A message with one tag and a value of at most two words.
pub type Message = [u32; 8];
/// Bytes of all of a message but the value.
const FRAME_BYTES: u32 = 24;

/// "Get temperature": sends a sensor's number, 0, and a place for the value. No other tag than these two
/// is ever sent: a wrong one can wedge the firmware.
const TEMPERATURE: u32 = 0x0003_0006;
const TEMPERATURE_BYTES: u32 = 8;

/// "Get throttled": sends the bits to be cleared, which are none: they are others' too.
const THROTTLED: u32 = 0x0003_0046;
const THROTTLED_BYTES: u32 = 4;

/// Word 1 of an answer: the whole message was understood.
const SUCCESS: u32 = 0x8000_0000;
/// In word 4 of an answer: this tag was answered. The other bits are the value's length.
const ANSWERED: u32 = 0x8000_0000;

/// The question for the temperature.
pub const fn temperature() -> Message {
    [FRAME_BYTES + TEMPERATURE_BYTES, 0, TEMPERATURE, TEMPERATURE_BYTES, 0, 0, 0, 0]
}

/// The temperature in an answer to [`temperature`], in degrees Celsius.
pub fn parse_temperature(answer: &Message) -> Option<Thousandths> {
    match *answer {
        [_, SUCCESS, TEMPERATURE, TEMPERATURE_BYTES, status, _, millidegrees, _]
            if status == ANSWERED | TEMPERATURE_BYTES =>
        {
            thermal::celsius(i64::from(millidegrees))
        }
        _ => None,
    }
}

/// The question for the throttling. The last word is not sent.
pub const fn throttled() -> Message {
    [FRAME_BYTES + THROTTLED_BYTES, 0, THROTTLED, THROTTLED_BYTES, 0, 0, 0, 0]
}

/// The bits in an answer to [`throttled`], as in [`crate::kernel::throttled`].
pub fn parse_throttled(answer: &Message) -> Option<u32> {
    match *answer {
        [_, SUCCESS, THROTTLED, THROTTLED_BYTES, status, bits, ..]
            if status == ANSWERED | THROTTLED_BYTES =>
        {
            Some(bits)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::Fixed;

    #[test]
    fn an_answer_is_believed_if_the_firmware_says_that_it_is_one() {
        let answer = [32, 0x8000_0000, 0x0003_0006, 8, 0x8000_0008, 0, 48_312, 0];
        assert_eq!(parse_temperature(&answer), Some(Fixed(48_312)));
        assert_eq!(parse_temperature(&temperature()), None, "a question that nobody touched");
        for (word, value) in
            [(1, 0x8000_0001), (2, 0x0003_000a), (4, 8), (4, 0x8000_0004), (6, 0), (6, u32::MAX)]
        {
            let mut refused = answer;
            refused[word] = value;
            assert_eq!(parse_temperature(&refused), None, "word {word}");
        }

        let answer = [28, 0x8000_0000, 0x0003_0046, 4, 0x8000_0004, 0x0005_0005, 0, 0];
        assert_eq!(parse_throttled(&answer), Some(0x0005_0005));
        assert_eq!(parse_throttled(&throttled()), None, "a question that nobody touched");
        for (word, value) in [(1, 0x8000_0001), (2, 0x0003_0006), (3, 8), (4, 4), (4, 0x8000_0008)] {
            let mut refused = answer;
            refused[word] = value;
            assert_eq!(parse_throttled(&refused), None, "word {word}");
        }
    }

    #[test]
    fn no_bit_is_asked_to_be_cleared() {
        assert_eq!(throttled(), [28, 0, 0x0003_0046, 4, 0, 0, 0, 0]);
    }
}
