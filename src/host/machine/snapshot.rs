//! What is read of a machine at one instant, for all who report of that instant.

use crate::machine::memory::Memory;
use crate::machine::source::{ReadError, Root};
use psistats_core::kernel::addresses::Addresses;
use psistats_core::kernel::stat::CpuTimes;
use psistats_core::time::Instant;

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
    /// [`limits::CORES`](crate::limits::CORES).
    pub cores: Result<&'m [Option<CpuTimes>], ReadError>,
    /// Whether there are more cores than that.
    pub has_more_cores: bool,
    /// The memory.
    pub memory: Result<Memory, ReadError>,
    /// The addresses of all interfaces; of none under another root than `/`.
    pub addresses: Result<&'m Addresses, ReadError>,
}
