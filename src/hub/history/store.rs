//! The store: blocks by level, time and board, and names, in a file of redb.
//!
//! The keys are in the order of time, so that what is written together lies together, and old blocks go in runs.
//! A value is at most what fits a page of redb, of which larger ones would take powers of two; a block is as many
//! values as it needs. redb wants to be opened anew after an error of the disk, even to be read: that is done here,
//! at the next use. A file that is damaged is renamed, and a new one begun.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::path::{Path, PathBuf};

use log::warn;
use redb::{
    Database, ReadTransaction, ReadableDatabase as _, ReadableTable as _, Table, TableDefinition, TableError,
    WriteTransaction,
};

use super::names::Names;
use super::pages::Pages;
use super::trouble::Trouble;

const BLOCKS: TableDefinition<'_, (u8, u32, u32, u16), &[u8]> = TableDefinition::new("blocks");
const BOARDS: TableDefinition<'_, u32, &str> = TableDefinition::new("boards");
const SERIES: TableDefinition<'_, u32, &str> = TableDefinition::new("series");
const NUMBERS: TableDefinition<'_, &str, u64> = TableDefinition::new("numbers");
/// By the board's number: see [`super::History::note`].
const NOTES: TableDefinition<'_, u32, &[u8]> = TableDefinition::new("notes");
/// What a leaf page of redb has room for beside its header, one key, and one length.
const PIECE: usize = 4096 - 4 - 4 - 11;
/// Enough for the branches of a file of some gigabytes.
const CACHE_BYTES: usize = 4 << 20;

/// What the slots of a block are, and how many hours it covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Minutes of an hour, until its day is over and joined. What comes late waits here too.
    Hour = 0,
    /// Minutes of a day.
    Day = 1,
    /// Quarters of an hour of sixteen days.
    Quarters = 2,
}

impl Level {
    /// How many hours a block of this level covers.
    pub const fn hours(self) -> u32 {
        match self {
            Self::Hour => 1,
            Self::Day => 24,
            Self::Quarters => 16 * 24,
        }
    }
}

/// The key of a block: `start` counts blocks of its level since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    pub level: Level,
    pub start: u32,
    pub board: u32,
}

/// How far the journal is folded into the blocks: all samples of hours up to `hour` in commits up to `commit`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Folded {
    pub commit: u64,
    pub hour: u32,
}

/// What one transaction changes.
#[derive(Debug, Default)]
pub struct Change {
    pub put: Vec<(Key, Vec<u8>)>,
    pub delete: Vec<Key>,
    pub folded: Option<Folded>,
}

/// The store cannot be used at present. It was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unavailable;

/// The file of redb, open or about to be.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    database: Option<Database>,
    trouble: Trouble,
    /// How many names of boards and of series are in the file.
    saved: (usize, usize),
    /// Bytes of all blocks.
    stored: u64,
}

impl Store {
    /// Opens or begins the store in `folder`, and learns the names that it has.
    ///
    /// # Errors
    /// The disk's. A damaged file is no error.
    pub fn open(
        folder: &Path,
        now_ms: i64,
        boards: &mut Names,
        series: &mut Names,
    ) -> io::Result<(Self, Folded)> {
        let path = folder.join("history.redb");
        let mut store = Self { path, database: None, trouble: Trouble::default(), saved: (0, 0), stored: 0 };
        for last_try in [false, true] {
            let found = store.reopen().and_then(|()| store.load(boards, series));
            match found {
                Ok(folded) => return Ok((store, folded)),
                Err(redb::Error::Io(error)) if !is_damage(&error) => return Err(error),
                Err(error) if last_try => return Err(io::Error::other(error)),
                Err(error) => store.set_aside(&error, now_ms)?,
            }
        }
        Err(ErrorKind::Other.into())
    }

    /// Bytes of all blocks; the file is larger by a tenth or two.
    pub const fn stored(&self) -> u64 {
        self.stored
    }

