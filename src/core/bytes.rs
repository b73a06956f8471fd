//! A checked reader and a checked writer over slices, and texts of peers.
//!
//! Every length is compared with what remains before it is used, in arithmetic that cannot
//! overflow on 32 bits. Integers on the wires here are big-endian.

use core::fmt;

use heapless::String;

use crate::limits;

/// More was asked for than there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Short;

impl core::error::Error for Short {}

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the buffer is too short")
    }
}

/// Reads from the front of a slice.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads `bytes` from their start.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// What has not been read.
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Whether everything has been read.
    pub const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next `n` bytes. Like every method that reads, it moves on only where it succeeds.
    ///
    /// # Errors
    /// [`Short`] where fewer than that are left.
    pub fn take(&mut self, n: usize) -> Result<&'a [u8], Short> {
        let (head, rest) = self.rest.split_at_checked(n).ok_or(Short)?;
        self.rest = rest;
        Ok(head)
    }

    /// The next `N` bytes, as an array.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Short> {
        let (head, rest) = self.rest.split_first_chunk::<N>().ok_or(Short)?;
        self.rest = rest;
        Ok(*head)
    }

    /// One byte.
    pub fn u8(&mut self) -> Result<u8, Short> {
        Ok(u8::from_be_bytes(self.array()?))
    }

    /// Two bytes, big-endian.
    pub fn u16(&mut self) -> Result<u16, Short> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    /// Four bytes, big-endian.
    pub fn u32(&mut self) -> Result<u32, Short> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    /// Eight bytes, big-endian.
    pub fn u64(&mut self) -> Result<u64, Short> {
        Ok(u64::from_be_bytes(self.array()?))
    }
}

/// Writes to the front of a slice.
///
/// A write that does not fit writes nothing more and is remembered: [`Writer::finish`] tells once,
/// at the end, so that an encoder needs no check after each field.
#[derive(Debug)]
pub struct Writer<'a> {
    buf: &'a mut [u8],
    len: usize,
    short: bool,
}

impl<'a> Writer<'a> {
    /// Writes into `buf` from its start.
    pub const fn new(buf: &'a mut [u8]) -> Self {
        Self { buf, len: 0, short: false }
    }

    /// Bytes written.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing has been written.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Appends `bytes`.
    pub fn bytes(&mut self, bytes: &[u8]) {
        let end = self.len.saturating_add(bytes.len());
        match self.buf.get_mut(self.len..end) {
            Some(room) if !self.short => {
                room.copy_from_slice(bytes);
                self.len = end;
            }
            _ => self.short = true,
        }
    }

    /// Appends one byte.
    pub fn u8(&mut self, value: u8) {
        self.bytes(&[value]);
    }

    /// Appends two bytes, big-endian.
    pub fn u16(&mut self, value: u16) {
        self.bytes(&value.to_be_bytes());
    }

    /// Appends four bytes, big-endian.
    pub fn u32(&mut self, value: u32) {
        self.bytes(&value.to_be_bytes());
    }

    /// Appends eight bytes, big-endian.
    pub fn u64(&mut self, value: u64) {
        self.bytes(&value.to_be_bytes());
    }

    /// Leaves room for a `u32` whose value is known later, and tells its place to
    /// [`Writer::fill_u32`].
    pub fn hold_u32(&mut self) -> usize {
        let at = self.len;
        self.u32(0);
        at
    }

    /// Fills the `u32` at `at` with the number of bytes that were written after it.
    pub fn fill_u32(&mut self, at: usize) {
        let after = self.len.saturating_sub(at.saturating_add(4));
        match (self.buf.get_mut(at..at.saturating_add(4)), u32::try_from(after)) {
            (Some(room), Ok(value)) if !self.short => room.copy_from_slice(&value.to_be_bytes()),
            _ => self.short = true,
        }
    }

    /// What was written from the byte `at` on, to be changed where it is; none where anything did not fit.
    pub fn written_from(&mut self, at: usize) -> Option<&mut [u8]> {
        self.buf.get_mut(at..self.len).filter(|_| !self.short)
    }

    /// The number of bytes written.
    ///
    /// # Errors
    /// [`Short`] where anything did not fit.
    pub fn finish(self) -> Result<usize, Short> {
        if self.short { Err(Short) } else { Ok(self.len) }
    }
}

/// Whether a character stands for itself in a line: not a control character, and none that is unseen, turns text
/// around or breaks lines (Unicode's Cf of these kinds, Zl and Zp), by which a line could show what it does not say.
pub fn is_printable(c: char) -> bool {
    !(c.is_control()
        || matches!(
            c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
        ))
}

/// A short text of a peer's, fit to be shown: what [`is_printable`], at most 255 bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text(String<{ limits::SHORTSTR }>);

impl Text {
    /// What of `bytes` is UTF-8 and printable; `?` stands for each octet or character that is not.
    pub fn lossy(bytes: &[u8]) -> Self {
        let mut text = String::new();
        for chunk in bytes.utf8_chunks() {
            for c in chunk.valid().chars() {
                let _ = text.push(if is_printable(c) { c } else { '?' });
            }
            for _ in chunk.invalid() {
                let _ = text.push('?');
            }
        }
        Self(text)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_past_the_end_is_an_error_and_moves_nothing() {
        let mut r = Reader::new(&[1, 2, 3]);
        assert_eq!(r.u32(), Err(Short));
        assert_eq!(r.u16(), Ok(0x0102));
        assert_eq!(r.take(usize::MAX), Err(Short));
        assert_eq!(r.rest(), &[3]);
    }

    #[test]
    fn a_write_that_does_not_fit_is_told_at_the_end() {
        let mut buf = [0; 5];
        let mut w = Writer::new(&mut buf);
        w.u32(7);
        w.u16(1);
        w.u8(9);
        assert_eq!(w.finish(), Err(Short));
    }

    #[test]
    fn what_turns_a_peers_text_around_or_is_not_seen_becomes_question_marks() {
        let text =
            Text::lossy("log\u{202e}gol \u{2067}\u{200b}\u{2028}\u{feff}\u{e0041}\x1b[2J\u{9b}\n".as_bytes());
        assert_eq!(text.as_str(), "log?gol ??????[2J??");
        for plain in ["Zürich 漢字 עברית", "\u{1f600}", "a\u{300}"] {
            assert_eq!(Text::lossy(plain.as_bytes()).as_str(), plain);
        }
    }

    #[test]
    fn a_held_length_counts_what_follows_it() {
        let mut buf = [0; 16];
        let mut w = Writer::new(&mut buf);
        w.u8(0xAA);
        let at = w.hold_u32();
        w.bytes(b"abc");
        w.fill_u32(at);
        assert_eq!(w.finish(), Ok(8));
        assert_eq!(&buf[..8], b"\xAA\0\0\0\x03abc");
    }
}
