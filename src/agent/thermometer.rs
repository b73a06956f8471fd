//! Which sensor under /sys is the processor's, and reading it.

use std::fmt::Write;
use std::fs::File;

use heapless::{String, Vec};
use nix::errno::Errno;

use super::mailbox;
use super::source::{Failure, Root, read_at};
use crate::limits;
use crate::sample::Thousandths;
use crate::sample::thermal::{self, Rank};

/// The sensors that may tell the processor's temperature, open, best first.
#[derive(Debug)]
pub struct Thermometer {
    sensors: Vec<Sensor, { limits::SENSORS }>,
}

#[derive(Debug)]
struct Sensor {
    name: Name,
    file: File,
}

/// The name of a file under the root.
type Name = String<{ limits::KERNEL_PATH }>;

/// A numbered directory of sensors: the file that names one, and the file of its temperature.
struct Class {
    prefix: &'static str,
    label: &'static str,
    reading: &'static str,
}

const ZONES: Class = Class { prefix: "sys/class/thermal/thermal_zone", label: "type", reading: "temp" };

/// In the order of preference. hwmon comes behind: there a clock's sensor is often the first.
const CLASSES: [Class; 3] = [
    ZONES,
    Class { prefix: "sys/class/hwmon/hwmon", label: "name", reading: "temp1_input" },
    // Drivers of the first kernels with hwmon.
    Class { prefix: "sys/class/hwmon/hwmon", label: "device/name", reading: "device/temp1_input" },
];

impl Thermometer {
    /// Looks for sensors under `root`: thermal zones and then hwmon chips by name; where none has a
    /// fitting name, the first zone; then the firmware.
    pub fn find(root: &Root) -> Self {
        let mut found = Self { sensors: Vec::new() };
        for class in &CLASSES {
            found.add_named(root, class);
        }
        if found.sensors.is_empty() {
            found.add(root, path(&ZONES, 0, ZONES.reading));
        }
        found.add(root, String::try_from(mailbox::NAME).ok());
        found
    }

    /// The name of the first sensor under the root; of the place where they are looked for if
    /// there is none.
    pub fn name(&self) -> &str {
        self.sensors.first().map_or("sys/class/thermal", |sensor| &sensor.name)
    }

    /// The temperature in degrees Celsius, of the first sensor that answers.
    ///
    /// # Errors
    /// That of the first sensor, or `ENOENT` without any.
    pub fn read(&self, buf: &mut [u8]) -> Result<Thousandths, Failure> {
        let mut first = Failure::Errno(Errno::ENOENT);
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
    fn add_named(&mut self, root: &Root, class: &Class) {
        let mut of_chip = Vec::<u32, { limits::SENSORS }>::new();
        let mut missing = 0;
        for number in 0..limits::SENSOR_NUMBERS {
            let Some(file) = path(class, number, class.label).and_then(|name| root.file(&name).ok()) else {
                missing += 1;
                if missing == limits::SENSOR_GAP {
                    break;
                }
                continue;
            };
            missing = 0;
            let mut label = [0; limits::KERNEL_VALUE];
            match read_at(&file, &mut label, 0).map(thermal::rank) {
                Ok(Some(Rank::Cpu)) => self.add(root, path(class, number, class.reading)),
                // What is too much is the least good, here and below.
                Ok(Some(Rank::Soc)) => {
                    let _ = of_chip.push(number);
                }
                _ => {}
            }
        }
        for number in of_chip {
            self.add(root, path(class, number, class.reading));
        }
    }

    /// Adds a sensor if it can be opened and there is room.
    fn add(&mut self, root: &Root, name: Option<Name>) {
        if let Some(name) = name
            && let Ok(file) = root.file(&name)
        {
            let _ = self.sensors.push(Sensor { name, file });
        }
    }
}

impl Sensor {
    fn read(&self, buf: &mut [u8]) -> Result<Thousandths, Failure> {
        let celsius = if self.name == mailbox::NAME {
            mailbox::temperature(&self.file)?
        } else {
            thermal::parse(read_at(&self.file, buf, 0)?)
        };
        celsius.ok_or(Failure::Content)
    }
}

fn path(class: &Class, number: u32, file: &str) -> Option<Name> {
    let mut name = Name::new();
    write!(name, "{}{number}/{file}", class.prefix).ok()?;
    Some(name)
}
