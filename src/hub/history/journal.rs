//! The journal: each commit's reports, appended to a file and synced, until the blocks have them.
//!
//! A commit of redb writes seven pages at least, 29 KB for the 400 bytes of ten boards; this writes the one that is
//! appended to.
//! A segment is a file `journal-COMMIT.log`, named by the number of its first commit: a mark, and records of length,
//! CRC-32, and payload, which is the number of the commit and its reports. Room for records is reserved ahead and
//! reads as zeros; a record of no length is the end. After an error, what was to be written goes to a new segment:
//! commits that the next segment has too are not read from the one before.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use log::{info, warn};
use nix::errno::Errno;
use nix::fcntl::posix_fallocate;

use super::bytes::{Cursor, Damaged, put_number};
use super::names::Names;
use super::record::{Chain, Entry};

const MARK: &[u8; 8] = b"psistat1";
/// A segment ends after this, in time or in bytes, so that old ones can go.
const SEGMENT_MS: i64 = 600_000;
const SEGMENT_BYTES: u64 = 32 << 20;
/// No segment is longer: one record may be beyond the end above.
const MAX_SEGMENT_BYTES: u64 = 256 << 20;
/// Room is reserved in steps of this, so that the file's length need not be synced with every record.
const STEP_BYTES: u64 = 128 << 10;

/// What is known of a segment without reading it again.
#[derive(Debug)]
pub struct Segment {
    path: PathBuf,
    /// Its last commit.
    pub last: u64,
    /// The newest sample's hour.
    pub hour: u32,
    /// When its last record was written, or it was read.
    pub written_ms: i64,
}

/// The segments, of which the last is written to.
#[derive(Debug)]
pub struct Journal {
    folder: PathBuf,
    segments: Vec<Segment>,
    open: Option<Open>,
    /// The number of the next commit.
    next: u64,
}

#[derive(Debug)]
struct Open {
    file: File,
    segment: Segment,
    started_ms: i64,
    length: u64,
    reserved: u64,
    chain: Chain,
}

impl Journal {
    /// Reads the segments in `folder`, in their order, and gives `each` commit's reports.
    ///
    /// # Errors
    /// A folder or a file that cannot be read. What is damaged is told and left out.
    pub fn open(
        folder: &Path,
        now_ms: i64,
        boards: &mut Names,
        series: &mut Names,
        mut each: impl FnMut(u64, Entry, &Names, &Names),
    ) -> io::Result<Self> {
        let mut found = Vec::new();
        for file in fs::read_dir(folder)? {
            let path = file?.path();
            if let Some(first) = first_commit(&path) {
                found.push((first, path));
            }
        }
        found.sort();
        let mut next = 1;
        let mut segments = Vec::new();
        for (place, (first, path)) in found.iter().enumerate() {
            let end = found.get(place + 1).map_or(u64::MAX, |(first, _)| *first);
            let mut segment = Segment { path: path.clone(), last: *first, hour: 0, written_ms: now_ms };
            let mut reader = Reader { first: *first, end, boards, series };
            match reader.read(&read(path)?, &mut segment, &mut each) {
                Ok(()) => {}
                Err(Damaged) if place + 1 == found.len() => {
                    info!("{}: ends in a commit that was not finished, nor confirmed", path.display());
                }
                Err(Damaged) => {
                    warn!("{}: damaged after commit {}, the rest is left out", path.display(), segment.last);
                }
            }
            next = next.max(segment.last + 1);
            segments.push(segment);
        }
        Ok(Self { folder: folder.to_owned(), segments, open: None, next })
    }

    /// The number of the last commit, 0 where there is none.
    pub const fn last(&self) -> u64 {
        self.next - 1
    }

    /// No commit gets a number up to `commit`: the blocks have those.
    pub fn skip_to(&mut self, commit: u64) {
        self.next = self.next.max(commit + 1);
    }

    /// Writes `entries`, of which the newest is of `hour`, as one commit. They are durable when it returns.
    ///
    /// # Errors
    /// The disk's: then nothing is committed, and the same can be tried again.
    pub fn commit(
        &mut self,
        entries: &[Entry],
        hour: u32,
        boards: &Names,
        series: &Names,
        now_ms: i64,
    ) -> io::Result<()> {
        if self
            .open
            .as_ref()
            .is_some_and(|open| open.length > SEGMENT_BYTES || (now_ms - open.started_ms).abs() > SEGMENT_MS)
        {
            self.close();
        }
        let mut open = match self.open.take() {
            Some(open) => open,
            None => Open::create(&self.folder, self.next, now_ms)?,
        };
        let mut payload = Vec::new();
        put_number(&mut payload, self.next);
        entries.iter().for_each(|entry| open.chain.write(&mut payload, entry, boards, series));
        let written = open.append(&payload);
        if written.is_ok() {
            open.segment.last = self.next;
            open.segment.hour = open.segment.hour.max(hour);
            open.segment.written_ms = now_ms;
            self.next += 1;
            self.open = Some(open);
        } else {
            self.keep(open);
        }
        written
    }

