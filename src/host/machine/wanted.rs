//! What is to be read of a machine at one instant.

use std::ops::BitOr;

/// What a snapshot is to have: a set. What several consumers want of one instant is joined by `|`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted(u8);

impl Wanted {
    /// Nothing.
    pub const NOTHING: Self = Self(0);
    /// `Snapshot::cpu`.
    pub const CPU: Self = Self(1);
    /// `Snapshot::cores`; without it the first line of `/proc/stat` is read alone.
    pub const CORES: Self = Self(1 << 1);
    /// `Memory::bytes`.
    pub const MEMORY: Self = Self(1 << 2);
    /// `Memory::used_bytes`.
    pub const USED_MEMORY: Self = Self(1 << 3);
    /// `Memory::swap`.
    pub const SWAP: Self = Self(1 << 4);
    /// `Snapshot::addresses`, IPv4.
    pub const IPV4: Self = Self(1 << 5);
    /// `Snapshot::addresses`, IPv6.
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
