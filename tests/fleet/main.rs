//! The hub's fleet: reports go in, views come out, in made-up time.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
#![allow(clippy::cast_possible_truncation)]

mod bounds;
#[cfg(not(debug_assertions))] // it measures
mod cost;
#[allow(dead_code)]
#[path = "../steady_state/counting.rs"]
mod counting;
mod history;
mod kinds;
mod reading;
mod roster;
mod states;
mod views;

use psistats_hub::fleet::{Bounds, Fleet, Heard, MessageId, Source, Turn, Value};
use serde::Serialize;
use serde_json::Value as Json;

/// A time in milliseconds, when most tests begin.
const START: i64 = 1_700_000_000_000;

fn fleet() -> Fleet {
    Fleet::new(Bounds::default())
}

/// A report that says nothing of its time or number.
fn heard(body: impl AsRef<str>) -> Heard {
    Heard {
        source: Source::Amqp,
        peer: Some("192.168.1.7:40000".parse().unwrap()),
        id: None,
        sampled_ms: None,
        body: body.as_ref().to_owned().into(),
    }
}

/// A report of `pi-1` with a number and a time, of a boot and a start.
fn numbered(boot: u128, start: u128, number: u64, sampled_ms: i64) -> Heard {
    let body = format!(r#"{{"hostname":"pi-1","cpu":{number}.5}}"#);
    Heard { id: Some(MessageId { boot, start, number }), sampled_ms: Some(sampled_ms), ..heard(body) }
}

/// What the fleet makes of a report.
fn take(fleet: &mut Fleet, heard: &Heard, now_ms: i64) -> Turn {
    fleet.take(heard, now_ms).unwrap().turn
}

/// What a series of a board says; None where it has no such series.
fn value(fleet: &Fleet, name: &str, path: &str) -> Option<Value> {
    let cells = &fleet.board(name)?.cells;
    let slot = cells.paths.iter().position(|has| **has == *path)?;
    Some(cells.cells[slot].value.clone())
}

fn json(view: impl Serialize) -> Json {
    serde_json::from_str(&serde_json::to_string(&view).unwrap()).unwrap()
}

fn text(text: &str) -> Value {
    Value::Text(text.into())
}
