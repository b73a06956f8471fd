//! Frames: flags, size, body (RFC 37, "Framing").

use crate::bytes::{Reader, Writer};
use crate::zmtp::error::Violation;

/// More frames of this message follow.
pub const MORE: u8 = 0b001;
/// The size has 8 octets instead of 1.
pub const LONG: u8 = 0b010;
/// A command, and no message.
pub const COMMAND: u8 = 0b100;

/// Octets of the longest header: flags, and a size of 8.
pub const HEADER: usize = 9;

/// What stands before a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Whether more frames of this message follow.
    pub more: bool,
    /// Whether it is a command.
    pub command: bool,
    /// Octets of the body.
    pub size: u64,
    /// Octets of the header itself.
    pub octets: usize,
}

/// Reads the header at the start of `bytes`, once all of it is there. A size may have more octets than
/// it needs.
pub fn header(bytes: &[u8]) -> Result<Option<Header>, Violation> {
    let mut r = Reader::new(bytes);
    let Ok(flags) = r.u8() else { return Ok(None) };
    if flags & !(MORE | LONG | COMMAND) != 0 || flags & (MORE | COMMAND) == MORE | COMMAND {
        return Err(Violation::Flags(flags));
    }
    let size = if flags & LONG == 0 { r.u8().map(u64::from) } else { r.u64() };
    let Ok(size) = size else { return Ok(None) };
    let octets = bytes.len() - r.rest().len();
    Ok(Some(Header { more: flags & MORE != 0, command: flags & COMMAND != 0, size, octets }))
}

/// Writes the header of a frame with a body of `size` octets.
pub fn put_header(w: &mut Writer<'_>, flags: u8, size: usize) {
    match u8::try_from(size) {
        Ok(size) => {
            w.u8(flags);
            w.u8(size);
        }
        Err(_) => {
            w.u8(flags | LONG);
            w.u64(size as u64);
        }
    }
}

/// Writes a frame of `body`.
pub fn put_frame(w: &mut Writer<'_>, flags: u8, body: &[u8]) {
    put_header(w, flags, body.len());
    w.bytes(body);
}

/// Writes a message of two frames: its topic, by which it is subscribed to, and its body.
pub fn put_message(w: &mut Writer<'_>, topic: &[u8], body: &[u8]) {
    put_frame(w, MORE, topic);
    put_frame(w, 0, body);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header_of(flags: u8, length: usize) -> Header {
        let body = vec![7; length];
        let mut buf = vec![0; length + 9];
        let mut w = Writer::new(&mut buf);
        put_frame(&mut w, flags, &body);
        let length = w.finish().unwrap();
        let found = header(&buf[..length]).unwrap().unwrap();
        assert_eq!(&buf[found.octets..length], body);
        found
    }

    #[test]
    fn a_body_of_255_octets_has_a_short_size_and_a_longer_one_a_long_size() {
        assert_eq!(header_of(0, 255), Header { more: false, command: false, size: 255, octets: 2 });
        assert_eq!(header_of(MORE, 256), Header { more: true, command: false, size: 256, octets: 9 });
        assert_eq!(header_of(COMMAND, 0), Header { more: false, command: true, size: 0, octets: 2 });
    }

    #[test]
    fn a_header_is_read_once_it_is_whole() {
        let long = [LONG, 0, 0, 0, 0, 0, 0, 0, 5, b'x'];
        for length in 0..9 {
            assert_eq!(header(&long[..length]), Ok(None));
        }
        assert_eq!(header(&long), Ok(Some(Header { more: false, command: false, size: 5, octets: 9 })));
        let most = [LONG | COMMAND, 255, 255, 255, 255, 255, 255, 255, 255];
        assert_eq!(header(&most).unwrap().unwrap().size, u64::MAX);
    }

    #[test]
    fn reserved_flags_and_a_command_with_more_to_follow_are_refused() {
        for flags in [8, 16, 32, 64, 128, 255, MORE | COMMAND] {
            assert_eq!(header(&[flags]), Err(Violation::Flags(flags)));
        }
    }
}
