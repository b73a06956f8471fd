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
    label: Label,
    file: File,
}

/// The name of a file under the root.
type Name = String<{ limits::KERNEL_PATH }>;
/// What a sensor is called by its driver.
type Label = String<{ limits::SENSOR_LABEL }>;

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
            found.add(root, &ZONES, 0);
        }
        if let (Ok(name), Ok(file)) = (Name::try_from(mailbox::NAME), root.file(mailbox::NAME)) {
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
            let Ok(label) = label(root, class, number) else {
                missing += 1;
                if missing == limits::SENSOR_GAP {
                    break;
                }
                continue;
            };
            missing = 0;
            match thermal::rank(label.as_bytes()) {
                Some(Rank::Cpu) => self.add(root, class, number),
                Some(Rank::Soc) => {
                    // What is too much is the least good, here and below.
                    let _ = of_chip.push(number);
                }
                None => {}
            }
        }
        for number in of_chip {
            self.add(root, class, number);
        }
    }

    /// Adds a sensor if it can be opened.
    fn add(&mut self, root: &Root, class: &Class, number: u32) {
        let name = class.file(number, class.reading);
        if let Ok(file) = root.file(&name) {
            let label = label(root, class, number).unwrap_or_default();
            self.push(Sensor { name, label, file });
        }
    }

    fn push(&mut self, sensor: Sensor) {
        let _ = self.sensors.push(sensor);
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

impl Class {
    /// The name of `file` in the directory of `number`.
    fn file(&self, number: u32, file: &str) -> Name {
        let mut name = Name::new();
        // limits::KERNEL_PATH holds the longest.
        let _ = write!(name, "{}{number}/{file}", self.prefix);
        name
    }
}

/// What a sensor is called; empty where that is no text.
fn label(root: &Root, class: &Class, number: u32) -> Result<Label, Errno> {
    let file = root.file(&class.file(number, class.label))?;
    let mut text = [0; limits::SENSOR_LABEL];
    let text = read_at(&file, &mut text, 0).unwrap_or_default();
    Ok(std::str::from_utf8(text).ok().and_then(|text| Label::try_from(text.trim()).ok()).unwrap_or_default())
}
