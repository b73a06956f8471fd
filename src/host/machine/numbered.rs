//! Numbered directories of sensors under /sys, and what their drivers call them.

use std::fmt::Write;

use heapless::String;
use nix::errno::Errno;

use crate::limits;
use crate::machine::source::{Root, read_at};

/// The name of a file under the root.
pub type Name = String<{ limits::KERNEL_PATH }>;
/// What a sensor or its chip is called by the driver.
pub type Label = String<{ limits::SENSOR_LABEL }>;

/// Directories `PREFIXn`, and the file in each that names what it is of.
#[derive(Clone, Copy, Debug)]
pub struct Class {
    prefix: &'static str,
    label: &'static str,
}

/// Thermal zones.
pub const ZONES: Class = Class { prefix: "sys/class/thermal/thermal_zone", label: "type" };
/// Chips of hwmon.
pub const CHIPS: Class = Class { prefix: "sys/class/hwmon/hwmon", label: "name" };
/// Chips of hwmon whose driver is of the first kernels with hwmon: the files are one directory deeper.
pub const OLD_CHIPS: Class = Class { prefix: CHIPS.prefix, label: "device/name" };

impl Class {
    /// Shows `each` the numbers that are there, with their labels, in order.
    pub fn each(&self, root: &Root, each: &mut dyn FnMut(u32, Label)) {
        let mut missing = 0;
        for number in 0..limits::SENSOR_NUMBERS {
            match self.label(root, number) {
                Ok(label) => {
                    missing = 0;
                    each(number, label);
                }
                Err(_) => missing += 1,
            }
            if missing == limits::SENSOR_GAP {
                break;
            }
        }
    }

    /// What `number` is called; empty where that is no text.
    ///
    /// # Errors
    /// As `openat(2)`: `ENOENT` where the number is not there.
    pub fn label(&self, root: &Root, number: u32) -> Result<Label, Errno> {
        label(root, &self.file(number, self.label))
    }

    /// The name of `file` in the directory of `number`.
    pub fn file(&self, number: u32, file: &str) -> Name {
        let mut name = Name::new();
        // limits::KERNEL_PATH holds the longest.
        let _ = write!(name, "{}{number}/{file}", self.prefix);
        name
    }
}

/// The text of the file `name`; empty where it is none, or too long.
///
/// # Errors
/// As `openat(2)`.
pub fn label(root: &Root, name: &str) -> Result<Label, Errno> {
    let file = root.file(name)?;
    let mut text = [0; limits::SENSOR_LABEL];
    let text = read_at(&file, &mut text, 0).unwrap_or_default();
    Ok(std::str::from_utf8(text).ok().and_then(|text| Label::try_from(text.trim()).ok()).unwrap_or_default())
}
