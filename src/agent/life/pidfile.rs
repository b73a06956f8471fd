//! The pidfile: the process that holds its write lock, and whose PID it contains, is the service.
//!
//! The kernel releases the lock (`fcntl(2)`) when its process ends, however it ends, so an unlocked file
//! is stale. A write lock needs write permission, and the kernel names the process that holds it: other
//! users can neither pass for the service nor have another process signalled in its place. They can hold
//! a read lock on a stale file, which they may read; such a file is replaced.
//!
//! Otherwise only the holder removes the file. A newcomer may have opened the file just before that, and
//! would then lock a file without a name. So it checks the name again after locking.

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

use psistats_host::output::Reason;

/// Time between two checks of a lock.
const POLL: Duration = Duration::from_millis(20);
/// Time that a holder has to write its PID after locking the file.
const PATIENCE: Duration = Duration::from_millis(300);
/// Bytes of the longest pidfile: a PID and a newline, with room for blanks.
const LONGEST: usize = 32;

/// The locked pidfile of this process.
#[derive(Debug)]
pub struct Pidfile {
    path: PathBuf,
    file: File,
}

impl Pidfile {
    /// Creates and locks the file at `path` with mode 0644, waiting up to `timeout` for the lock,
    /// and writes the PID of this process and a newline.
    ///
    /// A stale pidfile is taken over. A file that is not a pidfile is left as it is. This process must not
    /// open the file a second time: closing that descriptor would release the lock.
    pub fn acquire(path: &Path, timeout: Duration) -> Result<Self, Error> {
        let begin = Instant::now();
        loop {
            // 0600: no other user may lock it before this process does.
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
        // Now others may read the PID. A failure is ignored, since some file systems have no modes.
        let _ = file.set_permissions(Permissions::from_mode(0o644));
        Ok(Attempt::Taken(Self { path: path.into(), file }))
    }

    /// Removes the file, unless another one has taken its place. The lock is kept until `self` is
    /// dropped at the very end, so that an unlocked file means that the service has ended.
    pub fn remove(&self) -> Result<(), Error> {
        remove(&self.file, &self.path)
    }
}

/// What a pidfile says about the service.
#[derive(Debug)]
pub enum State {
    /// There is no file: the service is not running.
    Absent,
    /// The file is not locked: the process that wrote it has died.
    Stale(Stale),
    /// The file is locked by the process whose PID it contains: the service is running.
    Running(Running),
}

/// Inspects the pidfile at `path` without changing it. It is an error if a process has locked the file whose
/// PID the file does not contain.
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
    /// Removes the file, unless it contains something other than a PID, or a service has just locked it.
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
    /// The process that holds the lock, and whose PID is in the file.
    pub pid: Pid,
}

impl Running {
    /// Waits until the holder has ended. Returns false after `timeout`.
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
    /// The service is already running.
    Held {
        /// The pidfile.
        path: PathBuf,
        /// Its process.
        pid: Pid,
    },
    /// Another process has locked the file.
    Locked {
        /// The pidfile.
        path: PathBuf,
        /// The process as the kernel names it; 0 or less: one of another PID namespace or machine.
        owner: Pid,
    },
    /// The file contains something other than a PID.
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
                write!(f, "psistats is already running, pid {pid} ({})", path.display())
            }
            Self::Locked { path, owner } => {
                let path = path.display();
                match owner.as_raw() {
                    1.. => write!(f, "{path} is locked by process {owner}, but does not contain that PID")?,
                    _ => write!(f, "{path} is locked from another container or machine")?,
                }
                f.write_str("; end that process, or set [app] pidfile to another file")
            }
            Self::Foreign { path } => write!(
                f,
                "{} is not a pidfile: it does not contain a PID, and was left as it is; remove it, or set [app] pidfile",
                path.display()
            ),
            Self::Io { doing, path, error } => {
                write!(f, "cannot {doing} the pidfile {}: {}; ", path.display(), Reason(error))?;
                f.write_str(match error.raw_os_error().map(Errno::from_raw) {
                    Some(Errno::EACCES | Errno::EPERM) => "run as root, or set [app] pidfile",
                    Some(Errno::ELOOP) => {
                        "symbolic links are not followed: set [app] pidfile to the file itself"
                    }
                    Some(Errno::ENOSPC | Errno::EDQUOT) => "free some space, or set [app] pidfile",
                    _ => "set [app] pidfile to a file in a directory that exists and is writable",
                })
            }
        }
    }
}

