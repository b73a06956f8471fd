//! `diskio`: what each whole disk read and wrote.

use std::ops::ControlFlow;

use crate::figures::Options;
use crate::figures::figure::{Crowd, Figure};
use crate::limits;
use crate::machine::snapshot::Snapshot;
use crate::machine::source::{ReadError, Root, Source};
use psistats_core::bytes::Short;
use psistats_core::kernel::diskstats::{devices, is_partition};
use psistats_core::limits::COUNTED;
use psistats_core::report::deltas::Deltas;
use psistats_core::report::rates::DiskRates;
use psistats_core::report::{Members, json_of};

#[derive(Debug)]
pub struct DiskIo {
    source: Source,
    disks: Deltas,
    crowd: Crowd,
    with_counters: bool,
    /// What is read.
    name: &'static str,
}

impl DiskIo {
    /// Opens `/proc/diskstats`.
    pub fn open(root: &Root, options: &Options) -> Self {
        let source = Source::open(root, "proc/diskstats");
        let (disks, crowd) = (Deltas::default(), Crowd::default());
        Self { name: source.name(), source, disks, crowd, with_counters: options.disk_counters }
    }
}

impl Figure for DiskIo {
    fn source(&self) -> &str {
        self.name
    }

    fn reopen(&mut self, root: &Root) {
        self.source.reopen(root);
    }

    fn prime(&mut self, snapshot: &mut Snapshot<'_>) {
        // What fails is told when it is due.
        let _ = self.read(snapshot);
    }

    fn read(&mut self, snapshot: &mut Snapshot<'_>) -> Result<(), ReadError> {
        let Self { source, disks, crowd, name, .. } = self;
        *name = source.name();
        disks.begin();
        source.pieces(snapshot.text, limits::COUNTERS, |text| {
            for device in devices(text) {
                let disk = device.name;
                // A system call only for what is neither known nor idle since the start, nor by its name a
                // partition: the kernel lists some twenty of these.
                let is_disk = disks.rows().any(|row| row.name() == disk)
                    || (device.read | device.written) != 0
                        && !disks.rows().any(|row| is_partition(disk, row.name()))
                        && is_whole_disk(snapshot.root, disk);
                if is_disk && disks.add(disk, DiskRates::counters(&device), snapshot.now).is_err() {
                    crowd.tell("diskio", COUNTED);
                }
            }
            ControlFlow::Continue(())
        })?;
        disks.end();
        if disks.rows().len() == 0 {
            // No disk, or nothing to tell one by?
            *name = "sys/block";
            snapshot.root.file(name)?;
        }
        Ok(())
    }

    fn encode(&self, buf: &mut [u8]) -> Result<usize, Short> {
        let rows = self.disks.rows();
        json_of(&Members(rows.map(|row| (row.name(), DiskRates::of(row, self.with_counters)))), buf)
    }
}

/// Whether it is a disk with hardware behind it: `/sys/block/NAME/device` exists (`/sys/block` has no
/// partitions; loop, ram, zram, dm and md have no `device`: what they do, a disk does for them). psutil
/// tells storage devices from virtual ones by this too.
fn is_whole_disk(root: &Root, name: &str) -> bool {
    root.file_of(&["sys/block/", name, "/device"]).is_some()
}
