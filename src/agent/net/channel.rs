//! A connection to a host, by whatever carries its bytes: TCP so far.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::task::{Context, Poll};
use std::time::Duration;

use smol::future::or;

use crate::net::attempts::ConnectionError;
use crate::net::connect;
use crate::net::reactor::{AsyncFd, Reactor, Timer, either};
use crate::net::resolve::Resolver;
use psistats_host::conf::hosts::Host;

/// Until a name server has answered.
const RESOLVE: Duration = Duration::from_secs(10);

/// A connection to a host. Reads and writes do not wait.
pub struct Channel<'r> {
    host: Host,
    stream: AsyncFd<'r, TcpStream>,
}

impl<'r> Channel<'r> {
    /// Connects to the first address of `host` that answers; `dead_after` as in [`connect::tcp`].
    ///
    /// # Errors
    /// Why the name has no address, or why the last of its addresses cannot be reached.
    pub async fn connect(
        reactor: &'r Reactor,
        timer: &Timer<'r>,
        resolver: &mut Resolver<'_>,
        host: &Host,
        dead_after: Duration,
    ) -> Result<Self, ConnectionError> {
        let late = async {
            timer.until(reactor.now() + RESOLVE).await;
            let text = format!(
                "no answer from a name server within {} s; check /etc/resolv.conf",
                RESOLVE.as_secs()
            );
            Err(io::Error::new(io::ErrorKind::TimedOut, text))
        };
        let addresses = or(resolver.resolve(host), late).await.map_err(ConnectionError::Resolve)?;
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in addresses {
            match connect::tcp(reactor, address, dead_after).await {
                Ok(stream) => return Ok(Self { host: host.clone(), stream }),
                Err(error) => last = error,
            }
        }
        Err(ConnectionError::Transport(last))
    }

    /// The host, by the name that was configured.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Whether a read may have something to tell.
    pub fn is_readable(&self) -> bool {
        self.stream.is_readable()
    }

    /// Whether a write may be taken.
    pub fn is_writable(&self) -> bool {
        self.stream.is_writable()
    }

    /// Ready when a read may have something to tell or, where something waits to be sent, a write may be taken.
    pub fn poll(&self, is_sending: bool, cx: &Context<'_>) -> Poll<()> {
        let writable = if is_sending { self.stream.poll_writable(cx) } else { Poll::Pending };
        either(self.stream.poll_readable(cx), writable)
    }

    /// Reads once.
    ///
    /// # Errors
    /// `WouldBlock` where there is nothing, or what the transport says.
    pub fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.stream.read(buf, |mut stream, buf| stream.read(buf))
    }

    /// Writes once, perhaps a part.
    ///
    /// # Errors
    /// `WouldBlock` where nothing is taken, or what the transport says.
    pub fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.stream.write(buf, |mut stream, buf| stream.write(buf))
    }
}
