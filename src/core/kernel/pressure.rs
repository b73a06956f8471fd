//! `/proc/pressure/{cpu,io,memory}`: for how long work waited for a resource (kernel document
//! "PSI - Pressure Stall Information"). Since 4.20.

use crate::kernel::{Hundredths, hundredths, lines, words};

/// Percent of the last 10 seconds, 0 to 100.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pressure {
    /// In which some task waited.
    pub some: Option<Hundredths>,
    /// In which all tasks waited that had anything to do. Of cpu since 5.13.
    pub full: Option<Hundredths>,
}

/// Reads `avg10` of each line. None where no line has it.
pub fn parse(text: &[u8]) -> Option<Pressure> {
    let mut pressure = Pressure::default();
    for line in lines(text) {
        let mut words = words(line);
        let share = match words.next() {
            Some(b"some") => &mut pressure.some,
            Some(b"full") => &mut pressure.full,
            _ => continue,
        };
        *share = words.next().and_then(|word| hundredths(word.strip_prefix(b"avg10=")?));
    }
    (pressure != Pressure::default()).then_some(pressure)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::Fixed;

    #[test]
    fn each_line_has_a_share_of_ten_seconds() {
        let text = b"some avg10=10.24 avg60=8.52 avg300=0.91 total=55963282\n\
            full avg10=7.59 avg60=8.06 avg300=0.38 total=30048725\n";
        assert_eq!(parse(text), Some(Pressure { some: Some(Fixed(1024)), full: Some(Fixed(759)) }));
        let some = b"some avg10=0.00 avg60=0.75 avg300=0.42 total=157656722\n";
        assert_eq!(parse(some), Some(Pressure { some: Some(Fixed(0)), full: None }));
    }

    #[test]
    fn what_has_no_share_is_refused() {
        for text in
            [&b""[..], b"some\n", b"some avg60=1.00 avg10=1.00\n", b"full avg10=-1.00\n", b"avg10=1.00\n"]
        {
            assert_eq!(parse(text), None);
        }
    }
}
