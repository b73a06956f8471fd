//! What outlives a restart: the alerts that are raised, and the messages that were not delivered. One file of JSON in the
//! data folder, replaced whole.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::alerts::engine::Open;
use crate::alerts::message::Message;
use psistats_host::conf::find::contents;
use psistats_host::output::Reason;

const NAME: &str = "alerts";
/// Most bytes of it: more than full queues of long messages, and alerts of every board.
const BYTES: usize = 64 << 20;

/// What the file has.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    /// The alerts that are raised.
    pub open: Vec<Open>,
    /// By the receivers' names: the messages that they were not told yet.
    pub queues: BTreeMap<String, VecDeque<Message>>,
    /// By the receivers' names: the messages that wait for the end of quiet hours.
    #[serde(default)]
    pub held: BTreeMap<String, VecDeque<Message>>,
    /// The last messages: the newest first.
    #[serde(default)]
    pub changes: VecDeque<Message>,
}

/// The file. Clones share what they know of it.
#[derive(Clone, Debug)]
pub struct File {
    path: PathBuf,
    /// The number of the newest content that was written.
    written: Arc<Mutex<u64>>,
}

impl File {
    /// That of a data folder.
    pub fn of(folder: &Path) -> Self {
        Self { path: folder.join(NAME), written: Arc::default() }
    }

    fn failed(&self, error: &io::Error) -> String {
        format!("{}: {}", self.path.display(), Reason(error))
    }

    /// What it has. Nothing where there is none.
    ///
    /// # Errors
    /// It cannot be read, or is of something else.
    pub fn read(&self) -> Result<Kept, String> {
        let wrong = |why: &str| format!("{}: {why}", self.path.display());
        let bytes = match contents(&self.path, BYTES + 1) {
            Ok(Some((bytes, _))) if bytes.len() <= BYTES => bytes,
            Ok(_) => return Err(wrong("expected a regular file of at most 64 MiB")),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Kept::default()),
            Err(error) => return Err(self.failed(&error)),
        };
        serde_json::from_slice(&bytes).map_err(|error| wrong(&format!("expected alerts: {error}")))
    }

    /// Replaces it, unless something newer was written already: contents are numbered from 1.
    ///
    /// # Errors
    /// It is as it was.
    pub fn write(&self, number: u64, kept: &Kept) -> Result<(), String> {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        if number <= *written {
            return Ok(());
        }
        let write = || {
            let new = self.path.with_extension("new");
            let mut options = fs::OpenOptions::new();
            let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&new)?;
            file.write_all(&serde_json::to_vec(kept)?)?;
            file.sync_all()?;
            fs::rename(&new, &self.path)
        };
        write().map_err(|error| self.failed(&error))?;
        *written = number;
        Ok(())
    }
}
