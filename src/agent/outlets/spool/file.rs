//! The file of a spool, and the thread that opens and writes it: a disk that is slow, or a file server that is gone,
//! makes nobody else wait.
//!
//! Each start begins a file of its own beside the one that was there, and puts it in its place with the first write,
//! when everything that was restored is in it. The lock (`flock(2)`) is for a second psistats; no other user may
//! read or write the file.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::mem;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{OFlag, posix_fallocate};
use nix::libc::off_t;
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::unistd::{ftruncate, geteuid};

use crate::net::aside::spawn;
use crate::net::reactor::{AsyncFd, Reactor};
use psistats_core::spool::{PAGE, Written, pages};
use psistats_host::limits;

/// Why a file cannot be had for which a time was waited.
pub const SILENT: &str = "the file system does not answer";

/// Bytes of the largest spool.
const LONGEST: usize = pages(limits::BACKLOG_MAX) * PAGE;

/// The thread, as it is seen from the others.
pub struct Writer<'r>(AsyncFd<'r, Arc<Desk>>);

/// Where pages change hands.
struct Desk {
    papers: Mutex<Papers>,
    /// Notified when something else is to be done, or was.
    changed: Condvar,
    /// Rings likewise for the reactor, when something was done.
    bell: EventFd,
}

struct Papers {
    task: Task,
    page: Box<[u8; PAGE]>,
    /// The file that was there is no spool.
    is_aside: bool,
}

enum Task {
    Open,
    Opened(io::Result<Vec<u8>>),
    None,
    Write(Written),
    Busy,
    Done(io::Result<()>),
    End,
}

impl AsFd for Desk {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }
}

impl Desk {
    fn papers(&self) -> MutexGuard<'_, Papers> {
        self.papers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<'r> Writer<'r> {
    /// Opens the spool at `path`, of so many pages, within a time. Gives the bytes that it has.
    ///
    /// # Errors
    /// Why there is to be none. A file that is not there, or is no spool, is no error.
    pub fn open(
        reactor: &'r Reactor,
        path: &Path,
        pages: usize,
        within: Duration,
    ) -> io::Result<(Self, Vec<u8>)> {
        let bell = EventFd::from_flags(EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC)?;
        let papers = Papers { task: Task::Open, page: Box::new([0; PAGE]), is_aside: false };
        let desk = Arc::new(Desk { papers: Mutex::new(papers), changed: Condvar::new(), bell });
        let writer = Self(reactor.watch(desk.clone())?);
        let store = Store::new(path, (pages * PAGE) as u64);
        spawn("spool", Box::new(move || serve(&desk, store)))?;
        let desk = writer.0.get_ref();
        let is_opening = |papers: &mut Papers| matches!(papers.task, Task::Open);
        let waited = desk.changed.wait_timeout_while(desk.papers(), within, is_opening);
        let (mut papers, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let bytes = match mem::replace(&mut papers.task, Task::None) {
            Task::Opened(opened) => opened?,
            _ => return Err(io::Error::other(SILENT)),
        };
        drop(papers);
        Ok((writer, bytes))
    }

    /// The file that was there is kept under another name.
    pub fn set_aside(&self) {
        self.0.get_ref().papers().is_aside = true;
    }

    /// Has the page written that `fill` makes. Waits until it is, and until one that was begun before is. May be
    /// dropped while it waits.
    ///
    /// # Errors
    /// Those of the file.
    pub async fn write(&self, fill: impl FnOnce(&mut [u8; PAGE]) -> Written) -> io::Result<Written> {
        let desk = self.0.get_ref();
        self.rung(|task| !matches!(task, Task::Write(_) | Task::Busy)).await;
        let written = {
            let mut papers = desk.papers();
            let written = fill(&mut papers.page);
            papers.task = Task::Write(written);
            written
        };
        desk.changed.notify_all();
        self.rung(|task| matches!(task, Task::Done(_))).await;
        match mem::replace(&mut desk.papers().task, Task::None) {
            Task::Done(done) => done.map(|()| written),
            _ => Ok(written),
        }
    }

    async fn rung(&self, is_so: impl Fn(&Task) -> bool) {
        while !is_so(&self.0.get_ref().papers().task) {
            self.0.readable().await;
            let _ = self.0.read(&mut [0; 8], |desk, _| Ok(desk.bell.read().map(|_| 8)?));
        }
    }
}

impl Drop for Writer<'_> {
    /// Ends the thread, as soon as it looks.
    fn drop(&mut self) {
        let desk = self.0.get_ref();
        desk.papers().task = Task::End;
        desk.changed.notify_all();
    }
}

/// Does what is to be done, until the end.
fn serve(desk: &Desk, mut store: Store) {
    let tell = |task| {
        let mut papers = desk.papers();
        // Nobody waits for what comes too late.
        if matches!(papers.task, Task::Open | Task::Busy) {
            papers.task = task;
        }
        desk.changed.notify_all();
        let _ = desk.bell.write(1);
    };
    tell(Task::Opened(store.open()));
    let mut page = Box::new([0; PAGE]);
    loop {
        let is_idle = |papers: &mut Papers| !matches!(papers.task, Task::Write(_) | Task::End);
        let waited = desk.changed.wait_while(desk.papers(), is_idle);
        let mut papers = waited.unwrap_or_else(PoisonError::into_inner);
        let Task::Write(written) = papers.task else { return };
        papers.task = Task::Busy;
        mem::swap(&mut papers.page, &mut page);
        let is_aside = papers.is_aside;
        drop(papers);
        tell(Task::Done(store.write(written, &page, is_aside)));
    }
}

/// The files of a spool.
struct Store {
    path: PathBuf,
    bytes: u64,
    /// What was there, and is locked until its successor is in its place.
    before: Option<File>,
    /// Its successor, and whether it is in its place.
    file: Option<File>,
    is_in_place: bool,
}

impl Store {
    fn new(path: &Path, bytes: u64) -> Self {
        Self { path: path.into(), bytes, before: None, file: None, is_in_place: false }
    }

