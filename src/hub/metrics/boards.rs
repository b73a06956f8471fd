//! The metrics of boards: of one, or of all.
//!
//! All samples of a family have to stand together, and a fleet has its series by boards. So a scrape begins with a list of
//! the series, twelve bytes each, sorted by family, and writes their values piece by piece, as the client takes them.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use crate::fleet::cells::Cells;
use crate::fleet::{Board, Fleet, State, Value};
use crate::metrics::family::{Family, Kind};
use crate::metrics::table::{FIGURES, figure_of, sensor};
use crate::metrics::text::{Format, Page, label, label_name};

/// Bytes of a piece, and a little more.
const PIECE: usize = 64 * 1024;

/// The most tags of a board that become labels.
const TAGS: usize = 16;

/// Other labels of what a board is, by the series that has them.
const LABELS: [(&str, &str); 3] = [("board.model", "model"), ("os", "os"), ("board.revision", "revision")];

/// What the hub knows of every board, whether it is heard or not.
type Fact = (Family, fn(&Board) -> f64);

/// All of that. The labels of the info are the board's [`traits`].
pub const FACTS: &[Fact] = &[
    (Family::info("psistats_board_info", "What the board is; its tags are labels."), |_| 1.0),
    (Family::gauge("psistats_board_up", "Whether the board is heard."), |board| {
        f64::from(board.state != State::Lost)
    }),
    (
        Family::gauge(
            "psistats_last_report_timestamp_seconds",
            "When the last report came, by the clock of the hub.",
        ),
        |board| board.heard_ms as f64 / 1000.0,
    ),
    (Family::gauge("psistats_report_interval_seconds", "Usual time from report to report."), |board| {
        board.interval.ms() as f64 / 1000.0
    }),
    (Family::counter("psistats_reports_total", "Reports that came, once each."), |board| {
        board.roster.reports as f64
    }),
    (
        Family::counter(
            "psistats_reports_lost_total",
            "Reports that were missing when a later one came; see psistats_reports_recovered_total.",
        ),
        // A counter must not go down when one of them comes after all.
        |board| board.roster.lost.saturating_add(board.roster.recovered) as f64,
    ),
    (Family::counter("psistats_reports_recovered_total", "Lost reports that came after all."), |board| {
        board.roster.recovered as f64
    }),
    (Family::counter("psistats_reports_late_total", "Reports that came after newer ones."), |board| {
        board.roster.late as f64
    }),
    (Family::counter("psistats_reports_duplicate_total", "Reports that came again."), |board| {
        board.roster.duplicates as f64
    }),
];

/// A series of a board that has a number.
#[derive(Clone, Copy, Debug)]
struct Sample {
    /// Of its path and its figure, among those of all series.
    rank: u32,
    board: u32,
    slot: u16,
    /// Among [`FIGURES`].
    figure: u16,
}

/// Metrics that are being written.
#[derive(Debug)]
pub struct Scrape {
    format: Format,
    /// Whether samples say whose they are.
    has_instance: bool,
    /// The place of the first board.
    first: usize,
    /// Boards keep their places, unless one is forgotten: then another is where it was.
    names: Vec<Arc<str>>,
    samples: Vec<Sample>,
    /// What comes next.
    next: Next,
    /// Of the samples of the present rank.
    rank: Option<u32>,
    labels: String,
    figure: Option<u16>,
}

#[derive(Clone, Copy, Debug)]
enum Next {
    /// That fact of the board at this place.
    Fact(usize, usize),
    Sample(usize),
    Nothing,
}

impl Scrape {
    /// Of all boards. Of those that are lost there are no figures: what they said is no longer so.
    pub fn of_all(fleet: &Fleet, format: Format) -> Self {
        Self::new(fleet, 0..fleet.boards().len(), true, format)
    }

    /// Of one board, which the caller names. None where there is none of that name.
    pub fn of_board(fleet: &Fleet, name: &str, format: Format) -> Option<Self> {
        let place = fleet.place(name)?;
        Some(Self::new(fleet, place..place + 1, false, format))
    }

