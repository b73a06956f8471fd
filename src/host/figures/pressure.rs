//! `pressure`: for how long work waited for processor, disks and memory.

use serde::{Serialize, Serializer};

use crate::figures::Options;
use crate::figures::figure::Figure;
use crate::machine::snapshot::Snapshot;
use crate::machine::source::{ReadError, Root, Source};
use psistats_core::bytes::Short;
use psistats_core::kernel::pressure;
use psistats_core::report::json_of;

#[derive(Debug)]
pub struct Pressure {
    resources: [Resource; 3],
}

#[derive(Debug)]
struct Resource {
    key: &'static str,
    source: Source,
    pressure: Option<pressure::Pressure>,
}

impl Pressure {
    /// Opens `/proc/pressure/cpu`, `io` and `memory`.
    pub fn open(root: &Root, _: &Options) -> Self {
        let resources =
            [("cpu", "proc/pressure/cpu"), ("io", "proc/pressure/io"), ("memory", "proc/pressure/memory")];
        Self {
            resources: resources.map(|(key, name)| Resource {
                key,
                source: Source::open(root, name),
                pressure: None,
            }),
        }
    }
}

impl Figure for Pressure {
    fn source(&self) -> &str {
        "proc/pressure"
    }

    fn reopen(&mut self, root: &Root) {
        self.resources.iter_mut().for_each(|resource| resource.source.reopen(root));
    }

    fn read(&mut self, snapshot: &mut Snapshot<'_>) -> Result<(), ReadError> {
        let mut outcome = Err(ReadError::Content);
        for resource in &mut self.resources {
            let text = resource.source.read(snapshot.text, 0);
            let read = text.and_then(|text| pressure::parse(text).ok_or(ReadError::Content));
            resource.pressure = read.ok();
            outcome = outcome.or(read.map(|_| ()));
        }
        outcome
    }

    fn encode(&self, buf: &mut [u8]) -> Result<usize, Short> {
        json_of(self, buf)
    }
}

impl Serialize for Pressure {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.resources.iter().map(|resource| (resource.key, resource.pressure)))
    }
}
