//! `diskio` and `net`: what disks and network interfaces did since the previous report, and the counters behind it
//! where they are wanted (`counters=yes`), as Prometheus takes them: it makes the rates itself.

use serde::Serialize;

use crate::kernel::Tenths;
use crate::kernel::diskstats::{Device, SECTOR};
use crate::kernel::net_dev::Interface;
use crate::report::deltas::Row;

/// The work of one disk; null where it is new, or a counter wrapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct DiskRates {
    /// Bytes a second.
    pub read: Option<u64>,
    /// Bytes a second.
    pub write: Option<u64>,
    /// Percent of the time with requests under way.
    pub busy: Option<Tenths>,
    /// Bytes in all, as the kernel counts them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_bytes: Option<u64>,
    /// Likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub write_bytes: Option<u64>,
    /// Milliseconds with requests under way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub busy_ms: Option<u64>,
}

impl DiskRates {
    /// What is counted.
    pub fn counters(device: &Device<'_>) -> [u64; 4] {
        [device.read, device.written, device.busy_ms, 0]
    }

    /// From what was counted.
    pub fn of(row: &Row, with_counters: bool) -> Self {
        let counter = |index, unit| row.counter(index, unit).filter(|_| with_counters);
        Self {
            read: row.rate(0, SECTOR),
            write: row.rate(1, SECTOR),
            busy: row.share(2),
            read_bytes: counter(0, SECTOR),
            write_bytes: counter(1, SECTOR),
            busy_ms: counter(2, 1),
        }
    }
}

/// The work of one interface; null where it is new, or a counter wrapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct NetRates {
    /// Bytes a second received.
    pub rx: Option<u64>,
    /// Bytes a second sent.
    pub tx: Option<u64>,
    /// Packets with errors since the previous report.
    pub errors: Option<u64>,
    /// Packets dropped since the previous report.
    pub drops: Option<u64>,
    /// Bytes in all, as the kernel counts them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rx_bytes: Option<u64>,
    /// Likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tx_bytes: Option<u64>,
    /// Packets in all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub errors_total: Option<u64>,
    /// Likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drops_total: Option<u64>,
}

impl NetRates {
    /// What is counted.
    pub fn counters(interface: &Interface<'_>) -> [u64; 4] {
        [interface.rx, interface.tx, interface.errors, interface.drops]
    }

    /// From what was counted.
    pub fn of(row: &Row, with_counters: bool) -> Self {
        let counter = |index| row.counter(index, 1).filter(|_| with_counters);
        Self {
            rx: row.rate(0, 1),
            tx: row.rate(1, 1),
            errors: row.since(2),
            drops: row.since(3),
            rx_bytes: counter(0),
            tx_bytes: counter(1),
            errors_total: counter(2),
            drops_total: counter(3),
        }
    }
}
