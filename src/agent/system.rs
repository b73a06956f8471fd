//! What `sysconf(3)` says of this system.

use nix::unistd::{SysconfVar, sysconf};

/// Bytes of a page of memory.
pub fn page_bytes() -> u64 {
    ask(SysconfVar::PAGE_SIZE).unwrap_or(4096)
}

/// Clock ticks a second, in which `/proc` counts processor time.
pub fn ticks_per_second() -> u64 {
    ask(SysconfVar::CLK_TCK).unwrap_or(100)
}

fn ask(what: SysconfVar) -> Option<u64> {
    sysconf(what).ok().flatten().and_then(|value| u64::try_from(value).ok()).filter(|value| *value > 0)
}
