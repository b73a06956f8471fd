//! A connection to a host, by whatever carries its bytes: TCP, or TLS over it.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::task::{Context, Poll};
use std::time::Duration;

use smol::future::or;

use crate::net::attempts::ConnectionError;
use crate::net::connect;
use crate::net::reactor::{AsyncFd, Reactor, Timer, either};
use crate::net::resolve::Resolver;
use crate::net::tls::{Buffers, Secured};
use crate::settings::Tls;
use psistats_host::conf::hosts::Host;

/// Until a name server has answered.
const RESOLVE: Duration = Duration::from_secs(10);

/// A connection to a host. Reads and writes do not wait.
pub struct Channel<'c> {
    host: Host,
    transport: Transport<'c>,
}

enum Transport<'c> {
    Plain(AsyncFd<'c, TcpStream>),
    Tls(Secured<'c>),
}

impl<'c> Channel<'c> {
    /// Connects to the first address of `host` that answers; `dead_after` as in [`connect::tcp`]. With `tls`, which
    /// has the memory for it, nothing is sent in the clear.
    ///
    /// # Errors
    /// Why the name has no address, why the last of its addresses cannot be reached, or what is wrong with TLS.
    pub async fn connect(
        reactor: &'c Reactor,
        timer: &Timer<'_>,
        resolver: &mut Resolver<'_>,
        host: &Host,
        dead_after: Duration,
        tls: Option<(&Tls, &'c mut Buffers)>,
    ) -> Result<Self, ConnectionError> {
        let stream = tcp(reactor, timer, resolver, host, dead_after).await?;
        let transport = match tls {
            None => Transport::Plain(stream),
            Some((tls, buffers)) => {
                Transport::Tls(Secured::over(stream, tls, host, buffers, reactor, timer).await?)
            }
        };
        Ok(Self { host: host.clone(), transport })
    }

    /// The host, by the name that was configured.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// How the host is reached, behind its name in a line: empty where that is in the clear.
    pub fn over(&self) -> &'static str {
        match &self.transport {
            Transport::Plain(_) => "",
            Transport::Tls(secured) => secured.over_version(),
        }
    }

    /// Whether a read may have something to tell.
    pub fn is_readable(&self) -> bool {
        match &self.transport {
            Transport::Plain(stream) => stream.is_readable(),
            Transport::Tls(secured) => secured.is_readable(),
        }
    }

    /// Whether a write may be taken.
    pub fn is_writable(&self) -> bool {
        match &self.transport {
            Transport::Plain(stream) => stream.is_writable(),
            Transport::Tls(secured) => secured.is_writable(),
        }
    }

    /// Ready when a read may have something to tell or, where something waits to be sent, a write may be taken.
    pub fn poll(&self, is_sending: bool, cx: &Context<'_>) -> Poll<()> {
        match &self.transport {
            Transport::Plain(stream) => {
                let writable = if is_sending { stream.poll_writable(cx) } else { Poll::Pending };
                either(stream.poll_readable(cx), writable)
            }
            Transport::Tls(secured) => secured.poll(is_sending, cx),
        }
    }

    /// Reads once.
    ///
    /// # Errors
    /// `WouldBlock` where there is nothing, or what the transport says.
    pub fn read(&mut self, buf: &mut [u8]) -> Result<usize, ConnectionError> {
        match &mut self.transport {
            Transport::Plain(stream) => {
                stream.read(buf, |mut stream, buf| stream.read(buf)).map_err(ConnectionError::Transport)
            }
            Transport::Tls(secured) => secured.read(buf),
        }
    }

    /// Writes once, perhaps a part.
    ///
    /// # Errors
    /// `WouldBlock` where nothing is taken, or what the transport says.
    pub fn write(&mut self, buf: &[u8]) -> Result<usize, ConnectionError> {
        match &mut self.transport {
            Transport::Plain(stream) => {
                stream.write(buf, |mut stream, buf| stream.write(buf)).map_err(ConnectionError::Transport)
            }
            Transport::Tls(secured) => secured.write(buf),
        }
    }

    /// Writes what an earlier write has taken and not written yet.
    ///
    /// # Errors
    /// What the transport says.
    pub fn flush(&mut self) -> Result<(), ConnectionError> {
        match &mut self.transport {
            Transport::Plain(_) => Ok(()),
            Transport::Tls(secured) => secured.flush(),
        }
    }

    /// Ends the connection in order, where that takes more than its end.
    pub fn close(&mut self) {
        if let Transport::Tls(secured) = &mut self.transport {
            secured.close();
        }
    }

    /// Adds to why the connection has ended what the transport knows of it.
    pub fn explain(&self, error: ConnectionError) -> ConnectionError {
        match &self.transport {
            Transport::Plain(_) => error,
            Transport::Tls(secured) => secured.explain(error),
        }
    }
}

/// A connection to the first address of `host` that answers.
async fn tcp<'c>(
    reactor: &'c Reactor,
    timer: &Timer<'_>,
    resolver: &mut Resolver<'_>,
    host: &Host,
    dead_after: Duration,
) -> Result<AsyncFd<'c, TcpStream>, ConnectionError> {
    let late = async {
        timer.until(reactor.now() + RESOLVE).await;
        let text =
            format!("no answer from a name server within {} s; check /etc/resolv.conf", RESOLVE.as_secs());
        Err(io::Error::new(io::ErrorKind::TimedOut, text))
    };
    let addresses = or(resolver.resolve(host), late).await.map_err(ConnectionError::Resolve)?;
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in addresses {
        match connect::tcp(reactor, address, dead_after).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(ConnectionError::Transport(last))
}
