//! The sensors of a machine: the chips of hwmon, and the thermal zones that no chip mirrors.
//!
//! Numbers of hwmon and of zones move between boots; names stay, so that a sensor is called by a chip and a
//! feature:
//!
//! - A chip is called as libsensors calls it, `coretemp-isa-0000`. Two that would be called the same (several
//!   w1 thermometers) get addresses that follow each other, in the order of their numbers.
//! - A feature is called by its label, `Core 0`; without one, or where the chip has that already, by
//!   the name of its file, `temp1`.
//! - A zone is called like the chip that the kernel makes of it where it is configured to
//!   (drivers/thermal/thermal_hwmon.c): its type with `_` for `-`, on no bus, the first of that type
//!   `temp1`. So `cpu_thermal-virtual-0.temp1` is the same sensor under every kernel.

use std::fmt::{self, Write};
use std::fs::File;

use heapless::{String, Vec as Few};
use nix::errno::Errno;

use crate::limits;
use crate::machine::numbered::{CHIPS, Class, Label, Name, OLD_CHIPS, ZONES, label};
use crate::machine::source::{ReadError, Root, read_at};
use psistats_core::kernel::Thousandths;
use psistats_core::kernel::hwmon::{Address, Kind};

/// A sensor, open.
#[derive(Debug)]
pub struct Sensor {
    /// As libsensors calls it.
    pub chip: Chip,
    /// What the chip's driver calls itself.
    pub driver: Label,
    /// Its label, or the name of its file.
    pub feature: Label,
    /// What it measures.
    pub kind: Kind,
    number: u32,
    file: File,
    /// What was read last, in [`Kind::unit`].
    pub value: Result<Thousandths, ReadError>,
}

/// What libsensors calls a chip.
pub type Chip = String<{ limits::CHIP_NAME }>;

impl Sensor {
    /// Whether it is called so. The name of its file does too where it has a label.
    pub fn is(&self, chip: &str, feature: &str) -> bool {
        let number = || feature.strip_prefix(self.kind.prefix())?.parse().ok();
        self.chip == chip && (self.feature == feature || number() == Some(self.number))
    }

    /// Whether its device went away, and its file with it.
    fn is_gone(&self) -> bool {
        self.value == Err(ReadError::Errno(Errno::ENODEV))
    }

    /// Reads its value.
    ///
    /// # Errors
    /// As `pread(2)`: `EINVAL` or `ENODATA` of a sensor that is not ready, or never is.
    pub fn read(&self, buf: &mut [u8]) -> Result<Thousandths, ReadError> {
        self.kind.parse(read_at(&self.file, buf, 0)?).ok_or(ReadError::Content)
    }
}

/// The sensors that are wanted of a machine.
#[derive(Debug)]
pub struct Sensors {
    /// Open, in the order of their chips.
    pub all: Vec<Sensor>,
    /// What was there when they were looked for.
    there: u32,
}

impl Sensors {
    /// Looks for the sensors that `keep` wants, at most [`limits::LISTED_SENSORS`].
    pub fn find(root: &Root, keep: &dyn Fn(&Sensor) -> bool, left_out: &mut dyn FnMut(LeftOut<'_>)) -> Self {
        let mut sensors = Self { all: Vec::with_capacity(limits::LISTED_SENSORS), there: 0 };
        sensors.search(root, keep, left_out);
        sensors
    }

    /// Looks for them again where other chips are there than were, or where all went away. To follow the links
    /// of chips takes allocations, which sensors that are there and do not answer are not worth.
    pub fn reopen(&mut self, root: &Root, keep: &dyn Fn(&Sensor) -> bool) {
        let all_went_away = !self.all.is_empty() && self.all.iter().all(Sensor::is_gone);
        if all_went_away || self.there != there(root) {
            self.search(root, keep, &mut |_| ());
        }
    }

    /// Whether a sensor went away, which may come back.
    pub fn is_incomplete(&self) -> bool {
        self.all.iter().any(Sensor::is_gone)
    }

    /// Reads all, and keeps what they say.
    ///
    /// # Errors
    /// That of the first sensor where none answers.
    pub fn read(&mut self, buf: &mut [u8]) -> Result<(), ReadError> {
        for sensor in &mut self.all {
            sensor.value = sensor.read(buf);
        }
        let first = self.all.first().map_or(Err(ReadError::Content), |sensor| sensor.value);
        if self.all.iter().any(|sensor| sensor.value.is_ok()) { Ok(()) } else { first.map(|_| ()) }
    }

    fn search(&mut self, root: &Root, keep: &dyn Fn(&Sensor) -> bool, left_out: &mut dyn FnMut(LeftOut<'_>)) {
        self.there = there(root);
        self.all.clear();
        let mut search = Search { root, found: &mut self.all, keep, left_out, seen: Few::new() };
        CHIPS.each(root, &mut |number, driver| search.chip(CHIPS, number, "", driver));
        OLD_CHIPS.each(root, &mut |number, driver| {
            if CHIPS.label(root, number).is_err() {
                search.chip(OLD_CHIPS, number, "device/", driver);
            }
        });
        let chips = search.seen.len();
        ZONES.each(root, &mut |number, kind| search.zone(number, &kind, chips));
    }
}

/// A number that is another one where other chips and zones are there: FNV-1a of their numbers and names.
fn there(root: &Root) -> u32 {
    let mut hash = 0x811c_9dc5_u32;
    for class in [CHIPS, OLD_CHIPS, ZONES] {
        class.each(root, &mut |number, label| {
            for byte in number.to_le_bytes().iter().chain(label.as_bytes()) {
                hash = (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
            }
        });
    }
    hash
}

/// What is not in a list of sensors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeftOut<'a> {
    /// A chip without a sensor of a known [`Kind`].
    Empty(&'a str),
    /// One beyond [`limits::LISTED_SENSORS`].
    Full(&'a str),
}

impl fmt::Display for LeftOut<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty(chip) => write!(f, "{chip}: has no readable sensors"),
            Self::Full(chip) => {
                write!(f, "{chip}: left out: expected at most {} sensors", limits::LISTED_SENSORS)
            }
        }
    }
}

struct Search<'a> {
    root: &'a Root,
    found: &'a mut Vec<Sensor>,
    keep: &'a dyn Fn(&Sensor) -> bool,
    left_out: &'a mut dyn FnMut(LeftOut<'_>),
    /// Chips so far, then zones.
    seen: Few<(Label, Address), { limits::LISTED_SENSORS }>,
}

