//! Kernel files under a root directory: opened once, read again in place, reported missing once.

use std::borrow::Cow;
use std::fmt;
use std::fs::File;
use std::io;
use std::ops::ControlFlow;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use log::{info, warn};
use nix::errno::Errno;
use nix::fcntl::{OFlag, openat, readlinkat};
use nix::sys::stat::Mode;

use crate::limits;
use crate::output::Reason;
use crate::output::once::Once;

/// The directory that `proc`, `sys` and `dev` are in: `/`, or a captured tree.
///
/// Held open, so that a file that went away is opened again by a short relative name, which needs
/// no allocation.
#[derive(Debug)]
pub struct Root {
    path: PathBuf,
    directory: Result<OwnedFd, Errno>,
}

impl Root {
    /// Opens `path`. Where that fails, so does every file in it, with the same error.
    pub fn open(path: &Path) -> Self {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        Self { path: path.to_path_buf(), directory: nix::fcntl::open(path, flags, Mode::empty()) }
    }

    /// Opens the file `name` for reading.
    ///
    /// # Errors
    /// As `openat(2)`.
    pub fn file(&self, name: &str) -> Result<File, Errno> {
        let directory = self.directory.as_ref().map_err(|errno| *errno)?;
        // Without O_NONBLOCK a FIFO in a captured tree would hang here.
        let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NOCTTY | OFlag::O_NONBLOCK;
        openat(directory.as_fd(), name, flags, Mode::empty()).map(File::from)
    }

    /// Opens the file whose name is `parts` in a row. None also where that is longer than
    /// [`limits::KERNEL_PATH`].
    pub fn file_of(&self, parts: &[&str]) -> Option<File> {
        let mut path = heapless::String::<{ limits::KERNEL_PATH }>::new();
        for part in parts {
            path.push_str(part).ok()?;
        }
        self.file(&path).ok()
    }

    /// Opens the file `path` without following a symbolic link, neither there nor on the way. It may be of any kind,
    /// and is opened without waiting for whoever is at the other end.
    ///
    /// # Errors
    /// As `openat(2)`: `ELOOP` or `ENOTDIR` for a link.
    pub fn plain_file(&self, path: &str) -> Result<File, Errno> {
        let (directories, name) = path.rsplit_once('/').unwrap_or(("", path));
        let mut directory = self.directory(".")?;
        for part in directories.split('/').filter(|part| !part.is_empty()) {
            let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
            directory = openat(&directory, part, flags, Mode::empty())?;
        }
        let flags =
            OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
        openat(&directory, name, flags, Mode::empty()).map(File::from)
    }

    /// Opens the directory `name`.
    ///
    /// # Errors
    /// As `openat(2)`.
    pub fn directory(&self, name: &str) -> Result<OwnedFd, Errno> {
        let directory = self.directory.as_ref().map_err(|errno| *errno)?;
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        openat(directory.as_fd(), name, flags, Mode::empty())
    }

    /// The last part of what the link `name` points to. None where it is no link, or no text.
    pub fn link(&self, name: &str) -> Option<String> {
        let target = readlinkat(self.directory.as_ref().ok()?.as_fd(), name).ok()?;
        Some(Path::new(&target).file_name()?.to_str()?.to_owned())
    }

    /// Whether it is the running system's own.
    pub fn is_live(&self) -> bool {
        self.path == Path::new("/")
    }

    /// The whole path of `name`, for messages.
    pub fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

/// Why a source gives no figure. Small and without a heap, since it may come at every tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadError {
    /// The system's answer.
    Errno(Errno),
    /// It was read, and does not say what the kernel says there.
    Content,
    /// No file system is mounted just there.
    NotMounted,
    /// The file system, or one on the way there, may never answer.
    Waits,
    /// Something else, in words that say what to do.
    Because(&'static str),
}

impl From<Errno> for ReadError {
    fn from(errno: Errno) -> Self {
        Self::Errno(errno)
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // As everything else says it. nix has texts of its own, of 6 KB.
            Self::Errno(errno) => write!(f, "{}", Reason(&io::Error::from(*errno))),
            Self::Content => f.write_str("no such figure in its content"),
            Self::NotMounted => f.write_str("nothing is mounted there"),
            Self::Because(reason) => f.write_str(reason),
            Self::Waits => f.write_str(
                "skipped: file systems of this type, there or on the way there, can hang when their server is gone",
            ),
        }
    }
}

