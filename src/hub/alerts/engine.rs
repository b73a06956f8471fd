//! Which alerts are raised: rules over all boards, once a second, in the time that it is told.
//!
//! ```text
//!  Fleet --> for each board, for each rule and series of it: Rule::verdict --> Alert::step --> Message
//! ```
//!
//! Many boards that are lost at once are one alert, `intake-lost`: each of them is covered by it, and says nothing of
//! its own until that is over.

use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::alerts::alert::{Alert, Turn};
use crate::alerts::message::{Message, shown, span};
use crate::alerts::rules::{Rule, Severity, Test, Verdict};
use crate::alerts::watch::{Point, Watch};
use crate::fleet::{Board, Fleet, Value};

/// The alert about many boards.
pub const INTAKE: &str = "intake-lost";
/// So many boards are many, where they are half of those that were heard.
const MANY: usize = 3;
/// A clock that moves so far between two ticks was set, or the process stood still.
const LEAP_MS: i64 = 30_000;

/// An alert that is raised, as it is kept over a restart.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Open {
    /// What was said.
    #[serde(flatten)]
    pub message: Message,
    /// It was not said: see [`Alert::is_covered`].
    #[serde(default, rename = "covered")]
    pub is_covered: bool,
    /// When an operator took notice of it: Unix seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged: Option<f64>,
}

/// `intake-lost` while it is raised.
struct Intake {
    message: Message,
    since_ms: i64,
    acknowledged: Option<f64>,
    /// So many boards were lost, at most.
    boards: usize,
}

/// All alerts.
pub struct Engine {
    rules: Vec<Rule>,
    grace_ms: i64,
    /// Nothing is raised before.
    ready_ms: i64,
    ticked_ms: i64,
    round: u64,
    watches: HashMap<Arc<str>, Watch>,
    intake: Option<Intake>,
    /// Those from before the start, until the first tick.
    kept: HashMap<String, Vec<Open>>,
}

/// What a tick finds out about boards that are not heard.
#[derive(Default)]
struct Silence {
    /// Those whose alert is due.
    due: Vec<Arc<str>>,
    /// Those that will be due, or are covered.
    others: usize,
    /// When the first of all these was heard last.
    since_ms: Option<i64>,
    /// Boards that are heard.
    heard: usize,
}

impl Engine {
    /// One with these rules, that starts at `now_ms` with the alerts that were `open` before. For `grace_ms` it says
    /// nothing.
    pub fn new(rules: Vec<Rule>, open: Vec<Open>, grace_ms: i64, now_ms: i64) -> Self {
        let mut kept: HashMap<String, Vec<Open>> = HashMap::new();
        let mut intake = None;
        for open in open {
            match &open.message.board {
                Some(board) => kept.entry(board.clone()).or_default().push(open),
                None => {
                    let since_ms = milliseconds(open.message.since);
                    let Open { message, acknowledged, .. } = open;
                    intake = Some(Intake { message, since_ms, acknowledged, boards: 0 });
                }
            }
        }
        let (ready_ms, watches) = (now_ms.saturating_add(grace_ms), HashMap::new());
        Self { rules, grace_ms, ready_ms, ticked_ms: now_ms, round: 0, watches, intake, kept }
    }

    /// Gives what has changed since the tick before.
    pub fn tick(&mut self, fleet: &Fleet, now_ms: i64) -> Vec<Message> {
        let has_leapt = !(0..LEAP_MS).contains(&now_ms.saturating_sub(self.ticked_ms));
        if has_leapt {
            self.ready_ms = now_ms.saturating_add(self.grace_ms);
        }
        self.ticked_ms = now_ms;
        self.round += 1;
        let is_ready = now_ms >= self.ready_ms;
        let (mut messages, mut silence) = (Vec::new(), Silence::default());
        for board in fleet.boards() {
            let watch = match self.watches.get_mut(&board.name) {
                Some(watch) => watch,
                None => self.watches.entry(board.name.clone()).or_default(),
            };
            watch.look(board, &self.rules, self.round, now_ms);
            if let Some(kept) = self.kept.remove(&*board.name) {
                watch.restore(board, &self.rules, kept);
            }
            let mut points = std::mem::take(&mut watch.points);
            for point in &mut points {
                let Some(rule) = self.rules.get(usize::from(point.rule)) else { continue };
                let verdict = point.verdict(rule, watch, fleet, board, now_ms);
                if has_leapt && let Some(alert) = point.alert.as_mut().filter(|alert| !alert.is_raised) {
                    alert.since_ms = None;
                }
                if is_ready {
                    let moment = Moment { board, now_ms, opened_ms: fleet.opened_ms() };
                    step(point, rule, verdict, &moment, &mut silence, &mut messages);
                }
            }
            watch.points = points;
        }
        self.kept.clear();
        let round = self.round;
        if self.watches.len() > fleet.boards().len() {
            self.watches.retain(|_, watch| watch.round == round);
        }
        if is_ready {
            self.judge(silence, now_ms, &mut messages);
        }
        messages
    }

