//! `[value:NAME]`: what somebody else writes into a file, a number or another JSON value.
//!
//! Whoever writes there is not trusted: no symbolic link is followed, nothing but a regular file is read, and no
//! file system is asked that may never answer.

use std::fs::File;
use std::path::PathBuf;
use std::slice;
use std::time::{Duration, SystemTime};

use heapless::Vec;
use nix::errno::Errno;

use crate::conf::external;
use crate::figures::figure::Figure;
use crate::figures::mounts::{Space, Table};
use crate::limits;
use crate::machine::snapshot::Snapshot;
use crate::machine::source::{ReadError, Root, read_at};
use psistats_core::bytes::Short;
use psistats_core::json;
use psistats_core::report::copy_of;

#[derive(Debug)]
pub struct External {
    /// Under the root.
    file: String,
    max_age: Duration,
    /// None under another root than `/`, whose mounts are not known.
    table: Option<Table>,
    /// What the way to the file leads over; at most one.
    way: Option<Space>,
    json: Vec<u8, { limits::EXTERNAL }>,
}

impl External {
    /// Of the file that is configured. It is opened each time: whoever writes it puts another one there.
    pub fn open(root: &Root, configured: &external::External) -> Self {
        Self {
            file: configured.file.trim_start_matches('/').to_owned(),
            max_age: configured.max_age,
            table: root.is_live().then(|| Table::of(root)),
            way: Space::at(&configured.file),
            json: Vec::new(),
        }
    }

    /// Opens the file, if nothing on the way there may keep us waiting.
    fn file(&mut self, root: &Root, text: &mut [u8]) -> Result<File, ReadError> {
        if let (Some(table), Some(way)) = (&self.table, &mut self.way) {
            table.survey(text, slice::from_mut(way))?;
            if way.waits().is_some() {
                return Err(ReadError::Waits);
            }
        }
        root.plain_file(&self.file).map_err(|errno| match errno {
            Errno::ELOOP | Errno::ENOTDIR => ReadError::Because(
                "it, or a directory on the way there, is a symbolic link, which is not followed: \
                 configure the path without links",
            ),
            errno => errno.into(),
        })
    }
}

impl Figure for External {
    fn source(&self) -> &str {
        &self.file
    }

    fn place(&self, root: &Root) -> PathBuf {
        let path = root.path(&self.file);
        match self.way.as_ref().and_then(Space::waits) {
            Some(kind) => format!("{} ({kind})", path.display()).into(),
            None => path,
        }
    }

    fn reopen(&mut self, root: &Root) {
        if let Some(table) = &mut self.table {
            table.reopen(root);
        }
    }

    fn read(&mut self, snapshot: &mut Snapshot<'_>) -> Result<(), ReadError> {
        self.json.clear();
        let file = self.file(snapshot.root, snapshot.text)?;
        // These answer without waiting: the file is one of a local file system.
        let about = file.metadata().ok().filter(|about| about.is_file());
        let about = about.ok_or(ReadError::Because("is no regular file"))?;
        if about.modified().is_ok_and(|changed| age(changed) > self.max_age) {
            return Err(ReadError::Because("is older than max_age"));
        }
        // A line end is not counted.
        let text = read_at(&file, snapshot.text, 0)?.trim_ascii();
        if text.len() > limits::EXTERNAL {
            return Err(ReadError::Because("is longer than 512 bytes"));
        }
        let value = str::from_utf8(text).ok().filter(|text| json::check_value(text).is_ok());
        let value =
            value.ok_or(ReadError::Because("is not one JSON value, such as 21.5, \"text\" or {\"a\":1}"))?;
        // A report is one line. In a text JSON has no line ends.
        self.json.extend(value.bytes().map(|byte| if byte.is_ascii_whitespace() { b' ' } else { byte }));
        Ok(())
    }

    fn encode(&self, buf: &mut [u8]) -> Result<usize, Short> {
        copy_of(&self.json, buf)
    }
}

/// How long ago that was. One to come is as far off: the clock was wrong then, or is now.
fn age(changed: SystemTime) -> Duration {
    SystemTime::now().duration_since(changed).unwrap_or_else(|to_come| to_come.duration())
}
