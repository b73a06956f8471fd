//! Lines for whoever reads them, of both programs.

use std::fmt::Display;
use std::io::{self, ErrorKind, Write as _};
use std::os::fd::AsFd;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// What a pipe that is ready takes at once (pipe(7)).
const PIPE_BUF: usize = 4096;

/// Says on standard error why a command has failed. Nobody listening there changes nothing.
pub fn complain(text: impl Display) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// Writes `line` to a standard stream in one piece, or not at all where that would wait for a
/// reader that does not read.
///
/// The stream is shared with whoever started us, so it cannot be made non-blocking: that it takes
/// a line is asked for before. A pipe that is ready takes 4096 bytes (pipe(7), `PIPE_BUF`).
pub fn write_stream(stream: impl AsFd, line: &[u8]) -> io::Result<()> {
    let mut ready = [PollFd::new(stream.as_fd(), PollFlags::POLLOUT)];
    if poll(&mut ready, PollTimeout::ZERO) == Ok(0) {
        return Err(Errno::EAGAIN.into());
    }
    Ok(write_whole(stream, line)?)
}

/// A write that ended early.
pub struct Stopped {
    /// Bytes that were written before.
    pub after: usize,
    why: io::Error,
}

impl From<Stopped> for io::Error {
    fn from(stopped: Stopped) -> Self {
        stopped.why
    }
}

/// One `write(2)`, and more only where that took less than all.
pub fn write_whole(to: impl AsFd, line: &[u8]) -> Result<(), Stopped> {
    let mut after = 0;
    while let Some(rest) = line.get(after..).filter(|rest| !rest.is_empty()) {
        match nix::unistd::write(&to, rest) {
            Ok(0) => return Err(Stopped { after, why: ErrorKind::WriteZero.into() }),
            Ok(n) => after += n,
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(Stopped { after, why: errno.into() }),
        }
    }
    Ok(())
}

/// Writes as much of `bytes` to a standard stream as it takes without a wait for its reader: 0 where that is
/// nothing. As at [`write_stream`], what is ready takes 4096 bytes; of more, the rest might wait.
pub fn write_some(stream: impl AsFd, bytes: &[u8]) -> io::Result<usize> {
    let mut ready = [PollFd::new(stream.as_fd(), PollFlags::POLLOUT)];
    if poll(&mut ready, PollTimeout::ZERO) == Ok(0) {
        return Ok(0);
    }
    match nix::unistd::write(&stream, bytes.get(..PIPE_BUF).unwrap_or(bytes)) {
        Err(Errno::EINTR | Errno::EAGAIN) => Ok(0),
        written => Ok(written?),
    }
}
