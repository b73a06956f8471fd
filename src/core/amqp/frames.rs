//! Received octets, and the frames in them (§2.3.5), at either end.

use crate::amqp::error::Violation;
use crate::amqp::frame;
use crate::bytes::Reader;
use crate::limits;

/// Octets received and not yet looked at, in the caller's buffer.
#[derive(Debug)]
pub struct Frames<'a> {
    buf: &'a mut [u8],
    start: usize,
    end: usize,
    frame_max: u32,
}

impl<'a> Frames<'a> {
    pub const fn new(buf: &'a mut [u8]) -> Self {
        Self { buf, start: 0, end: 0, frame_max: limits::AMQP_FRAME }
    }

    /// The memory, for others.
    pub fn into_inner(self) -> &'a mut [u8] {
        self.buf
    }

    /// The agreed size of the largest frame.
    pub fn set_frame_max(&mut self, octets: u32) {
        self.frame_max = octets;
    }

    pub fn space(&mut self) -> &mut [u8] {
        if self.start > 0 {
            self.buf.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        self.buf.get_mut(self.end..).unwrap_or(&mut [])
    }

    pub fn received(&mut self, n: usize) {
        self.end = self.end.saturating_add(n).min(self.buf.len());
    }

    /// Octets that have not been consumed.
    pub fn octets(&self) -> &[u8] {
        self.buf.get(self.start..self.end).unwrap_or(&[])
    }

    pub fn consume(&mut self, n: usize) {
        self.start = self.start.saturating_add(n).min(self.end);
    }

    /// Type, channel and size of the frame at the front, once they are here.
    pub fn prefix(&self) -> Result<Option<(u8, u16, u32)>, Violation> {
        let mut r = Reader::new(self.octets());
        let (Ok(kind), Ok(channel), Ok(size)) = (r.u8(), r.u16(), r.u32()) else { return Ok(None) };
        self.check_size(size)?;
        Ok(Some((kind, channel, size)))
    }

    /// The `size` octets after the first `skip`, once they and the end octet after them are here.
    pub fn whole(&self, skip: usize, size: u32) -> Result<Option<&[u8]>, Violation> {
        let room = self.buf.len().saturating_sub(frame::PREFIX + 1);
        if size as usize > room {
            return Err(Violation::FrameTooLarge { size, limit: u32::try_from(room).unwrap_or(u32::MAX) });
        }
        let mut r = Reader::new(self.octets());
        let (Ok(_), Ok(payload), Ok(end)) = (r.take(skip), r.take(size as usize), r.u8()) else {
            return Ok(None);
        };
        check_end(end)?;
        Ok(Some(payload))
    }

    /// Consumes a frame's end octet. False: it is not here yet.
    pub fn end_of_frame(&mut self) -> Result<bool, Violation> {
        let Some(&end) = self.octets().first() else { return Ok(false) };
        self.consume(1);
        check_end(end)?;
        Ok(true)
    }

    /// §4.2.3: frame-max counts the whole frame, prefix and end octet included.
    pub fn check_size(&self, size: u32) -> Result<(), Violation> {
        let limit = self.frame_max.saturating_sub(8);
        if size > limit { Err(Violation::FrameTooLarge { size, limit }) } else { Ok(()) }
    }
}

fn check_end(octet: u8) -> Result<(), Violation> {
    if octet == frame::END { Ok(()) } else { Err(Violation::FrameEnd(octet)) }
}
