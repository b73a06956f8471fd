//! All that is known of the hub and its boards.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::time::Instant;

use super::board::{BOARDS, Board, Hosts, State};
use super::columns::Column;
use super::text::{Name, Text};

/// Most octets of a board's name; the hub has 255. A hub that sends nothing but the longest texts for the most boards
/// takes some 200 MB.
const NAME: usize = 1024;

/// A hub that is not heard.
#[derive(Debug)]
pub struct Lost {
    pub since: Instant,
    pub why: Text,
}

/// The boards, as of the last frame.
#[derive(Debug)]
pub struct Fleet {
    boards: BTreeMap<Name, Board>,
    /// Whether there are more boards than are kept.
    pub is_full: bool,
    /// The hub's clock at the last frame, and when that came.
    clock: (f64, Instant),
    pub lost: Option<Lost>,
}

impl Default for Fleet {
    fn default() -> Self {
        Self { boards: BTreeMap::new(), is_full: false, clock: (0.0, Instant::now()), lost: None }
    }
}

impl Fleet {
    /// The hub's time. It stands still while the hub is not heard: the figures are as of then.
    pub fn now(&self) -> f64 {
        let (now, at) = self.clock;
        if self.lost.is_some() { now } else { now + at.elapsed().as_secs_f64() }
    }

    /// Takes over all boards.
    pub fn replace(&mut self, hosts: Hosts) {
        self.boards.clear();
        self.is_full = false;
        self.change(hosts);
    }

    /// Takes over what has changed.
    pub fn change(&mut self, hosts: Hosts) {
        self.clock = (hosts.now, Instant::now());
        self.lost = None;
        for name in hosts.gone {
            self.boards.remove(&*name);
        }
        for host in hosts.hosts {
            if let Some(board) = self.boards.get_mut(&host.name) {
                board.take(host);
            } else if self.boards.len() < BOARDS && host.name.raw.len() <= NAME {
                self.boards.entry(host.name.clone()).or_default().take(host);
            } else {
                self.is_full = true;
            }
        }
        for (name, values) in hosts.values.0 {
            if let Some(board) = self.boards.get_mut(&*name) {
                board.hear(values, hosts.now);
            }
        }
    }

    /// The hub is not heard, since now or since before.
    pub fn lose(&mut self, why: &str) {
        let since = self.lost.as_ref().map_or_else(Instant::now, |lost| lost.since);
        self.lost = Some(Lost { since, why: Text::of(why) });
    }

    pub fn board(&self, name: &str) -> Option<&Board> {
        self.boards.get(name)
    }

    /// How many are in each state.
    pub fn counts(&self) -> [(State, u64); 4] {
        let count = |state| self.boards.values().filter(|board| board.state == state).count() as u64;
        State::ALL.map(|state| (state, count(state)))
    }

    /// The boards that match `filter`, in the order of a column.
    pub fn rows(&self, filter: &str, column: &Column, is_reversed: bool) -> Vec<(&Name, &Board)> {
        let filter = filter.to_lowercase();
        let is_shown = |(name, board): &(&Name, &Board)| filter.is_empty() || matches(name, board, &filter);
        let mut rows: Vec<_> = self.boards.iter().filter(is_shown).collect();
        let now = self.now();
        rows.sort_by(|a, b| column.compare(*a, *b, now, is_reversed));
        rows
    }
}

fn matches(name: &Name, board: &Board, filter: &str) -> bool {
    let Board { state, why, model, tags, .. } = board;
    let mut texts =
        [&*name.shown, state.word(), why, model].into_iter().chain(tags.0.iter().map(|tag| &**tag));
    texts.any(|text| text.to_lowercase().contains(filter))
}

/// Worst first, then the newest; boards that are well by name.
pub fn worst(a: &Board, b: &Board) -> Ordering {
    let newest = || b.since.unwrap_or_default().total_cmp(&a.since.unwrap_or_default());
    a.state.cmp(&b.state).then_with(|| if a.state == State::Well { Ordering::Equal } else { newest() })
}
