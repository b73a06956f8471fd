//! How far each board has been sent to one receiver, in a file.
//!
//! ```text
//! file   mark (8 bytes), zeros (8 bytes), records
//! record hash of the board's name (8 bytes), time (Unix milliseconds, 8 bytes, little-endian)
//! ```
//!
//! A record does not cross a page, and is written where it stands: a kill loses nothing, and after a power failure some
//! may be half a minute old. Then a few samples are sent again.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

const MARK: &[u8; 8] = b"psistrw1";
const RECORD: usize = 16;
/// Larger files are none of ours.
const MOST_BYTES: u64 = 16 << 20;

/// The positions of all boards, by name.
#[derive(Debug)]
pub struct Positions {
    /// None: they are not kept.
    path: Option<PathBuf>,
    /// What the file has, or will have.
    bytes: Vec<u8>,
    /// Times of the file whose boards were not asked for yet.
    unclaimed: HashMap<[u8; 8], (usize, i64)>,
    /// Where the record of a board is, and its time.
    boards: HashMap<Arc<str>, (usize, i64)>,
    is_new: bool,
    is_changed: bool,
}

impl Positions {
    /// Reads the file of a section in the folder `data`. Where there is none, or it cannot be read, which is said, the
    /// positions are new.
    pub fn open(section: &str, data: Option<&Path>) -> (Self, io::Result<()>) {
        let path = data.map(|folder| folder.join(format!("{}.positions", section.replace(':', "-"))));
        let mut positions = Self {
            path,
            bytes: [MARK.as_slice(), &[0; 8]].concat(),
            unclaimed: HashMap::new(),
            boards: HashMap::new(),
            is_new: true,
            is_changed: true,
        };
        let read = positions.read();
        (positions, read)
    }

    fn read(&mut self) -> io::Result<()> {
        let Some(path) = &self.path else { return Ok(()) };
        let file = match File::open(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            file => file?,
        };
        let mut bytes = Vec::new();
        file.take(MOST_BYTES).read_to_end(&mut bytes)?;
        let (_, records) = bytes
            .split_at_checked(RECORD)
            .filter(|(head, _)| head.starts_with(MARK))
            .ok_or_else(|| io::Error::new(ErrorKind::InvalidData, "it has other contents"))?;
        for (hash, time) in
            records.as_chunks::<8>().0.as_chunks::<2>().0.iter().map(|[hash, time]| (hash, time))
        {
            self.unclaimed.insert(*hash, (self.bytes.len(), i64::from_le_bytes(*time)));
            self.bytes.extend([*hash, *time].as_flattened());
        }
        (self.is_new, self.is_changed) = (false, false);
        Ok(())
    }

    /// Whether nothing was ever sent there.
    pub const fn is_new(&self) -> bool {
        self.is_new
    }

    /// The position of a board; None where it has none yet.
    pub fn of(&mut self, board: &Arc<str>) -> Option<i64> {
        if let Some((_, time)) = self.boards.get(board) {
            return Some(*time);
        }
        let record = self.unclaimed.remove(&hash(board))?;
        self.boards.insert(board.clone(), record);
        Some(record.1)
    }

    /// Sets the position of a board, in memory.
    pub fn set(&mut self, board: &Arc<str>, time: i64) {
        let place = match self.of(board) {
            Some(_) => self.boards.get(board).map_or(0, |(place, _)| *place),
            None => {
                self.bytes.extend_from_slice(&hash(board));
                self.bytes.extend_from_slice(&[0; 8]);
                self.bytes.len() - RECORD
            }
        };
        if let Some(bytes) = self.bytes.get_mut(place + 8..place + RECORD) {
            bytes.copy_from_slice(&time.to_le_bytes());
        }
        self.boards.insert(board.clone(), (place, time));
        self.is_changed = true;
    }

    /// From now on these are not new.
    pub const fn begin(&mut self) {
        self.is_new = false;
    }

    /// What is to be written, and where; None where nothing has changed since it was asked for, or nothing is kept.
    pub fn contents(&mut self) -> Option<(PathBuf, Vec<u8>)> {
        let is_changed = std::mem::take(&mut self.is_changed);
        self.path.clone().filter(|_| is_changed).map(|path| (path, self.bytes.clone()))
    }
}

/// Writes what [`Positions::contents`] gave.
///
/// # Errors
/// The disk's.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
    file.write_all_at(bytes, 0)?;
    file.set_len(bytes.len() as u64)
}

fn hash(board: &str) -> [u8; 8] {
    let hash = Sha256::digest(board);
    let mut short = [0; 8];
    short.iter_mut().zip(hash).for_each(|(to, byte)| *to = byte);
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_come_back_and_a_file_of_another_kind_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let boards: Vec<Arc<str>> = ["pi-1", "büro", "pi-3"].map(Arc::from).into();
        let (mut positions, read) = Positions::open("remote_write:a", Some(folder.path()));
        assert!(read.is_ok() && positions.is_new());
        for (board, time) in boards.iter().zip(1_700_000_000_000..) {
            assert_eq!(positions.of(board), None);
            positions.set(board, 5);
            positions.set(board, time);
        }
        let (path, bytes) = positions.contents().unwrap();
        write(&path, &bytes).unwrap();
        let (mut positions, read) = Positions::open("remote_write:a", Some(folder.path()));
        assert!(read.is_ok() && !positions.is_new());
        positions.set(&boards[1], 7);
        let times: Vec<_> = boards.iter().map(|board| positions.of(board)).collect();
        assert_eq!(times, [Some(1_700_000_000_000), Some(7), Some(1_700_000_000_002)]);
        assert_eq!(positions.contents().unwrap().1.len(), 4 * RECORD);
        assert_eq!(positions.contents(), None);

        std::fs::write(&path, "something else altogether").unwrap();
        let (positions, read) = Positions::open("remote_write:a", Some(folder.path()));
        assert!(read.is_err() && positions.is_new());
    }
}
