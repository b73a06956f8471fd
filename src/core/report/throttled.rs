//! `throttled`: which limits hold a Raspberry Pi back.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

/// The firmware's bits (see [`crate::kernel::throttled`]), as far as they are known.
///
/// As JSON `{"under_voltage":false,"frequency_capped":false,"throttled":false,
/// "soft_temperature_limit":false,"since_boot":{..the same four}}`, null where not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Throttled {
    /// The bits that are known.
    pub known: u32,
    /// Of these, the bits that are set.
    pub set: u32,
}

/// By their bits, from 0 on.
const NAMES: [&str; 4] = ["under_voltage", "frequency_capped", "throttled", "soft_temperature_limit"];

/// Bits from the present state to that since the start.
const SINCE_BOOT: u32 = 16;

impl Throttled {
    /// Takes the bits of `mask` over where they are not known yet.
    pub fn add(&mut self, mask: u32, bits: u32) {
        let new = mask & !self.known;
        self.known |= new;
        self.set |= bits & new;
    }

    fn entries<M: SerializeMap>(self, map: &mut M) -> Result<(), M::Error> {
        for (bit, name) in NAMES.iter().enumerate() {
            let known = self.known >> bit & 1 == 1;
            map.serialize_entry(name, &known.then_some(self.set >> bit & 1 == 1))?;
        }
        Ok(())
    }
}

impl Serialize for Throttled {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        self.entries(&mut map)?;
        let since_boot = Self { known: self.known >> SINCE_BOOT, set: self.set >> SINCE_BOOT };
        map.serialize_entry("since_boot", &SinceBoot(since_boot))?;
        map.end()
    }
}

struct SinceBoot(Throttled);

impl Serialize for SinceBoot {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        self.0.entries(&mut map)?;
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_known_first_stays() {
        let mut throttled = Throttled::default();
        throttled.add(1, 1);
        throttled.add(0xf, 0x6);
        assert_eq!(throttled, Throttled { known: 0xf, set: 0x7 });
    }
}
