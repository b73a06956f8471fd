//! How much memory there is, and how much of it programs could have.

use std::ops::ControlFlow;

use crate::limits;
use crate::machine::source::{ReadError, Root, Source};
use crate::machine::sys;
use crate::machine::wanted::Wanted;
use psistats_core::kernel::meminfo::{self, Swap};
use psistats_core::kernel::{Tenths, zoneinfo};
use psistats_core::report::percent;

/// `/proc/meminfo`, and `/proc/zoneinfo` for kernels that do not tell what is available.
#[derive(Debug)]
pub struct MemoryReader {
    /// What was read last.
    pub memory: Result<Memory, ReadError>,
    /// Whether it did not say how much memory there is when it was last read.
    failed: bool,
    meminfo: Source,
    zoneinfo: Source,
    page_bytes: u64,
}

/// What `/proc/meminfo` says; None: it does not say it, or it was not wanted.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// How much there is, and how much of it programs could have.
    pub bytes: Option<Bytes>,
    /// In use, without buffers and cache.
    pub used_bytes: Option<u64>,
    /// Space on disks that memory is put into.
    pub swap: Option<Swap>,
}

/// Bytes of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bytes {
    /// All.
    pub total: u64,
    /// What programs could have without swapping.
    pub available: u64,
}

impl Bytes {
    /// Percent that could not be had, as psutil counts it.
    pub fn percent_used(&self) -> Tenths {
        percent(self.total.saturating_sub(self.available), self.total)
    }
}

impl MemoryReader {
    /// Where it is read, under the root.
    pub const NAME: &str = "proc/meminfo";

    /// Opens both.
    pub fn open(root: &Root) -> Self {
        Self {
            memory: Err(ReadError::Content),
            failed: false,
            meminfo: Source::open(root, Self::NAME),
            zoneinfo: Source::open(root, "proc/zoneinfo"),
            page_bytes: sys::page_bytes(),
        }
    }

    /// Reads what is wanted of it.
    pub fn read(&mut self, wanted: Wanted, root: &Root, text: &mut [u8]) {
        if wanted.has(Wanted::REOPENED) && self.failed {
            self.meminfo.reopen(root);
        }
        self.memory = Err(ReadError::Content);
        if wanted.has(Wanted::MEMORY | Wanted::USED_MEMORY | Wanted::SWAP) {
            self.memory = self.parse(wanted, text);
            self.failed = !self.memory.is_ok_and(|memory| memory.bytes.is_some());
        }
    }

    fn parse(&self, wanted: Wanted, text: &mut [u8]) -> Result<Memory, ReadError> {
        let content = self.meminfo.read(text, 0)?;
        let info = meminfo::parse(content);
        let used_bytes = if wanted.has(Wanted::USED_MEMORY) { meminfo::used_bytes(content) } else { None };
        let swap = if wanted.has(Wanted::SWAP) { meminfo::swap(content) } else { None };
        let bytes = info.map(|info| {
            let low = if info.wants_low_watermark() { self.low_watermark_bytes(text) } else { None };
            Bytes { total: info.total_bytes, available: info.available(low) }
        });
        Ok(Memory { bytes, used_bytes, swap })
    }

    /// The sum of the zones' low watermarks. None where it is missing, as psutil goes on without it, or
    /// endless.
    fn low_watermark_bytes(&self, text: &mut [u8]) -> Option<u64> {
        let mut pages = Some(0_u64);
        let read = self.zoneinfo.pieces(text, limits::ZONEINFO, |text| {
            pages = pages.and_then(|sum| sum.checked_add(zoneinfo::low_pages(text)?));
            if pages.is_some() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        read.ok().and(pages)?.checked_mul(self.page_bytes)
    }
}
