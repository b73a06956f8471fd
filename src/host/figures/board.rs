//! `board`: which board it is.

use std::fmt::Write;
use std::ops::ControlFlow;

use heapless::String;

use crate::figures::Options;
use crate::figures::figure::Figure;
use crate::limits;
use crate::machine::snapshot::Snapshot;
use crate::machine::source::{ReadError, Root, Source};
use psistats_core::bytes::Short;
use psistats_core::kernel::cpuinfo::{self, Field};
use psistats_core::kernel::text;
use psistats_core::report::{self, RaspberryPi, json_of};

/// Empty: not told.
type Text = String<{ limits::KERNEL_VALUE }>;

#[derive(Debug)]
pub struct Board {
    /// What the firmware says, where there is a device tree. Older kernels have it in /proc alone.
    models: [Source; 2],
    serials: [Source; 2],
    cpuinfo: Source,
    /// What a PC's firmware says. Its serial number is for root alone.
    product: Source,

    model: Text,
    serial: Text,
    revision: Text,
}

impl Board {
    /// Opens the device tree's `model` and `serial-number`, `/proc/cpuinfo`, and DMI's `product_name`.
    pub fn open(root: &Root, _: &Options) -> Self {
        let open = |name| Source::open(root, name);
        Self {
            models: ["proc/device-tree/model", "sys/firmware/devicetree/base/model"].map(open),
            serials: ["proc/device-tree/serial-number", "sys/firmware/devicetree/base/serial-number"]
                .map(open),
            cpuinfo: open("proc/cpuinfo"),
            product: open("sys/class/dmi/id/product_name"),
            model: Text::new(),
            serial: Text::new(),
            revision: Text::new(),
        }
    }

    fn read_cpuinfo(&mut self, buf: &mut [u8]) -> Result<(), ReadError> {
        let mut hardware = Text::new();
        let read = self.cpuinfo.pieces(buf, limits::CPUINFO, |piece| {
            for field in cpuinfo::board(piece) {
                match field {
                    Field::Model(value) => keep(&mut self.model, value),
                    Field::Serial(value) => keep(&mut self.serial, value),
                    Field::Revision(value) => keep(&mut self.revision, value),
                    Field::Hardware(value) => keep(&mut hardware, value),
                }
            }
            ControlFlow::Continue(())
        });
        if self.model.is_empty() {
            // A Raspberry Pi on a kernel that does not name it. The longest name has room.
            let _ = match RaspberryPi::of(&hardware, &self.revision) {
                Some(model) => write!(self.model, "{model}"),
                None => self.model.write_str(&hardware),
            };
        }
        read
    }
}

/// Keeps the first value that comes. One without room is none.
fn keep(into: &mut Text, value: &str) {
    if into.is_empty() {
        let _ = into.push_str(value);
    }
}

fn keep_first(into: &mut Text, sources: &[Source], buf: &mut [u8]) {
    for source in sources {
        if let Some(value) = source.read(buf, 0).ok().and_then(text) {
            keep(into, value);
        }
    }
}

impl Figure for Board {
    fn source(&self) -> &str {
        self.cpuinfo.name()
    }

    fn reopen(&mut self, root: &Root) {
        let firmware = self.models.iter_mut().chain(&mut self.serials);
        firmware.chain([&mut self.cpuinfo, &mut self.product]).for_each(|source| source.reopen(root));
    }

    fn read(&mut self, snapshot: &mut Snapshot<'_>) -> Result<(), ReadError> {
        for text in [&mut self.model, &mut self.serial, &mut self.revision] {
            text.clear();
        }
        keep_first(&mut self.model, &self.models, snapshot.text);
        keep_first(&mut self.serial, &self.serials, snapshot.text);
        let read = self.read_cpuinfo(snapshot.text);
        keep_first(&mut self.model, std::slice::from_ref(&self.product), snapshot.text);
        if [&self.model, &self.serial, &self.revision].into_iter().all(|text| text.is_empty()) {
            return read.and(Err(ReadError::Content));
        }
        Ok(())
    }

    fn encode(&self, buf: &mut [u8]) -> Result<usize, Short> {
        let told = |text| Some(text).filter(|text: &&str| !text.is_empty());
        let board = report::Board {
            model: told(&self.model),
            serial: told(&self.serial),
            revision: told(&self.revision),
        };
        json_of(&board, buf)
    }
}