/// One copy for all callers, which keeps the binary small.
#[inline(never)]
fn failed(doing: &'static str, path: &Path, error: io::Error) -> Error {
    Error::Io { doing, path: path.into(), error }
}

enum Attempt {
    Taken(Pidfile),
    /// Another process has locked it.
    Busy(File),
    /// It was removed between opening and locking.
    Removed,
}

#[derive(Debug, PartialEq, Eq)]
enum Contents {
    /// Nothing yet, or the blanks and NULs that a power cut leaves in a file.
    Nothing,
    Number(Pid),
    Foreign,
}

/// Opens the regular file at `path`. Anything else is an error, a symbolic link included.
fn open(path: &Path, options: &mut OpenOptions) -> Result<File, Error> {
    let io = |error| failed("open", path, error);
    // O_NONBLOCK: opening a FIFO would block until its other end is opened.
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let file = options.custom_flags(flags.bits()).open(path).map_err(io)?;
    if file.metadata().map_err(io)?.is_file() { Ok(file) } else { Err(Error::Foreign { path: path.into() }) }
}

/// A lock of the whole file, as fcntl(2) takes it.
fn whole(kind: i32) -> libc::flock {
    // The constants are small; their type differs between libraries.
    let [kind, whence] = [kind, libc::SEEK_SET].map(|it| i16::try_from(it).unwrap_or_default());
    libc::flock { l_type: kind, l_whence: whence, l_start: 0, l_len: 0, l_pid: 0 }
}

/// Locks the file without waiting. Returns false where another process holds a lock.
fn try_lock(file: &File, kind: i32) -> io::Result<bool> {
    match fcntl(file, FcntlArg::F_SETLK(&whole(kind))) {
        Ok(_) => Ok(true),
        Err(Errno::EACCES | Errno::EAGAIN) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}

/// The process that holds the write lock. Read locks are ignored: a service never holds one.
fn owner(file: &File) -> io::Result<Option<Pid>> {
    let mut lock = whole(libc::F_RDLCK);
    fcntl(file, FcntlArg::F_GETLK(&mut lock))?;
    Ok((i32::from(lock.l_type) == libc::F_WRLCK).then(|| Pid::from_raw(lock.l_pid)))
}

/// Removes the file unless a service holds it, and returns whether it did. Read locks of others do not
/// count. This process holds a read lock meanwhile, so no other process can become the holder.
fn displace(file: &File, path: &Path) -> Result<bool, Error> {
    let io = |error| failed("lock", path, error);
    Ok(try_lock(file, libc::F_RDLCK).map_err(io)? && remove(file, path).map(|()| true)?)
}

/// Whether `path` still names `file`.
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

/// `owner`, if the file contains its PID now or within [`PATIENCE`].
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
        // To kill(2), 0 and below are process groups, and 1 is init. None of them is the service.
        Ok(pid) if pid > 1 => Contents::Number(Pid::from_raw(pid)),
        _ => Contents::Foreign,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pidfile_contains_a_pid_or_the_blanks_that_a_power_cut_leaves() {
        assert_eq!(parse(b"4711\n"), Contents::Number(Pid::from_raw(4711)));
        assert_eq!(parse(b" 4711"), Contents::Number(Pid::from_raw(4711)));
        assert_eq!(parse(b""), Contents::Nothing);
        assert_eq!(parse(b"\0\0\0\0\n"), Contents::Nothing);
    }

    #[test]
    fn any_other_text_is_not_a_pid() {
        let long = [b'0'; LONGEST + 1];
        for text in [&b"-1"[..], b"0", b"1", b"12 13", b"99999999999", b"root:x:0", b"\xFF\xFE", &long] {
            assert_eq!(parse(text), Contents::Foreign, "{text:?}");
        }
    }

    #[test]
    fn a_holder_removes_its_own_pidfile_but_not_that_of_its_successor() {
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
    fn a_pidfile_that_was_removed_between_opening_and_locking_is_not_acquired() {
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
