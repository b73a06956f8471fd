//! One connection, whichever side it is on: bytes between its socket and its ZMTP session.

use std::fmt;
use std::io;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead as _, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;

use crate::relay::master::Clock;
use psistats_core::time::Instant;
use psistats_core::zmtp::{self, Event, Session};

/// Bytes that are received at once, and in one turn: then others have theirs.
pub const TURN: usize = 256 * 1024;

/// Bytes that a connection may keep allocated while nothing waits in them.
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
    /// What is spoken on it.
    pub session: Session,
    /// Received and not yet looked at: a part of a frame, or frames that have to wait.
    rest: Vec<u8>,
}

impl Connection {
    /// A session that has just begun on a socket that was just accepted.
    pub fn new(stream: TcpStream, session: Session) -> Self {
        Self { stream, session, rest: Vec::new() }
    }

    /// Ready when something was received, or is left from before, with the number of bytes received; `take`
    /// has then had the events of it, as many as it wanted. `scratch` is room that all connections share.
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
            // Of a frame that was begun no more than the rest of it, so that what follows is looked at in place.
            let most = if begun { needed - self.rest.len() } else { scratch.len() }.min(scratch.len());
            received = ready!(poll_read(&mut self.stream, cx, scratch.get_mut(..most).unwrap_or_default()))?;
            match received {
                0 => self.session.disconnected(),
                _ => self.session.heard(now),
            }
        }
        let came = scratch.get(..received).unwrap_or_default();
        if begun {
            // It grows as its bytes come, not by the size that the peer has named.
            self.rest.extend_from_slice(came);
        }
        let Self { session, rest, .. } = self;
        let input = if begun { rest.as_slice() } else { came };
        let (left, end) = decode(session, input, take);
        let looked_at = input.len() - left;
        if begun {
            rest.drain(..looked_at);
        } else {
            rest.extend_from_slice(came.get(looked_at..).unwrap_or_default());
        }
        if rest.is_empty() && rest.capacity() > KEPT {
            *rest = Vec::new();
        }
        Poll::Ready(end.map_or(Ok(received), Err))
    }

    /// Bytes of a frame that was begun.
    pub fn unfinished(&self) -> usize {
        self.rest.len()
    }

    /// Does what is due.
    ///
    /// # Errors
    /// When it is the end.
    pub fn check_time(&mut self, now: Instant) -> Result<(), End> {
        if self.session.deadline().is_some_and(|at| at <= now) {
            self.session.timed_out(now);
            let (_, end) = decode(&mut self.session, &[], |_, _| ControlFlow::Continue(()));
            end.map_or(Ok(()), Err)?;
        }
        Ok(())
    }

    /// Writes what the session itself has to say; not within a message. Whether all of it is written.
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

/// Hands the frames of `input` to `take`. Gives how much is left of it, and the end, if this was it.
fn decode(
    session: &mut Session,
    input: &[u8],
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

/// How much of `bytes` was taken; none while the socket has no room.
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

/// Sees to it that the task is woken at `at`, at the latest. What is put off again and again, as the time of
/// a peer's silence is, costs nothing that way.
pub fn wake_at(mut timer: Pin<&mut Sleep>, clock: &Clock, at: Instant, cx: &mut Context<'_>) {
    let at = clock.instant(at);
    if timer.is_elapsed() || at < timer.deadline() {
        timer.as_mut().reset(at);
    }
    if timer.poll(cx).is_ready() {
        cx.waker().wake_by_ref();
    }
}
