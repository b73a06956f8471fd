//! The columns of the table: what each shows, and how boards are sorted by it.

use std::cmp::Ordering;

use super::board::{Board, State};
use super::fleet::worst;
use super::text::{Name, fixed, natural, short};
use crate::alerts::rules::{RULES, Rule, Verdict};
use crate::fleet::Value;

/// A column.
#[derive(Debug)]
pub struct Column {
    pub title: &'static str,
    /// How boards are sorted by it.
    pub order: &'static str,
    /// Cells.
    pub width: u16,
    /// It is shown in a terminal with so many cells in a line, or more.
    pub from: u16,
    pub kind: Kind,
}

/// What a column shows.
#[derive(Debug)]
pub enum Kind {
    State,
    /// It takes all cells that the others leave.
    Name,
    Figure {
        /// At this time of the hub.
        value: fn(&Board, f64) -> Option<f64>,
        show: fn(Option<f64>) -> String,
        /// The series whose limit the hub watches.
        limit: &'static str,
    },
}

const fn figure(
    title: &'static str,
    order: &'static str,
    [width, from]: [u16; 2],
    value: fn(&Board, f64) -> Option<f64>,
    show: fn(Option<f64>) -> String,
    limit: &'static str,
) -> Column {
    Column { title, order, width, from, kind: Kind::Figure { value, show, limit } }
}

/// From the left to the right; the first is the one that boards are sorted by at first.
pub static COLUMNS: [Column; 9] = [
    Column { title: "STATE", order: "worst first", width: 8, from: 0, kind: Kind::State },
    Column { title: "NAME", order: "by name", width: 8, from: 0, kind: Kind::Name },
    figure("CPU%", "highest CPU first", [6, 34], |board, _| board.figures.cpu(), whole, ""),
    figure("MEM%", "highest memory first", [6, 41], |board, _| board.figures.mem, whole, "mem"),
    figure("°C", "highest temperature first", [6, 48], |board, _| board.figures.temp, whole, "cpu_temp"),
    figure("DISK%", "fullest disk first", [6, 55], |board, _| board.figures.disk(), whole, "disk./.percent"),
    figure("LOAD", "highest load first", [7, 72], |board, _| board.figures.load, |load| fixed(load, 2), ""),
    figure("UP", "longest up first", [5, 64], up, short, ""),
    figure("HEARD", "longest unheard first", [5, 26], |board, now| Some(now - board.heard?), short, ""),
];

/// Cells of a line from which why a board is not well has a column.
pub const WHY: u16 = 110;

fn whole(value: Option<f64>) -> String {
    fixed(value, 0)
}

/// A board that is not heard may have been off since.
fn up(board: &Board, now: f64) -> Option<f64> {
    let since = now - board.heard?;
    board.figures.uptime.filter(|_| board.state != State::Lost).map(|uptime| uptime + since)
}

impl Column {
    /// The order of two boards. What is missing comes last in either direction.
    pub fn compare(
        &self,
        (name, board): (&Name, &Board),
        (other_name, other): (&Name, &Board),
        now: f64,
        is_reversed: bool,
    ) -> Ordering {
        let turn = |order: Ordering| if is_reversed { order.reverse() } else { order };
        let by_name = || natural(&name.raw, &other_name.raw);
        match &self.kind {
            Kind::State => turn(worst(board, other)).then_with(by_name),
            Kind::Name => turn(by_name()),
            Kind::Figure { value, .. } => match (value(board, now), value(other, now)) {
                (Some(a), Some(b)) => turn(b.total_cmp(&a)),
                (a, b) => b.is_some().cmp(&a.is_some()),
            }
            .then_with(by_name),
        }
    }
}

/// Whether a value reaches the limit that the hub watches for a series.
pub fn is_over(series: &str, value: Option<f64>) -> bool {
    let rule = Rule::of_wall(series).and_then(|place| RULES.get(place));
    rule.zip(value).is_some_and(|(rule, value)| rule.verdict(&Value::Number(value)) == Verdict::Reached)
}