    fn reopen(&mut self) -> Result<(), redb::Error> {
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false).open(&self.path)?;
        let pages = Pages::new(file)?;
        self.database = Some(Database::builder().set_cache_size(CACHE_BYTES).create_with_backend(pages)?);
        Ok(())
    }

    /// Reads what stays in memory: names, and numbers.
    fn load(&mut self, boards: &mut Names, series: &mut Names) -> Result<Folded, redb::Error> {
        let Some(database) = &self.database else { return Ok(Folded::default()) };
        let read = database.begin_read()?;
        for (definition, names) in [(BOARDS, boards), (SERIES, series)] {
            let Some(table) = existing(read.open_table(definition))? else { continue };
            for entry in table.iter()? {
                let (number, name) = entry?;
                names.learn(number.value(), name.value());
            }
        }
        let mut folded = Folded::default();
        if let Some(table) = existing(read.open_table(NUMBERS))? {
            let number = |name| Ok::<_, redb::Error>(table.get(name)?.map_or(0, |number| number.value()));
            folded.commit = number("commit")?;
            folded.hour = u32::try_from(number("hour")?).unwrap_or(0);
            self.stored = number("stored")?;
        }
        Ok(folded)
    }

    fn set_aside(&mut self, reason: &redb::Error, now_ms: i64) -> io::Result<()> {
        self.database = None;
        self.saved = (0, 0);
        self.stored = 0;
        let aside = self.path.with_file_name(format!("history.redb.damaged-{}", now_ms / 1000));
        fs::rename(&self.path, &aside)?;
        warn!(
            "{} is damaged ({reason}): set aside as {}, and a new one begun",
            self.path.display(),
            aside.display()
        );
        Ok(())
    }

    /// Does something with the database, which it opens if it is not; closes it after an error.
    fn with<T>(
        &mut self,
        now_ms: i64,
        work: impl FnOnce(&Database, &mut (usize, usize), &mut u64) -> Result<T, redb::Error>,
    ) -> Result<T, Unavailable> {
        let attempt = || {
            if self.database.is_none() {
                self.reopen()?;
            }
            let database = self.database.as_ref().ok_or(redb::Error::DatabaseClosed)?;
            work(database, &mut self.saved, &mut self.stored)
        };
        let error = match attempt() {
            Ok(done) => {
                self.trouble.end("the history's store works again");
                return Ok(done);
            }
            Err(error) => error,
        };
        self.database = None;
        let damage = match &error {
            redb::Error::Io(error) => is_damage(error),
            redb::Error::PreviousIo | redb::Error::DatabaseClosed => false,
            _ => true,
        };
        if damage && let Err(error) = self.set_aside(&error, now_ms) {
            self.trouble.begin(format_args!("cannot rename {}: {error}", self.path.display()));
        } else if !damage {
            self.trouble.begin(format_args!("cannot use {}: {error}", self.path.display()));
        }
        Err(Unavailable)
    }

    /// The block of `key`.
    pub fn get(&mut self, key: Key, now_ms: i64) -> Result<Option<Vec<u8>>, Unavailable> {
        self.with(now_ms, |database, _, _| {
            let Some(table) = blocks(&database.begin_read()?)? else { return Ok(None) };
            let mut block = None;
            for piece in table.range(pieces(key))? {
                block.get_or_insert_with(Vec::new).extend_from_slice(piece?.1.value());
            }
            Ok(block)
        })
    }

    /// At most `limit` keys of blocks of `level` that start in `starts`, in their order.
    pub fn keys(
        &mut self,
        level: Level,
        starts: Range<u32>,
        limit: usize,
        now_ms: i64,
    ) -> Result<Vec<Key>, Unavailable> {
        self.with(now_ms, |database, _, _| {
            let mut keys = Vec::new();
            let Some(table) = blocks(&database.begin_read()?)? else { return Ok(keys) };
            for piece in table.range((level as u8, starts.start, 0, 0)..(level as u8, starts.end, 0, 0))? {
                let (_, start, board, piece) = piece?.0.value();
                if piece == 0 {
                    if keys.len() == limit {
                        break;
                    }
                    keys.push(Key { level, start, board });
                }
            }
            Ok(keys)
        })
    }

    /// The starts of the first and of the last block of `level`.
    pub fn starts(&mut self, level: Level, now_ms: i64) -> Result<Option<(u32, u32)>, Unavailable> {
        self.with(now_ms, |database, _, _| {
            let Some(table) = blocks(&database.begin_read()?)? else { return Ok(None) };
            let mut all = table.range((level as u8, 0, 0, 0)..(level as u8 + 1, 0, 0, 0))?;
            let Some(first) = all.next().transpose()?.map(|piece| piece.0.value().1) else { return Ok(None) };
            let last = all.next_back().transpose()?.map_or(first, |piece| piece.0.value().1);
            Ok(Some((first, last)))
        })
    }

    /// Gives `each` note, with the number of its board.
    pub fn notes(&mut self, now_ms: i64, mut each: impl FnMut(u32, &[u8])) -> Result<(), Unavailable> {
        self.with(now_ms, |database, _, _| {
            let Some(table) = existing(database.begin_read()?.open_table(NOTES))? else { return Ok(()) };
            for entry in table.iter()? {
                let (board, note) = entry?;
                each(board.value(), note.value());
            }
            Ok(())
        })
    }

    /// Puts `notes` in the place of those that the boards had.
    pub fn note(
        &mut self,
        notes: &[(u32, Vec<u8>)],
        boards: &Names,
        series: &Names,
        now_ms: i64,
    ) -> Result<(), Unavailable> {
        self.with(now_ms, |database, saved, _| {
            let mut write = database.begin_write()?;
            write.set_quick_repair(true);
            save_names(&write, boards, series, *saved)?;
            {
                let mut table = write.open_table(NOTES)?;
                for (board, note) in notes {
                    table.insert(board, note.as_slice())?;
                }
            }
            write.commit()?;
            *saved = (boards.len(), series.len());
            Ok(())
        })
    }

    /// Makes `change`, and saves new names with it: all of it, or nothing.
    pub fn apply(
        &mut self,
        change: &Change,
        boards: &Names,
        series: &Names,
        now_ms: i64,
    ) -> Result<(), Unavailable> {
        self.with(now_ms, |database, saved, stored| {
            let mut write = database.begin_write()?;
            // The checksums of pages want it (two phases), and it opens at once after a kill.
            write.set_quick_repair(true);
            let new_stored = change_blocks(&write, change, *stored)?;
            save_names(&write, boards, series, *saved)?;
            {
                let mut numbers = write.open_table(NUMBERS)?;
                numbers.insert("stored", new_stored)?;
                if let Some(folded) = change.folded {
                    numbers.insert("commit", folded.commit)?;
                    numbers.insert("hour", u64::from(folded.hour))?;
                }
            }
            write.commit()?;
            *stored = new_stored;
            *saved = (boards.len(), series.len());
            Ok(())
        })
    }
}

