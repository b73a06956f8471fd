//! Log files that rotate, and that are opened again when another program moves them.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Seek, SeekFrom};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf, absolute};

use nix::fcntl::OFlag;

use crate::logging::rotate::{Schedule, put_aside, remove_oldest, shift};
use psistats_host::output::write_whole;

/// A log file that is appended to.
///
/// When another program (logrotate) moves or removes it, the next line goes to a new file at its path, as
/// with Python's `WatchedFileHandler`. That costs two system calls a line, and lines are few. Reopening by
/// a signal would have to be configured, and an operator who forgot it would lose the log.
#[derive(Debug)]
pub struct LogFile {
    path: PathBuf,
    /// None after a rotation, until the next line opens a new file.
    file: Option<File>,
    rotation: Rotation,
    /// Whether the last line was written only in part. Then the next one must not continue it.
    torn: bool,
}

/// When a log file is rotated.
#[derive(Debug)]
pub enum Rotation {
    /// `FileHandler`
    Never,
    /// `RotatingFileHandler`
    Size {
        /// `maxBytes`; 0: never. It counts bytes, where Python counts the line's characters.
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
    /// Opens or creates the file at `path`, and empties it where `truncate` is set. A relative path keeps its
    /// meaning when the working directory changes later.
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
    /// that is restarted each morning still rotates.
    pub fn by_time(self, schedule: Schedule, backups: u32) -> io::Result<Self> {
        let changed = self.path.metadata()?.mtime();
        let at = schedule.next(changed);
        Ok(Self { rotation: Rotation::Time { schedule, backups, at }, ..self })
    }

    /// The file's absolute path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends `line`, after a rotation if one is due at `now` (Unix seconds).
    ///
    /// # Errors
    /// Writing failed. Or rotating or reopening failed: then the line was still written to the open file.
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

    /// Opens the file at the path, if that is no longer the file that is open. On an error the open file stays.
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

    /// Whether a rotation is due before `coming` more bytes are written at `now`.
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
        // Only a regular file is renamed, not a terminal or /dev/null.
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

/// Opens the file for appending. A FIFO without a reader is an error, not a wait. A new file is not readable by
/// everyone, and the umask may restrict it further.
fn append_to(path: &Path) -> io::Result<File> {
    let flags = OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    OpenOptions::new().append(true).create(true).mode(0o640).custom_flags(flags.bits()).open(path)
}
