//! Log files that rotate, and are found again where others move them.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Seek, SeekFrom};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf, absolute};

use nix::fcntl::OFlag;

use crate::logging::rotate::{Schedule, put_aside, remove_oldest, shift};
use psistats_host::output::write_whole;

/// A log file that is appended to.
///
/// Where others move or remove it (logrotate), the next line goes to a new file at its path, as
/// with Python's `WatchedFileHandler`. That is two calls more a line, of which there are few; a
/// signal would have to be configured, and lose the file to whoever forgets it.
#[derive(Debug)]
pub struct LogFile {
    path: PathBuf,
    /// None: it could not be opened again after a rotation.
    file: Option<File>,
    rotation: Rotation,
    /// A line was written in part: the next one must not continue it.
    torn: bool,
}

/// When a log file is put aside.
#[derive(Debug)]
pub enum Rotation {
    /// `FileHandler`
    Never,
    /// `RotatingFileHandler`
    Size {
        /// `maxBytes`; 0: never. Bytes, where Python counts the line's characters.
        max_bytes: u64,
        /// `backupCount`; 0: never.
        backups: u32,
    },
    /// `TimedRotatingFileHandler`
    Time {
        /// `when`, `interval`, `utc`
        schedule: Schedule,
        /// `backupCount`; 0: all are kept.
        backups: u32,
        /// Unix seconds of the next rollover.
        at: i64,
    },
}

impl LogFile {
    /// Opens or makes the file at `path` and empties it where `truncate` is set. A relative path
    /// is taken from the present directory also after that changes.
    pub fn open(path: &Path, truncate: bool) -> io::Result<Self> {
        let path = absolute(path)?;
        let file = append_to(&path)?;
        if truncate && file.metadata()?.is_file() {
            file.set_len(0)?;
        }
        Ok(Self { path, file: Some(file), rotation: Rotation::Never, torn: false })
    }

    /// Rotates by size.
    pub fn by_size(self, max_bytes: u64, backups: u32) -> Self {
        Self { rotation: Rotation::Size { max_bytes, backups }, ..self }
    }

    /// Rotates by time. The first rollover counts from the file's last change, so that a program
    /// that is started anew each morning still rotates.
    pub fn by_time(self, schedule: Schedule, backups: u32) -> io::Result<Self> {
        let changed = self.path.metadata()?.mtime();
        let at = schedule.next(changed);
        Ok(Self { rotation: Rotation::Time { schedule, backups, at }, ..self })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends `line`, after a rotation where one is due at `now` (Unix seconds). Where
    /// that, or opening a new file, fails the line still goes to the file that there is, and the failure is told.
    pub fn write(&mut self, line: &[u8], now: i64) -> io::Result<()> {
        let followed = self.follow();
        let rotated = if self.is_due(line.len(), now) { self.rotate(now) } else { Ok(()) };
        let file = match &mut self.file {
            Some(file) => file,
            none => {
                self.torn = false;
                none.insert(append_to(&self.path)?)
            }
        };
        if self.torn {
            write_whole(&file, b"\n")?;
        }
        let written = write_whole(&file, line);
        self.torn = written.as_ref().is_err_and(|stopped| stopped.after > 0);
        written?;
        followed.and(rotated)
    }

    /// Opens the file at the path where that is no longer the one that is open. Where it cannot be,
    /// that one goes on being written.
    fn follow(&mut self) -> io::Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        let (there, here) = (self.path.metadata(), file.metadata());
        let identity = |found: Metadata| (found.dev(), found.ino());
        if there.map(identity).ok() != here.map(identity).ok() {
            self.file = Some(append_to(&self.path)?);
            self.torn = false;
        }
        Ok(())
    }

    /// Whether the file is put aside before `coming` bytes more are written at `now`.
    fn is_due(&self, coming: usize, now: i64) -> bool {
        match &self.rotation {
            Rotation::Never => false,
            Rotation::Size { max_bytes, backups } => {
                let size = || self.file.as_ref().and_then(|mut file| file.seek(SeekFrom::End(0)).ok());
                let full = || size().unwrap_or(0).saturating_add(coming as u64) >= *max_bytes;
                *max_bytes > 0 && *backups > 0 && full()
            }
            Rotation::Time { at, .. } => now >= *at,
        }
    }

    fn rotate(&mut self, now: i64) -> io::Result<()> {
        // A terminal or /dev/null stays where it is.
        let regular = self.path.metadata().map_or(true, |found| found.is_file());
        match &mut self.rotation {
            Rotation::Size { backups, .. } if regular => {
                shift(&self.path, *backups)?;
                self.file = None;
            }
            Rotation::Time { schedule, backups, at } => {
                if regular {
                    put_aside(&self.path, schedule, *at, now)?;
                    self.file = None;
                }
                *at = schedule.next(now);
                if regular {
                    remove_oldest(&self.path, schedule, *backups)?;
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// Opens for appending. A pipe that nobody reads is an error rather than a wait. A new file is not for everyone:
/// the umask may take more away.
fn append_to(path: &Path) -> io::Result<File> {
    let flags = OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    OpenOptions::new().append(true).create(true).mode(0o640).custom_flags(flags.bits()).open(path)
}
