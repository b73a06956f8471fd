//! How much memory there is, and how much of it could be had.

use std::ops::ControlFlow;

use crate::machine::source::{Failure, Root, Source};
use crate::machine::sys;
use crate::machine::{Asker, Served};
use psistats_core::kernel::meminfo::{self, Swap};
use psistats_core::kernel::{Tenths, zoneinfo};
use psistats_core::limits;
use psistats_core::report::percent;
use psistats_core::time::Instant;

/// `/proc/meminfo`, and `/proc/zoneinfo` for kernels that do not tell what is available.
#[derive(Debug)]
pub struct Memory {
    /// Whether somebody wants [`Reading::used_bytes`].
    pub with_used: bool,
    /// Whether somebody wants [`Reading::swap`].
    pub with_swap: bool,
    meminfo: Source,
    zoneinfo: Source,
    page_bytes: u64,
    served: Served,
    reading: Result<Reading, Failure>,
}

/// What a reading says; None: it does not say it, or nobody wants it.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    /// How much there is, and how much of it could be had.
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

impl Memory {
    /// Where it is read, under the root.
    pub const NAME: &str = "proc/meminfo";

    /// Opens both.
    pub fn open(root: &Root) -> Self {
        Self {
            with_used: false,
            with_swap: false,
            meminfo: Source::open(root, Self::NAME),
            zoneinfo: Source::open(root, "proc/zoneinfo"),
            page_bytes: sys::page_bytes(),
            served: Served::default(),
            reading: Err(Failure::Content),
        }
    }

    /// Opens `/proc/meminfo` again.
    pub fn reopen(&mut self, root: &Root) {
        self.meminfo.reopen(root);
    }

    /// What it says.
    ///
    /// # Errors
    /// Those of reading `/proc/meminfo`.
    pub fn ask(&mut self, asker: Asker, now: Instant, text: &mut [u8]) -> Result<Reading, Failure> {
        if self.served.is_over(asker, now) {
            self.reading = self.read(text);
        }
        self.reading
    }

    fn read(&self, text: &mut [u8]) -> Result<Reading, Failure> {
        let content = self.meminfo.read(text, 0)?;
        let info = meminfo::parse(content);
        let used_bytes = if self.with_used { meminfo::used_bytes(content) } else { None };
        let swap = if self.with_swap { meminfo::swap(content) } else { None };
        let bytes = info.map(|info| {
            let low = if info.wants_low_watermark() { self.low_watermark_bytes(text) } else { None };
            Bytes { total: info.total_bytes, available: info.available(low) }
        });
        Ok(Reading { bytes, used_bytes, swap })
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
