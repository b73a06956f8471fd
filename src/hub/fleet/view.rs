//! What the API says of boards, as JSON. Times are Unix seconds.

use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

use crate::fleet::board::Board;
use crate::fleet::cells::{Cell, Value};
use crate::fleet::presence::State;
use crate::fleet::public::{self, Audience};
use crate::fleet::roster::Stretch;
use crate::fleet::{Fleet, Points};

/// A number: an integer without decimals.
struct Number(f64);

impl Serialize for Number {
    #[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(number) = *self;
        if number.fract() == 0.0 && number.abs() < 9e15 {
            serializer.serialize_i64(number as i64)
        } else {
            serializer.serialize_f64(number)
        }
    }
}

/// Unix milliseconds, as seconds.
struct Seconds(i64);

impl Serialize for Seconds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Number(self.0 as f64 / 1000.0).serialize(serializer)
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Unsaid | Self::Missing => serializer.serialize_unit(),
            Self::Number(number) => Number(*number).serialize(serializer),
            Self::Truth(truth) => serializer.serialize_bool(*truth),
            Self::Text(text) => serializer.serialize_str(text),
        }
    }
}

const TAGS: &str = "tags.";
const MODEL: &str = "board.model";

/// The series that changed after a generation, without the tags, which have their own place; or the tags alone.
#[derive(Clone, Copy)]
struct Values<'f> {
    board: &'f Board,
    since: u64,
    tags: bool,
    audience: Audience,
}

impl<'f> Values<'f> {
    fn cells(&self) -> impl Iterator<Item = (&'f str, &'f Cell)> {
        let Self { tags, since, audience, .. } = *self;
        let cells = self.board.cells.paths.iter().zip(&self.board.cells.cells);
        cells.filter_map(move |(path, cell)| {
            let tag = path.strip_prefix(TAGS);
            let name = if tags { tag? } else { path };
            let is_shown = tag.is_some() == tags && cell.changed > since && cell.value != Value::Unsaid;
            (is_shown && public::is_shown(path, &cell.value, audience)).then_some((name, cell))
        })
    }
}

impl Serialize for Values<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.cells().map(|(name, cell)| (name, &cell.value)))
    }
}

/// A board; without its values, what of it changes seldom.
struct Host<'f> {
    fleet: &'f Fleet,
    board: &'f Board,
    audience: Audience,
    has_values: bool,
}

impl Host<'_> {
    fn entries<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        let Self { fleet, board, audience, has_values } = *self;
        map.serialize_entry("name", &*board.name)?;
        map.serialize_entry("state", &board.state)?;
        map.serialize_entry("since", &Seconds(board.since_ms))?;
        map.serialize_entry("why", public::sentence(&board.why, audience))?;
        map.serialize_entry("heard", &Seconds(board.heard_ms))?;
        map.serialize_entry("source", &board.source)?;
        map.serialize_entry("model", &model(fleet, board, audience))?;
        map.serialize_entry("tags", &Values { board, since: 0, tags: true, audience })?;
        if has_values {
            map.serialize_entry("values", &Values { board, since: 0, tags: false, audience })?;
        }
        Ok(())
    }
}

fn model<'f>(fleet: &'f Fleet, board: &'f Board, audience: Audience) -> Option<&'f str> {
    match board.value(MODEL, &fleet.paths)? {
        value @ Value::Text(text) if public::is_shown(MODEL, value, audience) => Some(text),
        _ => None,
    }
}

impl Serialize for Host<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        self.entries(&mut map)?;
        map.end()
    }
}

/// A sequence that is made when it is written.
struct Each<F>(F);

impl<F: Fn() -> I, I: Iterator<Item: Serialize>> Serialize for Each<F> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut sequence = serializer.serialize_seq(None)?;
        for item in self.0() {
            sequence.serialize_element(&item)?;
        }
        sequence.end()
    }
}

/// The same, of what has names.
struct Named<F>(F);

impl<'f, F: Fn() -> I, I: Iterator<Item = (&'f str, V)>, V: Serialize> Serialize for Named<F> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0())
    }
}

/// `{"now":t,"hosts":[HOST...]}`
#[derive(Clone, Copy, Debug)]
pub struct Hosts<'f> {
    fleet: &'f Fleet,
    now_ms: i64,
    audience: Audience,
}

