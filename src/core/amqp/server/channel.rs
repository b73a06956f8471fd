//! Channels, and the message that is coming in on each.

use crate::amqp::field::{read_shortstr, utf8};
use crate::amqp::properties::{self, BASIC, ReceivedProperties};
use crate::amqp::server::{CHANNELS, ServerError};
use crate::amqp::{Violation, method::id};
use crate::bytes::{Reader, Short, Writer};

/// Names a message of a connection, to [`Server::confirm`](super::Server::confirm) it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tag {
    channel: u16,
    /// Which opening of the channel: an answer does not go to a later one.
    opening: u32,
    number: u64,
}

impl Tag {
    /// The channel that it was published on.
    pub const fn channel(self) -> u16 {
        self.channel
    }

    /// The delivery tag: 1 for the first message after Confirm.Select, then up by one. 0: the channel has no confirms.
    pub const fn number(self) -> u64 {
        self.number
    }
}

/// A message, as it lies in the memory of its channel.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Message<'a> {
    /// Exchange; empty for the default one. A name ends where it is not UTF-8.
    pub exchange: &'a str,
    /// Routing key.
    pub routing_key: &'a str,
    /// Properties.
    pub properties: ReceivedProperties<'a>,
    /// Body.
    pub body: &'a [u8],
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Closed,
    Open,
    /// We closed it; until Close-Ok everything on it is passed over (§1.5.2.5 of the reference).
    Closing,
}

/// What has to come next of a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Content {
    /// None is coming.
    #[default]
    None,
    /// Its content header.
    Header,
    /// So many octets of its body.
    Body { left: u64 },
}

/// One channel. In its share of the memory lie exchange and routing key as short strings, the content header's payload,
/// and the body, one after another.
#[derive(Clone, Copy, Debug, Default)]
struct Channel {
    state: State,
    opening: u32,
    content: Content,
    /// Octets of its share that are taken, and where header and body begin in them.
    length: usize,
    header: usize,
    body: usize,
    confirms: bool,
    /// Delivery tags: the last one given, the last one that the owner confirmed, the last one that was acknowledged.
    published: u64,
    confirmed: u64,
    acknowledged: u64,
}

/// What became of a frame of content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// More of it has to come.
    Partial,
    /// The message is whole.
    Whole(Tag),
    /// It does not fit: the channel is to be closed. Octets that it has, and that it may have.
    TooLarge { size: u64, limit: u64 },
}

/// All channels of a connection.
#[derive(Debug)]
pub struct Channels<'a> {
    memory: &'a mut [u8],
    channels: [Channel; CHANNELS as usize],
    /// How many of them may be open, and how many have a share: the client may want fewer.
    count: u16,
    shares: u16,
    openings: u32,
}

impl<'a> Channels<'a> {
    pub fn new(memory: &'a mut [u8], count: u16) -> Self {
        let channels = [Channel::default(); CHANNELS as usize];
        let count = count.clamp(1, CHANNELS);
        Self { memory, channels, count, shares: count, openings: 0 }
    }

    /// How many may be open at once; they have the numbers from 1.
    pub const fn count(&self) -> u16 {
        self.count
    }

    /// The client wants fewer.
    pub fn limit(&mut self, count: u16) {
        self.count = count.clamp(1, self.count);
    }

    fn get(&mut self, number: u16) -> Result<&mut Channel, ServerError> {
        let index = number.checked_sub(1).filter(|_| number <= self.count);
        index.and_then(|i| self.channels.get_mut(usize::from(i))).ok_or(ServerError::NoChannel(number))
    }

    /// A channel and the octets that are its share.
    fn share(&mut self, number: u16) -> Result<(&mut Channel, &mut [u8]), ServerError> {
        let size = self.memory.len() / usize::from(self.shares);
        let at = usize::from(number.saturating_sub(1)) * size;
        self.get(number)?;
        let memory = self.memory.get_mut(at..at + size);
        let channel = self.channels.get_mut(usize::from(number.saturating_sub(1)));
        channel.zip(memory).ok_or(ServerError::NoChannel(number))
    }

    pub fn is_open(&mut self, number: u16) -> bool {
        self.get(number).is_ok_and(|channel| channel.state == State::Open)
    }

    pub fn is_closing(&mut self, number: u16) -> bool {
        self.get(number).is_ok_and(|channel| channel.state == State::Closing)
    }

    /// Whether frames of content have to come, and no method may.
    pub fn awaits_content(&mut self, number: u16) -> bool {
        self.get(number).is_ok_and(|channel| channel.content != Content::None)
    }

    pub fn open(&mut self, number: u16) -> Result<(), ServerError> {
        let opening = self.openings;
        let channel = self.get(number)?;
        *channel = Channel { state: State::Open, opening, ..Channel::default() };
        self.openings = opening.wrapping_add(1);
        Ok(())
    }

    /// We closed it.
    pub fn closing(&mut self, number: u16) {
        if let Ok(channel) = self.get(number) {
            *channel = Channel { state: State::Closing, ..Channel::default() };
        }
    }

    pub fn closed(&mut self, number: u16) {
        if let Ok(channel) = self.get(number) {
            *channel = Channel::default();
        }
    }

    pub fn select_confirms(&mut self, number: u16) {
        if let Ok(channel) = self.get(number) {
            channel.confirms = true;
        }
    }

