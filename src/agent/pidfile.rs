//! The pidfile: whoever holds its lock is the service, whatever number stands in it.
//!
//! The lock (`flock(2)`) goes with its process, however that ends; so a file that nobody has locked
//! is stale. The file itself is removed by the holder alone. A newcomer may have opened it just
//! before, and would then lock a file without a name: hence it looks again after locking.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{fmt, process, str, thread};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::unistd::Pid;

/// Time between two looks at a lock.
const POLL: Duration = Duration::from_millis(20);
/// A lock may be held for a moment by somebody who only looks, and a holder needs a moment to write
/// its number: nothing is concluded sooner.
const PATIENCE: Duration = Duration::from_millis(300);
/// Bytes of the longest pidfile: a number and a newline, generously.
const LONGEST: usize = 32;

/// The locked pidfile of this process.
#[derive(Debug)]
pub struct Pidfile {
    path: PathBuf,
    file: File,
}

impl Pidfile {
    /// Creates and locks the file at `path` with mode 0644, waiting up to `timeout` for the lock,
    /// and writes the number of this process and a newline.
    ///
    /// A stale pidfile is taken over; a file that is none is left as it is.
    pub fn acquire(path: &Path, timeout: Duration) -> Result<Self, Error> {
        let begin = Instant::now();
        loop {
            let file = open(path, OpenOptions::new().read(true).write(true).create(true).mode(0o644))?;
            match Self::take(file, path)? {
                Attempt::Taken(pidfile) => return Ok(pidfile),
                Attempt::Busy(file) if begin.elapsed() >= timeout.max(PATIENCE) => {
                    let io = |error| Error::Io { doing: "read", path: path.into(), error };
                    return Err(Error::Held { path: path.into(), pid: holder(&file).map_err(io)? });
                }
                Attempt::Busy(_) | Attempt::Removed => thread::sleep(POLL),
            }
        }
    }

    fn take(file: File, path: &Path) -> Result<Attempt, Error> {
        let io = |doing| move |error| Error::Io { doing, path: path.into(), error };
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(Attempt::Busy(file)),
            Err(TryLockError::Error(error)) => return Err(io("lock")(error)),
        }
        if !is_at(&file, path) {
            return Ok(Attempt::Removed);
        }
        if contents(&file).map_err(io("read"))? == Contents::Foreign {
            return Err(Error::Foreign { path: path.into() });
        }
        file.set_len(0).map_err(io("write"))?;
        file.write_all_at(format!("{}\n", process::id()).as_bytes(), 0).map_err(io("write"))?;
        Ok(Attempt::Taken(Self { path: path.into(), file }))
    }

    /// Removes the file, unless another one has taken its place. The lock is kept until `self` is
    /// dropped: at the very end, so that "unlocked" means "gone".
    pub fn remove(&self) -> Result<(), Error> {
        remove(&self.file, &self.path)
    }
}

/// What is found at the place of a pidfile.
#[derive(Debug)]
pub enum State {
    /// No file: nothing runs.
    Absent,
    /// A file that nobody has locked: whoever wrote it has died.
    Stale(Stale),
    /// A locked file: the service runs.
    Running(Running),
}

/// Looks at `path` and changes nothing.
pub fn inspect(path: &Path) -> Result<State, Error> {
    let file = match open(path, OpenOptions::new().read(true)) {
        Ok(file) => file,
        Err(Error::Io { error, .. }) if error.kind() == ErrorKind::NotFound => return Ok(State::Absent),
        Err(error) => return Err(error),
    };
    let io = |doing| move |error| Error::Io { doing, path: path.into(), error };
    if is_locked(&file).map_err(io("lock"))? {
        let pid = holder(&file).map_err(io("read"))?;
        Ok(State::Running(Running { path: path.into(), file, pid }))
    } else {
        Ok(State::Stale(Stale { path: path.into(), file }))
    }
}

/// A pidfile that nobody holds.
#[derive(Debug)]
pub struct Stale {
    path: PathBuf,
    file: File,
}

impl Stale {
    /// Removes the file, unless it holds something else than a number, or somebody has just
    /// started to use it.
    pub fn remove(self) -> Result<(), Error> {
        let Self { path, file } = self;
        match contents(&file) {
            Ok(Contents::Foreign) => return Err(Error::Foreign { path }),
            Ok(_) => {}
            Err(error) => return Err(Error::Io { doing: "read", path, error }),
        }
        match file.try_lock() {
            Ok(()) => remove(&file, &path),
            Err(_in_use_again) => Ok(()),
        }
    }
}

/// A pidfile that a running service holds.
#[derive(Debug)]
pub struct Running {
    path: PathBuf,
    file: File,
    /// The number in the file, where there is one.
    pub pid: Option<Pid>,
}

impl Running {
    /// Waits until the holder is gone; false after `timeout`.
    pub fn wait_for_end(&self, timeout: Duration) -> Result<bool, Error> {
        let begin = Instant::now();
        loop {
            let locked = is_locked(&self.file);
            let io = |error| Error::Io { doing: "lock", path: self.path.clone(), error };
            if !locked.map_err(io)? {
                return Ok(true);
            }
            if begin.elapsed() >= timeout {
                return Ok(false);
            }
            thread::sleep(POLL);
        }
    }
}