    fn new(fleet: &Fleet, places: Range<usize>, has_instance: bool, format: Format) -> Self {
        let boards = fleet.boards().get(places.clone()).unwrap_or_default();
        Self {
            format,
            has_instance,
            first: places.start,
            names: boards.iter().map(|board| board.name.clone()).collect(),
            samples: samples(boards, has_instance),
            next: Next::Fact(0, 0),
            rank: None,
            labels: String::new(),
            figure: None,
        }
    }

    /// Writes the next piece. `fleet` is that of the beginning, at a later time. None: that was all.
    pub fn next(&mut self, fleet: &Fleet) -> Option<String> {
        if let Next::Nothing = self.next {
            return None;
        }
        let mut page = Page::new(self.format, PIECE + PIECE / 8);
        while page.text.len() < PIECE {
            match self.next {
                Next::Fact(fact, place) => self.write_fact(fleet, fact, place, &mut page),
                Next::Sample(n) => self.write_sample(fleet, n, &mut page),
                Next::Nothing => break,
            }
        }
        Some(page.text)
    }

    /// The board that was at this place, if it still is, and has a name that can be written.
    fn board<'f>(&self, fleet: &'f Fleet, place: usize) -> Option<&'f Board> {
        let board = fleet.boards().get(self.first + place)?;
        let is_same = self.names.get(place).is_some_and(|name| Arc::ptr_eq(name, &board.name));
        (is_same && is_exposed(board, self.has_instance)).then_some(board)
    }

    fn write_fact(&mut self, fleet: &Fleet, fact: usize, place: usize, page: &mut Page) {
        let Some((family, value)) = FACTS.get(fact) else {
            self.next = Next::Sample(0);
            return;
        };
        if place >= self.names.len() {
            self.next = Next::Fact(fact + 1, 0);
            return;
        }
        if place == 0 {
            page.begin(family);
        }
        if let Some(board) = self.board(fleet, place) {
            let labels = if family.kind == Kind::Info { info(board) } else { String::new() };
            page.sample(family, self.has_instance.then_some(&*board.name), &labels, value(board));
        }
        self.next = Next::Fact(fact, place + 1);
    }

    fn write_sample(&mut self, fleet: &Fleet, n: usize, page: &mut Page) {
        let Some(Sample { rank, board, slot, figure }) = self.samples.get(n).copied() else {
            page.end();
            self.next = Next::Nothing;
            return;
        };
        self.next = Next::Sample(n + 1);
        let board = usize::try_from(board).ok().and_then(|place| self.board(fleet, place));
        let Some(board) = board.filter(|board| board.state != State::Lost) else { return };
        let Some(known) = FIGURES.get(usize::from(figure)) else { return };
        let Some(number) = board.cells.value(slot).and_then(|value| known.number(value)) else { return };
        if self.rank != Some(rank) {
            let path = board.cells.paths.get(usize::from(slot)).map_or("", |path| path);
            // The unit of a sensor may be another by now.
            let unit = unit(&board.cells, usize::from(slot), path);
            let Some((place, subject)) = known.place(path, unit) else { return };
            self.rank = Some(rank);
            self.labels.clear();
            for (name, value) in [(place.label, subject)].into_iter().chain(place.more) {
                if !name.is_empty() {
                    label(&mut self.labels, name, value);
                }
            }
        }
        if self.figure != Some(figure) {
            self.figure = Some(figure);
            page.begin(&known.family);
        }
        page.sample(&known.family, self.has_instance.then_some(&*board.name), &self.labels, number);
    }
}

