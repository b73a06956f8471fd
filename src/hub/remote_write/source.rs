//! What comes next of a board: each sample where the memory has it, and before that minutes of the history.

use std::collections::HashMap;
use std::mem;
use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::oneshot;

use super::chunk::{Chunk, Series};
use super::names::{Known, Names, instance, of_fact};
use crate::fleet::{Board, Fleet, Value};
use crate::history::{Replay, Replayed, Rollup};
use crate::intake::Door;
use crate::metrics::boards::FACTS;

const MINUTE_MS: i64 = 60_000;

/// The history cannot be read at present.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Busy;

/// The samples of all boards.
pub struct Source {
    door: Rc<Door>,
    names: Names,
    /// Of each board that has some, how many rows that came late were looked at.
    late_rows: HashMap<Arc<str>, u64>,
}

impl Source {
    /// Of the fleet and the history behind that door.
    pub fn new(door: Rc<Door>) -> Self {
        Self { door, names: Names::default(), late_rows: HashMap::new() }
    }

    /// What a board said after its position and before `until_ms`, at most a minute of samples. It may be empty, where
    /// only the position moves; None where there is nothing in that stretch.
    ///
    /// # Errors
    /// The history cannot say.
    pub async fn next(
        &mut self,
        name: &Arc<str>,
        position: i64,
        until_ms: i64,
    ) -> Result<Option<Chunk>, Busy> {
        let oldest_ms = self.door.fleet().borrow().board(name).and_then(|board| board.recent.oldest_ms());
        let Some(oldest_ms) = oldest_ms else { return Ok(None) };
        if position + 1 < oldest_ms && self.door.has_history() {
            return self.replayed(name, position, until_ms, oldest_ms).await;
        }
        Ok(self.recent(name, position, until_ms))
    }

    /// What came since it was asked last, and is not later than its board's position: too late to be sent with the rest.
    /// A receiver takes that where it is configured to.
    pub fn late(&mut self, mut position_of: impl FnMut(&Arc<str>) -> Option<i64>) -> Vec<Chunk> {
        let fleet = self.door.fleet().borrow();
        let mut chunks = Vec::new();
        // Boards that were forgotten meanwhile are not in the map that comes of it.
        let before = mem::take(&mut self.late_rows);
        for board in fleet.boards().iter().filter(|board| board.recent.late_rows() > 0) {
            let rows = board.recent.late_rows();
            self.late_rows.insert(board.name.clone(), rows);
            let seen = before.get(&board.name).copied().filter(|seen| *seen <= rows).unwrap_or(0);
            let Some(position) = position_of(&board.name) else { continue };
            let mut times: Vec<_> =
                board.recent.late_ms(rows - seen).filter(|time| *time <= position).collect();
            times.sort_unstable();
            times.dedup();
            let mut samples: Vec<_> = times.iter().flat_map(|time| board.recent.all(*time, *time)).collect();
            samples.sort_by_key(|(slot, ..)| *slot);
            let series = self.names.of_samples(&fleet, board, &samples);
            chunks.extend(chunk(&board.name, position, series).filter(|chunk| !chunk.is_empty()));
        }
        chunks
    }

    /// Minutes that the memory does not have any more.
    async fn replayed(
        &mut self,
        name: &Arc<str>,
        position: i64,
        until_ms: i64,
        oldest_ms: i64,
    ) -> Result<Option<Chunk>, Busy> {
        let from_ms = (position + 1).div_euclid(MINUTE_MS) * MINUTE_MS;
        let (answer, answered) = oneshot::channel();
        let board = name.clone();
        self.door.ask(Box::new(move |history, now_ms| {
            // Who asked may be gone.
            let _ = answer.send(history.replay(&board, (from_ms, until_ms, oldest_ms), now_ms));
        }));
        let replayed = answered.await.map_err(|_| Busy)?.map_err(|_| Busy)?;
        let to_ms = match &replayed {
            Replayed::Minutes(_) => end_of(until_ms.min(oldest_ms) - 1, oldest_ms),
            Replayed::Later(start_ms) => start_ms - 1,
            Replayed::Nothing => oldest_ms - 1,
        };
        let series = if let Replayed::Minutes(replay) = replayed {
            self.of_minutes(name, &replay, position, oldest_ms)
        } else {
            Vec::new()
        };
        Ok(chunk(name, to_ms, series))
    }

