//! A line of a log, in fixed memory.
//!
//! Text from outside, such as a broker's reason or a host name, cannot forge a line: its control characters are
//! escaped.

use core::fmt::{self, Arguments, Write};
use std::time::Duration;

use crate::output::localtime::{Zone, unix_seconds};

use psistats_core::bytes::is_printable;

/// Bytes of one line, its end included. Syslog daemons take at least 2048 bytes (RFC 5424 §6.1), and a
/// pipe takes that many in one piece.
pub const LINE: usize = 2048;

/// The mark at the end of a line that was cut.
const CUT: &[u8] = b" [cut]";

/// A bounded line of UTF-8. What does not fit is cut off, and the mark ` [cut]` is appended.
#[derive(Debug, Default)]
pub struct Line {
    bytes: heapless::Vec<u8, LINE>,
    cut: bool,
}

impl Line {
    /// The text so far, as bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Bytes so far.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The text so far.
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.bytes).unwrap_or_default()
    }

    /// Appends `text`, or as much of it as fits, and the mark.
    pub fn push(&mut self, text: &str) {
        if self.cut {
            return;
        }
        let mut end = text.len().min(self.room());
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let fits = text.as_bytes().get(..end).unwrap_or_default();
        self.cut = fits.len() < text.len();
        let mark = if self.cut { CUT } else { b"" };
        // Neither can fail: see `room`.
        let _ = self.bytes.extend_from_slice(fits);
        let _ = self.bytes.extend_from_slice(mark);
    }

    /// A line of `text`, escaped as by [`Line::push_escaped`].
    pub fn escaped(text: Arguments<'_>) -> Self {
        struct Escaping(Line);
        impl Write for Escaping {
            fn write_str(&mut self, text: &str) -> fmt::Result {
                self.0.push_escaped(text);
                Ok(())
            }
        }
        let mut line = Escaping(Self::default());
        let _ = line.write_fmt(text);
        line.0
    }

    /// Appends `text`. Characters that could end the line or control a terminal are escaped.
    pub fn push_escaped(&mut self, text: &str) {
        let mut rest = text;
        while let Some((at, unsafe_char)) = rest.char_indices().find(|(_, c)| must_be_escaped(*c)) {
            self.push(rest.get(..at).unwrap_or_default());
            let _ = match unsafe_char {
                '\n' => self.write_str("\\n"),
                '\r' => self.write_str("\\r"),
                c if u32::from(c) < 0x100 => write!(self, "\\x{:02x}", u32::from(c)),
                c => write!(self, "\\u{:04x}", u32::from(c)),
            };
            rest = rest.get(at + unsafe_char.len_utf8()..).unwrap_or_default();
        }
        self.push(rest);
    }

    /// Appends `time`, since the epoch, as Python's logging has it: `2003-01-23 00:29:50,411`.
    pub fn push_time(&mut self, time: Duration, zone: &Zone) {
        let at = zone.at(unix_seconds(time));
        let (year, month, day) = (at.year(), at.month(), at.month_day());
        let (hour, minute, second, ms) = (at.hour(), at.minute(), at.second(), time.subsec_millis());
        let _ = write!(self, "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02},{ms:03}");
    }

    /// Bytes for which there is room, beside the mark and the line's end.
    fn room(&self) -> usize {
        (LINE - CUT.len() - 1).saturating_sub(self.bytes.len())
    }

    /// Appends the line's end, for which there is always room.
    pub fn end(&mut self) {
        let _ = self.bytes.push(b'\n');
    }

    /// Pads what was written since `start` to `width` characters, on the left, or on the right where `width` is
    /// negative.
    pub fn pad(&mut self, start: usize, width: i16, with: u8) {
        let written = self.bytes.get(start..).unwrap_or_default();
        let characters = written.iter().filter(|byte| **byte & 0xC0 != 0x80).count();
        for _ in characters..usize::from(width.unsigned_abs()).min(LINE) {
            if width > 0 && self.room() > 0 && !self.cut {
                let _ = self.bytes.insert(start, with);
            } else {
                self.push(if with == b'0' { "0" } else { " " });
            }
        }
    }
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push(text);
        Ok(())
    }
}

/// Line ends as Python's `splitlines` knows them, other controls except the harmless tab, and
/// what turns the direction of the text that follows.
fn must_be_escaped(c: char) -> bool {
    c != '\t' && !is_printable(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_is_cut_between_two_characters_and_marked() {
        let mut line = Line::default();
        line.push("x");
        for _ in 0..LINE {
            line.push("\u{e4}");
        }
        line.end();
        assert!(line.as_bytes().len() <= LINE && line.as_bytes().len() >= LINE - 1);
        assert!(line.as_str().ends_with("\u{e4} [cut]\n"), "{}", line.as_str());
    }

    #[test]
    fn text_from_outside_can_neither_begin_a_line_nor_control_a_terminal() {
        let mut line = Line::default();
        line.push_escaped("a\nb\r\x1b[2J\u{9b}\u{85}\u{2028}\u{202e}\0\ttab \u{e4}");
        assert_eq!(line.as_str(), "a\\nb\\r\\x1b[2J\\x9b\\x85\\u2028\\u202e\\x00\ttab \u{e4}");
    }
}
