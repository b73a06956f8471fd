//! The pidfile: the process that holds its write lock, and whose number stands in it, is the service.
//!
//! The lock (`fcntl(2)`) goes with its process, however that ends; so a file that nobody has locked
//! is stale. It takes the right to write to the file, and the kernel tells who holds it: other users
//! can neither pass for the service nor have another process signalled in its place. What they can do
//! with a stale file, which they may read, is to hold a read lock; such a file is replaced.
//!
//! Otherwise the file is removed by the holder alone. A newcomer may have opened it just before, and
//! would then lock a file without a name: hence it looks again after locking.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{fmt, process, str, thread};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::libc;
use nix::unistd::Pid;

/// Time between two looks at a lock.
const POLL: Duration = Duration::from_millis(20);
/// A holder needs a moment to write its number: nothing is concluded sooner.
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
    /// A stale pidfile is taken over; a file that is none is left as it is. This process must not open
    /// the file a second time: to close that one would release the lock.
    pub fn acquire(path: &Path, timeout: Duration) -> Result<Self, Error> {
        let begin = Instant::now();
        loop {
            // 0600: until it is locked nobody else shall lock it.
            let file = open(path, OpenOptions::new().read(true).write(true).create(true).mode(0o600))?;
            match Self::take(file, path)? {
                Attempt::Taken(pidfile) => return Ok(pidfile),
                Attempt::Busy(file) if begin.elapsed() >= timeout.max(PATIENCE) => {
                    let io = |doing| move |error| failed(doing, path, error);
                    if let Some(owner) = owner(&file).map_err(io("lock"))? {
                        let who = holder(&file, owner).map_err(io("read"))?;
                        let path = path.into();
                        return Err(match who {
                            Some(pid) => Error::Held { path, pid },
                            None => Error::Locked { path, owner },
                        });
                    }
                }
                Attempt::Busy(_) | Attempt::Removed => {}
            }
            thread::sleep(POLL);
        }
    }

    fn take(file: File, path: &Path) -> Result<Attempt, Error> {
        let io = |doing| move |error| failed(doing, path, error);
        if !try_lock(&file, libc::F_WRLCK).map_err(io("lock"))? {
            return match displace(&file, path)? {
                true => Ok(Attempt::Removed),
                false => Ok(Attempt::Busy(file)),
            };
        }
        if !is_at(&file, path) {
            return Ok(Attempt::Removed);
        }
        if contents(&file).map_err(io("read"))? == Contents::Foreign {
            return Err(Error::Foreign { path: path.into() });
        }
        file.set_len(0).map_err(io("write"))?;
        file.write_all_at(format!("{}\n", process::id()).as_bytes(), 0).map_err(io("write"))?;
        // Others may read the number from now on. A file system without modes is none to fail for.
        let _ = file.set_permissions(Permissions::from_mode(0o644));
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
    /// A file that the process whose number it holds has locked: the service runs.
    Running(Running),
}

/// Looks at `path` and changes nothing. A file that has been locked by a process whose number it does
/// not hold is an error.
pub fn inspect(path: &Path) -> Result<State, Error> {
    let file = match open(path, OpenOptions::new().read(true)) {
        Ok(file) => file,
        Err(Error::Io { error, .. }) if error.kind() == ErrorKind::NotFound => return Ok(State::Absent),
        Err(error) => return Err(error),
    };
    let io = |doing| move |error| failed(doing, path, error);
    let Some(owner) = owner(&file).map_err(io("lock"))? else {
        return Ok(State::Stale(Stale { path: path.into() }));
    };
    match holder(&file, owner).map_err(io("read"))? {
        Some(pid) => Ok(State::Running(Running { path: path.into(), file, pid })),
        None => Err(Error::Locked { path: path.into(), owner }),
    }
}

/// A pidfile that nobody holds.
#[derive(Debug)]
pub struct Stale {
    path: PathBuf,
}

impl Stale {
    /// Removes the file, unless it holds something else than a number, or a service has just started to
    /// use it.
    pub fn remove(self) -> Result<(), Error> {
        let Self { path } = self;
        let file = open(&path, OpenOptions::new().read(true))?;
        match contents(&file) {
            Ok(Contents::Foreign) => Err(Error::Foreign { path }),
            Ok(_) => displace(&file, &path).map(|_| ()),
            Err(error) => Err(Error::Io { doing: "read", path, error }),
        }
    }
}

