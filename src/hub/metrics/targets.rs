//! What `http_sd_configs` of Prometheus asks for: each board as a target.

use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::fleet::heard::Source;
use crate::fleet::{Board, Fleet};
use crate::metrics::boards::traits;

/// All boards, for a hub that is reached at `authority`.
///
/// # Errors
/// None that JSON could have: every key is a text.
pub fn json(fleet: &Fleet, authority: &str) -> serde_json::Result<Vec<u8>> {
    let target = |board| Target { targets: [authority], labels: Labels(board) };
    let targets: Vec<_> = fleet.boards().iter().map(target).collect();
    serde_json::to_vec(&targets)
}

#[derive(serde::Serialize)]
struct Target<'f> {
    targets: [&'f str; 1],
    labels: Labels<'f>,
}

/// The address is the hub's for every board, so that the target has to be told by `instance`.
struct Labels<'f>(&'f Board);

impl Serialize for Labels<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(board) = self;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("__metrics_path__", "/metrics")?;
        map.serialize_entry("__param_host", &*board.name)?;
        map.serialize_entry("instance", &*board.name)?;
        map.serialize_entry::<_, Source>("__meta_psistats_source", &board.source)?;
        for (name, value) in traits(board) {
            map.serialize_entry(&format!("__meta_psistats_{name}"), value)?;
        }
        map.end()
    }
}