    fn of_minutes(&mut self, name: &str, replay: &Replay, position: i64, oldest_ms: i64) -> Vec<Series> {
        let fleet = self.door.fleet().borrow();
        let board = fleet.board(name);
        // The minute in which the memory begins may be there as a whole.
        let last_ms = oldest_ms.div_euclid(MINUTE_MS) * MINUTE_MS;
        let known =
            board.map(|board| board.recent.all(oldest_ms, last_ms + MINUTE_MS - 1)).unwrap_or_default();
        let is_known = |path: &str, minute: &Rollup| {
            let slot = board.and_then(|board| board.cells.paths.iter().position(|other| **other == *path));
            let count = known.iter().filter(|(other, ..)| Some(usize::from(*other)) == slot).count();
            usize::try_from(minute.count).is_ok_and(|has| has <= count)
        };
        let mut all = Vec::new();
        for (path, minutes) in &replay.series {
            let Some(known) = self.names.of(&fleet, board, path) else { continue };
            let value = |minute: &Rollup| match known.is_counter() {
                true if minute.start_ms >= last_ms => minute.min,
                true => minute.max,
                false => minute.average,
            };
            let samples =
                minutes.iter().filter(|minute| minute.start_ms < last_ms || !is_known(path, minute));
            let samples = samples.filter_map(|minute| {
                let time = end_of(minute.start_ms, oldest_ms);
                let number = known.figure.number(&Value::Number(value(minute)))?;
                (time > position).then_some((time, number))
            });
            all.extend(series(&known, samples.collect()));
        }
        all
    }

    /// Samples of the memory.
    fn recent(&mut self, name: &Arc<str>, position: i64, until_ms: i64) -> Option<Chunk> {
        let fleet = self.door.fleet().borrow();
        let board = fleet.board(name)?;
        let next_ms = board.recent.next_ms(position).filter(|next_ms| *next_ms < until_ms)?;
        let last_ms = (next_ms + MINUTE_MS).min(until_ms) - 1;
        let samples = board.recent.all(position + 1, last_ms);
        let mut all = self.names.of_samples(&fleet, board, &samples);
        // What comes now may still be of the time after the last sample.
        let to_ms = samples.iter().map(|(_, time, _)| *time).max().unwrap_or(last_ms);
        let is_newest = board.recent.newest_ms() == Some(to_ms);
        if is_newest && to_ms.div_euclid(MINUTE_MS) > position.div_euclid(MINUTE_MS) {
            self.names.add_facts(&fleet, board, to_ms, &mut all);
        }
        chunk(name, to_ms, all)
    }
}

impl Names {
    /// Samples of the memory, in the order of their slots and times, as series.
    fn of_samples(&mut self, fleet: &Fleet, board: &Board, samples: &[(u16, i64, f64)]) -> Vec<Series> {
        let mut all = Vec::new();
        for run in samples.chunk_by(|(one, ..), (other, ..)| one == other) {
            let path = run.first().and_then(|(slot, ..)| board.cells.paths.get(usize::from(*slot)));
            let known = path.and_then(|path| self.of(fleet, Some(board), path));
            let Some(known) = known else { continue };
            let number = |value: f64| known.figure.number(&Value::Number(value));
            let samples = run.iter().filter_map(|(_, time, value)| Some((*time, number(*value)?)));
            all.extend(series(&known, samples.collect()));
        }
        all
    }

    /// Adds what the hub knows of a board, and what is a number of a text: once a minute.
    fn add_facts(&mut self, fleet: &Fleet, board: &Board, at_ms: i64, all: &mut Vec<Series>) {
        for (family, value) in FACTS {
            all.push(Series { labels: of_fact(family, board), samples: vec![(at_ms, value(board))] });
        }
        for (path, cell) in board.cells.paths.iter().zip(&board.cells.cells) {
            let Value::Text(_) = cell.value else { continue };
            let known = self.of(fleet, Some(board), path);
            let sample = known.and_then(|known| Some((known.figure.number(&cell.value)?, known)));
            if let Some((number, known)) = sample {
                all.extend(series(&known, vec![(at_ms, number)]));
            }
        }
    }
}

/// The last millisecond of the minute that a time is in, or, where the memory begins within it, the one before that.
fn end_of(time_ms: i64, oldest_ms: i64) -> i64 {
    ((time_ms.div_euclid(MINUTE_MS) + 1) * MINUTE_MS).min(oldest_ms) - 1
}

fn series(known: &Known, samples: Vec<(i64, f64)>) -> Option<Series> {
    (!samples.is_empty()).then(|| Series { labels: known.labels.clone(), samples })
}

fn chunk(name: &Arc<str>, to_ms: i64, series: Vec<Series>) -> Option<Chunk> {
    Some(Chunk { board: name.clone(), instance: instance(name)?, to_ms, series })
}
