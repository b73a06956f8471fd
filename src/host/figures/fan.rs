//! `fan`: how fast the fans turn.

use std::fmt::Write;

use heapless::String;

use crate::figures::Options;
use crate::figures::figure::Figure;
use crate::limits;
use crate::machine::hwmon::{Sensor, Sensors};
use crate::machine::snapshot::Snapshot;
use crate::machine::source::{ReadError, Root};
use psistats_core::bytes::Short;
use psistats_core::kernel::Fixed;
use psistats_core::kernel::hwmon::Kind;
use psistats_core::report::{Fans, json_of};

#[derive(Debug)]
pub struct Fan {
    found: Sensors,
}

impl Fan {
    /// Looks for the fans.
    pub fn open(root: &Root, _: &Options) -> Self {
        Self { found: Sensors::find(root, &is_fan, &mut |_| ()) }
    }

    /// What a fan is called: by its chip's driver, where two chips have that by the chip; and by the
    /// feature where the chip has several.
    fn name(&self, fan: &Sensor) -> String<{ limits::CHIP_NAME + 1 + limits::SENSOR_LABEL }> {
        let others = || self.found.all.iter().filter(|other| other.driver == fan.driver);
        let mut name = String::new();
        let chip = if others().any(|other| other.chip != fan.chip) { fan.chip.as_str() } else { &fan.driver };
        let _ = name.write_str(chip);
        if others().filter(|other| other.chip == fan.chip).count() > 1 {
            let _ = write!(name, ".{}", fan.feature);
        }
        name
    }
}

impl Figure for Fan {
    fn source(&self) -> &str {
        "sys/class/hwmon"
    }

    fn reopen(&mut self, root: &Root) {
        self.found.reopen(root, &is_fan);
    }

    fn is_incomplete(&self) -> bool {
        self.found.is_incomplete()
    }

    fn read(&mut self, snapshot: &mut Snapshot<'_>) -> Result<(), ReadError> {
        self.found.read(snapshot.text)
    }

    fn encode(&self, buf: &mut [u8]) -> Result<usize, Short> {
        let fans = self
            .found
            .all
            .iter()
            .map(|fan| (self.name(fan), fan.value.ok().map(|Fixed(thousandths)| thousandths / 1000)));
        json_of(&Fans(fans), buf)
    }
}

fn is_fan(sensor: &Sensor) -> bool {
    sensor.kind == Kind::Fan
}