impl Serialize for Hosts<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { fleet, now_ms, audience } = *self;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("now", &Seconds(now_ms))?;
        let hosts = || fleet.boards.iter().map(|board| Host { fleet, board, audience, has_values: true });
        map.serialize_entry("hosts", &Each(hosts))?;
        map.end()
    }
}

/// `{"now":t,"counts":{state:n},"hosts":[HOST...]}`: the worst boards, worst first and then the newest first, without
/// their values; none is well.
#[derive(Clone, Copy, Debug)]
pub struct Worst<'f> {
    fleet: &'f Fleet,
    now_ms: i64,
    most: usize,
    audience: Audience,
}

impl Serialize for Worst<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { fleet, now_ms, most, audience } = *self;
        let count = |state| fleet.boards.iter().filter(|board| board.state == state).count();
        // As the page has them.
        let states = [("critical", State::Critical), ("lost", State::Lost), ("warning", State::Warning)];
        let rank = |board: &Board| states.iter().position(|(_, state)| *state == board.state);
        let mut worst: Vec<_> = fleet.boards.iter().filter(|board| board.state != State::Well).collect();
        worst.sort_unstable_by_key(|board| (rank(board), -board.since_ms, &*board.name));
        let hosts =
            || worst.iter().take(most).map(|board| Host { fleet, board, audience, has_values: false });
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("now", &Seconds(now_ms))?;
        let counts =
            states.iter().chain(&[("well", State::Well)]).map(|(name, state)| (*name, count(*state)));
        map.serialize_entry("counts", &Named(|| counts.clone()))?;
        map.serialize_entry("hosts", &Each(hosts))?;
        map.end()
    }
}

/// `{"now":t,"hosts":[HOST...],"values":{name:{path:value}},"gone":[names]}`: first the names go, then the hosts come.
///
/// `hosts`: who is new; and, without values, whose state, model or tags are others. `values`: who else was heard,
/// with what is another value than before.
#[derive(Clone, Copy, Debug)]
pub struct Changes<'f> {
    fleet: &'f Fleet,
    since: u64,
    now_ms: i64,
    audience: Audience,
}

impl<'f> Changes<'f> {
    fn touched(&self) -> impl Iterator<Item = &'f Board> {
        let since = self.since;
        self.fleet.boards.iter().filter(move |board| board.touched > since)
    }

    fn values(&self, board: &'f Board, tags: bool) -> Values<'f> {
        Values { board, since: self.since, tags, audience: self.audience }
    }

    fn hosts(&self) -> impl Iterator<Item = Host<'f>> {
        self.touched().filter_map(|board| {
            let is_new = board.born > self.since;
            let is_other = board.turned > self.since
                || self.values(board, true).cells().next().is_some()
                || self.values(board, false).cells().any(|(path, _)| path == MODEL);
            (is_new || is_other).then_some(Host {
                fleet: self.fleet,
                board,
                audience: self.audience,
                has_values: is_new,
            })
        })
    }

    fn heard(&self) -> impl Iterator<Item = (&'f str, Values<'f>)> {
        // One that is lost was touched because it was not heard.
        let heard = self.touched().filter(|board| board.born <= self.since && board.state != State::Lost);
        heard.map(|board| (&*board.name, self.values(board, false)))
    }
}

impl Serialize for Changes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { fleet, since, now_ms, .. } = *self;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("now", &Seconds(now_ms))?;
        map.serialize_entry("hosts", &Each(|| self.hosts()))?;
        map.serialize_entry("values", &Named(|| self.heard()))?;
        let gone = || {
            let gone = fleet.gone.iter().filter(|(generation, _)| *generation > since);
            gone.map(|(_, name)| &**name)
        };
        map.serialize_entry("gone", &Each(gone))?;
        map.end()
    }
}

impl Hosts<'_> {
    /// The same for others.
    pub fn to(self, audience: Audience) -> Self {
        Self { audience, ..self }
    }
}

impl Changes<'_> {
    /// The same for others.
    pub fn to(self, audience: Audience) -> Self {
        Self { audience, ..self }
    }
}

/// HOST, and what is known of the board's reports.
#[derive(Clone, Copy, Debug)]
pub struct Detail<'f> {
    fleet: &'f Fleet,
    board: &'f Board,
    now_ms: i64,
}

#[derive(serde::Serialize)]
struct At {
    at: Seconds,
}

#[derive(serde::Serialize)]
struct FromTo {
    from: Seconds,
    to: Seconds,
}

