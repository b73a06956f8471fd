//! Rules over the past: what they would have said of boards of which the minutes are known.
//!
//! Each minute becomes a few reports of a fleet of its own, in the time of then, which the engine looks at as it looks at
//! the hub's. What the history does not have, is not tried: texts, figures that were null, two boards of one name.

use std::collections::HashMap;

use serde_json::{Map, Value};

use crate::alerts::engine::Engine;
use crate::alerts::message::Message;
use crate::alerts::rules::{Rule, Test};
use crate::fleet::board::CLOCK_DIFFERENCE;
use crate::fleet::{Bounds, Fleet, Heard, MessageId, Source};

/// From one report to the next: below that which the engine takes for a clock that was set.
const STEP_MS: i64 = 20_000;
const STEPS: i64 = 3;
/// The figure that tells of reboots.
const UPTIME: &str = "uptime";

/// What a board said in one minute: numbers and truth values by their paths; and its tags.
#[derive(Debug)]
pub struct Minute<'m> {
    /// The board's name.
    pub board: &'m str,
    /// Its figures.
    pub values: Vec<(&'m str, Value)>,
}

/// The run that a board's reports belong to.
#[derive(Default)]
struct Run {
    uptime: f64,
    boot: u128,
    number: u64,
}

/// The past, as far as it went on.
pub struct Replay {
    fleet: Fleet,
    engine: Engine,
    runs: HashMap<String, Run>,
}

/// Whether a rule can be tried on the past.
pub fn is_tried(rule: &Rule) -> bool {
    !matches!(rule.test, Test::Other(..) | Test::Missing | Test::Duplicate)
}

/// Whether what these rules say depends on a series, of numbers and truth values.
pub fn is_wanted(rules: &[Rule], path: &str) -> bool {
    let of_rules = rules.iter().filter(|rule| is_tried(rule));
    path == UPTIME || of_rules.into_iter().any(|rule| rule.looks_at(path) || rule.latch == Some(path))
}

impl Replay {
    /// Begins at a time in Unix milliseconds, with nothing known.
    pub fn new(rules: &[Rule], from_ms: i64) -> Self {
        let rules = rules.iter().filter(|rule| is_tried(rule)).cloned().collect();
        let mut fleet = Fleet::new(Bounds::default());
        fleet.open(from_ms);
        Self { fleet, engine: Engine::new(rules, Vec::new(), 0, from_ms), runs: HashMap::new() }
    }

    /// Lives through the minute from `from_ms` on. Gives what was raised and cleared in it.
    pub fn live(&mut self, minutes: &[Minute<'_>], from_ms: i64) -> Vec<Message> {
        let bodies: Vec<_> = minutes.iter().map(|minute| (minute, body(minute))).collect();
        let mut messages = Vec::new();
        for now_ms in (0..STEPS).map(|step| from_ms.saturating_add(step * STEP_MS)) {
            for (minute, body) in &bodies {
                let id = self.next(minute);
                let ahead_ms = number(minute, CLOCK_DIFFERENCE).map_or(0, milliseconds);
                let heard = Heard {
                    source: Source::Amqp,
                    peer: None,
                    id: Some(id),
                    sampled_ms: Some(now_ms.saturating_add(ahead_ms)),
                    body: body.clone().into(),
                };
                // What the hub refuses, as boards beyond its limit, has no alerts.
                let _ = self.fleet.take(&heard, now_ms);
            }
            self.fleet.tick(now_ms);
            messages.extend(self.engine.tick(&self.fleet, now_ms));
            self.fleet.close();
        }
        messages
    }

    /// The id of a board's next report: of another boot where its uptime is less than before.
    fn next(&mut self, minute: &Minute<'_>) -> MessageId {
        let run = match self.runs.get_mut(minute.board) {
            Some(run) => run,
            None => self.runs.entry(minute.board.to_owned()).or_default(),
        };
        if let Some(uptime) = number(minute, UPTIME) {
            if uptime < run.uptime {
                (run.boot, run.number) = (run.boot + 1, 0);
            }
            run.uptime = uptime;
        }
        run.number += 1;
        MessageId { boot: run.boot, start: run.boot, number: run.number }
    }
}

fn number(minute: &Minute<'_>, path: &str) -> Option<f64> {
    minute.values.iter().find(|(of, _)| *of == path)?.1.as_f64()
}

#[expect(clippy::cast_possible_truncation, reason = "a float becomes the nearest integer that there is")]
fn milliseconds(seconds: f64) -> i64 {
    (seconds * 1000.0) as i64
}

/// A report. Its objects are those that the dots of a path stand for; that some of them were lists tells no rule.
fn body(minute: &Minute<'_>) -> Vec<u8> {
    let mut whole = Map::new();
    for (path, value) in minute.values.iter().filter(|(path, _)| *path != CLOCK_DIFFERENCE) {
        let (parents, last) = path.rsplit_once('.').map_or(("", *path), |(parents, last)| (parents, last));
        let parents = parents.split('.').filter(|_| path.contains('.'));
        let object = parents.into_iter().try_fold(&mut whole, |object, key| {
            object.entry(key).or_insert_with(|| Map::new().into()).as_object_mut()
        });
        if let Some(object) = object {
            object.insert(last.to_owned(), value.clone());
        }
    }
    whole.insert("hostname".to_owned(), minute.board.into());
    // Every key is a text.
    serde_json::to_vec(&whole).unwrap_or_default()
}