    /// Finds out whether boards are lost one by one, or all of them by what is between.
    fn judge(&mut self, silence: Silence, now_ms: i64, messages: &mut Vec<Message>) {
        let Silence { due, others, since_ms, heard } = silence;
        let silent = due.len() + others;
        let is_intake = silent >= MANY && silent >= heard;
        if self.intake.is_none() && is_intake && !due.is_empty() {
            let since_ms = since_ms.unwrap_or(now_ms);
            let text = format!("{silent} of {} boards are not heard any more", silent + heard);
            let message = Message {
                board: None,
                alert: INTAKE.to_owned(),
                series: None,
                severity: Severity::Critical,
                state: Turn::Raised,
                since: seconds(since_ms),
                at: seconds(now_ms),
                text,
            };
            messages.push(message.clone());
            self.intake = Some(Intake { message, since_ms, acknowledged: None, boards: silent });
        }
        let Self { rules, watches, intake, .. } = self;
        for name in due {
            let Some(point) = watches.get_mut(&name).and_then(|watch| watch.lost(rules)) else { continue };
            let Some(rule) = rules.get(usize::from(point.rule)) else { continue };
            let Some(alert) = &mut point.alert else { continue };
            alert.is_covered = intake.is_some();
            if !alert.is_covered {
                messages.push(message(rule, &name, None, alert, Turn::Raised, now_ms));
            }
        }
        let Some(intake) = intake else { return };
        intake.boards = intake.boards.max(silent);
        if silent > 0 && silent * 2 >= intake.boards {
            return;
        }
        let over = &intake.message;
        messages.push(Message {
            state: Turn::Cleared,
            at: seconds(now_ms),
            text: cleared(&over.text, now_ms.saturating_sub(intake.since_ms)),
            ..over.clone()
        });
        self.intake = None;
        // Who is not back yet has some more time.
        for watch in watches.values_mut() {
            let alert = watch.lost(rules).and_then(|point| point.alert.as_mut());
            if let Some(alert) = alert.filter(|alert| alert.is_covered) {
                alert.restart(now_ms);
            }
        }
    }

    /// Notes that an operator took notice of the raised alert with that [`Message::id`]. What only its latch holds is
    /// over at the next tick. None: no such alert is raised.
    pub fn acknowledge(&mut self, id: &str, now_ms: i64) -> Option<Open> {
        let mut open = self.open().into_iter().find(|open| open.message.id() == id)?;
        open.acknowledged.get_or_insert(seconds(now_ms));
        let Message { board, alert, series, .. } = &open.message;
        let Self { rules, watches, intake, .. } = self;
        match board {
            None => intake.as_mut()?.acknowledged = open.acknowledged,
            Some(board) => {
                let is_it = |point: &&mut Point| {
                    let rule = rules.get(usize::from(point.rule));
                    rule.is_some_and(|rule| rule.name == *alert) && point.path() == series.as_deref()
                };
                let point = watches.get_mut(&**board)?.points.iter_mut().find(is_it)?;
                point.alert.as_mut()?.acknowledged_ms = open.acknowledged.map(milliseconds);
            }
        }
        Some(open)
    }

