//! `/proc/cpuinfo`: what kernels for ARM say of the board, below the processors.

use crate::kernel::{lines, text};

/// A line that is about the board.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field<'a> {
    /// `Hardware`: the chip or the board, by the kernel's support for it.
    Hardware(&'a str),
    /// `Revision` of the board, hexadecimal. A Raspberry Pi's tells its model.
    Revision(&'a str),
    /// `Serial` of the board, hexadecimal.
    Serial(&'a str),
    /// `Model`, on kernels for the Raspberry Pi since 2019.
    Model(&'a str),
}

/// The lines about the board. Numbers that nobody set, which are 0, are none.
pub fn board(piece: &[u8]) -> impl Iterator<Item = Field<'_>> {
    lines(piece).filter_map(|line| {
        let (name, value) = line.split_at_checked(line.iter().position(|byte| *byte == b':')?)?;
        let value = text(value.get(1..)?)?;
        let is_set = value.bytes().any(|digit| digit != b'0');
        match name.trim_ascii_end() {
            b"Hardware" => Some(Field::Hardware(value)),
            b"Model" => Some(Field::Model(value)),
            b"Revision" => is_set.then_some(Field::Revision(value)),
            b"Serial" => is_set.then_some(Field::Serial(value)),
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_of_the_board_stand_below_the_processors() {
        let text =
            b"processor\t: 0\nmodel name\t: ARMv6-compatible processor rev 7 (v6l)\nCPU revision\t: 7\n\n\
            Hardware\t: BCM2835\nRevision\t: 000e\nSerial\t\t: 0123456789abcdef\n\
            Model\t\t: Raspberry Pi Model B Rev 2\n";
        let fields: Vec<_> = board(text).collect();
        assert_eq!(
            fields,
            [
                Field::Hardware("BCM2835"),
                Field::Revision("000e"),
                Field::Serial("0123456789abcdef"),
                Field::Model("Raspberry Pi Model B Rev 2")
            ]
        );
    }

    #[test]
    fn numbers_that_nobody_set_and_what_is_no_text_are_none() {
        let text = b"Revision\t: 0000\nSerial\t\t: 0000000000000000\nHardware\t:\nModel : \xff\nModel\n: x\n";
        assert_eq!(board(text).next(), None);
    }
}