    /// Basic.Publish came.
    pub fn begin(&mut self, number: u16, exchange: &[u8], routing_key: &[u8]) -> Result<(), ServerError> {
        let (channel, memory) = self.share(number)?;
        let mut w = Writer::new(memory);
        for name in [exchange, routing_key] {
            w.u8(u8::try_from(name.len()).unwrap_or(u8::MAX));
            w.bytes(name);
        }
        channel.content = Content::Header;
        channel.length = w.len();
        channel.header = channel.length;
        // Without room for the names there is none for the header, which tells.
        if w.finish().is_err() {
            channel.length = usize::MAX;
        }
        Ok(())
    }

    /// A frame of content begins, of `size` octets of payload.
    pub fn begin_frame(&mut self, number: u16, is_header: bool, size: u32) -> Result<Progress, ServerError> {
        let (channel, memory) = self.share(number)?;
        let room = memory.len().saturating_sub(channel.length);
        match (channel.content, is_header) {
            (Content::Header, true) if size as usize > room => {
                Ok(too_large(channel, memory.len(), size.into()))
            }
            (Content::Header, true) => Ok(Progress::Partial),
            (Content::Body { left }, false) if u64::from(size) <= left => Ok(Progress::Partial),
            _ => Err(ServerError::UnexpectedFrame(number)),
        }
    }

    /// Octets of a frame of content.
    pub fn append(&mut self, number: u16, octets: &[u8]) {
        let Ok((channel, memory)) = self.share(number) else { return };
        let end = channel.length.saturating_add(octets.len());
        if let Some(room) = memory.get_mut(channel.length..end) {
            room.copy_from_slice(octets);
            channel.length = end;
        }
        if let Content::Body { left } = &mut channel.content {
            *left = left.saturating_sub(octets.len() as u64);
        }
    }

    /// A frame of content has come whole.
    pub fn end_frame(&mut self, number: u16) -> Result<Progress, ServerError> {
        let (channel, memory) = self.share(number)?;
        if channel.content == Content::Header {
            let header = memory.get(channel.header..channel.length).unwrap_or(&[]);
            let (class, size) = header_of(header).map_err(|Short| Violation::Short(id::BASIC_PUBLISH))?;
            if class != BASIC {
                return Err(ServerError::UnexpectedFrame(number));
            }
            if size > memory.len().saturating_sub(channel.length) as u64 {
                return Ok(too_large(channel, memory.len(), size));
            }
            channel.body = channel.length;
            channel.content = Content::Body { left: size };
        }
        if channel.content != (Content::Body { left: 0 }) {
            return Ok(Progress::Partial);
        }
        channel.content = Content::None;
        channel.published += u64::from(channel.confirms);
        Ok(Progress::Whole(Tag { channel: number, opening: channel.opening, number: channel.published }))
    }

    /// The message on a channel that has come whole, until the next one begins.
    pub fn message(&self, number: u16) -> Option<Message<'_>> {
        let size = self.memory.len() / usize::from(self.shares);
        let index = usize::from(number.checked_sub(1)?);
        let channel = self.channels.get(index)?;
        let memory = self.memory.get(index * size..(index + 1) * size)?;
        let mut names = Reader::new(memory.get(..channel.header)?);
        let (exchange, routing_key) = (read_shortstr(&mut names).ok()?, read_shortstr(&mut names).ok()?);
        let properties = memory.get(channel.header + HEADER_FIXED..channel.body)?;
        Some(Message {
            exchange: utf8(exchange),
            routing_key: utf8(routing_key),
            properties: properties::decode(properties).ok()?,
            body: memory.get(channel.body..channel.length)?,
        })
    }

    /// The owner has stored everything of the channel up to `tag`.
    pub fn confirm(&mut self, tag: Tag) {
        if let Ok(channel) = self.get(tag.channel)
            && channel.state == State::Open
            && channel.opening == tag.opening
        {
            channel.confirmed = channel.confirmed.max(tag.number.min(channel.published));
        }
    }

    /// An Ack that is owed: channel, delivery tag, and whether it is for several.
    pub fn owed(&self) -> Option<(u16, u64, bool)> {
        let owed = |channel: &Channel| channel.confirmed > channel.acknowledged;
        let (number, channel) = (1..).zip(&self.channels).find(|(_, channel)| owed(channel))?;
        Some((number, channel.confirmed, channel.confirmed - channel.acknowledged > 1))
    }

    /// What was owed to a channel was sent.
    pub fn acknowledged(&mut self, number: u16) {
        if let Ok(channel) = self.get(number) {
            channel.acknowledged = channel.confirmed;
        }
    }
}

/// Octets of a content header before its flags: class, weight, body size (§4.2.6.1).
const HEADER_FIXED: usize = 12;

/// The class and the body's size of a content header, whose properties can be read.
fn header_of(header: &[u8]) -> Result<(u16, u64), Short> {
    let mut r = Reader::new(header);
    let (class, _weight, size) = (r.u16()?, r.u16()?, r.u64()?);
    properties::decode(r.rest())?;
    Ok((class, size))
}

fn too_large(channel: &Channel, memory: usize, size: u64) -> Progress {
    Progress::TooLarge { size, limit: memory.saturating_sub(channel.length) as u64 }
}
