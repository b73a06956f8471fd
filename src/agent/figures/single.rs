//! Figures that are a single file's: `load`, `swap`.

use serde::Serialize;

use super::{Figure, Reading};
use crate::agent::source::{Failure, Root, Source};
use crate::bytes::Short;
use crate::report::{json_of, percent};
use crate::sample::{Hundredths, Tenths, loadavg, meminfo};

/// What `parse` makes of a file.
#[derive(Debug)]
pub struct Single<T> {
    source: Source,
    parse: fn(&[u8]) -> Option<T>,
    value: Option<T>,
}

impl<T> Single<T> {
    fn open(root: &Root, name: &'static str, parse: fn(&[u8]) -> Option<T>) -> Self {
        Self { source: Source::open(root, name), parse, value: None }
    }
}

/// How many tasks wanted to run, on average over 1, 5 and 15 minutes.
pub fn load(root: &Root) -> Single<[Hundredths; 3]> {
    Single::open(root, "proc/loadavg", loadavg::parse)
}

/// Percent of swap in use.
pub fn swap(root: &Root) -> Single<Tenths> {
    Single::open(root, "proc/meminfo", |text| {
        let swap = meminfo::swap(text)?;
        Some(percent(swap.total_bytes.saturating_sub(swap.free_bytes), swap.total_bytes))
    })
}

impl<T: Serialize> Figure for Single<T> {
    fn source(&self) -> &str {
        self.source.name()
    }

    fn reopen(&mut self, root: &Root) {
        self.source.reopen(root);
    }

    fn read(&mut self, reading: Reading<'_>) -> Result<(), Failure> {
        let text = self.source.read(reading.text, 0)?;
        self.value = (self.parse)(text);
        if self.value.is_some() { Ok(()) } else { Err(Failure::Content) }
    }

    fn encode(&self, buf: &mut [u8]) -> Result<usize, Short> {
        json_of(&self.value, buf)
    }
}
