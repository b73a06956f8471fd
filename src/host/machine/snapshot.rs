//! What is read of a machine at one instant, for all who report of that instant.

use std::ops::BitOr;

use crate::machine::memory::Memory;
use crate::machine::source::{ReadError, Root};
use psistats_core::kernel::addresses::Addresses;
use psistats_core::kernel::stat::CpuTimes;
use psistats_core::time::Instant;

/// What a snapshot is to have: a set. What several consumers want of one instant is joined by `|`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted(u8);

impl Wanted {
    /// Nothing.
    pub const NOTHING: Self = Self(0);
    /// [`Snapshot::cpu`].
    pub const CPU: Self = Self(1);
    /// [`Snapshot::cores`]; without it the first line of `/proc/stat` is read alone.
    pub const CORES: Self = Self(1 << 1);
    /// [`Memory::bytes`].
    pub const MEMORY: Self = Self(1 << 2);
    /// [`Memory::used_bytes`].
    pub const USED_MEMORY: Self = Self(1 << 3);
    /// [`Memory::swap`].
    pub const SWAP: Self = Self(1 << 4);
    /// [`Snapshot::addresses`], IPv4.
    pub const IPV4: Self = Self(1 << 5);
    /// [`Snapshot::addresses`], IPv6.
    pub const IPV6: Self = Self(1 << 6);
    /// Sources that failed when they were last read are opened again first.
    pub const REOPENED: Self = Self(1 << 7);

    /// Whether any of `others` is wanted.
    pub const fn has(self, others: Self) -> bool {
        self.0 & others.0 != 0
    }

    /// What either set has: `|`, also in constants.
    #[must_use]
    pub const fn and(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// What both sets have.
    #[must_use]
    pub const fn only(self, others: Self) -> Self {
        Self(self.0 & others.0)
    }

    /// This set where `condition` holds, else nothing.
    #[must_use]
    pub const fn when(self, condition: bool) -> Self {
        if condition { self } else { Self::NOTHING }
    }
}

impl BitOr for Wanted {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        self.and(other)
    }
}

/// What was read at one instant, and what further files are read with at that instant.
///
/// A source that was not wanted has an error in its place.
#[derive(Debug)]
pub struct Snapshot<'m> {
    /// When it was taken, by the monotonic clock.
    pub now: Instant,
    /// The host name. Never empty.
    pub hostname: &'m str,
    /// Where files are that are opened for this instant alone.
    pub root: &'m Root,
    /// Room for kernel text, [`limits::KERNEL_FILE`](psistats_core::limits::KERNEL_FILE) bytes.
    pub text: &'m mut [u8],
    /// The times of all processors together.
    pub cpu: Result<CpuTimes, ReadError>,
    /// The times of each core by its number; none of one that is offline. At most
    /// [`limits::CORES`](psistats_core::limits::CORES).
    pub cores: Result<&'m [Option<CpuTimes>], ReadError>,
    /// Whether there are more cores than that.
    pub has_more_cores: bool,
    /// The memory.
    pub memory: Result<Memory, ReadError>,
    /// The addresses of all interfaces; of none under another root than `/`.
    pub addresses: Result<&'m Addresses, ReadError>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_has_what_was_joined() {
        let wanted = Wanted::CPU | Wanted::SWAP.when(true) | Wanted::IPV6.when(false);
        assert!(wanted.has(Wanted::CPU) && wanted.has(Wanted::SWAP | Wanted::MEMORY));
        assert!(!wanted.has(Wanted::IPV6 | Wanted::MEMORY));
        assert_eq!(wanted.only(Wanted::SWAP | Wanted::CORES), Wanted::SWAP);
    }
}
