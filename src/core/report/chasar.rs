//! The message of a chasar client node.

use core::net::Ipv4Addr;

use serde::Serialize;

use crate::kernel::{Fixed, Tenths};
use crate::report::disk::Usage;
use crate::report::{Members, Sequence};

/// Six decimals: percentages of memory, which are small.
pub type Millionths = Fixed<1_000_000>;

/// One message, key for key as chasar's: `A` are [`Ipv4Interface`]s, `C` percentages of cores, `P`
/// names and [`Process`]es.
///
/// A figure whose source failed is null.
#[derive(Clone, Debug, Serialize)]
#[serde(bound = "Sequence<A>: Serialize, Sequence<C>: Serialize, Members<P>: Serialize")]
pub struct Message<'a, A, C, P> {
    /// `YYYY-MM-DD HH:MM:SS.ffffff` in UTC.
    pub computer_utc_clock: &'a str,
    /// The same by the machine's time zone.
    pub computer_clock: &'a str,
    /// The machine.
    pub hostname: &'a str,
    /// Of the interface, `60:03:08:9e:98:b6`.
    pub mac_address: Option<&'a str>,
    /// The addresses of the interface.
    pub ipv4_interfaces: Sequence<A>,
    /// The processors.
    pub cpu: Cpu<Sequence<C>>,
    /// The memory.
    pub memory: Option<Memory>,
    /// The file system of `/`.
    pub disk: Option<Disk>,
    /// The processes, by their names: each name once.
    pub process: Members<P>,
}

/// An address of an interface, as Python's netifaces has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Ipv4Interface {
    /// Its own.
    pub addr: Ipv4Addr,
    /// The mask of its network.
    pub netmask: Ipv4Addr,
    /// To all in its network; not of a link with two ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub broadcast: Option<Ipv4Addr>,
    /// The other end of such a link; its own where the link is the loopback.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peer: Option<Ipv4Addr>,
}

/// Time in use.
#[derive(Clone, Debug, Serialize)]
pub struct Cpu<C> {
    /// Percent of each core since the last message; null for one that is off.
    pub percent_used: C,
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

impl From<Usage> for Disk {
    fn from(usage: Usage) -> Self {
        let Usage { total, used, free, percent } = usage;
        Self { total_bytes: total, total_bytes_used: used, total_bytes_free: free, percent_used: percent }
    }
}

/// One process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Process {
    /// Process id.
    pub pid: u32,
    /// What it is about, as psutil says it.
    pub status: &'static str,
    /// Percent of one core's time since the last message.
    pub percent_cpu_used: Tenths,
    /// Percent of all memory that it holds.
    pub percent_memory_used: Millionths,
}

/// `part` in percent of `whole`, rounded to six decimals; a `whole` of 0 counts as 1.
#[allow(clippy::cast_possible_truncation, reason = "what is too large becomes the largest integer")]
pub fn percent_of(part: u64, whole: u64) -> Millionths {
    // The cast cuts; half of the last decimal makes that a rounding.
    Fixed((part as f64 / whole.max(1) as f64 * 100_000_000.0 + 0.5) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentage_of_memory_is_rounded_to_six_decimals() {
        assert_eq!(percent_of(2, 3), Fixed(66_666_667));
        assert_eq!(percent_of(1, 3), Fixed(33_333_333));
        assert_eq!(percent_of(4326, 4367), Fixed(99_061_140));
        assert_eq!((percent_of(0, 0), percent_of(7, 7)), (Fixed(0), Fixed(100_000_000)));
    }
}
