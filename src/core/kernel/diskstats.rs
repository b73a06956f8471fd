//! `/proc/diskstats`: what block devices have read and written.
//!
//! `Documentation/admin-guide/iostats.rst`. Kernels of 2.6 before 2.6.25 have shorter lines for
//! partitions; later ones have more fields at the end.

use crate::kernel::{decimal, lines, words};

/// Bytes of a sector here, whatever the device's own are.
pub const SECTOR: u64 = 512;

/// The counters of one block device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Device<'a> {
    /// As in `/dev`.
    pub name: &'a str,
    /// Sectors read.
    pub read: u64,
    /// Sectors written.
    pub written: u64,
    /// Milliseconds with work under way. The kernel counts them in 32 bits.
    pub busy_ms: u64,
}

/// The devices of `text`, in the kernel's order; lines that do not read as one are passed over.
pub fn devices(text: &[u8]) -> impl Iterator<Item = Device<'_>> {
    lines(text).filter_map(device)
}

/// `MAJOR MINOR NAME`, then reads: requests, merged, sectors, ms; writes: the same; then requests under
/// way, ms with any under way.
fn device(line: &[u8]) -> Option<Device<'_>> {
    let mut words = words(line);
    let name = str::from_utf8(words.nth(2)?).ok()?;
    let mut counters = [0; 10];
    for counter in &mut counters {
        *counter = decimal(words.next()?)?;
    }
    let [_, _, read, _, _, _, written, _, _, busy_ms] = counters;
    Some(Device { name, read, written, busy_ms })
}

/// Whether `name` is that of a partition of `disk`, by the rule that the kernel names them by: a number,
/// after a `p` where the disk's name ends in a digit itself.
pub fn is_partition(name: &str, disk: &str) -> bool {
    let Some(number) = name.strip_prefix(disk).filter(|_| !disk.is_empty()) else { return false };
    let number = if disk.ends_with(|last: char| last.is_ascii_digit()) {
        number.strip_prefix('p')
    } else {
        Some(number)
    };
    number.is_some_and(|number| decimal(number.as_bytes()).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_every_age_give_sectors_and_time() {
        let mmc = Device { name: "mmcblk0", read: 687_007, written: 170_704, busy_ms: 51_760 };
        for (age, text) in [
            ("2.6", " 179 0 mmcblk0 7208 13341 687007 42660 4623 4728 170704 285790 0 51760 328430\n"),
            (
                "4.18",
                " 179 0 mmcblk0 7208 13341 687007 42660 4623 4728 170704 285790 0 51760 328430 1 2 3 4\n",
            ),
            (
                "5.5",
                " 179 0 mmcblk0 7208 13341 687007 42660 4623 4728 170704 285790 0 51760 328430 1 2 3 4 5 6\n",
            ),
        ] {
            assert_eq!(devices(text.as_bytes()).next(), Some(mmc), "{age}");
        }
    }

    #[test]
    fn short_lines_of_partitions_are_passed_over() {
        let text =
            b"   8    0 sda 1 2 3 4 5 6 7 8 9 10 11\n   8    1 sda1 35486 38030 38030 38030\n 8 16 sdb\n";
        assert!(devices(text).map(|device| device.name).eq(["sda"]));
    }

    #[test]
    fn partitions_are_named_after_their_disk() {
        for (name, disk) in [("sda1", "sda"), ("mmcblk0p12", "mmcblk0"), ("nvme0n1p1", "nvme0n1")] {
            assert!(is_partition(name, disk), "{name}");
        }
        for (name, disk) in [
            ("sdaa", "sda"),
            ("sda", "sda"),
            ("nvme0n10", "nvme0n1"),
            ("mmcblk0boot0", "mmcblk0"),
            ("mmcblk0p", "mmcblk0"),
            ("sda1", ""),
        ] {
            assert!(!is_partition(name, disk), "{name}");
        }
    }
}
