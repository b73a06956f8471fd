//! Output of both programs: standard streams, log lines, local time.

pub mod line;
pub mod localtime;
pub mod once;

use std::env;
use std::fmt::{self, Display};
use std::io::{self, ErrorKind, Write as _};
use std::os::fd::{AsFd, BorrowedFd};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::fstat;

use crate::conf::logging::Level;

/// Bytes that a pipe takes in one piece or not at all (pipe(7), `PIPE_BUF`).
const PIPE_BUF: usize = 4096;

/// Writes to standard error why a command has failed. A closed standard error is ignored.
pub fn complain(text: impl Display) {
    write_error(&text.to_string());
}

fn write_error(text: &str) {
    let stderr = io::stderr();
    if !is_journal(stderr.as_fd()) {
        let _ = writeln!(&stderr, "{text}");
        return;
    }
    // In the journal each line is an entry, which needs a priority.
    for line in text.split('\n') {
        let _ = writeln!(&stderr, "<{}>{line}", priority(0, Level::Error));
    }
}

/// The system's text for an error, for the middle of a sentence: without the number that Rust adds. Where a limit
/// is too low, the text says how to raise it.
pub struct Reason<'e>(pub &'e io::Error);

impl Display for Reason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.to_string();
        let text = text.split(" (os error ").next().unwrap_or_default();
        let mut characters = text.chars();
        // A text that begins with an acronym keeps its capitals.
        match characters.next() {
            Some(first) if characters.clone().next().is_some_and(|second| second.is_ascii_lowercase()) => {
                write!(f, "{}{}", first.to_ascii_lowercase(), characters.as_str())
            }
            _ => f.write_str(text),
        }?;
        match self.0.raw_os_error().map(Errno::from_raw) {
            Some(Errno::EMFILE) => f.write_str(": raise the limit (ulimit -n, LimitNOFILE=) to 64 or more"),
            Some(Errno::ENFILE) => f.write_str(" on this machine: raise the limit (sysctl fs.file-max)"),
            _ => Ok(()),
        }
    }
}

/// Whether systemd's journal reads `stream` (systemd.exec(5), `$JOURNAL_STREAM`). The journal adds the time, and
/// takes the priority with which a line begins (sd-daemon(3)).
pub fn is_journal(stream: BorrowedFd<'_>) -> bool {
    let (Some(named), Ok(stream)) = (env::var_os("JOURNAL_STREAM"), fstat(stream)) else { return false };
    named == *format!("{}:{}", stream.st_dev, stream.st_ino)
}

/// Writes `line` to a standard stream in one piece, or not at all where that would block because its reader does not
/// read.
///
/// The parent process shares the stream, so it cannot be made non-blocking. Instead each piece of `PIPE_BUF` bytes
/// is written after poll(2): a pipe that is ready takes that much. Only a line longer than a piece can be cut.
///
/// # Errors
/// `WouldBlock` where the stream is full, or the error of write(2).
pub fn write_stream(stream: impl AsFd, line: &[u8]) -> io::Result<()> {
    write_pieces(stream.as_fd(), line)
}

/// [`write_stream`], compiled once for all kinds of streams.
fn write_pieces(stream: BorrowedFd<'_>, line: &[u8]) -> io::Result<()> {
    for piece in line.chunks(PIPE_BUF) {
        let mut ready = [PollFd::new(stream, PollFlags::POLLOUT)];
        if poll(&mut ready, PollTimeout::ZERO) == Ok(0) {
            return Err(Errno::EAGAIN.into());
        }
        write_whole(stream, piece)?;
    }
    Ok(())
}

/// A write that ended early.
pub struct Stopped {
    /// Bytes that were written before the error.
    pub after: usize,
    why: io::Error,
}

impl From<Stopped> for io::Error {
    fn from(stopped: Stopped) -> Self {
        stopped.why
    }
}

/// Writes `line` by one `write(2)`, and more only where that was partial.
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

/// Writes to a standard stream what it takes of `bytes` without blocking, and returns how many bytes that were. It
/// writes at most 4096 bytes, as [`write_stream`] does in one piece.
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

/// A level as Python spells it.
pub const fn level_name(level: Level) -> &'static str {
    match level {
        Level::NotSet => "NOTSET",
        Level::Debug => "DEBUG",
        Level::Info => "INFO",
        Level::Warning => "WARNING",
        Level::Error => "ERROR",
        Level::Critical => "CRITICAL",
    }
}

/// Rust's levels in Python's terms.
pub const fn python_level(level: log::Level) -> Level {
    match level {
        log::Level::Error => Level::Error,
        log::Level::Warn => Level::Warning,
        log::Level::Info => Level::Info,
        log::Level::Debug | log::Level::Trace => Level::Debug,
    }
}

/// `PRI`: facility and severity in one number (RFC 5424 §6.2.1), the severity as Python maps it.
pub const fn priority(facility: u8, level: Level) -> u8 {
    let severity = match level {
        Level::NotSet | Level::Debug => 7,
        Level::Info => 6,
        Level::Warning => 4,
        Level::Error => 3,
        Level::Critical => 2,
    };
    (facility & 0x1F) << 3 | severity
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn a_line_that_does_not_fit_into_the_pipe_fails_instead_of_blocking() {
        let (mut reader, writer) = io::pipe().unwrap();
        let error = write_stream(&writer, &vec![b'x'; 1 << 20]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        // Now one page is free and a second one in part.
        reader.read_exact(&mut [0; PIPE_BUF + 1]).unwrap();
        write_stream(&writer, &[b'y'; PIPE_BUF]).unwrap();
        assert!(write_stream(&writer, &[b'z'; PIPE_BUF + 1]).is_err());
    }
}
