//! `diskio` and `net`: what disks and network interfaces did since the reading before.

use serde::Serialize;

use super::deltas::Row;
use crate::sample::Tenths;
use crate::sample::diskstats::{Device, SECTOR};
use crate::sample::net_dev::Interface;

/// The work of one disk; null where it is new, or a counter wrapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct DiskRates {
    /// Bytes a second.
    pub read: Option<u64>,
    /// Bytes a second.
    pub write: Option<u64>,
    /// Percent of the time with requests under way.
    pub busy: Option<Tenths>,
}

impl DiskRates {
    /// What is counted.
    pub fn counters(device: &Device<'_>) -> [u64; 4] {
        [device.read, device.written, device.busy_ms, 0]
    }

    /// From what was counted.
    pub fn of(row: &Row) -> Self {
        Self { read: row.rate(0, SECTOR), write: row.rate(1, SECTOR), busy: row.share(2) }
    }
}

/// The work of one interface; null where it is new, or a counter wrapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct NetRates {
    /// Bytes a second received.
    pub rx: Option<u64>,
    /// Bytes a second sent.
    pub tx: Option<u64>,
    /// Packets with errors since the reading before.
    pub errors: Option<u64>,
    /// Packets dropped since the reading before.
    pub drops: Option<u64>,
}

impl NetRates {
    /// What is counted.
    pub fn counters(interface: &Interface<'_>) -> [u64; 4] {
        [interface.rx, interface.tx, interface.errors, interface.drops]
    }

    /// From what was counted.
    pub fn of(row: &Row) -> Self {
        Self { rx: row.rate(0, 1), tx: row.rate(1, 1), errors: row.since(2), drops: row.since(3) }
    }
}
