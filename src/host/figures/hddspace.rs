//! `hddspace`: percent in use of every file system on a block device, as psistats 0.2 sent it.

use core::iter;

use heapless::Vec;
use serde::{Serialize, Serializer};

use crate::figures::Options;
use crate::figures::figure::{Crowd, Figure};
use crate::figures::mounts::{Space, Table};
use crate::limits;
use crate::machine::snapshot::Snapshot;
use crate::machine::source::{ReadError, Root};
use psistats_core::bytes::Short;
use psistats_core::report::{Members, json_of};

#[derive(Debug)]
pub struct HddSpace {
    table: Table,
    spaces: Vec<Space, { limits::MOUNTS }>,
    crowd: Crowd,
}

impl HddSpace {
    /// Opens the table of mounts.
    pub fn open(root: &Root, _: &Options) -> Self {
        let table = Table::open(root, "hddspace");
        Self { table, spaces: Vec::new(), crowd: Crowd::default() }
    }
}

impl Figure for HddSpace {
    fn source(&self) -> &str {
        self.table.name()
    }

    fn reopen(&mut self, root: &Root) {
        self.table.reopen(root);
    }

    fn read(&mut self, snapshot: &mut Snapshot<'_>) -> Result<(), ReadError> {
        self.spaces.clear();
        if !self.table.is_live() {
            return Ok(());
        }
        let Self { spaces, crowd, .. } = self;
        self.table.each(snapshot.text, &mut |mount| {
            // What a container or a sandbox mounts in several places has the same space in all of them.
            let is_new = mount.has_device() && !spaces.iter().any(|space| space.device == mount.device);
            // A mount point that is too long has no room either.
            if is_new && Space::of(mount).is_none_or(|space| spaces.push(space).is_err()) {
                crowd.tell("hddspace", limits::MOUNTS);
            }
        })?;
        self.table.survey(snapshot.text, &mut self.spaces)?;
        for space in &mut self.spaces {
            space.usage = space.ask().ok();
        }
        Ok(())
    }

    fn encode(&self, buf: &mut [u8]) -> Result<usize, Short> {
        json_of(&self.table.is_live().then_some(self), buf)
    }
}

/// `[{"/": 45.2}, ...]`
impl Serialize for HddSpace {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let known = self.spaces.iter().filter_map(|space| Some((space.point.as_str(), space.usage?.percent)));
        serializer.collect_seq(known.map(|one| Members(iter::once(one))))
    }
}
