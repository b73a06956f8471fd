//! `wifi` and `card`: what radios and cards say of themselves.

use heapless::String;
use serde::{Serialize, Serializer};

use crate::limits;
use crate::sample::wireless::Interface;

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
    pub name: Option<CardText>,
    /// `SD`, `MMC`.
    #[serde(rename = "type")]
    pub kind: Option<CardText>,
    /// Percent used of the life of flash of type A and of type B, at most; 110 is more than all.
    pub life_time: Option<[Option<u64>; 2]>,
    /// Of the reserved blocks: `normal`, `warning` or `urgent`.
    pub pre_eol: Option<&'static str>,
}

/// A text of a card's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CardText(String<{ limits::CARD_TEXT }>);

impl CardText {
    /// What is text of a file's content; a card may have anything in its register.
    pub fn of(content: &[u8]) -> Option<Self> {
        String::try_from(str::from_utf8(content.trim_ascii()).ok()?).ok().map(Self)
    }
}

impl Serialize for CardText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}
