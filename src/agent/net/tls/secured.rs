//! A session over a socket.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::task::{Context, Poll};
use std::time::Duration;

use rustls::ProtocolVersion;
use smol::future::or;

use crate::net::attempts::ConnectionError;
use crate::net::reactor::{AsyncFd, Reactor, Timer, either};
use crate::net::tls::fault;
use crate::net::tls::handshake::{Handshake, Step};
use crate::net::tls::session::Session;
use crate::net::tls::{Buffers, config};
use psistats_host::conf::hosts::Host;
use psistats_host::conf::tls::Tls;

/// From the first octet to the last of the handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// A session over a socket. Reads and writes do not wait.
pub struct Secured<'c> {
    stream: AsyncFd<'c, TcpStream>,
    session: Session<'c>,
    /// The socket has ended, and the session had not.
    is_cut: bool,
}

impl<'c> Secured<'c> {
    /// Shakes hands with `host`.
    ///
    /// # Errors
    /// Why there is no session. The peer has been told where that is usual.
    pub async fn over(
        stream: AsyncFd<'c, TcpStream>,
        tls: &Tls,
        host: &Host,
        buffers: &'c mut Buffers,
        reactor: &Reactor,
        timer: &Timer<'_>,
    ) -> Result<Self, ConnectionError> {
        let late = async {
            timer.until(reactor.now() + HANDSHAKE).await;
            Err(fault::silent(HANDSHAKE.as_secs()).into())
        };
        or(Self::shake_hands(stream, tls, host, buffers), late).await
    }

    async fn shake_hands(
        stream: AsyncFd<'c, TcpStream>,
        tls: &Tls,
        host: &Host,
        buffers: &'c mut Buffers,
    ) -> Result<Self, ConnectionError> {
        let name = tls.server_name.as_deref().unwrap_or(&host.name);
        let mut handshake = Handshake::new(config(tls)?, name, buffers)?;
        loop {
            let step = handshake.advance();
            send(&stream, &mut handshake).await?;
            match step? {
                Step::Finish => return Ok(Self { stream, session: handshake.finish()?, is_cut: false }),
                Step::Send => {}
                Step::Receive => receive(&stream, &mut handshake).await?,
            }
        }
    }

    /// The version, behind the name of the host.
    pub fn over_version(&self) -> &'static str {
        match self.session.version() {
            ProtocolVersion::TLSv1_3 => " over TLS 1.3",
            _ => " over TLS 1.2",
        }
    }

    /// Whether a read may have something to tell.
    pub fn is_readable(&self) -> bool {
        self.session.is_readable() || self.stream.is_readable()
    }

    /// Whether a write may be taken.
    pub fn is_writable(&self) -> bool {
        self.stream.is_writable()
    }

    /// Ready when a read may have something to tell or, where something waits to be sent, a write may be taken.
    pub fn poll(&self, is_sending: bool, cx: &Context<'_>) -> Poll<()> {
        if self.session.is_readable() {
            return Poll::Ready(());
        }
        let is_sending = is_sending || !self.session.outgoing().is_empty();
        let writable = if is_sending { self.stream.poll_writable(cx) } else { Poll::Pending };
        either(self.stream.poll_readable(cx), writable)
    }

    /// Reads once.
    ///
    /// # Errors
    /// `WouldBlock` where there is nothing, what the socket says, or what is wrong with the session.
    pub fn read(&mut self, to: &mut [u8]) -> Result<usize, ConnectionError> {
        if let Some(n) = self.open(to)? {
            return Ok(n);
        }
        match self.stream.read(self.session.recv_space(), |mut stream, to| stream.read(to)) {
            Ok(0) => {
                self.is_cut = true;
                Ok(0)
            }
            Ok(n) => {
                self.session.received(n);
                self.open(to)?.ok_or(ConnectionError::Transport(ErrorKind::WouldBlock.into()))
            }
            Err(error) => {
                self.is_cut = is_end(&error);
                Err(ConnectionError::Transport(error))
            }
        }
    }

    /// Seals and writes once, perhaps a part. What is sealed and could not be written goes first the next time.
    ///
    /// # Errors
    /// `WouldBlock` where nothing is taken, what the socket says, or what is wrong with the session.
    pub fn write(&mut self, from: &[u8]) -> Result<usize, ConnectionError> {
        let n = self.session.write(from)?;
        self.flush()?;
        if n == 0 { Err(ConnectionError::Transport(ErrorKind::WouldBlock.into())) } else { Ok(n) }
    }

    /// Writes what is sealed, as far as it is taken.
    ///
    /// # Errors
    /// What the socket says. Its end is none: what the peer has said before is to be read first.
    pub fn flush(&mut self) -> Result<(), ConnectionError> {
        while !self.session.outgoing().is_empty() && self.stream.is_writable() {
            match self.stream.write(self.session.outgoing(), |mut stream, from| stream.write(from)) {
                Ok(n) => self.session.sent(n),
                Err(error) if is_end(&error) || is_later(&error) => break,
                Err(error) => return Err(ConnectionError::Transport(error)),
            }
        }
        Ok(())
    }

    /// Ends the session in order, as far as that is possible at once.
    pub fn close(&mut self) {
        self.session.close();
        let _ = self.flush();
    }

    /// Adds to an error that the connection had not ended in order: by an attacker, or by a fault.
    pub fn explain(&self, error: ConnectionError) -> ConnectionError {
        match error {
            ConnectionError::Protocol { text, retry } if self.is_cut && !self.session.is_over() => {
                ConnectionError::Protocol {
                    text: format!("{text} (cut off: TLS had not been closed)"),
                    retry,
                }
            }
            error => error,
        }
    }

    fn open(&mut self, to: &mut [u8]) -> Result<Option<usize>, ConnectionError> {
        self.session.read(to).map_err(|fault| {
            // The alert is a courtesy.
            let _ = self.flush();
            fault.into()
        })
    }
}

/// Sends what a handshake wants to be sent.
async fn send(stream: &AsyncFd<'_, TcpStream>, handshake: &mut Handshake<'_>) -> Result<(), ConnectionError> {
    while !handshake.outgoing().is_empty() {
        stream.writable().await;
        match stream.write(handshake.outgoing(), |mut stream, from| stream.write(from)) {
            Ok(n) => handshake.sent(n),
            Err(error) if is_later(&error) => {}
            // What the peer has said before explains more.
            Err(error) if is_end(&error) => return Ok(()),
            Err(error) => return Err(ConnectionError::Transport(error)),
        }
    }
    Ok(())
}

/// Waits for more of the peer's.
async fn receive(
    stream: &AsyncFd<'_, TcpStream>,
    handshake: &mut Handshake<'_>,
) -> Result<(), ConnectionError> {
    stream.readable().await;
    match stream.read(handshake.recv_space(), |mut stream, to| stream.read(to)) {
        Ok(0) => Err(handshake.disconnected().into()),
        Ok(n) => {
            handshake.received(n);
            Ok(())
        }
        Err(error) if is_later(&error) => Ok(()),
        Err(error) if is_end(&error) => Err(handshake.disconnected().into()),
        Err(error) => Err(ConnectionError::Transport(error)),
    }
}

fn is_later(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

/// Whether the peer has ended the connection.
fn is_end(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe)
}
