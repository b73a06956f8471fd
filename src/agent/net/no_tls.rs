//! In place of TLS, in a program without it: no settings ask for it.

use std::convert::Infallible;
use std::marker::PhantomData;
use std::net::TcpStream;
use std::task::{Context, Poll};

use crate::net::attempts::ConnectionError;
use crate::net::reactor::{AsyncFd, Reactor, Timer};
use crate::settings::Tls;
use psistats_host::conf::hosts::Host;

/// No memory.
#[derive(Default)]
pub struct Buffers {}

impl Buffers {
    /// Nothing.
    pub fn prepare(&mut self) {}
}

/// There is none.
pub struct Secured<'c>(Infallible, PhantomData<&'c ()>);

/// As in a program with TLS.
#[expect(missing_docs, reason = "there is nothing to call them on")]
impl<'c> Secured<'c> {
    pub async fn over(
        _: AsyncFd<'c, TcpStream>,
        tls: &Tls,
        _: &Host,
        _: &'c mut Buffers,
        _: &Reactor,
        _: &Timer<'_>,
    ) -> Result<Self, ConnectionError> {
        match *tls {}
    }

    pub fn over_version(&self) -> &'static str {
        match self.0 {}
    }

    pub fn is_readable(&self) -> bool {
        match self.0 {}
    }

    pub fn is_writable(&self) -> bool {
        match self.0 {}
    }

    pub fn poll(&self, _: bool, _: &Context<'_>) -> Poll<()> {
        match self.0 {}
    }

    pub fn read(&mut self, _: &mut [u8]) -> Result<usize, ConnectionError> {
        match self.0 {}
    }

    pub fn write(&mut self, _: &[u8]) -> Result<usize, ConnectionError> {
        match self.0 {}
    }

    pub fn flush(&mut self) -> Result<(), ConnectionError> {
        match self.0 {}
    }

    pub fn close(&mut self) {
        match self.0 {}
    }

    pub fn explain(&self, _: ConnectionError) -> ConnectionError {
        match self.0 {}
    }
}
