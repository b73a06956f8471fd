//! The limit of open files, which bounds the number of connections.

use std::io;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Descriptors that are no connections: listeners, two runtimes' epoll and eventfd, signals, the standard three, a
/// configuration that is read.
const OTHERS: u64 = 32;

/// Raises the limit of open files as far as this user may (`setrlimit(2)`). Gives the number of connections that it
/// leaves room for, and the limit.
///
/// # Errors
/// Of `getrlimit(2)`.
pub fn raise() -> io::Result<(usize, u64)> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    // If it is refused, the limit that there is suffices to run.
    let limit = if setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_ok() { hard } else { soft };
    Ok((usize::try_from(limit.saturating_sub(OTHERS)).unwrap_or(usize::MAX), limit))
}
