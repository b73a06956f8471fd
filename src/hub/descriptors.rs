//! How many connections this process may have.

use std::io;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Descriptors for everything that is no connection: listeners, epoll, signals, the standard three, a
/// configuration that is read.
const OTHERS: u64 = 32;

/// Raises the limit of open files as far as this user may (`setrlimit(2)`), and gives how many connections
/// it leaves room for, and the limit.
///
/// # Errors
/// What the system says.
pub fn raise() -> io::Result<(usize, u64)> {
    let (now, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    // Refused at the worst; what is allowed already is enough to run.
    let limit = if setrlimit(Resource::RLIMIT_NOFILE, most, most).is_ok() { most } else { now };
    Ok((usize::try_from(limit.saturating_sub(OTHERS)).unwrap_or(usize::MAX), limit))
}
