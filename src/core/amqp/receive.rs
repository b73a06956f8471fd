//! Bytes from the broker, and the frames in them.
//!
//! Memory is the caller's buffer, whatever the broker says: frames of no interest are passed over as
//! they come, of Connection.Start's server properties only the length is read, and every other
//! method must fit.

use crate::amqp::error::{Error, Violation};
use crate::amqp::frame;
use crate::amqp::frames::Frames;
use crate::amqp::method::{self, Method, Undecodable, id};
use crate::amqp::options::Mechanism;
use crate::bytes::Reader;

/// What was received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// Connection.Start of version 0-9, and which mechanisms it offers.
    Start { plain: bool, external: bool },
    /// Any other method, with its channel, which is 0 for those of class Connection alone.
    Method(u16, Method),
    /// A content header or body, which is passed over.
    Content,
    /// A heartbeat.
    Heartbeat,
}

/// Where in the stream of frames we are.
#[derive(Clone, Copy, Debug)]
enum Reading {
    /// Before the first frame, which must be Connection.Start.
    First,
    /// Inside Connection.Start, passing over `table` octets of server properties; `rest` octets of
    /// payload come after them.
    ServerProperties { table: u32, rest: u32 },
    /// At a frame's first octet.
    Frame,
    /// Passing over `left` octets, the last of which ends a frame.
    Skip { left: u32 },
}

/// Octets of Connection.Start before the server properties' fields: class, method, version, length.
const START_FIXED: u32 = 10;

/// Received bytes, and what they mean.
#[derive(Debug)]
pub struct Receiver<'a> {
    frames: Frames<'a>,
    reading: Reading,
}

impl<'a> Receiver<'a> {
    pub const fn new(buf: &'a mut [u8]) -> Self {
        Self { frames: Frames::new(buf), reading: Reading::First }
    }