    /// What there is. Nothing where there is no file.
    fn open(&mut self) -> io::Result<Vec<u8>> {
        let file = match options(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) if error.raw_os_error() == Some(Errno::ELOOP as i32) => {
                return Err(io::Error::other("symbolic links are not followed: name the file itself"));
            }
            file => file?,
        };
        let found = file.metadata()?;
        if !found.is_file() {
            return Err(io::Error::other("it is no regular file"));
        }
        if found.uid() != geteuid().as_raw() || found.mode() & 0o022 != 0 {
            let text =
                "it belongs to another user, or others may write to it: remove it, or name another file";
            return Err(io::Error::other(text));
        }
        if file.try_lock().is_err() {
            return Err(io::Error::other("another psistats writes to it, or it cannot be locked"));
        }
        let length = usize::try_from(found.len()).unwrap_or(LONGEST).min(LONGEST);
        let mut bytes = vec![0; length];
        file.read_exact_at(&mut bytes, 0)?;
        self.before = Some(file);
        Ok(bytes)
    }

    /// Writes a page. After the last one everything is on the disk, and the file in its place.
    fn write(&mut self, written: Written, page: &[u8; PAGE], is_aside: bool) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(create(&beside(&self.path, ".new"), self.bytes)?),
        };
        let done = file.write_all_at(page, written.at).and_then(|()| {
            if !written.is_last {
                return Ok(());
            }
            file.sync_data()?;
            if !self.is_in_place {
                replace(&self.path, is_aside)?;
                (self.before, self.is_in_place) = (None, true);
            }
            Ok(())
        });
        if done.is_err() && !self.is_in_place {
            // The whole of it is written again, to another one.
            self.file = None;
        }
        done
    }
}

/// Opens a file for reading and writing, with no way around to another one.
fn options(path: &Path) -> io::Result<File> {
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    OpenOptions::new().read(true).write(true).custom_flags(flags.bits()).open(path)
}

/// A file of so many bytes, whose blocks are taken where the file system can do that.
fn create(path: &Path, bytes: u64) -> io::Result<File> {
    // One that a kill has left.
    let _ = fs::remove_file(path);
    let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)?;
    file.try_lock()?;
    // Of 32 bits on some systems.
    let length = off_t::try_from(bytes).unwrap_or(off_t::MAX);
    match posix_fallocate(&file, 0, length) {
        Err(errno @ (Errno::ENOSPC | Errno::EFBIG | Errno::EDQUOT)) => {
            let _ = fs::remove_file(path);
            return Err(errno.into());
        }
        Err(_) => ftruncate(&file, length)?,
        Ok(()) => {}
    }
    file.sync_all()?;
    Ok(file)
}

/// Puts the new file in the place of the one that was there, which is kept where `is_aside`.
fn replace(path: &Path, is_aside: bool) -> io::Result<()> {
    if is_aside && let Err(error) = fs::rename(path, beside(path, ".aside")) {
        // It was renamed before what comes next has failed.
        if error.kind() != ErrorKind::NotFound {
            return Err(error);
        }
    }
    fs::rename(beside(path, ".new"), path)?;
    // The name is safe, too, when its folder is.
    File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all()
}

fn beside(path: &Path, end: &str) -> PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push(end);
    path.into()
}
