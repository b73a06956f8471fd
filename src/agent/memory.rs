//! How much memory there is, and how much of it could be had.

use std::ops::ControlFlow;

use super::source::{Failure, Root, Source};
use super::system;
use crate::limits;
use crate::sample::{meminfo, zoneinfo};

/// `/proc/meminfo`, and `/proc/zoneinfo` for kernels that do not tell what is available.
#[derive(Debug)]
pub struct Memory {
    meminfo: Source,
    zoneinfo: Source,
    page_bytes: u64,
}

/// Bytes of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bytes {
    /// All.
    pub total: u64,
    /// What programs could have without swapping.
    pub available: u64,
}

impl Memory {
    /// Opens both.
    pub fn open(root: &Root) -> Self {
        Self {
            meminfo: Source::open(root, "proc/meminfo"),
            zoneinfo: Source::open(root, "proc/zoneinfo"),
            page_bytes: system::page_bytes(),
        }
    }

    /// Where it is read, under the root.
    pub fn name(&self) -> &'static str {
        self.meminfo.name()
    }

    /// Opens `/proc/meminfo` again.
    pub fn reopen(&mut self, root: &Root) {
        self.meminfo.reopen(root);
    }

    /// Reads it; what `look` makes of the text of `/proc/meminfo` comes with it.
    ///
    /// # Errors
    /// Those of `/proc/meminfo`.
    pub fn read<T>(&self, text: &mut [u8], look: impl FnOnce(&[u8]) -> T) -> Result<(Bytes, T), Failure> {
        let content = self.meminfo.read(text, 0)?;
        let info = meminfo::parse(content).ok_or(Failure::Content)?;
        let seen = look(content);
        let low_watermark = if info.wants_low_watermark() { self.low_watermark_bytes(text) } else { None };
        Ok((Bytes { total: info.total_bytes, available: info.available(low_watermark) }, seen))
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
