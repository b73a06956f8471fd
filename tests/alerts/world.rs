//! Boards and the rules over them, in made-up time.

use psistats_hub::alerts::rules::{RULES, Rule};
use psistats_hub::alerts::{Engine, Message, Open};
use psistats_hub::fleet::{Bounds, Fleet, Heard, MessageId, Source};

pub const START: i64 = 1_700_000_000_000;
pub const MINUTE: i64 = 60;
pub const HOUR: i64 = 3_600;
/// From the start of the engine to its first alert.
const GRACE_MS: i64 = 60_000;

pub struct World {
    pub fleet: Fleet,
    pub engine: Engine,
    pub now_ms: i64,
    /// All messages since they were taken last.
    said: Vec<Message>,
}

impl World {
    /// A minute after the start, so that alerts may come.
    pub fn new() -> Self {
        let mut world = Self::starting(RULES.to_vec());
        world.run(GRACE_MS / 1000, |_, _| None);
        world
    }

    pub fn starting(rules: Vec<Rule>) -> Self {
        Self::at(START, rules, Vec::new())
    }

    /// The hub is stopped, and a new one begins with what was kept.
    pub fn restart(&mut self) {
        let notes = self.fleet.notes(self.now_ms, usize::MAX, true);
        let again = Self::at(self.now_ms + 5_000, RULES.to_vec(), self.engine.open());
        *self = again;
        for (name, note) in notes {
            assert!(self.fleet.restore(&name, &note));
        }
        self.fleet.open(self.now_ms);
        // As a hub does before it listens.
        self.said.extend(self.engine.tick(&self.fleet, self.now_ms));
    }

    fn at(now_ms: i64, rules: Vec<Rule>, open: Vec<Open>) -> Self {
        let mut fleet = Fleet::new(Bounds::default());
        fleet.open(now_ms);
        let engine = Engine::new(rules, open, GRACE_MS, now_ms);
        Self { fleet, engine, now_ms, said: Vec::new() }
    }

    /// One report of a board.
    pub fn say(&mut self, name: &str, id: Option<MessageId>, body: &str) {
        let body = format!(r#"{{"hostname":"{name}"{}{body}}}"#, if body.is_empty() { "" } else { "," });
        let heard =
            Heard { source: Source::Amqp, peer: None, id, sampled_ms: Some(self.now_ms), body: body.into() };
        self.fleet.take(&heard, self.now_ms).unwrap();
    }

    /// Lets the hub's second pass.
    pub fn tick(&mut self) {
        self.now_ms += 1_000;
        self.fleet.tick(self.now_ms);
        self.said.extend(self.engine.tick(&self.fleet, self.now_ms));
        self.fleet.close();
    }

    /// So many seconds, in each of which the board `n` reports what `report` gives for the second, if anything.
    pub fn run(&mut self, seconds: i64, mut report: impl FnMut(&mut Self, i64) -> Option<String>) {
        for second in 0..seconds {
            if let Some(body) = report(self, second) {
                self.say("n", None, &body);
            }
            self.tick();
        }
    }

    /// So many seconds, in each of which the board `n` reports this.
    pub fn hold(&mut self, seconds: i64, body: &str) {
        self.run(seconds, |_, _| Some(body.to_owned()));
    }

    /// The messages since they were taken last.
    pub fn messages(&mut self) -> Vec<Message> {
        std::mem::take(&mut self.said)
    }

    /// The same, as their texts.
    pub fn texts(&mut self) -> Vec<String> {
        self.messages().into_iter().map(|message| message.text).collect()
    }
}

/// A number of the board's reports, of that boot.
pub fn id(boot: u128, number: u64) -> Option<MessageId> {
    Some(MessageId { boot, start: boot, number })
}
