//! What a broker was told, and what it is to be told now. It does no I/O and reads no clock.

use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::mem;
use std::rc::Rc;
use std::sync::Arc;

use crate::fleet::{Board, Fleet, Source, State, Value};
use crate::mqtt::discovery::{self, TRAITS};
use crate::mqtt::entities::Platform;
use crate::mqtt::settings::Mqtt;
use crate::mqtt::topics;

/// So many boards that were forgotten are taken away again in each new session: what took them away may be lost with
/// the one before.
const GONE: usize = 1_024;

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Where it is published.
    pub topic: String,
    /// What it says. Of a retained one, nothing: what was retained is taken away.
    pub payload: Vec<u8>,
    /// Whether the broker keeps it for whoever comes later.
    pub is_retained: bool,
}

impl Message {
    fn retained(topic: String, payload: impl Into<Vec<u8>>) -> Self {
        Self { topic, payload: payload.into(), is_retained: true }
    }
}

/// What the broker was told of a board.
#[derive(Debug, Default)]
struct Told {
    /// Whether it is there.
    is_up: Option<bool>,
    /// By slots: as what Home Assistant knows the series.
    platforms: Vec<Option<Platform>>,
    /// The hash of what it says that it is.
    traits: u64,
    /// Whether it is another hub's: what is retained of it is for that one to take away.
    is_lent: bool,
    /// The generation in which its report was looked at.
    seen: u64,
}

/// What the broker was told of all boards in this session.
#[derive(Debug)]
pub struct Book {
    settings: Rc<Mqtt>,
    told: HashMap<Arc<str>, Told>,
    gone: VecDeque<Arc<str>>,
}

impl Book {
    /// A broker that was told nothing.
    pub fn new(settings: Rc<Mqtt>) -> Self {
        Self { settings, told: HashMap::new(), gone: VecDeque::new() }
    }

    /// Begins a session, of which the broker knows nothing: with the hub, and with who is gone.
    pub fn begin(&mut self, fleet: &Fleet) -> Vec<Message> {
        self.told.values_mut().for_each(|told| *told = Told::default());
        self.gone.retain(|name| fleet.place(name).is_none());
        let hub = Message::retained(topics::of_hub(&self.settings.prefix), "online");
        [hub].into_iter().chain(self.gone.iter().flat_map(|name| self.take_away(name))).collect()
    }

    /// What is new of the board at a place of the fleet; and what its series say, where that `is_due`. None: there is none.
    pub fn board(&mut self, fleet: &Fleet, place: usize, is_due: bool) -> Option<Vec<Message>> {
        let board = fleet.boards().get(place)?;
        if !self.told.contains_key(&board.name) {
            self.told.insert(board.name.clone(), Told::default());
        }
        let told = self.told.get_mut(&board.name)?;
        told.is_lent = board.source == Source::Standby;
        let (name, prefix) = (&*board.name, self.settings.prefix.as_str());
        let mut messages = Vec::new();
        if board.touched >= told.seen {
            let has_news = has_news(board, told);
            if let Some(discovery) = self.settings.discovery.as_ref().filter(|_| has_news) {
                let payload = discovery::payload(fleet, board, &told.platforms, &self.settings);
                messages.push(Message::retained(topics::of_discovery(discovery, prefix, name), payload));
            }
            told.seen = board.touched;
        }
        // What is known from before the start is no sign of life.
        let is_up = board.state != State::Lost && board.heard_ms >= fleet.opened_ms();
        if told.is_up.replace(is_up) != Some(is_up) {
            let said = if is_up { "online" } else { "offline" };
            messages.push(Message::retained(topics::of_board(prefix, name), said));
        }
        if is_due && is_up {
            let series = board.cells.paths.iter().zip(&board.cells.cells);
            messages.extend(series.filter_map(|(path, cell)| {
                let topic = topics::of_series(prefix, name, path);
                Some(Message { topic, payload: said(&cell.value)?, is_retained: false })
            }));
        }
        Some(messages)
    }

    /// Takes away the boards that were forgotten since.
    pub fn gone(&mut self, fleet: &Fleet) -> Vec<Message> {
        let mut gone = Vec::new();
        self.told.retain(|name, told| {
            let is_there = fleet.place(name).is_some();
            if !is_there && !told.is_lent {
                gone.push(name.clone());
            }
            is_there
        });
        self.gone.extend(gone.iter().cloned());
        self.gone.drain(..self.gone.len().saturating_sub(GONE));
        gone.iter().flat_map(|name| self.take_away(name)).collect()
    }

    /// Takes away what is retained of a board.
    fn take_away(&self, name: &str) -> impl Iterator<Item = Message> + use<> {
        let prefix = &self.settings.prefix;
        let discovery = self.settings.discovery.as_ref();
        let config = discovery.map(|discovery| topics::of_discovery(discovery, prefix, name));
        let topics = config.into_iter().chain([topics::of_board(prefix, name)]);
        topics.map(|topic| Message::retained(topic, ""))
    }
}

/// Whether Home Assistant has to be told of the board: it is new, or has a new entity, or is called something else.
fn has_news(board: &Board, told: &mut Told) -> bool {
    let (cells, mut traits) = (&board.cells.cells, DefaultHasher::new());
    let mut has_news = told.is_up.is_none();
    // A series stays where it is, and an entity stays one while it says nothing.
    told.platforms.resize(cells.len(), None);
    for (known, (path, cell)) in told.platforms.iter_mut().zip(board.cells.paths.iter().zip(cells)) {
        let platform = Platform::of(&cell.value).or(*known);
        has_news |= mem::replace(known, platform) != platform;
        if let (Value::Text(text), true) = (&cell.value, TRAITS.contains(&&**path)) {
            (path, text).hash(&mut traits);
        }
    }
    let traits = traits.finish();
    mem::replace(&mut told.traits, traits) != traits || has_news
}

/// What a series says, as the API has it, without the quotation marks of a text. None: nothing.
fn said(value: &Value) -> Option<Vec<u8>> {
    match value {
        Value::Unsaid | Value::Missing => None,
        Value::Text(text) => Some(text.as_bytes().into()),
        Value::Number(_) | Value::Truth(_) => serde_json::to_vec(value).ok(),
    }
}