/// A pidfile that a running service holds.
#[derive(Debug)]
pub struct Running {
    path: PathBuf,
    file: File,
    /// The process that holds the lock, whose number is in the file.
    pub pid: Pid,
}

impl Running {
    /// Waits until the holder is gone; false after `timeout`.
    pub fn wait_for_end(&self, timeout: Duration) -> Result<bool, Error> {
        let begin = Instant::now();
        loop {
            let owner = owner(&self.file);
            let io = |error| failed("lock", &self.path, error);
            if owner.map_err(io)? != Some(self.pid) {
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
        /// Its process.
        pid: Pid,
    },
    /// Something else has locked the file.
    Locked {
        /// The pidfile.
        path: PathBuf,
        /// Who, as the kernel tells it; 0 or less: a process that cannot be seen from here.
        owner: Pid,
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
            Self::Held { path, pid } => {
                write!(f, "psistats already runs, pid {pid} ({})", path.display())
            }
            Self::Locked { path, owner } => {
                let path = path.display();
                match owner.as_raw() {
                    1.. => write!(f, "{path} is locked by process {owner}, whose number is not in it")?,
                    _ => write!(f, "{path} is locked by a process that cannot be seen from here")?,
                }
                f.write_str(": not a psistats of this machine; end it, or set [app] pidfile")
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

/// Once, and not in each place where something can fail.
#[inline(never)]
fn failed(doing: &'static str, path: &Path, error: io::Error) -> Error {
    Error::Io { doing, path: path.into(), error }
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
    let io = |error| failed("open", path, error);
    // O_NONBLOCK: a FIFO would keep us waiting for its other end.
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let file = options.custom_flags(flags.bits()).open(path).map_err(io)?;
    if file.metadata().map_err(io)?.is_file() { Ok(file) } else { Err(Error::Foreign { path: path.into() }) }
}

/// A lock of the whole file, as fcntl(2) wants it.
fn whole(kind: i32) -> libc::flock {
    // The constants are small; their type differs between libraries.
    let [kind, whence] = [kind, libc::SEEK_SET].map(|it| i16::try_from(it).unwrap_or_default());
    libc::flock { l_type: kind, l_whence: whence, l_start: 0, l_len: 0, l_pid: 0 }
}

/// Locks the file without waiting; false where others hold it.
fn try_lock(file: &File, kind: i32) -> io::Result<bool> {
    match fcntl(file, FcntlArg::F_SETLK(&whole(kind))) {
        Ok(_) => Ok(true),
        Err(Errno::EACCES | Errno::EAGAIN) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}

/// Who holds the write lock. Read locks are no service's.
fn owner(file: &File) -> io::Result<Option<Pid>> {
    let mut lock = whole(libc::F_RDLCK);
    fcntl(file, FcntlArg::F_GETLK(&mut lock))?;
    Ok((i32::from(lock.l_type) == libc::F_WRLCK).then(|| Pid::from_raw(lock.l_pid)))
}

/// Removes a file that no service holds, whoever has read locks; false where one does. While this
/// process has a read lock itself, nobody becomes the holder.
fn displace(file: &File, path: &Path) -> Result<bool, Error> {
    let io = |error| failed("lock", path, error);
    Ok(try_lock(file, libc::F_RDLCK).map_err(io)? && remove(file, path).map(|()| true)?)
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
    fs::remove_file(path).map_err(|error| failed("remove", path, error))
}

/// The owner of the lock, if it has written its number into the file, or does so in a moment.
fn holder(file: &File, owner: Pid) -> io::Result<Option<Pid>> {
    let begin = Instant::now();
    loop {
        if contents(file)? == Contents::Number(owner) {
            return Ok(Some(owner));
        }
        if begin.elapsed() >= PATIENCE {
            return Ok(None);
        }
        thread::sleep(POLL);
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
        let after = open(&path, OpenOptions::new().read(true).write(true)).unwrap();
        first.remove().unwrap();
        drop(first);
        assert!(matches!(Pidfile::take(after, &path), Ok(Attempt::Removed)));
        assert!(!path.exists());
    }
}
