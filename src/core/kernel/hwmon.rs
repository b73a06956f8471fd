//! `/sys/class/hwmon`: what a chip measures, and what libsensors calls it.

use core::fmt;

use crate::kernel::{Fixed, Thousandths, signed, thermal};

/// What is measured, by the names of the files (Linux, Documentation/hwmon/sysfs-interface.rst).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `tempN_input`: millidegrees Celsius.
    Temperature,
    /// `fanN_input`: revolutions a minute.
    Fan,
    /// `inN_input`: millivolts; the only one that counts from 0.
    Voltage,
    /// `currN_input`: milliamperes.
    Current,
    /// `powerN_input`: microwatts.
    Power,
    /// `humidityN_input`: thousandths of a percent.
    Humidity,
}

impl Kind {
    /// All, in the order in which they are listed.
    pub const ALL: [Self; 6] =
        [Self::Temperature, Self::Fan, Self::Voltage, Self::Current, Self::Power, Self::Humidity];

    /// What stands before the number.
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Temperature => "temp",
            Self::Fan => "fan",
            Self::Voltage => "in",
            Self::Current => "curr",
            Self::Power => "power",
            Self::Humidity => "humidity",
        }
    }

    /// The unit of [`Kind::parse`], as consumers know it.
    pub const fn unit(self) -> &'static str {
        match self {
            Self::Temperature => "c",
            Self::Fan => "rpm",
            Self::Voltage => "V",
            Self::Current => "A",
            Self::Power => "W",
            Self::Humidity => "%",
        }
    }

    /// Reads a file's number, in [`Kind::unit`]. Temperatures that no working sensor says are none.
    pub fn parse(self, text: &[u8]) -> Option<Thousandths> {
        let raw = signed(text.trim_ascii())?;
        match self {
            Self::Temperature => thermal::celsius(raw),
            Self::Fan => raw.checked_mul(1000).filter(|rpm| *rpm >= 0).map(Fixed),
            Self::Power => Some(Fixed(raw / 1000)),
            Self::Voltage | Self::Current | Self::Humidity => Some(Fixed(raw)),
        }
    }
}

/// Where a chip is: what follows the driver's name in libsensors' name of it, as in `isa-0290`, `i2c-1-48`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address {
    bus: &'static str,
    number: Option<u32>,
    address: u32,
    digits: usize,
}

impl Address {
    /// On no bus.
    pub const VIRTUAL: Self = Self::on("virtual", 0, 1);

    /// By the subsystem of a device and its name there. None where its own device is to be asked: a class of
    /// devices, or a bus that libsensors does not know. (lm-sensors 3.6.0, lib/sysfs.c and lib/data.c)
    pub fn of(subsystem: &str, device: &str) -> Option<Self> {
        Some(match subsystem {
            "platform" | "of_platform" => Self::on("isa", instance(device).unwrap_or(0), 4),
            "acpi" => Self::on("acpi", 0, 1),
            "i2c" => {
                let (bus, address) = device.split_once('-')?;
                Self { number: Some(number(bus, 10)?), ..Self::on("i2c", number(address, 16)?, 2) }
            }
            "spi" => {
                let (bus, select) = device.strip_prefix("spi")?.split_once('.')?;
                Self { number: Some(number(bus, 10)?), ..Self::on("spi", number(select, 10)?, 1) }
            }
            "pci" => {
                let [domain, bus, slot, function] = four(device)?;
                Self::on("pci", (domain << 16) + (bus << 8) + (slot << 3) + function, 4)
            }
            "hid" => {
                let [bus, _, _, id] = four(device)?;
                Self { number: Some(bus), ..Self::on("hid", id, 1) }
            }
            "mdio_bus" => {
                let address = device.split_once(':').and_then(|(_, address)| number(address, 10));
                Self::on("mdio", address.unwrap_or(0), 1)
            }
            "scsi" => {
                // Decimal but for the last; above 9 it is the host alone that ever is.
                let [_, channel, id, lun] = four(device)?;
                let host = number(device.split_once(':')?.0, 10)?;
                Self { number: Some(host), ..Self::on("scsi", (channel << 8) + (id << 4) + lun, 1) }
            }
            _ => return None,
        })
    }

    /// The next one, for a chip that would be called like another.
    pub fn next(self) -> Self {
        Self { address: self.address.wrapping_add(1), ..self }
    }

