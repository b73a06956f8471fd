//! `hddtemp`: how warm the drives are, as psistats 0.2 sent it, which asked the daemon hddtemp.
//!
//! The kernel's driver `drivetemp` (Linux 5.6, Documentation/hwmon/drivetemp.rst) tells the same without one.

use std::fmt::Write as _;

use heapless::{String, Vec};

use crate::figures::Options;
use crate::figures::figure::{Crowd, Figure};
use crate::limits;
use crate::machine::numbered::CHIPS;
use crate::machine::snapshot::Snapshot;
use crate::machine::source::{ReadError, Root, read_at};
use psistats_core::bytes::Short;
use psistats_core::kernel::hwmon::Kind;
use psistats_core::report::hardware::DriveTemperature;
use psistats_core::report::{Members, json_of};

/// `/dev/sda`
type Device = String<8>;

/// Drives come and go, and the figure is seldom read: its files are opened each time.
#[derive(Debug, Default)]
pub struct HddTemp {
    drives: Vec<(Device, DriveTemperature), { limits::DRIVES }>,
    crowd: Crowd,
}

impl HddTemp {
    /// Its files are opened each time.
    pub fn open(_: &Root, _: &Options) -> Self {
        Self::default()
    }
}

impl Figure for HddTemp {
    fn source(&self) -> &str {
        "sys/class/hwmon"
    }

    fn read(&mut self, snapshot: &mut Snapshot<'_>) -> Result<(), ReadError> {
        let Self { drives, crowd } = self;
        let Snapshot { root, text, .. } = snapshot;
        drives.clear();
        CHIPS.each(root, &mut |number, name| {
            if name != "drivetemp" {
                return;
            }
            // A drive that sleeps may answer with an error.
            let file = root.file(&CHIPS.file(number, "temp1_input"));
            let text = file.ok().and_then(|file| read_at(&file, text, 0).ok());
            let celsius = text.and_then(|text| Kind::Temperature.parse(text));
            if let Some(device) = device(root, number)
                && drives.push((device, DriveTemperature::of(celsius))).is_err()
            {
                crowd.tell("hddtemp", limits::DRIVES);
            }
        });
        if drives.is_empty() {
            return Err(ReadError::Because("no drive has a chip drivetemp there: modprobe drivetemp"));
        }
        Ok(())
    }

    fn encode(&self, buf: &mut [u8]) -> Result<usize, Short> {
        json_of(&Members(self.drives.iter().map(|(device, temperature)| (device.as_str(), temperature))), buf)
    }
}

/// The drive of chip `number`: its device has `block/sda`.
fn device(root: &Root, number: u32) -> Option<Device> {
    ('a'..='z').find_map(|letter| {
        let mut name = CHIPS.file(number, "device/block/sd");
        name.push(letter).ok()?;
        root.file(&name).ok()?;
        let mut device = Device::new();
        write!(device, "/dev/sd{letter}").ok()?;
        Some(device)
    })
}
