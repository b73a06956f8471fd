//! `fan`: revolutions a minute.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

/// A fan's name and how fast it turns. None: it does not say.
pub type Fan<const NAME: usize> = (heapless::String<NAME>, Option<i64>);

/// Fans by name: `{"pwmfan":3200}`.
#[derive(Clone, Debug)]
pub struct Fans<I>(pub I);

impl<const NAME: usize, I: Iterator<Item = Fan<NAME>> + Clone> Serialize for Fans<I> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, rpm) in self.0.clone() {
            map.serialize_entry(name.as_str(), &rpm)?;
        }
        map.end()
    }
}
