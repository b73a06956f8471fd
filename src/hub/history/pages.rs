//! The store's file with a checksum for every page, so that redb is never shown what it did not write.
//!
//! redb trusts its pages, and panics on some that were changed behind its back; where a panic aborts, that would be
//! the end of the hub at every start. The file is groups of 1025 pages of 4096 bytes: a page with the CRC-32 of the
//! 1024 that follow it. The sums are written before each sync. That is safe at any interruption as long as commits
//! have two phases: a page that a commit refers to is on the disk, with its sum, before the commit counts.
//!
//! The header, 320 bytes of page 0, is written in place. It has its sum in the same sector of 512 bytes, and beside
//! it the length of the file, so that a truncated one is found.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt as _;
use std::sync::{Mutex, MutexGuard, PoisonError};

use redb::StorageBackend;

const PAGE: u64 = 4096;
const PAGE_BYTES: usize = 4096;
/// Pages behind one page of sums.
const GROUP: u64 = 1024;
/// Of page 0, what is written and checked.
const SECTOR: usize = 512;
/// Where the sector has the length of the file, and its own sum.
const LENGTH_AT: usize = 496;
const SUM_AT: usize = 508;

/// A file of pages with checksums.
#[derive(Debug)]
pub struct Pages {
    file: File,
    sums: Mutex<Sums>,
    /// The sum of a page of zeros, which a page has that was never written.
    zeros: u32,
}

#[derive(Debug)]
struct Sums {
    /// One a page, xor that of a page of zeros.
    sums: Vec<u32>,
    /// Groups whose page of sums is not written yet.
    dirty: BTreeSet<u64>,
    /// The header's bytes, where it was read or written.
    header: Option<[u8; SECTOR]>,
}

impl Pages {
    /// # Errors
    /// Those of the file. `InvalidData`: it is shorter than it was, or its header is damaged.
    pub fn new(file: File) -> io::Result<Self> {
        let length = file.metadata()?.len();
        let physical = length / PAGE;
        let count = physical - physical.div_ceil(GROUP + 1);
        let mut sums = Vec::with_capacity(index(count)?);
        let mut page = [0; PAGE_BYTES];
        for group in 0..count.div_ceil(GROUP) {
            file.read_exact_at(&mut page, group * (GROUP + 1) * PAGE)?;
            let (words, _) = page.as_chunks();
            let some = index((count - group * GROUP).min(GROUP))?;
            sums.extend(words.iter().take(some).map(|word| u32::from_le_bytes(*word)));
        }
        let mut sums = Sums { sums, dirty: BTreeSet::new(), header: None };
        if length > 0 {
            sums.header = read_header(&file)?;
            let recorded = sums.header.as_ref().map(recorded_length).unwrap_or_default();
            if !length.is_multiple_of(PAGE) || recorded > count * PAGE {
                return Err(damaged("the file is shorter than it was"));
            }
        }
        Ok(Self { file, sums: Mutex::new(sums), zeros: crc32fast::hash(&[0; PAGE_BYTES]) })
    }

    fn sums(&self) -> MutexGuard<'_, Sums> {
        self.sums.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read_page(&self, number: u64, page: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(page, place(number))?;
        let sum = crc32fast::hash(page) ^ self.zeros;
        match self.sums().sums.get(index(number)?) {
            Some(known) if *known == sum => Ok(()),
            _ => Err(damaged("a page has a wrong checksum")),
        }
    }

    fn write_page(&self, number: u64, page: &[u8]) -> io::Result<()> {
        self.file.write_all_at(page, place(number))?;
        let mut sums = self.sums();
        *sums.sums.get_mut(index(number)?).ok_or(ErrorKind::InvalidInput)? =
            crc32fast::hash(page) ^ self.zeros;
        sums.dirty.insert(number / GROUP);
        Ok(())
    }

    /// Writes the header with the length that the file has, or is about to have.
    fn write_header(&self, sums: &mut Sums, mut sector: [u8; SECTOR], length: u64) -> io::Result<()> {
        put(&mut sector, LENGTH_AT, &length.to_le_bytes());
        let sum = header_sum(&sector);
        put(&mut sector, SUM_AT, &sum.to_le_bytes());
        self.file.write_all_at(&sector, place(0))?;
        sums.header = Some(sector);
        Ok(())
    }
}

