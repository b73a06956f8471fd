//! `sensors`: what the chips of a machine measure.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::kernel::Thousandths;

/// A sensor, and what it said.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Sensor<'a> {
    /// Of the chip.
    #[serde(skip)]
    pub chip: &'a str,
    /// Of the sensor, within the chip.
    #[serde(skip)]
    pub feature: &'a str,
    /// For people to read.
    pub label: &'a str,
    /// None: it does not answer, or is not there.
    pub value: Option<Thousandths>,
    /// Of the value. None: it is not there.
    pub unit: Option<&'static str>,
}

/// Sensors by their chips, in this shape:
/// `{"coretemp-isa-0000":{"Core 0":{"label":"CPU Core 1","value":41.0,"unit":"c"}}}`.
#[derive(Clone, Debug)]
pub struct Sensors<I>(pub I);

impl<'a, I: Iterator<Item = Sensor<'a>> + Clone> Serialize for Sensors<I> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (n, sensor) in self.0.clone().enumerate() {
            if !self.0.clone().take(n).any(|earlier| earlier.chip == sensor.chip) {
                map.serialize_entry(sensor.chip, &Chip(sensor.chip, self.0.clone()))?;
            }
        }
        map.end()
    }
}

/// Of all these sensors, those of one chip.
struct Chip<'a, I>(&'a str, I);

impl<'a, I: Iterator<Item = Sensor<'a>> + Clone> Serialize for Chip<'_, I> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for sensor in self.1.clone().filter(|sensor| sensor.chip == self.0) {
            map.serialize_entry(sensor.feature, &sensor)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::Fixed;
    use crate::report::json_of;

    #[test]
    fn sensors_of_a_chip_are_together_in_the_order_in_which_they_come() {
        let sensor = |chip, feature, value: Option<i64>| Sensor {
            chip,
            feature,
            label: "\"x\"",
            value: value.map(Fixed),
            unit: value.map(|_| "c"),
        };
        let all =
            [sensor("a", "temp2", Some(41_000)), sensor("b", "in0", None), sensor("a", "temp1", Some(-500))];
        let mut buf = [0; 256];
        let length = json_of(&Sensors(all.into_iter()), &mut buf).unwrap();
        assert_eq!(
            core::str::from_utf8(&buf[..length]).unwrap(),
            r#"{"a":{"temp2":{"label":"\"x\"","value":41.0,"unit":"c"},"temp1":{"label":"\"x\"","value":-0.5,"unit":"c"}},"b":{"in0":{"label":"\"x\"","value":null,"unit":null}}}"#
        );
    }
}