/// Why a pidfile cannot be used. The text says what to do.
#[derive(Debug)]
pub enum Error {
    /// The service runs already.
    Held {
        /// The pidfile.
        path: PathBuf,
        /// The number in it, where there is one.
        pid: Option<Pid>,
    },
    /// The file holds something that no pidfile holds.
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The system refused.
    Io {
        /// What was tried: open, read, write, lock, remove.
        doing: &'static str,
        /// The pidfile.
        path: PathBuf,
        /// The reason.
        error: io::Error,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Held { path, pid: Some(pid) } => {
                write!(f, "psistats already runs, pid {pid} ({})", path.display())
            }
            Self::Held { path, pid: None } => {
                write!(f, "psistats already runs: {} is locked, but holds no process number", path.display())
            }
            Self::Foreign { path } => write!(
                f,
                "{} is not a pidfile: expected a process number, and left it as it is; remove it, or set [app] pidfile",
                path.display()
            ),
            Self::Io { doing, path, error } => {
                write!(f, "cannot {doing} the pidfile {}: {error}; ", path.display())?;
                f.write_str(match error.raw_os_error().map(Errno::from_raw) {
                    Some(Errno::EACCES | Errno::EPERM) => "run as root, or set [app] pidfile",
                    Some(Errno::ELOOP) => {
                        "symbolic links are not followed: set [app] pidfile to the file itself"
                    }
                    Some(Errno::ENOSPC | Errno::EDQUOT) => "make room, or set [app] pidfile",
                    _ => "set [app] pidfile to a file in a directory that exists and can be written",
                })
            }
        }
    }
}

enum Attempt {
    Taken(Pidfile),
    /// Somebody else has locked it.
    Busy(File),
    /// It has lost its name between opening and locking.
    Removed,
}

#[derive(Debug, PartialEq, Eq)]
enum Contents {
    /// Nothing yet, or blanks and NULs: what a file system leaves of a file after a power cut.
    Nothing,
    Number(Pid),
    Foreign,
}

/// Opens a regular file, and nothing else, at `path` itself.
fn open(path: &Path, options: &mut OpenOptions) -> Result<File, Error> {
    let io = |error| Error::Io { doing: "open", path: path.into(), error };
    // O_NONBLOCK: a FIFO would keep us waiting for its other end.
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let file = options.custom_flags(flags.bits()).open(path).map_err(io)?;
    if file.metadata().map_err(io)?.is_file() { Ok(file) } else { Err(Error::Foreign { path: path.into() }) }
}

fn is_locked(file: &File) -> io::Result<bool> {
    // The shared kind lets others look too.
    match file.try_lock_shared() {
        Ok(()) => file.unlock().map(|()| false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Whether `file` still is what `path` names.
fn is_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), fs::symlink_metadata(path)) {
        (Ok(open), Ok(named)) => (open.dev(), open.ino()) == (named.dev(), named.ino()),
        _ => false,
    }
}

fn remove(file: &File, path: &Path) -> Result<(), Error> {
    if !is_at(file, path) {
        return Ok(());
    }
    fs::remove_file(path).map_err(|error| Error::Io { doing: "remove", path: path.into(), error })
}

/// The number that the holder has written, or is about to write.
fn holder(file: &File) -> io::Result<Option<Pid>> {
    let begin = Instant::now();
    loop {
        match contents(file)? {
            Contents::Number(pid) => return Ok(Some(pid)),
            Contents::Nothing if begin.elapsed() < PATIENCE => thread::sleep(POLL),
            Contents::Nothing | Contents::Foreign => return Ok(None),
        }
    }
}

fn contents(file: &File) -> io::Result<Contents> {
    let mut text = [0; LONGEST + 1];
    let length = file.read_at(&mut text, 0)?;
    Ok(parse(text.get(..length).unwrap_or_default()))
}

fn parse(text: &[u8]) -> Contents {
    let Ok(text) = str::from_utf8(text) else { return Contents::Foreign };
    if text.len() > LONGEST {
        return Contents::Foreign;
    }
    let text = text.trim_matches(|c: char| c == '\0' || c.is_ascii_whitespace());
    if text.is_empty() {
        return Contents::Nothing;
    }
    match text.parse() {
        // 0 and below are process groups to kill(2), 1 is init: never ours.
        Ok(pid) if pid > 1 => Contents::Number(Pid::from_raw(pid)),
        _ => Contents::Foreign,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pidfile_holds_a_process_number_or_what_a_power_cut_leaves() {
        assert_eq!(parse(b"4711\n"), Contents::Number(Pid::from_raw(4711)));
        assert_eq!(parse(b" 4711"), Contents::Number(Pid::from_raw(4711)));
        assert_eq!(parse(b""), Contents::Nothing);
        assert_eq!(parse(b"\0\0\0\0\n"), Contents::Nothing);
    }

    #[test]
    fn no_other_text_is_a_process_number() {
        let long = [b'0'; LONGEST + 1];
        for text in [&b"-1"[..], b"0", b"1", b"12 13", b"99999999999", b"root:x:0", b"\xFF\xFE", &long] {
            assert_eq!(parse(text), Contents::Foreign, "{text:?}");
        }
    }

    #[test]
    fn a_holder_removes_its_own_file_and_never_that_of_a_successor() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("psistats.pid");
        let first = Pidfile::acquire(&path, Duration::ZERO).unwrap();
        fs::remove_file(&path).unwrap();
        let second = Pidfile::acquire(&path, Duration::ZERO).unwrap();
        first.remove().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{}\n", process::id()));
        second.remove().unwrap();
        assert!(!path.exists());
    }

    #[test]
    fn a_file_that_was_removed_between_opening_and_locking_is_not_taken() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("psistats.pid");
        let first = Pidfile::acquire(&path, Duration::ZERO).unwrap();
        let [before, after] =
            [(); 2].map(|()| open(&path, OpenOptions::new().read(true).write(true)).unwrap());
        assert!(matches!(Pidfile::take(before, &path), Ok(Attempt::Busy(_))));
        first.remove().unwrap();
        drop(first);
        assert!(matches!(Pidfile::take(after, &path), Ok(Attempt::Removed)));
        assert!(!path.exists());
    }
}