    /// Deletes segments that `is_done`.
    pub fn delete(&mut self, is_done: impl Fn(&Segment) -> bool) {
        self.segments.retain(|segment| !is_done(segment) || fs::remove_file(&segment.path).is_err());
    }

    /// Ends the segment that is written to.
    pub fn close(&mut self) {
        if let Some(open) = self.open.take() {
            self.keep(open);
        }
    }

    /// Gives back what was reserved, and the file where it has no record.
    fn keep(&mut self, open: Open) {
        let _ = open.file.set_len(open.length);
        if open.length > MARK.len() as u64 || fs::remove_file(&open.segment.path).is_err() {
            self.segments.push(open.segment);
        }
    }
}

impl Open {
    fn create(folder: &Path, commit: u64, now_ms: i64) -> io::Result<Self> {
        let path = folder.join(format!("journal-{commit:016x}.log"));
        let file = File::create(&path)?;
        file.write_all_at(MARK, 0)?;
        File::open(folder)?.sync_all()?;
        let segment = Segment { path, last: commit, hour: 0, written_ms: now_ms };
        let length = MARK.len() as u64;
        Ok(Self { file, segment, started_ms: now_ms, length, reserved: length, chain: Chain::default() })
    }

    fn append(&mut self, payload: &[u8]) -> io::Result<()> {
        let size = u32::try_from(payload.len()).map_err(|_| ErrorKind::FileTooLarge)?;
        let mut record = Vec::with_capacity(payload.len() + 8);
        record.extend_from_slice(&size.to_le_bytes());
        record.extend_from_slice(&crc32fast::hash(payload).to_le_bytes());
        record.extend_from_slice(payload);
        let end = self.length + record.len() as u64;
        // The length that ends the segment counts, so that what was there before cannot follow.
        if end + 4 > self.reserved {
            self.reserved = (end + 4).next_multiple_of(STEP_BYTES);
            reserve(&self.file, self.reserved)?;
        }
        self.file.write_all_at(&record, self.length)?;
        self.file.sync_data()?;
        self.length = end;
        Ok(())
    }
}

/// Makes the file `length` long, with room for all of it where the file system can promise that.
fn reserve(file: &File, length: u64) -> io::Result<()> {
    let size = i64::try_from(length).map_err(|_| ErrorKind::FileTooLarge)?;
    match posix_fallocate(file, 0, size) {
        Ok(()) => Ok(()),
        Err(error @ (Errno::ENOSPC | Errno::EIO | Errno::EDQUOT | Errno::EFBIG | Errno::EROFS)) => {
            Err(error.into())
        }
        Err(_) => file.set_len(length),
    }
}

fn first_commit(path: &Path) -> Option<u64> {
    let name = path.file_name()?.to_str()?;
    u64::from_str_radix(name.strip_prefix("journal-")?.strip_suffix(".log")?, 16).ok()
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    if fs::metadata(path)?.len() > MAX_SEGMENT_BYTES {
        return Ok(Vec::new());
    }
    fs::read(path)
}

struct Reader<'a> {
    first: u64,
    /// The first commit of the next segment.
    end: u64,
    boards: &'a mut Names,
    series: &'a mut Names,
}

impl Reader<'_> {
    fn read(
        &mut self,
        bytes: &[u8],
        segment: &mut Segment,
        each: &mut impl FnMut(u64, Entry, &Names, &Names),
    ) -> Result<(), Damaged> {
        let mut cursor = Cursor::new(bytes);
        if !bytes.is_empty() && cursor.array()? != *MARK {
            return Err(Damaged);
        }
        let mut chain = Chain::default();
        let mut expected = self.first;
        while !cursor.is_empty() {
            let size = u32::from_le_bytes(cursor.array()?);
            if size == 0 {
                break;
            }
            let sum = u32::from_le_bytes(cursor.array()?);
            let payload = cursor.take(usize::try_from(size).map_err(|_| Damaged)?)?;
            let mut record = Cursor::new(payload);
            if crc32fast::hash(payload) != sum || record.number()? != expected {
                return Err(Damaged);
            }
            if expected >= self.end {
                break;
            }
            while let Some(entry) = chain.read(&mut record, self.boards, self.series)? {
                segment.hour = segment.hour.max(super::hour_of(entry.time_ms));
                each(expected, entry, self.boards, self.series);
            }
            segment.last = expected;
            expected += 1;
        }
        Ok(())
    }
}
