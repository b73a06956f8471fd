//! `sensors`: what the chips of hwmon and the thermal zones say, all or those that `devices[]` names.

use std::cell::Cell;

use log::warn;
use nix::errno::Errno;

use super::{Figure, Reading};
use crate::agent::hwmon::{self, Sensor};
use crate::agent::source::{Failure, Root};
use crate::bytes::Short;
use crate::config::sensors::Device;
use crate::limits;
use crate::report::{self, json_of};

/// See the module.
#[derive(Debug)]
pub struct Sensors {
    /// Empty: everything that is found.
    devices: Box<[Device]>,
    found: Vec<Sensor>,
    /// Whether the devices of all went away.
    gone: bool,
}

impl Sensors {
    /// Looks for the sensors, and warns of `devices` that there are not.
    pub fn open(root: &Root, devices: &[Device]) -> Self {
        let mut figure =
            Self { devices: devices.into(), found: Vec::with_capacity(limits::LISTED_SENSORS), gone: false };
        let full = Cell::new(false);
        figure.find(root, &full);
        if full.get() {
            warn!("sensors: of more than {} sensors the last ones are left out", limits::LISTED_SENSORS);
        }
        for Device { chip, feature, .. } in devices {
            if !figure.found.iter().any(|sensor| sensor.is(chip, feature)) {
                warn!(
                    "[sensors] devices[]: {chip}.{feature} is not there and null in reports; \
                     `psistats sensors` lists what there is"
                );
            }
        }
        figure
    }

    fn find(&mut self, root: &Root, full: &Cell<bool>) {
        let devices = &self.devices;
        let keep = |sensor: &Sensor| {
            devices.is_empty() || devices.iter().any(|device| sensor.is(&device.chip, &device.feature))
        };
        hwmon::find(root, &mut self.found, &keep, &mut |left_out| {
            full.set(full.get() || matches!(left_out, hwmon::LeftOut::Full(_)));
        });
    }

    /// The `n`th sensor of a report.
    fn sensor(&self, n: usize) -> Option<report::Sensor<'_>> {
        let (chip, feature, label, sensor) = if self.devices.is_empty() {
            let sensor = self.found.get(n)?;
            (sensor.chip.as_str(), sensor.feature.as_str(), sensor.feature.as_str(), Some(sensor))
        } else {
            let Device { chip, feature, label } = self.devices.get(n)?;
            (chip.as_str(), feature.as_str(), label.as_str(), self.found.iter().find(|s| s.is(chip, feature)))
        };
        let value = sensor.and_then(|sensor| sensor.value);
        Some(report::Sensor { chip, feature, label, value, unit: sensor.map(|sensor| sensor.kind.unit()) })
    }
}

impl Figure for Sensors {
    fn source(&self) -> &str {
        "sys/class/hwmon"
    }

    /// Looks for them again where there are none left: to follow the links of chips takes allocations, which
    /// sensors that are there and do not answer are not worth.
    fn reopen(&mut self, root: &Root) {
        if self.found.is_empty() || self.gone {
            self.find(root, &Cell::new(false));
        }
    }

    fn read(&mut self, reading: Reading<'_>) -> Result<(), Failure> {
        let outcome = hwmon::read_all(&mut self.found, reading.text);
        self.gone = outcome == Err(Failure::Errno(Errno::ENODEV));
        outcome
    }

    fn encode(&self, buf: &mut [u8]) -> Result<usize, Short> {
        json_of(&report::Sensors((0..).map_while(|n| self.sensor(n))), buf)
    }
}
