//! The Raspberry Pi's firmware mailbox: a last place to ask for the temperature, where no driver
//! shows it in /sys.
//!
//! A message is words of 32 bits: `[bytes, 0, tag, value_bytes, 0, values.., 0]`. The firmware
//! writes its answer over it. (github.com/raspberrypi/firmware/wiki/Mailbox-property-interface)

use super::{Thousandths, thermal};

/// A message with one tag and a value of two words.
pub type Message = [u32; 8];
const MESSAGE_BYTES: u32 = 32;

/// "Get temperature": sends a sensor's number, 0, and a place for the value. No other tag is ever
/// sent: a wrong one can wedge the firmware.
const TEMPERATURE: u32 = 0x0003_0006;
const VALUE_BYTES: u32 = 8;

/// Word 1 of an answer: the whole message was understood.
const SUCCESS: u32 = 0x8000_0000;
/// In word 4 of an answer: this tag was answered. The other bits are the value's length.
const ANSWERED: u32 = 0x8000_0000;

/// The question for the temperature.
pub const fn request() -> Message {
    [MESSAGE_BYTES, 0, TEMPERATURE, VALUE_BYTES, 0, 0, 0, 0]
}

/// The temperature in an answer to [`request`], in degrees Celsius.
pub fn parse(answer: &Message) -> Option<Thousandths> {
    match *answer {
        [_, SUCCESS, TEMPERATURE, VALUE_BYTES, status, _, millidegrees, _]
            if status == ANSWERED | VALUE_BYTES =>
        {
            thermal::celsius(i64::from(millidegrees))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::Fixed;

    #[test]
    fn an_answer_is_believed_if_the_firmware_says_that_it_is_one() {
        let answer = [32, 0x8000_0000, 0x0003_0006, 8, 0x8000_0008, 0, 48_312, 0];
        assert_eq!(parse(&answer), Some(Fixed(48_312)));
        assert_eq!(parse(&request()), None, "a request that nobody touched");
        for (word, value) in
            [(1, 0x8000_0001), (2, 0x0003_000a), (4, 8), (4, 0x8000_0004), (6, 0), (6, u32::MAX)]
        {
            let mut refused = answer;
            refused[word] = value;
            assert_eq!(parse(&refused), None, "word {word}");
        }
    }
}
