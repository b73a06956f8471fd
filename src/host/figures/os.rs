//! `os`: what the operating system calls itself.

use heapless::String;

use crate::figures::Options;
use crate::figures::figure::Figure;
use crate::limits;
use crate::machine::snapshot::Snapshot;
use crate::machine::source::{ReadError, Root, Source};
use psistats_core::bytes::Short;
use psistats_core::kernel::os_release;
use psistats_core::report::json_of;

#[derive(Debug)]
pub struct Os {
    /// Best first.
    sources: [Source; 2],
    name: String<{ limits::KERNEL_VALUE }>,
}

impl Os {
    /// Opens `/etc/os-release` and `/usr/lib/os-release`.
    pub fn open(root: &Root, _: &Options) -> Self {
        let names = ["etc/os-release", "usr/lib/os-release"];
        Self { sources: names.map(|name| Source::open(root, name)), name: String::new() }
    }
}

impl Figure for Os {
    fn source(&self) -> &str {
        "etc/os-release"
    }

    fn reopen(&mut self, root: &Root) {
        self.sources.iter_mut().for_each(|source| source.reopen(root));
    }

    fn read(&mut self, snapshot: &mut Snapshot<'_>) -> Result<(), ReadError> {
        let mut outcome = Err(ReadError::Content);
        for source in &self.sources {
            let text = source.read(snapshot.text, 0);
            outcome = text.and_then(|text| os_release::pretty_name(text).ok_or(ReadError::Content));
            if outcome.is_ok() {
                break;
            }
        }
        outcome.map(|name| self.name = name)
    }

    fn encode(&self, buf: &mut [u8]) -> Result<usize, Short> {
        json_of(self.name.as_str(), buf)
    }
}