/// The series of boards that have a number, in the order in which they are written.
fn samples(boards: &[Board], has_instance: bool) -> Vec<Sample> {
    // A path is in memory once for all boards, so that its address tells it.
    let mut kinds: HashMap<(usize, &str), Option<(u32, u16)>> = HashMap::new();
    let mut known: Vec<(u16, &str)> = Vec::new();
    let mut samples = Vec::new();
    for (board, place) in boards.iter().zip(0_u32..) {
        if board.state == State::Lost || !is_exposed(board, has_instance) {
            continue;
        }
        for (slot, (path, cell)) in board.cells.paths.iter().zip(&board.cells.cells).enumerate() {
            if matches!(cell.value, Value::Missing | Value::Unsaid) {
                continue;
            }
            let unit = unit(&board.cells, slot, path);
            let kind = kinds.entry((path.as_ptr().addr(), unit)).or_insert_with(|| {
                let (rank, figure) = (u32::try_from(known.len()).ok()?, figure_of(path, unit)?);
                known.push((figure, path));
                Some((rank, figure))
            });
            let Some((rank, figure)) = *kind else { continue };
            let known = FIGURES.get(usize::from(figure));
            let is_number = known.is_some_and(|known| known.number(&cell.value).is_some());
            if let (true, Ok(slot)) = (is_number, u16::try_from(slot)) {
                samples.push(Sample { rank, board: place, slot, figure });
            }
        }
    }
    sort(&mut samples, known);
    samples
}

/// Brings samples, whose ranks are places among `known`, into the order of figures and paths.
fn sort(samples: &mut [Sample], known: Vec<(u16, &str)>) {
    let mut order: Vec<_> = known.into_iter().zip(0_usize..).collect();
    order.sort_unstable();
    let mut ranks = vec![0; order.len()];
    for ((_, place), rank) in order.into_iter().zip(0_u32..) {
        if let Some(has) = ranks.get_mut(place) {
            *has = rank;
        }
    }
    for sample in &mut *samples {
        let rank = usize::try_from(sample.rank).ok().and_then(|place| ranks.get(place));
        sample.rank = rank.copied().unwrap_or_default();
    }
    samples.sort_unstable_by_key(|sample| (sample.rank, sample.board));
}

/// Whether a board can be told from others: readers of metrics do not take the character NUL in its name.
fn is_exposed(board: &Board, has_instance: bool) -> bool {
    !has_instance || !board.name.contains('\0')
}

/// The unit of a sensor; nothing of what is none. It is among the two series before and after the value, since a sensor
/// has a label, a value and a unit.
pub fn unit<'c>(cells: &'c Cells, slot: usize, path: &str) -> &'c str {
    let Some(sensor) = sensor(path) else { return "" };
    let near = slot.saturating_sub(2)..(slot + 3).min(cells.paths.len());
    let place = near.into_iter().find(|place| {
        let path = cells.paths.get(*place).and_then(|path| path.strip_suffix("unit"));
        path == Some(sensor)
    });
    match place.and_then(|place| cells.cells.get(place)).map(|cell| &cell.value) {
        Some(Value::Text(unit)) => unit,
        _ => "",
    }
}

/// What a board says that it is: label names, and their values.
pub fn traits(board: &Board) -> Vec<(String, &str)> {
    let mut traits: Vec<(String, &str)> = Vec::new();
    let mut tags = 0;
    for (path, cell) in board.cells.paths.iter().zip(&board.cells.cells) {
        let Value::Text(text) = &cell.value else { continue };
        let name = match path.strip_prefix("tags.") {
            Some(_) if tags == TAGS => continue,
            Some(tag) => {
                tags += 1;
                label_name("tag_", tag)
            }
            None => match LABELS.iter().find(|(has, _)| **has == **path) {
                Some((_, name)) => (*name).to_owned(),
                None => continue,
            },
        };
        // Of tags whose names become the same, the first counts.
        if !traits.iter().any(|(has, _)| *has == name) {
            traits.push((name, text));
        }
    }
    traits
}

/// The labels that say what a board is.
fn info(board: &Board) -> String {
    let mut labels = String::new();
    for (name, value) in traits(board) {
        label(&mut labels, &name, value);
    }
    labels
}
