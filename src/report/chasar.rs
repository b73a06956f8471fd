//! The message of a chasar client node.

use core::net::Ipv4Addr;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::sample::process::Status;
use crate::sample::{Fixed, Tenths};

/// Six decimals: percentages of memory, which are small.
pub type Millionths = Fixed<1_000_000>;

/// One message, key for key as the original's.
///
/// A figure whose source failed is null.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Message<'a> {
    /// `YYYY-MM-DD HH:MM:SS.ffffff` in UTC.
    pub computer_utc_clock: &'a str,
    /// The same by the machine's time zone.
    pub computer_clock: &'a str,
    /// The machine.
    pub hostname: &'a str,
    /// Of the interface, `60:03:08:9e:98:b6`.
    pub mac_address: Option<&'a str>,
    /// The addresses of the interface.
    pub ipv4_interfaces: &'a [Ipv4Interface],
    /// The processors.
    pub cpu: Cpu<'a>,
    /// The memory.
    pub memory: Option<Memory>,
    /// The file system of `/`.
    pub disk: Option<Disk>,
    /// The processes.
    pub process: Processes<'a>,
}

/// An address of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Ipv4Interface {
    /// Its own.
    pub addr: Ipv4Addr,
    /// The mask of its network.
    pub netmask: Ipv4Addr,
    /// To all in its network.
    pub broadcast: Option<Ipv4Addr>,
}

/// Time in use.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Cpu<'a> {
    /// Percent of each core since the last message; null for one that is off.
    pub percent_used: &'a [Option<Tenths>],
}

/// Bytes of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Memory {
    /// All.
    pub total_bytes: u64,
    /// In use, without buffers and cache: psutil's `used`.
    pub total_bytes_used: u64,
    /// Percent that is not available: psutil's `percent`.
    pub percent_used: Tenths,
}

/// Bytes of a file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Disk {
    /// All.
    pub total_bytes: u64,
    /// In use.
    pub total_bytes_used: u64,
    /// Free for everyone.
    pub total_bytes_free: u64,
    /// Percent of used and free that is in use.
    pub percent_used: Tenths,
}

/// One process.
#[derive(Clone, Copy, Debug)]
pub struct Process<'a> {
    /// The program's name.
    pub name: &'a str,
    /// Process id.
    pub pid: u32,
    /// What it is about.
    pub status: Status,
    /// Percent of one core's time since the last message.
    pub percent_cpu_used: Tenths,
    /// Percent of all memory that it holds.
    pub percent_memory_used: Millionths,
}

impl Serialize for Process<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Value {
            pid: u32,
            status: &'static str,
            percent_cpu_used: Tenths,
            percent_memory_used: Millionths,
        }
        let Self { pid, status, percent_cpu_used, percent_memory_used, .. } = *self;
        Value { pid, status: status.as_str(), percent_cpu_used, percent_memory_used }.serialize(serializer)
    }
}

/// Processes by their names, each name once.
#[derive(Clone, Copy)]
pub struct Processes<'a> {
    /// How many there are.
    pub count: usize,
    /// The one of a number below `count`; none: it is left out.
    pub at: &'a dyn Fn(usize) -> Option<Process<'a>>,
}

impl core::fmt::Debug for Processes<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Processes").field("count", &self.count).finish_non_exhaustive()
    }
}

impl Serialize for Processes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for process in (0..self.count).filter_map(|n| (self.at)(n)) {
            map.serialize_entry(process.name, &process)?;
        }
        map.end()
    }
}
