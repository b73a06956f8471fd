//! Which sensor under /sys is the processor's, and reading it.

use std::fs::File;

use heapless::Vec;
use nix::errno::Errno;

use crate::limits;
use crate::machine::numbered::{CHIPS, Class, Label, Name, OLD_CHIPS, ZONES};
use crate::machine::source::{ReadError, Root, read_at};
use crate::machine::sys;
use psistats_core::kernel::Thousandths;
use psistats_core::kernel::thermal::{self, Rank};

/// The sensors that may tell the processor's temperature, open, best first.
#[derive(Debug, Default)]
pub struct Thermometer {
    sensors: Vec<Sensor, { limits::SENSORS }>,
}

#[derive(Debug)]
struct Sensor {
    name: Name,
    label: Label,
    file: File,
}

/// Where they are, and the file of the temperature, in the order of preference. hwmon comes behind: there a
/// clock's sensor is often the first.
const PLACES: [(Class, &str); 3] =
    [(ZONES, "temp"), (CHIPS, "temp1_input"), (OLD_CHIPS, "device/temp1_input")];

impl Thermometer {
    /// Looks for sensors under `root`: thermal zones and then hwmon chips by name; where none has a
    /// fitting name, the first zone; then the firmware.
    pub fn find(root: &Root) -> Self {
        let mut found = Self::default();
        for (class, file) in PLACES {
            found.add_named(root, class, file);
        }
        if found.sensors.is_empty() {
            let label = ZONES.label(root, 0).unwrap_or_default();
            found.add(root, ZONES.file(0, "temp"), label);
        }
        if let (Ok(name), Ok(file)) = (Name::try_from(sys::MAILBOX), root.file(sys::MAILBOX)) {
            found.push(Sensor { name, label: Label::new(), file });
        }
        found
    }

    /// The sensors' names under the root and what their drivers call them, best first.
    pub fn sensors(&self) -> impl Iterator<Item = (&str, &str)> {
        self.sensors.iter().map(|sensor| (sensor.name.as_str(), sensor.label.as_str()))
    }

    /// The name of the best sensor under the root; of the place where they are looked for if
    /// there is none.
    pub fn name(&self) -> &str {
        self.sensors.first().map_or("sys/class/thermal", |sensor| &sensor.name)
    }

    /// The temperature in degrees Celsius, of the first sensor that answers.
    ///
    /// # Errors
    /// That of the first sensor, or `ENOENT` without any.
    pub fn read(&self, buf: &mut [u8]) -> Result<Thousandths, ReadError> {
        let mut first = ReadError::Errno(Errno::ENOENT);
        for (index, sensor) in self.sensors.iter().enumerate() {
            match sensor.read(buf) {
                Ok(celsius) => return Ok(celsius),
                // EINVAL, EAGAIN, ENODATA: a zone that is not ready, or never is.
                Err(failure) if index == 0 => first = failure,
                Err(_) => {}
            }
        }
        Err(first)
    }

    /// Adds what `class` has by name: first of the CPU, then of its chip, each in the order of the numbers.
    fn add_named(&mut self, root: &Root, class: Class, file: &str) {
        for wanted in [Rank::Cpu, Rank::Soc] {
            class.each(root, &mut |number, label| {
                if thermal::rank(label.as_bytes()) == Some(wanted) {
                    self.add(root, class.file(number, file), label);
                }
            });
        }
    }

    /// Adds a sensor if it can be opened.
    fn add(&mut self, root: &Root, name: Name, label: Label) {
        if let Ok(file) = root.file(&name) {
            self.push(Sensor { name, label, file });
        }
    }

    fn push(&mut self, sensor: Sensor) {
        // What is too much is the least good.
        let _ = self.sensors.push(sensor);
    }
}

impl Sensor {
    fn read(&self, buf: &mut [u8]) -> Result<Thousandths, ReadError> {
        let celsius = if self.name == sys::MAILBOX {
            sys::firmware_temperature(&self.file)?
        } else {
            thermal::parse(read_at(&self.file, buf, 0)?)
        };
        celsius.ok_or(ReadError::Content)
    }
}
