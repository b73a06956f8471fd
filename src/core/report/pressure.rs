//! Pressure as JSON: an object with what the kernel tells of `some` and `full`.

use serde::{Serialize, Serializer};

use crate::kernel::pressure::Pressure;

impl Serialize for Pressure {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let shares = [("some", self.some), ("full", self.full)];
        serializer.collect_map(shares.into_iter().filter_map(|(name, share)| Some((name, share?))))
    }
}
