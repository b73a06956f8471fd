//! In the place of `curve`, where the crate is built without it: no connection has keys.

use core::fmt;

use crate::bytes::Writer;
use crate::zmtp::error::Error;
use crate::zmtp::frame::Header;

pub(super) const SEAL: usize = 0;

/// There is none.
#[derive(Debug)]
pub enum Curve {}

/// Nor anything that could be sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sealed {}

impl fmt::Display for Sealed {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {}
    }
}

/// A command of the handshake.
pub(super) type Handshake = [u8; 0];

/// What a command of the peer's leads to.
pub(super) struct Shaken<'i> {
    pub reply: Option<Handshake>,
    pub metadata: Option<&'i [u8]>,
}

impl Curve {
    pub(super) const fn is_server(&self) -> bool {
        match *self {}
    }

    pub(super) const fn hello(&self) -> Option<Handshake> {
        match *self {}
    }

    pub(super) const fn shake<'i>(&mut self, _: &'i mut [u8], _: &[u8]) -> Result<Shaken<'i>, Error> {
        match *self {}
    }

    pub(super) const fn open<'i>(&mut self, _: Header, _: &'i mut [u8]) -> Result<(Header, &'i [u8]), Error> {
        match *self {}
    }

    pub(super) const fn put_frame(&self, _: &mut Writer<'_>, _: u8, _: &[u8]) {
        match *self {}
    }
}
