//! The clock as JSON: `{"synchronised":true,"offset":-0.001234}`, the latter in seconds.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::kernel::clock::Clock;

impl Serialize for Clock {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("synchronised", &self.synchronised)?;
        map.serialize_entry("offset", &self.offset)?;
        map.end()
    }
}