/// One kernel file.
#[derive(Debug)]
pub struct Source {
    name: &'static str,
    file: Result<File, Errno>,
}

impl Source {
    /// Opens `name` under `root`; a failure shows when it is read.
    pub fn open(root: &Root, name: &'static str) -> Self {
        Self { name, file: root.file(name) }
    }

    /// The name under the root.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Opens the file again: after a failure that may be its descriptor's.
    pub fn reopen(&mut self, root: &Root) {
        self.file = root.file(self.name);
    }

    /// Reads as much as fits into `buf`, from `offset`.
    ///
    /// # Errors
    /// That of opening the file or of reading it.
    pub fn read<'b>(&self, buf: &'b mut [u8], offset: u64) -> Result<&'b [u8], ReadError> {
        let file = self.file.as_ref().map_err(|errno| *errno)?;
        Ok(read_at(file, buf, offset)?)
    }

    /// Reads a file of lines that may be longer than `buf`, in pieces of whole lines, until `each` has
    /// seen enough. A line that is longer than `buf` comes in parts.
    ///
    /// # Errors
    /// As [`Source::read`]; [`ReadError::Content`] where the file is longer than `limit` bytes, which
    /// what is endless is.
    pub fn pieces(
        &self,
        buf: &mut [u8],
        limit: u64,
        mut each: impl FnMut(&[u8]) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        self.pieces_for(buf, limit, &mut each)
    }

    /// The same, in the binary once.
    fn pieces_for(
        &self,
        buf: &mut [u8],
        limit: u64,
        each: &mut dyn FnMut(&[u8]) -> ControlFlow<()>,
    ) -> Result<(), ReadError> {
        let mut offset = 0;
        while offset < limit {
            let text = self.read(buf, offset)?;
            let end = text.iter().rposition(|byte| *byte == b'\n').map_or(text.len(), |last| last + 1);
            let piece = text.get(..end).unwrap_or_default();
            if piece.is_empty() || each(piece).is_break() {
                return Ok(());
            }
            offset += piece.len() as u64;
        }
        Err(ReadError::Content)
    }
}

/// Reads as much as fits into `buf` with one call that no signal interrupts.
///
/// # Errors
/// As `pread(2)`.
pub fn read_at<'b>(file: &File, buf: &'b mut [u8], offset: u64) -> Result<&'b [u8], Errno> {
    loop {
        match file.read_at(buf, offset) {
            Ok(length) => return Ok(buf.get(..length).unwrap_or_default()),
            Err(error) => match Errno::from_raw(error.raw_os_error().unwrap_or_default()) {
                Errno::EINTR => {}
                errno => return Err(errno),
            },
        }
    }
}

/// Tells once that a figure is missing from reports, and once that it is back.
#[derive(Debug)]
pub struct Watch {
    figure: Cow<'static, str>,
    missing: Once,
}

impl Watch {
    /// Watches `figure`, which is a key of a report: one of ours, or one that an operator has configured.
    pub fn new(figure: impl Into<Cow<'static, str>>) -> Self {
        Self { figure: figure.into(), missing: Once::default() }
    }

    /// The figure that is watched.
    pub fn figure(&self) -> &str {
        &self.figure
    }

    /// Whether the figure was missing when last told.
    pub fn is_missing(&self) -> bool {
        self.missing.is_said()
    }

    /// Passes `outcome` on, and logs with the path of its `source` where it is not what was told last.
    ///
    /// That a figure is back is told at a `secondary` tick only: a source that fails every other
    /// time would fill the log.
    pub fn pass<T>(
        &mut self,
        outcome: Result<T, ReadError>,
        source: impl FnOnce() -> PathBuf,
        secondary: bool,
    ) -> Option<T> {
        match outcome {
            Ok(value) => {
                if secondary && self.missing.over() {
                    info!("{}: can be read again; {} is back in reports", source().display(), self.figure);
                }
                Some(value)
            }
            Err(error) => {
                if self.missing.first() {
                    let (source, figure) = (source(), &self.figure);
                    warn!("{}: {error}; reports go without {figure} until it can be read", source.display());
                }
                None
            }
        }
    }
}
