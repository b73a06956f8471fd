//! `wifi`: how well each Wi-Fi interface hears its access point.

use heapless::{String, Vec};

use crate::figures::Options;
use crate::figures::figure::{Crowd, Figure};
use crate::limits;
use crate::machine::snapshot::Snapshot;
use crate::machine::source::{ReadError, Root, Source};
use psistats_core::bytes::Short;
use psistats_core::kernel::wireless::interfaces;
use psistats_core::limits::COUNTED_NAME;
use psistats_core::report::hardware::Signal;
use psistats_core::report::{Members, json_of};

#[derive(Debug)]
pub struct Wifi {
    source: Source,
    found: Vec<(String<{ COUNTED_NAME }>, Signal), { limits::WIFI }>,
    crowd: Crowd,
}

impl Wifi {
    /// Opens `/proc/net/wireless`.
    pub fn open(root: &Root, _: &Options) -> Self {
        Self { source: Source::open(root, "proc/net/wireless"), found: Vec::new(), crowd: Crowd::default() }
    }
}

impl Figure for Wifi {
    fn source(&self) -> &str {
        self.source.name()
    }

    fn reopen(&mut self, root: &Root) {
        self.source.reopen(root);
    }

    fn read(&mut self, snapshot: &mut Snapshot<'_>) -> Result<(), ReadError> {
        self.found.clear();
        for one in interfaces(self.source.read(snapshot.text, 0)?) {
            let Ok(name) = String::try_from(one.name) else { continue };
            if self.found.push((name, Signal::of(&one))).is_err() {
                self.crowd.tell("wifi", limits::WIFI);
            }
        }
        Ok(())
    }

    fn encode(&self, buf: &mut [u8]) -> Result<usize, Short> {
        json_of(&Members(self.found.iter().map(|(name, signal)| (name.as_str(), signal))), buf)
    }
}
