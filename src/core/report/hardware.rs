//! `wifi`, `card` and `hddtemp`: what radios, cards and drives say of themselves.

use core::fmt::Write as _;

use heapless::String;
use serde::{Serialize, Serializer};

use crate::kernel::wireless::Interface;
use crate::kernel::{Fixed, Thousandths};
use crate::limits;

/// How well a Wi-Fi interface hears its access point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Signal {
    /// The driver's own scale.
    pub quality: u64,
    /// dBm.
    pub level: Option<i16>,
    /// dBm.
    pub noise: Option<i16>,
}

impl Signal {
    /// Without the name.
    pub fn of(interface: &Interface<'_>) -> Self {
        Self { quality: interface.quality, level: interface.level, noise: interface.noise }
    }
}

/// An SD card or eMMC chip.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Card {
    /// The product's.
    pub name: Option<Text>,
    /// `SD`, `MMC`.
    #[serde(rename = "type")]
    pub kind: Option<Text>,
    /// Percent used of the life of flash of type A and of type B, at most; 110 is more than all.
    pub life_time: Option<[Option<u64>; 2]>,
    /// Of the reserved blocks: `normal`, `warning` or `urgent`.
    pub pre_eol: Option<&'static str>,
}

/// A short text of a card's or drive's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text(String<{ limits::CARD_TEXT }>);

impl Text {
    /// What is text of a file's content; a card may have anything in its register.
    pub fn of(content: &[u8]) -> Option<Self> {
        String::try_from(str::from_utf8(content.trim_ascii()).ok()?).ok().map(Self)
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// How warm a drive is, in the daemon hddtemp's words: in text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DriveTemperature {
    /// Whole degrees; `ERR` where the drive does not answer.
    pub value: Text,
    /// `C`; `*` with `ERR`.
    pub unit: &'static str,
}

impl DriveTemperature {
    /// From what the drive says.
    pub fn of(celsius: Option<Thousandths>) -> Self {
        let mut value = String::new();
        let unit = match celsius {
            Some(Fixed(thousandths)) => write!(value, "{}", thousandths / 1000).map(|()| "C"),
            None => value.write_str("ERR").map(|()| "*"),
        };
        // limits::CARD_TEXT holds any temperature.
        Self { value: Text(value), unit: unit.unwrap_or_default() }
    }
}
