//! In place of TLS, in a program without it. No session can exist: the settings refuse what would ask for one.

use std::convert::Infallible;
use std::marker::PhantomData;
use std::net::TcpStream;
use std::task::{Context, Poll};

use crate::net::attempts::ConnectionError;
use crate::net::reactor::AsyncFd;
use crate::settings::WITHOUT_TLS;
use psistats_core::link::Retry;
use psistats_host::conf::hosts::Host;
use psistats_host::conf::tls::Tls;

/// No memory.
#[derive(Default)]
pub struct Buffers {}

impl Buffers {
    /// Nothing.
    pub fn prepare(&mut self) {}
}

/// No session.
pub struct Secured<'c>(Infallible, PhantomData<&'c ()>);

impl<'c> Secured<'c> {
    /// Fails.
    ///
    /// # Errors
    /// Always.
    pub async fn over(
        _: AsyncFd<'c, TcpStream>,
        _: &Tls,
        _: &Host,
        _: &'c mut Buffers,
    ) -> Result<Self, ConnectionError> {
        Err(silent(0))
    }
}

/// Why there is none.
pub fn silent(_: u64) -> ConnectionError {
    ConnectionError::Protocol { text: WITHOUT_TLS.to_owned(), retry: Retry::Slow }
}

/// As of a session.
#[expect(missing_docs, reason = "there is nothing to call them on")]
impl Secured<'_> {
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
