//! `sensors`: what the chips of hwmon and the thermal zones say, all or those that `devices[]` names.

use log::warn;

use crate::conf::sensors::Device;
use crate::figures::Options;
use crate::figures::figure::{Crowd, Figure};
use crate::limits;
use crate::machine::hwmon::{self, Sensor};
use crate::machine::snapshot::Snapshot;
use crate::machine::source::{ReadError, Root};
use psistats_core::bytes::Short;
use psistats_core::report::{self, json_of};

#[derive(Debug)]
pub struct Sensors {
    /// Empty: everything that is found.
    devices: Box<[Device]>,
    found: hwmon::Sensors,
}

impl Sensors {
    /// Looks for the sensors, and warns of devices in `options` that there are not.
    pub fn open(root: &Root, options: &Options) -> Self {
        let devices = options.sensors.as_slice();
        let crowd = Crowd::default();
        let found = hwmon::Sensors::find(root, &|sensor| is_wanted(devices, sensor), &mut |left_out| {
            if let hwmon::LeftOut::Full(_) = left_out {
                crowd.tell("sensors", limits::LISTED_SENSORS);
            }
        });
        for Device { chip, feature, .. } in devices {
            if !found.all.iter().any(|sensor| sensor.is(chip, feature)) {
                warn!(
                    "[sensors] devices[]: {chip}.{feature} is not there and null in reports; \
                     `psistats sensors` lists what there is"
                );
            }
        }
        Self { devices: devices.into(), found }
    }

    /// The `n`th sensor of a report.
    fn sensor(&self, n: usize) -> Option<report::Sensor<'_>> {
        let (chip, feature, label, sensor) = if self.devices.is_empty() {
            let sensor = self.found.all.get(n)?;
            (sensor.chip.as_str(), sensor.feature.as_str(), sensor.feature.as_str(), Some(sensor))
        } else {
            let Device { chip, feature, label } = self.devices.get(n)?;
            (
                chip.as_str(),
                feature.as_str(),
                label.as_str(),
                self.found.all.iter().find(|s| s.is(chip, feature)),
            )
        };
        let value = sensor.and_then(|sensor| sensor.value.ok());
        Some(report::Sensor { chip, feature, label, value, unit: sensor.map(|sensor| sensor.kind.unit()) })
    }
}

impl Figure for Sensors {
    fn source(&self) -> &str {
        "sys/class/hwmon"
    }

    fn reopen(&mut self, root: &Root) {
        self.found.reopen(root, &|sensor| is_wanted(&self.devices, sensor));
    }

    fn is_incomplete(&self) -> bool {
        let found = |device: &Device| self.found.all.iter().any(|s| s.is(&device.chip, &device.feature));
        self.found.is_incomplete() || !self.devices.iter().all(found)
    }

    fn read(&mut self, snapshot: &mut Snapshot<'_>) -> Result<(), ReadError> {
        self.found.read(snapshot.text)
    }

    fn encode(&self, buf: &mut [u8]) -> Result<usize, Short> {
        json_of(&report::Sensors((0..).map_while(|n| self.sensor(n))), buf)
    }
}

fn is_wanted(devices: &[Device], sensor: &Sensor) -> bool {
    devices.is_empty() || devices.iter().any(|device| sensor.is(&device.chip, &device.feature))
}