impl Search<'_> {
    fn chip(&mut self, class: Class, number: u32, directory: &str, driver: Label) {
        if !is_text(&driver) {
            return;
        }
        let mut address = address(self.root, class.file(number, "device"));
        while self.seen.contains(&(driver.clone(), address)) {
            address = address.next();
        }
        let chip = called(&driver, address);
        if self.seen.push((driver.clone(), address)).is_err() {
            return (self.left_out)(LeftOut::Full(&chip));
        }
        let mut features = 0;
        for kind in Kind::ALL {
            features += self.features(&chip, &driver, kind, &|n, part| {
                let file: Label = named(format_args!("{directory}{}{n}_{part}", kind.prefix()));
                class.file(number, &file)
            });
        }
        if features == 0 {
            (self.left_out)(LeftOut::Empty(&chip));
        }
    }

    /// Adds what a chip has of one kind, and counts it.
    fn features(
        &mut self,
        chip: &Chip,
        driver: &Label,
        kind: Kind,
        path: &dyn Fn(u32, &str) -> Name,
    ) -> usize {
        let (mut features, mut missing) = (0, 0);
        for n in 0..limits::SENSOR_NUMBERS {
            match self.root.file(&path(n, "input")) {
                Ok(file) => {
                    (features, missing) = (features + 1, 0);
                    let label = label(self.root, &path(n, "label")).unwrap_or_default();
                    self.add(chip, driver, kind, n, label, file);
                }
                Err(_) if missing == limits::SENSOR_GAP => break,
                Err(_) => missing += 1,
            }
        }
        features
    }

    fn zone(&mut self, number: u32, kind: &str, chips: usize) {
        let driver: Label = kind.chars().map(|c| if c == '-' { '_' } else { c }).collect();
        let same = |seen: &[(Label, Address)]| seen.iter().filter(|(other, _)| *other == driver).count();
        let (chips, zones) = self.seen.split_at(chips);
        if !is_text(&driver) || same(chips) > 0 {
            return;
        }
        let n = u32::try_from(same(zones) + 1).unwrap_or(u32::MAX);
        let chip = called(&driver, Address::VIRTUAL);
        if self.seen.push((driver.clone(), Address::VIRTUAL)).is_err() {
            return (self.left_out)(LeftOut::Full(&chip));
        }
        if let Ok(file) = self.root.file(&ZONES.file(number, "temp")) {
            self.add(&chip, &driver, Kind::Temperature, n, Label::new(), file);
        }
    }

    fn add(&mut self, chip: &Chip, driver: &Label, kind: Kind, number: u32, label: Label, file: File) {
        let taken =
            |label: &str| self.found.iter().any(|other| other.chip == *chip && other.feature == label);
        let feature = if is_text(&label) && !taken(&label) {
            label
        } else {
            named(format_args!("{}{number}", kind.prefix()))
        };
        let (chip, driver) = (chip.clone(), driver.clone());
        let sensor = Sensor { chip, driver, feature, kind, number, file, value: Err(ReadError::Content) };
        match (self.keep)(&sensor) {
            true if self.found.len() < limits::LISTED_SENSORS => self.found.push(sensor),
            true => (self.left_out)(LeftOut::Full(&sensor.chip)),
            false => {}
        }
    }
}

/// Where the chip is whose device is linked as `link`: of the nearest device that libsensors knows the bus of.
fn address(root: &Root, mut link: Name) -> Address {
    while let Some(device) = root.link(&link) {
        let of = link.len();
        if link.push_str("/subsystem").is_err() {
            break;
        }
        let Some(subsystem) = root.link(&link) else { break };
        if let Some(address) = Address::of(&subsystem, &device) {
            return address;
        }
        link.truncate(of);
        if link.push_str("/device").is_err() {
            break;
        }
    }
    Address::VIRTUAL
}

fn called(driver: &str, address: Address) -> Chip {
    named(format_args!("{driver}-{address}"))
}

/// A name that was made to fit.
fn named<const N: usize>(text: fmt::Arguments<'_>) -> String<N> {
    let mut name = String::new();
    let _ = name.write_fmt(text);
    name
}

/// Whether it can be written in a configuration.
fn is_text(name: &str) -> bool {
    !name.is_empty() && !name.contains(char::is_control)
}
