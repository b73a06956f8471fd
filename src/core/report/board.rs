//! Which board it is.

use core::fmt;

use serde::Serialize;

/// A board. What it does not tell is `null`.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Board<'a> {
    /// As its maker or its kernel calls it.
    pub model: Option<&'a str>,
    /// Of this one board: it identifies it.
    pub serial: Option<&'a str>,
    /// Of the model: on a Raspberry Pi its revision code.
    pub revision: Option<&'a str>,
}

/// A model of the Raspberry Pi, as its firmware calls it in the device tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RaspberryPi {
    name: &'static str,
    /// Where the name is without.
    minor: Option<u32>,
}

impl RaspberryPi {
    /// Decodes `Revision` of a board whose `Hardware` is Broadcom's; other boards have other codes.
    /// By Raspberry Pi's documentation, "Raspberry Pi revision codes". None for what is not there.
    pub fn of(hardware: &str, revision: &str) -> Option<Self> {
        let code = u32::from_str_radix(revision, 16).ok().filter(|_| hardware.starts_with("BCM2"))?;
        if code & (1 << 23) != 0 {
            return Some(Self { name: name(code >> 4 & 0xff)?, minor: Some(code & 0xf) });
        }
        // Above it the warranty bit, which overvoltage sets.
        let name = match code & 0xffff {
            0x02 | 0x03 => "Model B Rev 1",
            0x04..=0x06 | 0x0d..=0x0f => "Model B Rev 2",
            0x07..=0x09 => "Model A Rev 2",
            0x10 | 0x13 => "Model B Plus Rev 1.2",
            0x11 | 0x14 => "Compute Module Rev 1.0",
            0x12 | 0x15 => "Model A Plus Rev 1.1",
            _ => return None,
        };
        Some(Self { name, minor: None })
    }
}

/// By the type in a new-style code.
fn name(kind: u32) -> Option<&'static str> {
    Some(match kind {
        0x00 => "Model A",
        0x01 => "Model B",
        0x02 => "Model A Plus",
        0x03 => "Model B Plus",
        0x04 => "2 Model B",
        0x06 => "Compute Module",
        0x08 => "3 Model B",
        0x09 => "Zero",
        0x0a => "Compute Module 3",
        0x0c => "Zero W",
        0x0d => "3 Model B Plus",
        0x0e => "3 Model A Plus",
        0x10 => "Compute Module 3 Plus",
        0x11 => "4 Model B",
        0x12 => "Zero 2 W",
        0x13 => "400",
        0x14 => "Compute Module 4",
        0x15 => "Compute Module 4S",
        0x17 => "5 Model B",
        0x18 => "Compute Module 5",
        0x19 => "500",
        0x1a => "Compute Module 5 Lite",
        0x1b => "Compute Module 0",
        _ => return None,
    })
}

impl fmt::Display for RaspberryPi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Raspberry Pi ")?;
        f.write_str(self.name)?;
        match self.minor {
            Some(minor) => write!(f, " Rev 1.{minor}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(revision: &str) -> Option<String> {
        RaspberryPi::of("BCM2708", revision).map(|model| model.to_string())
    }

    #[test]
    fn codes_of_both_styles_are_named_as_the_firmware_names_them() {
        for (code, name) in [
            ("0002", "Model B Rev 1"),
            ("000d", "Model B Rev 2"),
            ("1000008", "Model A Rev 2"),
            ("0010", "Model B Plus Rev 1.2"),
            ("0015", "Model A Plus Rev 1.1"),
            ("1a01040", "2 Model B Rev 1.0"),
            ("9000c1", "Zero W Rev 1.1"),
            ("a22082", "3 Model B Rev 1.2"),
            ("c03115", "4 Model B Rev 1.5"),
            ("902120", "Zero 2 W Rev 1.0"),
            ("e04171", "5 Model B Rev 1.1"),
            ("d04190", "500 Rev 1.0"),
        ] {
            assert_eq!(model(code), Some(std::format!("Raspberry Pi {name}")), "{code}");
        }
    }

    #[test]
    fn what_is_no_code_of_a_raspberry_pi_is_none() {
        for code in ["", "0000", "0001", "000a", "0016", "0100", "a020f0", "fffffff0", "x", "123456789"] {
            assert_eq!(model(code), None, "{code}");
        }
        assert_eq!(RaspberryPi::of("Xilinx Zynq Platform", "0003"), None);
    }
}