    /// The alerts that are raised: the worst first, and of those the newest.
    pub fn open(&self) -> Vec<Open> {
        let mut open = Vec::new();
        for (name, watch) in &self.watches {
            for point in &watch.points {
                let alert = point.alert.as_ref().filter(|alert| alert.is_raised);
                if let (Some(alert), Some(rule)) = (alert, self.rules.get(usize::from(point.rule))) {
                    let said = message(rule, name, point.path(), alert, Turn::Raised, self.ticked_ms);
                    let acknowledged = alert.acknowledged_ms.map(seconds);
                    open.push(Open { message: said, is_covered: alert.is_covered, acknowledged });
                }
            }
        }
        // Those that were not looked at yet.
        open.extend(self.kept.values().flatten().cloned());
        open.extend(self.intake.iter().map(|intake| Open {
            message: intake.message.clone(),
            is_covered: false,
            acknowledged: intake.acknowledged,
        }));
        open.sort_by(|a, b| {
            let (a, b) = (&a.message, &b.message);
            b.severity.cmp(&a.severity).then(b.since.total_cmp(&a.since)).then_with(|| a.board.cmp(&b.board))
        });
        open
    }
}

/// A board at a tick.
struct Moment<'b> {
    board: &'b Board,
    now_ms: i64,
    /// When the hub began to listen.
    opened_ms: i64,
}

/// Takes over what a rule says of a board.
fn step(
    point: &mut Point,
    rule: &Rule,
    verdict: Verdict,
    moment: &Moment<'_>,
    silence: &mut Silence,
    messages: &mut Vec<Message>,
) {
    let Moment { board, now_ms, opened_ms } = *moment;
    let is_lost = rule.test == Test::Lost;
    if is_lost && verdict != Verdict::Reached {
        silence.heard += 1;
    }
    if point.alert.is_none() && verdict != Verdict::Reached {
        return;
    }
    let alert = point.alert.get_or_insert_default();
    // Who was heard last before the hub began has the whole time from then on.
    let (since_ms, before_ms) = match is_lost {
        true => (board.since_ms, opened_ms.saturating_sub(board.since_ms).max(0)),
        false => (now_ms, 0),
    };
    let turn = alert.step(verdict, since_ms, now_ms, rule.hold_ms.saturating_add(before_ms));
    if turn == Some(Turn::Raised) {
        let text = rule.why(point.path.as_deref().unwrap_or_default(), &point.value);
        alert.text = format!("{}: {text}", shown(&board.name));
    }
    if is_lost && verdict == Verdict::Reached && (!alert.is_raised || alert.is_covered || turn.is_some()) {
        let since_ms = alert.since_ms.unwrap_or(now_ms);
        silence.since_ms = Some(silence.since_ms.map_or(since_ms, |first| first.min(since_ms)));
        if turn.is_some() {
            silence.due.push(board.name.clone());
        } else {
            silence.others += 1;
        }
        return;
    }
    let is_silent = turn == Some(Turn::Cleared)
        && (rule.severity == Severity::Notice || std::mem::take(&mut alert.is_covered));
    if let Some(turn) = turn.filter(|_| !is_silent) {
        messages.push(message(rule, &board.name, point.path.as_deref(), alert, turn, now_ms));
    }
    if alert.is_forgotten(now_ms) {
        point.alert = None;
    }
}

fn message(rule: &Rule, board: &str, path: Option<&str>, alert: &Alert, turn: Turn, now_ms: i64) -> Message {
    let since_ms = alert.since_ms.unwrap_or(now_ms);
    Message {
        board: Some(board.to_owned()),
        alert: rule.name.to_string(),
        series: path.map(str::to_owned),
        severity: rule.severity,
        state: turn,
        since: seconds(since_ms),
        at: seconds(now_ms),
        text: match turn {
            Turn::Raised => alert.text.clone(),
            Turn::Cleared => cleared(&alert.text, now_ms.saturating_sub(since_ms)),
        },
    }
}

fn cleared(text: &str, ms: i64) -> String {
    format!("{text}: over after {}", span(ms))
}

fn seconds(ms: i64) -> f64 {
    ms as f64 / 1000.0
}

#[expect(clippy::cast_possible_truncation, reason = "a float becomes the nearest integer that there is")]
pub(super) fn milliseconds(seconds: f64) -> i64 {
    (seconds * 1000.0).round() as i64
}

/// Whether a tag is as a rule wants it.
pub(super) fn has_tag(rule: &Rule, fleet: &Fleet, board: &Board) -> bool {
    rule.tag.as_ref().is_none_or(|(key, value)| {
        let tag = fleet.value(board, &format!("tags.{key}"));
        matches!(tag, Some(Value::Text(text)) if **text == **value)
    })
}
