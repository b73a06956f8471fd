//! What Home Assistant is told of a board: one message, retained, which makes a device and all of its entities
//! (<https://www.home-assistant.io/integrations/mqtt/#device-discovery-payload>, since Home Assistant 2024.11). An empty
//! one takes it away.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::fleet::{Board, Fleet, Value};
use crate::metrics::boards::unit;
use crate::mqtt::entities::{Kind, Platform, entity};
use crate::mqtt::settings::Mqtt;
use crate::mqtt::topics;

/// What a truth value says.
const TRUTHS: [&str; 2] = ["true", "false"];

/// What the board is, by the series that says it.
pub const TRAITS: [&str; 4] = ["board.model", "board.revision", "board.serial", "os"];

#[derive(Serialize)]
struct Device<'f> {
    identifiers: [String; 1],
    name: &'f str,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'f str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hw_version: Option<&'f str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    serial_number: Option<&'f str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sw_version: Option<&'f str>,
}

#[derive(Serialize)]
struct Origin {
    name: &'static str,
    sw_version: &'static str,
}

#[derive(Serialize)]
struct Availability {
    topic: String,
}

#[derive(Serialize)]
struct Entity {
    #[serde(flatten)]
    kind: Kind,
    name: String,
    unique_id: String,
    state_topic: String,
    expire_after: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload_on: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload_off: Option<&'static str>,
}

#[derive(Serialize)]
struct Payload<'f> {
    device: Device<'f>,
    origin: Origin,
    availability: [Availability; 2],
    availability_mode: &'static str,
    components: BTreeMap<String, Entity>,
}

/// A board, with its series of which `platforms` says by slots what they are.
pub fn payload(fleet: &Fleet, board: &Board, platforms: &[Option<Platform>], settings: &Mqtt) -> Vec<u8> {
    let (name, prefix) = (&*board.name, settings.prefix.as_str());
    let device = topics::device(prefix, name);
    let text = |path| match fleet.value(board, path) {
        Some(Value::Text(text)) => Some(&**text),
        _ => None,
    };
    let [model, hw_version, serial_number, sw_version] = TRAITS.map(text);
    let series = board.cells.paths.iter().zip(platforms).enumerate();
    let components = series.filter_map(|(slot, (path, platform))| {
        let (kind, called) = entity(path, (*platform)?, unit(&board.cells, slot, path));
        let [payload_on, payload_off] =
            TRUTHS.map(|truth| (kind.platform == Platform::BinarySensor).then_some(truth));
        let key = topics::level(path);
        let entity = Entity {
            kind,
            name: called,
            unique_id: format!("{device}_{key}"),
            state_topic: topics::of_series(prefix, name, path),
            // One message that is missing is no reason.
            expire_after: (settings.interval * 3).as_secs().max(10),
            payload_on,
            payload_off,
        };
        Some((key, entity))
    });
    let payload = Payload {
        components: components.collect(),
        device: Device { identifiers: [device.clone()], name, model, hw_version, serial_number, sw_version },
        origin: Origin { name: "psistats-hub", sw_version: env!("CARGO_PKG_VERSION") },
        availability: [topics::of_hub(prefix), topics::of_board(prefix, name)]
            .map(|topic| Availability { topic }),
        availability_mode: "all",
    };
    // Every key is a text.
    serde_json::to_vec(&payload).unwrap_or_default()
}
