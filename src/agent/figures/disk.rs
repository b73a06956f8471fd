//! `disk`: the space of the file systems at `[disk] mounts`.

use log::info;

use super::mounts::{Space, Table};
use super::{Figure, Reading};
use crate::agent::source::{Failure, Root, Watch};
use crate::bytes::Short;
use crate::report::disk::Usage;
use crate::report::{Members, json_of};

/// See the module.
#[derive(Debug)]
pub struct Disk {
    table: Table,
    mounts: Box<[Space]>,
    found: Box<[(Option<Usage>, Watch)]>,
    /// No under another root than `/`: space is not a file.
    live: bool,
}

impl Disk {
    /// Opens the table of mounts, for these mount points.
    pub fn open(root: &Root, mounts: &[String]) -> Self {
        let live = root.is_live();
        if !live {
            let root = root.path("");
            info!("disk stays null in reports: the space of this machine is not that of {}", root.display());
        }
        let mounts: Box<[Space]> = mounts
            .iter()
            .filter_map(|point| heapless::String::try_from(point.as_str()).ok())
            .map(Space::new)
            .collect();
        let found = mounts.iter().map(|_| (None, Watch::new("that part of disk"))).collect();
        Self { table: Table::open(root), mounts, found, live }
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
        if !self.live {
            return Ok(());
        }
        self.table.survey(reading.text, &mut self.mounts)?;
        for (space, (usage, watch)) in self.mounts.iter().zip(&mut self.found) {
            let place = || match space.waits() {
                Some(kind) => format!("{} ({kind})", space.point).into(),
                None => space.point.as_str().into(),
            };
            *usage = watch.pass(space.usage(), place, true);
        }
        Ok(())
    }

    fn encode(&self, buf: &mut [u8]) -> Result<usize, Short> {
        let mounts = self.mounts.iter().zip(&self.found);
        let mounts = Members(mounts.map(|(space, (usage, _))| (space.point.as_str(), usage)));
        json_of(&self.live.then_some(mounts), buf)
    }
}
