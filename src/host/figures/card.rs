//! `card`: the SD cards and eMMC chips, and how worn they say they are.

use heapless::Vec;

use crate::figures::Options;
use crate::figures::figure::Figure;
use crate::machine::snapshot::Snapshot;
use crate::machine::source::{ReadError, Root, read_at};
use psistats_core::bytes::Short;
use psistats_core::kernel::mmc::{life_time, pre_eol};
use psistats_core::report::hardware::{Card, Text};
use psistats_core::report::{Members, json_of};

/// Linux's names: by slot where the device tree says so, else in the order in which they are found.
const NAMES: [&str; 8] =
    ["mmcblk0", "mmcblk1", "mmcblk2", "mmcblk3", "mmcblk4", "mmcblk5", "mmcblk6", "mmcblk7"];

/// Beneath the root.
const DIRECTORY: &str = "sys/block";

/// Cards come and go, and the figure is seldom read: its files are opened each time.
#[derive(Debug, Default)]
pub struct Cards {
    found: Vec<(&'static str, Card), { NAMES.len() }>,
}

impl Cards {
    /// Its files are opened each time.
    pub fn open(_: &Root, _: &Options) -> Self {
        Self::default()
    }
}

impl Figure for Cards {
    fn source(&self) -> &str {
        DIRECTORY
    }

    fn read(&mut self, snapshot: &mut Snapshot<'_>) -> Result<(), ReadError> {
        self.found.clear();
        let Snapshot { root, text, .. } = snapshot;
        for block in NAMES {
            // Every card has a type.
            let Some(kind) = attribute(root, block, "type", text) else { continue };
            let card = Card {
                kind: Text::of(kind),
                name: attribute(root, block, "name", text).and_then(Text::of),
                life_time: attribute(root, block, "life_time", text).and_then(life_time),
                pre_eol: attribute(root, block, "pre_eol_info", text).and_then(pre_eol),
            };
            let _ = self.found.push((block, card)); // has room for all names
        }
        if self.found.is_empty() {
            // No card, or no sysfs?
            root.file(DIRECTORY)?;
        }
        Ok(())
    }

    fn encode(&self, buf: &mut [u8]) -> Result<usize, Short> {
        json_of(&Members(self.found.iter().map(|(block, card)| (block, card))), buf)
    }
}

/// The content of `/sys/block/BLOCK/device/NAME`.
fn attribute<'b>(root: &Root, block: &str, name: &str, buf: &'b mut [u8]) -> Option<&'b [u8]> {
    let file = root.file_of(&[DIRECTORY, "/", block, "/device/", name])?;
    read_at(&file, buf, 0).ok()
}
