//! `disk` and `readonly`: the space of file systems, and whether they can be written.

use serde::Serialize;

use crate::kernel::Tenths;
use crate::report::percent;

/// The space of one file system, as psutil's `disk_usage` gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// Bytes in all.
    pub total: u64,
    /// Bytes in use.
    pub used: u64,
    /// Bytes that are left for everybody: less than `total - used`, where some are kept for root.
    pub free: u64,
    /// Percent of what everybody can use.
    pub percent: Tenths,
}

/// Whether one file system is as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Health {
    /// Whether it cannot be written though it was meant to be: what to be woken up for.
    pub readonly: bool,
    /// Errors that ext4 has found since the last check of it (fsck). None: it is another kind.
    pub errors: Option<u64>,
}

impl Usage {
    /// From `statvfs(3)`: `f_frsize`, `f_blocks`, `f_bfree`, `f_bavail`.
    pub fn new(block_bytes: u64, blocks: u64, free: u64, available: u64) -> Self {
        let bytes = |blocks: u64| blocks.saturating_mul(block_bytes);
        let (used, free) = (bytes(blocks.saturating_sub(free)), bytes(available));
        Self { total: bytes(blocks), used, free, percent: percent(used, used.saturating_add(free)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::Fixed;

    #[test]
    fn blocks_kept_for_root_are_neither_used_nor_free() {
        let usage = Usage::new(4096, 1000, 400, 350);
        assert_eq!((usage.total, usage.used, usage.free), (4_096_000, 2_457_600, 1_433_600));
        assert_eq!(usage.percent, Fixed(632));
    }

    #[test]
    fn a_file_system_without_blocks_is_used_by_0_percent_and_nothing_overflows() {
        assert_eq!(Usage::new(4096, 0, 0, 0).percent, Fixed(0));
        assert_eq!(Usage::new(u64::MAX, u64::MAX, 0, u64::MAX).total, u64::MAX);
        assert_eq!(Usage::new(4096, 10, 20, 30).used, 0);
    }
}