    /// The memory, for others.
    pub fn into_inner(self) -> &'a mut [u8] {
        self.frames.into_inner()
    }

    /// The agreed size of the largest frame.
    pub fn set_frame_max(&mut self, octets: u32) {
        self.frames.set_frame_max(octets);
    }

    pub fn space(&mut self) -> &mut [u8] {
        self.frames.space()
    }

    pub fn received(&mut self, n: usize) {
        self.frames.received(n);
    }

    /// The next item, or none before more is received.
    pub fn next(&mut self) -> Result<Option<Item>, Error> {
        loop {
            match self.reading {
                Reading::First => match self.first()? {
                    true => continue,
                    false => return Ok(None),
                },
                Reading::ServerProperties { table: 0, rest } => return self.mechanisms(rest),
                Reading::ServerProperties { table, rest } => {
                    let Some(passed) = self.pass_over(table) else { return Ok(None) };
                    self.reading = Reading::ServerProperties { table: table - passed, rest };
                }
                Reading::Skip { left } => {
                    // All but the end octet may be anything.
                    if left > 1 {
                        let Some(passed) = self.pass_over(left - 1) else { return Ok(None) };
                        self.reading = Reading::Skip { left: left - passed };
                        continue;
                    }
                    if !self.frames.end_of_frame()? {
                        return Ok(None);
                    }
                    self.reading = Reading::Frame;
                }
                Reading::Frame => return self.frame(),
            }
        }
    }

    /// The connection ended: what the bytes that lie here tell about it, if anything.
    pub fn disconnected(&self) -> Option<Error> {
        match (self.reading, self.frames.octets()) {
            (Reading::First, [kind, ..]) if *kind != frame::METHOD => Some(self.not_amqp()),
            _ => None,
        }
    }

    /// Consumes up to `n` octets; none where nothing has been received.
    fn pass_over(&mut self, n: u32) -> Option<u32> {
        let here = u32::try_from(self.frames.octets().len()).unwrap_or(u32::MAX).min(n);
        self.frames.consume(here as usize);
        (here > 0).then_some(here)
    }

    /// Reads Connection.Start up to its server properties. False: more is needed.
    fn first(&mut self) -> Result<bool, Error> {
        let bytes = self.frames.octets();
        // A server of another version, or another protocol, answers in its own way (§4.2.2):
        // compare before reading that as a frame.
        if bytes.first().is_some_and(|kind| *kind != frame::METHOD) {
            return if bytes.len() < 8 { Ok(false) } else { Err(self.not_amqp()) };
        }
        let mut r = Reader::new(bytes);
        let (Ok(_kind), Ok(channel), Ok(size)) = (r.u8(), r.u16(), r.u32()) else { return Ok(false) };
        self.frames.check_size(size)?;
        // Waiting for the rest of a frame that is too small for it would be waiting in vain.
        let rest = size.checked_sub(START_FIXED).ok_or(Violation::Short(id::CONNECTION_START))?;
        let (Ok(class), Ok(method), Ok(version)) = (r.u16(), r.u16(), r.u16()) else { return Ok(false) };
        let Ok(table) = r.u32() else { return Ok(false) };
        if channel != 0 || (class, method) != id::CONNECTION_START {
            return Err(Violation::Unexpected { channel, id: (class, method) }.into());
        }
        let [major, minor] = version.to_be_bytes();
        if (major, minor) != (0, 9) {
            return Err(Violation::Version { major, minor }.into());
        }
        let rest = rest.checked_sub(table).ok_or(Violation::Short(id::CONNECTION_START))?;
        self.frames.consume(frame::PREFIX + START_FIXED as usize);
        self.reading = Reading::ServerProperties { table, rest };
        Ok(true)
    }

    /// Reads the rest of Connection.Start: mechanisms and locales, both long strings.
    fn mechanisms(&mut self, rest: u32) -> Result<Option<Item>, Error> {
        let Some(payload) = self.frames.whole(0, rest)? else { return Ok(None) };
        let mut r = Reader::new(payload);
        let mechanisms = r.u32().and_then(|length| r.take(length as usize));
        let mechanisms = mechanisms.map_err(|_| Violation::Short(id::CONNECTION_START))?;
        let (mut plain, mut external) = (false, false);
        for name in mechanisms.split(|c| *c == b' ') {
            plain |= name == Mechanism::Plain.as_str().as_bytes();
            external |= name == Mechanism::External.as_str().as_bytes();
        }
        let length = payload.len() + 1;
        self.frames.consume(length);
        self.reading = Reading::Frame;
        Ok(Some(Item::Start { plain, external }))
    }

    fn frame(&mut self) -> Result<Option<Item>, Error> {
        let Some((kind, channel, size)) = self.frames.prefix()? else { return Ok(None) };
        match kind {
            frame::METHOD => self.method(channel, size),
            frame::HEADER | frame::BODY => {
                self.frames.consume(frame::PREFIX);
                self.reading = Reading::Skip { left: size.saturating_add(1) };
                Ok(Some(Item::Content))
            }
            // §4.2.7: on channel 0 only.
            frame::HEARTBEAT if channel == 0 && size == 0 => {
                self.frames.consume(frame::PREFIX);
                self.reading = Reading::Skip { left: 1 };
                Ok(Some(Item::Heartbeat))
            }
            frame::HEARTBEAT => Err(Violation::Heartbeat { channel, size }.into()),
            kind => Err(Violation::FrameType(kind).into()),
        }
    }

    fn method(&mut self, channel: u16, size: u32) -> Result<Option<Item>, Error> {
        let Some(payload) = self.frames.whole(frame::PREFIX, size)? else { return Ok(None) };
        let method = method::decode(payload);
        self.frames.consume(frame::PREFIX + size as usize + 1);
        match method {
            // §2.2.4 and §4.9: class Connection on channel 0, all others on an open channel; which are open is the
            // client's to know.
            Ok(((class, _), method)) if (class == 10) == (channel == 0) => {
                Ok(Some(Item::Method(channel, method)))
            }
            Ok((id, _)) => Err(Violation::Unexpected { channel, id }.into()),
            Err(Undecodable::Unknown(id)) => Err(Violation::Unexpected { channel, id }.into()),
            Err(Undecodable::Short(id)) => Err(Violation::Short(id).into()),
        }
    }

    fn not_amqp(&self) -> Error {
        let mut first = [0; 8];
        for (to, from) in first.iter_mut().zip(self.frames.octets()) {
            *to = *from;
        }
        Error::NotAmqp { first, len: u8::try_from(self.frames.octets().len().min(8)).unwrap_or(8) }
    }
}
