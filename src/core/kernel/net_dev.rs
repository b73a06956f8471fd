//! `/proc/net/dev`: what network interfaces have received and sent.

use crate::kernel::{decimal, lines, words};

/// The counters of one interface, since it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interface<'a> {
    /// Its name.
    pub name: &'a str,
    /// Bytes received.
    pub rx: u64,
    /// Bytes sent.
    pub tx: u64,
    /// Packets with errors, received and sent.
    pub errors: u64,
    /// Packets dropped, received and sent.
    pub drops: u64,
}

/// Which columns are which, as the head of the file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Columns {
    bytes: [usize; 2],
    errors: [usize; 2],
    drops: [usize; 2],
}

impl Columns {
    /// From the second line of the file: ` face |bytes packets errs drop ...|bytes packets errs drop ...`.
    pub fn of(text: &[u8]) -> Option<Self> {
        let mut groups = lines(text).nth(1)?.split(|byte| *byte == b'|').skip(1);
        let mut columns = Self::default();
        let mut first = 0;
        for direction in 0..2 {
            let group = groups.next()?;
            let position = |title: &[u8]| Some(first + words(group).position(|word| word == title)?);
            *columns.bytes.get_mut(direction)? = position(b"bytes")?;
            *columns.errors.get_mut(direction)? = position(b"errs")?;
            *columns.drops.get_mut(direction)? = position(b"drop")?;
            first += words(group).count();
        }
        Some(columns)
    }

    /// The interfaces of `text`, in the kernel's order; what does not read as one is passed over.
    pub fn interfaces<'a>(&self, text: &'a [u8]) -> impl Iterator<Item = Interface<'a>> {
        let columns = *self;
        lines(text).filter_map(move |line| columns.interface(line))
    }

    /// `NAME: NUMBER...`; old kernels have no space after the colon where the number is long.
    fn interface<'a>(&self, line: &'a [u8]) -> Option<Interface<'a>> {
        let colon = line.iter().rposition(|byte| *byte == b':')?;
        let (name, numbers) = line.split_at_checked(colon)?;
        let name = str::from_utf8(name.trim_ascii_start()).ok().filter(|name| !name.is_empty())?;
        let numbers = numbers.get(1..)?;
        let number = |column: usize| decimal(words(numbers).nth(column)?);
        let sum = |[rx, tx]: [usize; 2]| Some(number(rx)?.saturating_add(number(tx)?));
        let [rx, tx] = self.bytes;
        let (rx, tx) = (number(rx)?, number(tx)?);
        Some(Interface { name, rx, tx, errors: sum(self.errors)?, drops: sum(self.drops)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "\
Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
";

    fn only(line: &str) -> Option<Interface<'_>> {
        Columns::of(HEAD.as_bytes()).unwrap().interfaces(line.as_bytes()).next()
    }

    #[test]
    fn counters_are_found_by_the_titles_of_their_columns() {
        let line = "  eth0: 29942907  430342    1 1138    0     0          0      1566 477692743  529830    2    3    0     0       0          0\n";
        let eth0 = Interface { name: "eth0", rx: 29_942_907, tx: 477_692_743, errors: 3, drops: 1141 };
        assert_eq!(only(line), Some(eth0));
        let head = "Inter-|Receive|Transmit\n face |drop bytes errs|bytes carrier errs drop\n";
        let columns = Columns::of(head.as_bytes()).unwrap();
        let line = b"eth0: 1 2 3 4 5 6 7\n";
        let expected = Interface { name: "eth0", rx: 2, tx: 4, errors: 9, drops: 8 };
        assert_eq!(columns.interfaces(line).next(), Some(expected));
    }

    #[test]
    fn a_number_may_follow_the_colon_at_once_and_a_name_may_have_one() {
        let numbers = "123 0 0 0 0 0 0 0 456 0 0 0 0 0 0 0";
        for name in ["eth0", "eth0:1", "enxb827eb123456"] {
            let text = std::format!("{name}:{numbers}");
            let interface = only(&text).unwrap();
            assert_eq!((interface.name, interface.rx, interface.tx), (name, 123, 456));
        }
    }

    #[test]
    fn what_the_kernel_does_not_write_is_refused() {
        for head in ["", "a\n", "a\nb|bytes errs drop\n", "a\nb|bytes errs drop|bytes errs\n"] {
            assert_eq!(Columns::of(head.as_bytes()), None, "{head:?}");
        }
        for line in ["", ":1 2", "eth0: 1 2 3", "eth0: a 0 0 0 0 0 0 0 4 0 0 0 0 0 0 0"] {
            assert_eq!(only(line), None, "{line:?}");
        }
    }
}