/// Saves the names that came after the first `saved` of boards and of series.
fn save_names(
    write: &WriteTransaction,
    boards: &Names,
    series: &Names,
    saved: (usize, usize),
) -> Result<(), redb::Error> {
    for (definition, names, saved) in [(BOARDS, boards, saved.0), (SERIES, series, saved.1)] {
        let mut table = write.open_table(definition)?;
        for (number, name) in names.since(saved) {
            table.insert(number, name)?;
        }
    }
    Ok(())
}

type Blocks<'a> = Table<'a, (u8, u32, u32, u16), &'static [u8]>;

/// Returns how many bytes of blocks there are then.
fn change_blocks(write: &WriteTransaction, change: &Change, mut stored: u64) -> Result<u64, redb::Error> {
    fn remove(table: &mut Blocks<'_>, key: Key) -> Result<u64, redb::Error> {
        let mut bytes = 0;
        for piece in table.extract_from_if(pieces(key), |_, _| true)? {
            bytes += piece?.1.value().len() as u64;
        }
        Ok(bytes)
    }
    let mut table = write.open_table(BLOCKS)?;
    for key in &change.delete {
        stored = stored.saturating_sub(remove(&mut table, *key)?);
    }
    for (key, block) in &change.put {
        stored = stored.saturating_sub(remove(&mut table, *key)?) + block.len() as u64;
        for (piece, bytes) in (0_u16..).zip(block.chunks(PIECE)) {
            table.insert((key.level as u8, key.start, key.board, piece), bytes)?;
        }
    }
    Ok(stored)
}

fn pieces(key: Key) -> std::ops::RangeInclusive<(u8, u32, u32, u16)> {
    let Key { level, start, board } = key;
    (level as u8, start, board, 0)..=(level as u8, start, board, u16::MAX)
}

type ReadBlocks = redb::ReadOnlyTable<(u8, u32, u32, u16), &'static [u8]>;

fn blocks(read: &ReadTransaction) -> Result<Option<ReadBlocks>, redb::Error> {
    existing(read.open_table(BLOCKS))
}

/// A table that no transaction has made yet is an empty one.
fn existing<T>(table: Result<T, TableError>) -> Result<Option<T>, redb::Error> {
    match table {
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        other => Ok(Some(other?)),
    }
}

/// Whether the file holds what was not written to it, rather than that the disk does not work.
fn is_damage(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::InvalidData | ErrorKind::UnexpectedEof | ErrorKind::InvalidInput)
}
