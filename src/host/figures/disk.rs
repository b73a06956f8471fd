//! `disk`: the space of the file systems at `[disk] mounts`.

use crate::figures::mounts::{Space, Table};
use crate::figures::{Figure, Reading};
use crate::machine::source::{Failure, Root, Watch};
use psistats_core::bytes::Short;
use psistats_core::report::{Members, json_of};

/// See the module.
#[derive(Debug)]
pub struct Disk {
    table: Table,
    mounts: Box<[Space]>,
    watches: Box<[Watch]>,
}

impl Disk {
    /// Opens the table of mounts, for these mount points.
    pub fn open(root: &Root, mounts: &[String]) -> Self {
        let mounts: Box<[Space]> = mounts.iter().filter_map(|point| Space::at(point)).collect();
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

    fn read(&mut self, reading: Reading<'_>) -> Result<(), Failure> {
        if !self.table.is_live() {
            return Ok(());
        }
        self.table.survey(reading.text, &mut self.mounts)?;
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
