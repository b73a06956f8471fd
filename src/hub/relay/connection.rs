//! A connection of either side: bytes between its socket and its ZMTP session.

use std::fmt;
use std::io;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead as _, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;

use crate::clock::Clock;
use psistats_core::time::Instant;
use psistats_core::zmtp::{self, Event, Session};

/// After so much silence a peer is pinged, and after three times that its connection is ended. Peers of ZMTP 3.0 and
/// 2.0 know no ping: TCP's keepalive serves them.
pub const HEARTBEAT: Duration = Duration::from_secs(30);

/// Bytes that a connection receives at once, and in one turn, before others have theirs.
pub const TURN: usize = 256 * 1024;

/// Capacity in bytes that a connection's buffer may keep while it is empty.
const KEPT: usize = 1024;

/// Why a connection has ended.
#[derive(Debug)]
pub enum End {
    /// TCP.
    Transport(io::Error),
    /// ZMTP.
    Zmtp(zmtp::Error),
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Transport(error) => write!(f, "{error}"),
            Self::Zmtp(error @ zmtp::Error::SocketType { .. }) => {
                write!(f, "{error}; check the port: 5555 takes client nodes, 6666 subscribers")
            }
            Self::Zmtp(error @ zmtp::Error::Mechanism(_)) => {
                write!(f, "{error}: set [chasar] curve_key, or no curve_server_key there")
            }
            Self::Zmtp(error @ zmtp::Error::NotCurve(_)) => {
                write!(f, "{error}: set [chasar] curve_server_key there to this hub's public key")
            }
            Self::Zmtp(error @ zmtp::Error::Refused) => {
                write!(f, "{error}: add its public key to [chasar] curve_clients")
            }
            Self::Zmtp(error) => write!(f, "{error}"),
        }
    }
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> Self {
        Self::Transport(error)
    }
}

/// A socket and the session on it.
#[derive(Debug)]
pub struct Connection {
    /// The socket.
    pub stream: TcpStream,
    /// Its ZMTP session.
    pub session: Session,
    /// Received and not yet decoded: a part of a frame, or frames that have to wait.
    rest: Vec<u8>,
}

impl Connection {
    /// A new session on a socket that was just accepted.
    pub fn new(stream: TcpStream, session: Session) -> Self {
        Self { stream, session, rest: Vec::new() }
    }

    /// Ready with the number of bytes received, once there are some or some are left from before. `take` is called
    /// with their events, until it breaks off. `scratch` is the buffer that all connections share.
    ///
    /// # Errors
    /// The end of the connection.
    pub fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        scratch: &mut [u8],
        now: Instant,
        take: impl FnMut(&mut Session, Event<'_>) -> ControlFlow<()>,
    ) -> Poll<Result<usize, End>> {
        let mut received = 0;
        let begun = !self.rest.is_empty();
        let needed = self.session.needs(&self.rest);
        if needed > self.rest.len() {
            // Of a frame that has begun, only the rest is received: what follows is then decoded in place.
            let most = if begun { needed - self.rest.len() } else { scratch.len() }.min(scratch.len());
            received = ready!(poll_read(&mut self.stream, cx, scratch.get_mut(..most).unwrap_or_default()))?;
            match received {
                0 => self.session.disconnected(),
                _ => self.session.heard(now),
            }
        }
        let came = scratch.get_mut(..received).unwrap_or_default();
        if begun {
            // The buffer grows by what was received, not by the size that the peer announced.
            self.rest.extend_from_slice(came);
        }
        let Self { session, rest, .. } = self;
        let input = if begun { rest.as_mut_slice() } else { came };
        let length = input.len();
        let (left, end) = decode(session, input, take);
        let looked_at = length - left;
        if begun {
            rest.drain(..looked_at);
        } else {
            let came = scratch.get(..received).unwrap_or_default();
            rest.extend_from_slice(came.get(looked_at..).unwrap_or_default());
        }
        if rest.is_empty() && rest.capacity() > KEPT {
            *rest = Vec::new();
        }
        if end.is_some() && self.session.is_new() {
            // It is told why, as a courtesy.
            let _ = self.write_control();
        }
        Poll::Ready(end.map_or(Ok(received), Err))
    }

    /// Bytes that were received of a frame that has not ended.
    pub fn unfinished(&self) -> usize {
        self.rest.len()
    }

    /// Pings the peer, or ends the connection, where that is due at `now`.
    ///
    /// # Errors
    /// The end of the connection: a handshake or a ping timed out.
    pub fn check_time(&mut self, now: Instant) -> Result<(), End> {
        if self.session.deadline().is_some_and(|at| at <= now) {
            self.session.timed_out(now);
            let (_, end) = decode(&mut self.session, &mut [], |_, _| ControlFlow::Continue(()));
            end.map_or(Ok(()), Err)?;
        }
        Ok(())
    }

    /// Writes the session's greeting and commands; not to be called within a message. Whether all are written.
    ///
    /// # Errors
    /// Of the socket.
    pub fn write_control(&mut self) -> io::Result<bool> {
        while !self.session.control().is_empty() {
            match try_write(&self.stream, self.session.control())? {
                Some(n) => self.session.control_sent(n),
                None => return Ok(false),
            }
        }
        Ok(true)
    }
}

/// Calls `take` with the events of `input`. Gives how many bytes are left of it, and the end if that was one of them.
fn decode(
    session: &mut Session,
    input: &mut [u8],
    mut take: impl FnMut(&mut Session, Event<'_>) -> ControlFlow<()>,
) -> (usize, Option<End>) {
    let mut left = input;
    while let Some(event) = session.decode(&mut left) {
        if let Event::Ended(error) = event {
            return (left.len(), Some(End::Zmtp(error)));
        }
        if take(session, event).is_break() {
            break;
        }
    }
    (left.len(), None)
}

fn poll_read(stream: &mut TcpStream, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
    let mut buf = ReadBuf::new(buf);
    ready!(Pin::new(stream).poll_read(cx, &mut buf))?;
    Poll::Ready(Ok(buf.filled().len()))
}

/// How many of `bytes` were written; `None` while the socket has no room.
///
/// # Errors
/// Of the socket.
pub fn try_write(stream: &TcpStream, bytes: &[u8]) -> io::Result<Option<usize>> {
    match stream.try_write(bytes) {
        Ok(n) => Ok(Some(n)),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}

/// Has the task woken at `at`, or earlier: a timer is not reset for a later time, so that a deadline that is put off
/// with each message, as that of a peer's silence, costs nothing.
pub fn wake_at(mut timer: Pin<&mut Sleep>, clock: &Clock, at: Instant, cx: &mut Context<'_>) {
    let at = clock.instant(at);
    if timer.is_elapsed() || at < timer.deadline() {
        timer.as_mut().reset(at);
    }
    if timer.poll(cx).is_ready() {
        cx.waker().wake_by_ref();
    }
}