impl Serialize for Detail<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { fleet, board, now_ms } = *self;
        let roster = &board.roster;
        let mut map = serializer.serialize_map(None)?;
        Host { fleet, board, audience: Audience::Known, has_values: true }.entries(&mut map)?;
        map.serialize_entry("address", &board.address)?;
        map.serialize_entry("first_heard", &Seconds(board.first_heard_ms))?;
        map.serialize_entry("interval", &Seconds(board.interval.ms()))?;
        map.serialize_entry("reports", &roster.reports)?;
        map.serialize_entry("lost", &roster.lost)?;
        map.serialize_entry("duplicates", &roster.duplicates)?;
        map.serialize_entry("late", &roster.late)?;
        map.serialize_entry("boots", &Each(|| roster.boots.iter().map(|at| At { at: Seconds(*at) })))?;
        map.serialize_entry("restarts", &Each(|| roster.restarts.iter().map(|at| At { at: Seconds(*at) })))?;
        let stretch =
            |stretch: &Stretch| FromTo { from: Seconds(stretch.from_ms), to: Seconds(stretch.to_ms) };
        map.serialize_entry("filled", &Each(|| roster.filled.iter().map(stretch)))?;
        let conflict = roster.conflict(now_ms);
        let conflict = conflict.map(|addresses| std::collections::BTreeMap::from([("addresses", addresses)]));
        map.serialize_entry("conflict", &conflict)?;
        map.serialize_entry("addresses", &board.addresses())?;
        map.end()
    }
}

/// `{"series":path,"hosts":[{"name","value","min","max"}]}`: one series of all boards that have it.
#[derive(Clone, Copy, Debug)]
pub struct Figure<'f> {
    fleet: &'f Fleet,
    path: &'f str,
}

#[derive(serde::Serialize)]
struct OfBoard<'f> {
    name: &'f str,
    state: State,
    value: &'f Value,
    min: Option<Number>,
    max: Option<Number>,
}

impl Serialize for Figure<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { fleet, path } = *self;
        let hosts = || {
            fleet.boards.iter().filter_map(|board| {
                let slot = board.cells.slot(path, &fleet.paths)?;
                let value = board.cells.value(slot).filter(|value| **value != Value::Unsaid)?;
                let (min, max) = board.cells.extremes(slot).unzip();
                let (name, state) = (&*board.name, board.state);
                Some(OfBoard { name, state, value, min: min.map(Number), max: max.map(Number) })
            })
        };
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("series", path)?;
        map.serialize_entry("hosts", &Each(hosts))?;
        map.end()
    }
}

impl Serialize for Points {
    /// `{"step":s,"t":[],"avg":[],"min":[],"max":[]}`, to be flattened into an answer that says whose points they are.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let column =
            |values: &[Option<f64>]| -> Vec<_> { values.iter().map(|value| value.map(Number)).collect() };
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("step", &Seconds(self.step_ms))?;
        map.serialize_entry("t", &Each(|| self.t.iter().map(|at| Seconds(*at))))?;
        map.serialize_entry("avg", &column(&self.avg))?;
        map.serialize_entry("min", &column(&self.min))?;
        map.serialize_entry("max", &column(&self.max))?;
        map.end()
    }
}

impl Fleet {
    /// All boards, whole.
    pub fn hosts(&self, now_ms: i64) -> Hosts<'_> {
        Hosts { fleet: self, now_ms, audience: Audience::Known }
    }

    /// At most so many of the boards that are not well.
    pub fn worst(&self, most: usize, audience: Audience, now_ms: i64) -> Worst<'_> {
        Worst { fleet: self, now_ms, most, audience }
    }

    /// What changed after the generation `since`. None where boards went that are no longer known: then
    /// [`Self::hosts`] has to be asked.
    pub fn changes(&self, since: u64, now_ms: i64) -> Option<Changes<'_>> {
        let audience = Audience::Known;
        (since >= self.forgotten).then_some(Changes { fleet: self, since, now_ms, audience })
    }

    /// A board in every detail.
    pub fn detail(&self, name: &str, now_ms: i64) -> Option<Detail<'_>> {
        Some(Detail { fleet: self, board: self.board(name)?, now_ms })
    }

    /// One series of all boards. None where no board has it.
    pub fn figure<'f>(&'f self, path: &'f str) -> Option<Figure<'f>> {
        self.paths.find(path).map(|_| Figure { fleet: self, path })
    }
}
