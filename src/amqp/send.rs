//! Bytes on their way to the broker, and the frames around them.

use core::fmt;

use super::frame;
use crate::bytes::{Short, Writer};
use crate::limits;

/// Bytes of the buffer that publishes leave free, so that a heartbeat or the answer to
/// a Close always finds room.
const RESERVE: usize = 1024;

/// Frames that wait for the transport, in the caller's buffer.
pub struct SendBuffer<'a> {
    buf: &'a mut [u8],
    start: usize,
    end: usize,
}

impl<'a> SendBuffer<'a> {
    pub const fn new(buf: &'a mut [u8]) -> Self {
        Self { buf, start: 0, end: 0 }
    }

    pub fn outgoing(&self) -> &[u8] {
        self.buf.get(self.start..self.end).unwrap_or(&[])
    }

    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    pub fn sent(&mut self, n: usize) {
        self.start = self.start.saturating_add(n).min(self.end);
        if self.is_empty() {
            (self.start, self.end) = (0, 0);
        }
    }

    /// Appends bytes that are not a frame: the protocol header.
    pub fn raw(&mut self, bytes: &[u8]) -> Result<(), Short> {
        self.append(0, |w| w.bytes(bytes))
    }

    /// Appends one frame.
    pub fn frame(
        &mut self,
        kind: u8,
        channel: u16,
        payload: impl FnOnce(&mut Writer<'_>),
    ) -> Result<(), Short> {
        self.append(0, |w| put_frame(w, kind, channel, payload))
    }

    /// Appends the frames of a publish: all of them or, while there is no room, none.
    pub fn publish(&mut self, frames: impl FnOnce(&mut Writer<'_>)) -> Result<(), Short> {
        self.append(RESERVE, frames)
    }

    fn append(&mut self, reserve: usize, write: impl FnOnce(&mut Writer<'_>)) -> Result<(), Short> {
        // Moving what waits to the front costs nothing while the transport keeps up: it is empty.
        if self.start > 0 {
            self.buf.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        let limit = self.buf.len().saturating_sub(reserve);
        let mut w = Writer::new(self.buf.get_mut(self.end..limit).ok_or(Short)?);
        write(&mut w);
        self.end += w.finish()?;
        Ok(())
    }
}

/// Tells how much waits, but not what: the login is among it.
impl fmt::Debug for SendBuffer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendBuffer").field("waiting", &self.outgoing().len()).finish_non_exhaustive()
    }
}

/// One frame: prefix, payload, end octet.
pub fn put_frame(w: &mut Writer<'_>, kind: u8, channel: u16, payload: impl FnOnce(&mut Writer<'_>)) {
    w.u8(kind);
    w.u16(channel);
    let size = w.hold_u32();
    payload(w);
    w.fill_u32(size);
    w.u8(frame::END);
}

/// A short string (§4.2.5.3). Whoever configures texts keeps them within 255 bytes; one that is
/// longer is cut, because its length has one octet.
pub fn shortstr(w: &mut Writer<'_>, text: &str) {
    let mut length = text.len().min(limits::SHORTSTR);
    while !text.is_char_boundary(length) {
        length -= 1;
    }
    w.u8(u8::try_from(length).unwrap_or(u8::MAX));
    w.bytes(text.as_bytes().get(..length).unwrap_or(&[]));
}

/// A field table (§4.2.5.5) with what `fields` writes.
pub fn table(w: &mut Writer<'_>, fields: impl FnOnce(&mut Writer<'_>)) {
    let at = w.hold_u32();
    fields(w);
    w.fill_u32(at);
}

/// A table's field of type long string.
pub fn field_longstr(w: &mut Writer<'_>, name: &str, value: &[u8]) {
    shortstr(w, name);
    w.u8(b'S');
    let at = w.hold_u32();
    w.bytes(value);
    w.fill_u32(at);
}

/// A table's field of type boolean.
pub fn field_bool(w: &mut Writer<'_>, name: &str, value: bool) {
    shortstr(w, name);
    w.u8(b't');
    w.u8(u8::from(value));
}
