//! `disk`: the space of the file systems at `[disk] mounts`.

use crate::figures::Options;
use crate::figures::figure::Figure;
use crate::figures::mounts::{Space, Table};
use crate::machine::snapshot::Snapshot;
use crate::machine::source::{ReadError, Root, Watch};
use psistats_core::bytes::Short;
use psistats_core::report::{Members, json_of};

#[derive(Debug)]
pub struct Disk {
    table: Table,
    mounts: Box<[Space]>,
    watches: Box<[Watch]>,
}

impl Disk {
    /// Opens the table of mounts, for the mount points of `options`.
    pub fn open(root: &Root, options: &Options) -> Self {
        let mounts: Box<[Space]> = options.mounts.iter().filter_map(|point| Space::at(point)).collect();
        let watches = mounts.iter().map(|_| Watch::new("that part of disk")).collect();
        Self { table: Table::open(root, "disk"), mounts, watches }
    }
}

impl Figure for Disk {
    fn source(&self) -> &str {
        self.table.name()
    }

    fn reopen(&mut self, root: &Root) {
        self.table.reopen(root);
    }

    fn read(&mut self, snapshot: &mut Snapshot<'_>) -> Result<(), ReadError> {
        if !self.table.is_live() {
            return Ok(());
        }
        self.table.survey(snapshot.text, &mut self.mounts)?;
        for (space, watch) in self.mounts.iter_mut().zip(&mut self.watches) {
            let place = || match space.waits() {
                Some(kind) => format!("{} ({kind})", space.point).into(),
                None => space.point.as_str().into(),
            };
            space.usage = watch.pass(space.ask(), place, true);
        }
        Ok(())
    }

    fn encode(&self, buf: &mut [u8]) -> Result<usize, Short> {
        let mounts = Members(self.mounts.iter().map(|space| (space.point.as_str(), space.usage)));
        json_of(&self.table.is_live().then_some(mounts), buf)
    }
}