impl StorageBackend for Pages {
    fn len(&self) -> io::Result<u64> {
        Ok(self.sums().sums.len() as u64 * PAGE)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        if offset == 0 && out.len() <= LENGTH_AT {
            let sums = self.sums();
            let header = sums.header.as_ref().and_then(|header| header.get(..out.len()));
            out.copy_from_slice(header.ok_or_else(|| damaged("it has no header"))?);
            return Ok(());
        }
        let first = whole_pages(offset, out.len())?;
        (first..).zip(out.chunks_mut(PAGE_BYTES)).try_for_each(|(number, page)| self.read_page(number, page))
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        let count = length.div_ceil(PAGE);
        let mut sums = self.sums();
        if let Some(header) = sums.header
            && count < sums.sums.len() as u64
        {
            self.write_header(&mut sums, header, count * PAGE)?;
        }
        self.file.set_len((count + count.div_ceil(GROUP)) * PAGE)?;
        // The group that the old end was in: sums of pages that went must not come back.
        let seam = sums.sums.len().min(index(count)?) as u64 / GROUP;
        sums.sums.resize(index(count)?, 0);
        sums.dirty.retain(|group| *group < count.div_ceil(GROUP));
        if seam < count.div_ceil(GROUP) {
            sums.dirty.insert(seam);
        }
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut sums = self.sums();
        while let Some(group) = sums.dirty.first().copied() {
            let start = index(group * GROUP)?;
            let mut page = Vec::with_capacity(PAGE_BYTES);
            for sum in sums.sums.iter().skip(start).take(index(GROUP)?) {
                page.extend_from_slice(&sum.to_le_bytes());
            }
            page.resize(PAGE_BYTES, 0);
            self.file.write_all_at(&page, group * (GROUP + 1) * PAGE)?;
            sums.dirty.remove(&group);
        }
        self.file.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        if offset == 0 && data.len() <= LENGTH_AT {
            let mut sums = self.sums();
            let mut sector = [0; SECTOR];
            put(&mut sector, 0, data);
            let length = sums.sums.len() as u64 * PAGE;
            return self.write_header(&mut sums, sector, length);
        }
        let first = whole_pages(offset, data.len())?;
        (first..).zip(data.chunks(PAGE_BYTES)).try_for_each(|(number, page)| self.write_page(number, page))
    }
}

/// Where page `number` is in the file.
const fn place(number: u64) -> u64 {
    (number + number / GROUP + 1) * PAGE
}

/// The number of the first page of a range, which must be one of whole pages.
fn whole_pages(offset: u64, length: usize) -> io::Result<u64> {
    if offset.is_multiple_of(PAGE) && length.is_multiple_of(PAGE_BYTES) {
        Ok(offset / PAGE)
    } else {
        Err(io::Error::new(ErrorKind::InvalidInput, "not whole pages"))
    }
}

/// The header, where one was ever written.
fn read_header(file: &File) -> io::Result<Option<[u8; SECTOR]>> {
    let mut sector = [0; SECTOR];
    match file.read_exact_at(&mut sector, place(0)) {
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Err(damaged("it has no header")),
        other => other?,
    }
    let sum = sector.last_chunk().map(|sum| u32::from_le_bytes(*sum));
    if sum == Some(header_sum(&sector)) {
        Ok(Some(sector))
    } else if sector == [0; SECTOR] {
        Ok(None)
    } else {
        Err(damaged("its header has a wrong checksum"))
    }
}

fn header_sum(sector: &[u8; SECTOR]) -> u32 {
    crc32fast::hash(sector.get(..SUM_AT).unwrap_or_default())
}

fn recorded_length(sector: &[u8; SECTOR]) -> u64 {
    let bytes = sector.get(LENGTH_AT..).and_then(<[u8]>::first_chunk);
    bytes.map(|bytes| u64::from_le_bytes(*bytes)).unwrap_or_default()
}

fn put(sector: &mut [u8; SECTOR], at: usize, bytes: &[u8]) {
    for (place, byte) in sector.iter_mut().skip(at).zip(bytes) {
        *place = *byte;
    }
}

fn index(number: u64) -> io::Result<usize> {
    usize::try_from(number).map_err(|_| ErrorKind::FileTooLarge.into())
}

fn damaged(what: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, what)
}