    const fn on(bus: &'static str, address: u32, digits: usize) -> Self {
        Self { bus, number: None, address, digits }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-", self.bus)?;
        if let Some(number) = self.number {
            write!(f, "{number}-")?;
        }
        write!(f, "{:01$x}", self.address, self.digits)
    }
}

/// The number in `nct6775.656`.
fn instance(device: &str) -> Option<u32> {
    let (name, number) = device.split_once('.')?;
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    let end = number.find(|c: char| !c.is_ascii_digit()).unwrap_or(number.len());
    (!name.is_empty() && name.bytes().all(plain)).then(|| self::number(number.get(..end)?, 10))?
}

/// `0000:01:00.0`
fn four(device: &str) -> Option<[u32; 4]> {
    let mut numbers = device.split([':', '.']).map(|digits| number(digits, 16));
    // Shifted by up to 16 bits.
    let mut next = || numbers.next().flatten().filter(|number| *number <= 0xffff);
    Some([next()?, next()?, next()?, next()?])
}

/// Never inlined, since it is long and wanted in many places.
#[inline(never)]
fn number(digits: &str, radix: u32) -> Option<u32> {
    u32::from_str_radix(digits, radix).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chip_is_where_libsensors_says() {
        for (subsystem, device, address) in [
            ("platform", "coretemp.0", "isa-0000"),
            ("platform", "nct6775.656", "isa-0290"),
            ("platform", "cooling_fan", "isa-0000"),
            ("platform", "1f000c8000.adc", "isa-0000"),
            ("platform", "raspberrypi-hwmon", "isa-0000"),
            ("of_platform", "a.b.c.7", "isa-0000"),
            ("pci", "0000:01:00.0", "pci-0100"),
            ("pci", "0001:00:18.3", "pci-100c3"),
            ("i2c", "1-0048", "i2c-1-48"),
            ("i2c", "10-0068", "i2c-10-68"),
            ("spi", "spi0.1", "spi-0-1"),
            ("acpi", "ACPI000D:00", "acpi-0"),
            ("hid", "0003:1B1C:1C0B.0007", "hid-3-7"),
            ("mdio_bus", "f1072004.mdio-mii:01", "mdio-1"),
            ("mdio_bus", "fixed", "mdio-0"),
            ("scsi", "10:0:1:0", "scsi-10-10"),
        ] {
            let found = Address::of(subsystem, device).map(|address| std::format!("{address}"));
            assert_eq!(found.as_deref(), Some(address), "{subsystem} {device}");
        }
        for (subsystem, device) in [
            ("thermal", "thermal_zone0"),
            ("nvme", "nvme0"),
            ("i2c", "i2c"),
            ("i2c", "x-0048"),
            ("spi", "spi0"),
            ("pci", "0000:01:00"),
            ("pci", "10000:01:00.0"),
            ("scsi", "host0"),
            ("", ""),
        ] {
            assert_eq!(Address::of(subsystem, device), None, "{subsystem} {device}");
        }
    }

    #[test]
    fn a_second_chip_of_the_same_name_has_the_next_address() {
        assert_eq!(std::format!("{} {}", Address::VIRTUAL, Address::VIRTUAL.next()), "virtual-0 virtual-1");
    }

    #[test]
    fn numbers_are_in_the_unit_that_is_told() {
        for (kind, text, value) in [
            (Kind::Temperature, &b"46300\n"[..], Some(46_300)),
            (Kind::Temperature, b"47\n", Some(47_000)),
            (Kind::Temperature, b"-40000\n", None),
            (Kind::Fan, b"3200\n", Some(3_200_000)),
            (Kind::Fan, b"0\n", Some(0)),
            (Kind::Fan, b"-1\n", None),
            (Kind::Fan, b"9223372036854775807\n", None),
            (Kind::Voltage, b"-1468\n", Some(-1468)),
            (Kind::Current, b"250\n", Some(250)),
            (Kind::Power, b"2500000\n", Some(2500)),
            (Kind::Humidity, b"49700\n", Some(49_700)),
            (Kind::Voltage, b"1.468\n", None),
            (Kind::Voltage, b"", None),
        ] {
            assert_eq!(kind.parse(text), value.map(Fixed), "{kind:?} {:?}", text.escape_ascii());
        }
    }
}
