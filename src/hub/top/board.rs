//! What the hub says of boards, as JSON: what is not known of it is passed over, what is missing is empty.

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};

use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::text::{self, Name, Text};

/// Most boards of one frame, and of the fleet. The hub has 10,000 at a report a second.
pub const BOARDS: usize = 20_000;

/// Most file systems, and most cores, that are kept of a board.
const MOST: usize = 64;

/// Most values that are taken over of a board at once.
const VALUES: usize = 512;

/// Most tags that are kept of a board.
const TAGS: usize = 8;

/// How a board is, the worst first, as the page has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(from = "Text")]
pub enum State {
    Critical,
    Lost,
    #[default]
    Warning,
    Well,
}

impl From<Text> for State {
    /// A word that only a later hub knows is a warning.
    fn from(word: Text) -> Self {
        Self::ALL.into_iter().find(|state| state.word() == &*word).unwrap_or_default()
    }
}

impl State {
    /// From the worst on.
    pub const ALL: [Self; 4] = [Self::Critical, Self::Lost, Self::Warning, Self::Well];

    /// Its word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::Lost => "lost",
            Self::Warning => "warning",
            Self::Well => "well",
        }
    }
}

/// A value of a series.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum Value {
    Number(f64),
    Truth(bool),
    Text(Text),
    Other(IgnoredAny),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(value) => f.write_str(&text::number(*value)),
            Self::Truth(true) => f.write_str("yes"),
            Self::Truth(false) => f.write_str("no"),
            Self::Text(text) => f.write_str(text),
            Self::Other(_) => f.write_str(text::NONE),
        }
    }
}

/// The figures of a table's row. What chasar's clients report under another key counts, too, as on the page.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    cpu: Option<f64>,
    pub mem: Option<f64>,
    pub temp: Option<f64>,
    pub load: Option<f64>,
    pub uptime: Option<f64>,
    /// By the hash of their keys, which nobody is shown.
    cores: BTreeMap<u64, Option<f64>>,
    disks: BTreeMap<u64, Option<f64>>,
}

impl Figures {
    /// That of all cores.
    pub fn cpu(&self) -> Option<f64> {
        let cores = || self.cores.values().flatten();
        self.cpu
            .or_else(|| Some(cores().sum::<f64>() / cores().count() as f64).filter(|mean| mean.is_finite()))
    }

    /// That of the fullest file system.
    pub fn disk(&self) -> Option<f64> {
        self.disks.values().flatten().copied().reduce(f64::max)
    }

    fn set(&mut self, key: &str, value: Option<f64>) {
        match key {
            "cpu" => self.cpu = value,
            "mem" | "memory.percent_used" => self.mem = value,
            "cpu_temp" => self.temp = value,
            "load.0" => self.load = value,
            "uptime" => self.uptime = value,
            _ if is_core(key) => put(&mut self.cores, key, value),
            _ if is_disk(key) => put(&mut self.disks, key, value),
            _ => {}
        }
    }
}

/// Whether [`Figures::set`] has a place for it.
fn is_shown(key: &str) -> bool {
    ["cpu", "mem", "memory.percent_used", "cpu_temp", "load.0", "uptime"].contains(&key)
        || is_core(key)
        || is_disk(key)
}

fn is_core(key: &str) -> bool {
    let core = key.strip_prefix("percpu.").or_else(|| key.strip_prefix("cpu.percent_used."));
    core.is_some_and(|core| core.bytes().all(|octet| octet.is_ascii_digit()))
}

fn is_disk(key: &str) -> bool {
    let of = key.strip_prefix("disk.");
    of.is_some_and(|of| of == "percent_used" || of.ends_with(".percent"))
}

fn put(map: &mut BTreeMap<u64, Option<f64>>, key: &str, value: Option<f64>) {
    let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(key);
    if let Some(known) = map.get_mut(&hash) {
        *known = value;
    } else if map.len() < MOST {
        map.insert(hash, value);
    }
}

/// The first `most` entries whose keys are kept. The others are passed over as they come: a frame has all figures of
/// all boards, and most are none of the table's.
fn entries<'de, D: Deserializer<'de>>(
    deserializer: D,
    most: usize,
    is_kept: fn(&str) -> bool,
) -> Result<Vec<(String, &'de RawValue)>, D::Error> {
    struct Entries(usize, fn(&str) -> bool);

    impl<'de> Visitor<'de> for Entries {
        type Value = Vec<(String, &'de RawValue)>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let (Self(most, is_kept), mut entries) = (self, Vec::new());
            while let Some(key) = map.next_key::<String>()? {
                if entries.len() < most && is_kept(&key) {
                    entries.push((key, map.next_value()?));
                } else {
                    map.next_value::<IgnoredAny>()?;
                }
            }
            Ok(entries)
        }
    }
    deserializer.deserialize_map(Entries(most, is_kept))
}

/// Changed values of a row, by key.
#[derive(Debug, Default)]
pub struct Changed(Vec<(String, Option<f64>)>);

impl<'de> Deserialize<'de> for Changed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let entries = entries(deserializer, VALUES, is_shown)?.into_iter();
        // Of all JSON, numbers alone are numbers.
        Ok(Self(entries.map(|(key, value)| (key, value.get().parse().ok())).collect()))
    }
}

/// Tags, as `#site=garage`.
#[derive(Clone, Debug, Default)]
pub struct Tags(pub Vec<Text>);

impl<'de> Deserialize<'de> for Tags {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let entries = entries(deserializer, TAGS, |_| true)?.into_iter();
        let tag = |(key, value): (String, &RawValue)| {
            let value: Text = serde_json::from_str(value.get()).unwrap_or_default();
            Text::of(&format!("#{}={value}", Text::of(&key)))
        };
        Ok(Self(entries.map(tag).collect()))
    }
}

/// All of a board, or what has changed.
#[derive(Debug, Deserialize)]
pub struct Host {
    pub name: Name,
    state: Option<State>,
    since: Option<f64>,
    why: Option<Text>,
    heard: Option<f64>,
    #[serde(default, deserialize_with = "present")]
    model: Option<Option<Text>>,
    tags: Option<Tags>,
    #[serde(default)]
    values: Changed,
}

/// Tells null from nothing.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<Text>>, D::Error> {
    Option::<Text>::deserialize(deserializer).map(Some)
}

/// The first [`BOARDS`] of a list, and one more, by which it is seen that there are. The others are passed over as they
/// come.
fn bounded<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    struct List<T>(Vec<T>);

    impl<'de, T: Deserialize<'de>> Visitor<'de> for List<T> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list")
        }

        fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<Vec<T>, A::Error> {
            while self.0.len() <= BOARDS {
                let Some(item) = seq.next_element()? else { return Ok(self.0) };
                self.0.push(item);
            }
            while seq.next_element::<IgnoredAny>()?.is_some() {}
            Ok(self.0)
        }
    }
    deserializer.deserialize_seq(List(Vec::new()))
}

/// The changed values of boards, by name.
#[derive(Debug, Default)]
pub struct Heard(pub Vec<(String, Changed)>);

impl<'de> Deserialize<'de> for Heard {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let boards = entries(deserializer, BOARDS, |_| true)?.into_iter();
        // What is no object changes nothing.
        Ok(Self(
            boards.map(|(name, raw)| (name, serde_json::from_str(raw.get()).unwrap_or_default())).collect(),
        ))
    }
}

/// `{"now":t,"hosts":[...],"values":{name:{key:value}},"gone":[names]}`
#[derive(Debug, Deserialize)]
pub struct Hosts {
    /// The hub's clock, in Unix seconds.
    pub now: f64,
    #[serde(default, deserialize_with = "bounded")]
    pub hosts: Vec<Host>,
    /// Of boards that were heard since the last frame.
    #[serde(default)]
    pub values: Heard,
    #[serde(default, deserialize_with = "bounded")]
    pub gone: Vec<Box<str>>,
}

/// A board, as the table has it. Times are Unix seconds of the hub's clock.
#[derive(Clone, Debug, Default)]
pub struct Board {
    pub state: State,
    pub since: Option<f64>,
    pub why: Text,
    pub heard: Option<f64>,
    pub model: Text,
    pub tags: Tags,
    pub figures: Figures,
}

impl Board {
    /// Takes over what a frame says of it.
    pub fn take(&mut self, host: Host) {
        let Host { name: _, state, since, why, heard, model, tags, values } = host;
        self.state = state.unwrap_or(self.state);
        self.since = since.or(self.since);
        self.heard = heard.or(self.heard);
        if let Some(why) = why {
            self.why = why;
        }
        if let Some(model) = model {
            self.model = model.unwrap_or_default();
        }
        if let Some(tags) = tags {
            self.tags = tags;
        }
        self.set(values);
    }

    /// Takes over what it has just said.
    pub fn hear(&mut self, values: Changed, now: f64) {
        self.heard = Some(now);
        self.set(values);
    }

    fn set(&mut self, values: Changed) {
        for (key, value) in values.0 {
            self.figures.set(&key, value);
        }
    }

    /// `critical for 3 min: Power: under-voltage`
    pub fn sentence(&self, now: f64) -> String {
        let Self { state, since, why, .. } = self;
        let since = since.map(|since| format!(" for {}", text::age(now - since))).unwrap_or_default();
        let why = if why.is_empty() { String::new() } else { format!(": {why}") };
        format!("{}{since}{why}", state.word())
    }
}

/// A moment, in Unix seconds.
#[derive(Debug, Deserialize)]
pub struct Mark {
    pub at: f64,
}

/// Two boards have one name.
#[derive(Debug, Deserialize)]
pub struct Conflict {
    pub addresses: Vec<Text>,
}

/// A board in every detail.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Detail {
    pub source: Text,
    pub values: BTreeMap<Name, Value>,
    pub address: Option<Text>,
    pub addresses: Vec<Text>,
    pub first_heard: Option<f64>,
    pub interval: Option<f64>,
    pub reports: u64,
    pub lost: u64,
    pub duplicates: u64,
    pub late: u64,
    pub boots: Vec<Mark>,
    pub restarts: Vec<Mark>,
    pub conflict: Option<Conflict>,
}

/// A series of the last hour. The columns have one length; None is a gap.
#[derive(Debug, Default, Deserialize)]
pub struct History {
    pub t: Vec<f64>,
    pub avg: Vec<Option<f64>>,
    pub min: Vec<Option<f64>>,
    pub max: Vec<Option<f64>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn board(json: &str) -> Board {
        let mut board = Board::default();
        board.take(serde_json::from_str(json).unwrap());
        board
    }

    #[test]
    fn a_row_has_the_figures_of_psistats_and_those_of_chasar() {
        let board = board(
            r#"{"name":"a","state":"well","values":{"cpu":1.5,"disk./.percent":45.2,"disk./srv.percent":61,
            "disk./.free":1e9,"mem":null,"cpu_temp":"x","load.0":0.5,"coffee":{"cups":[3]}}}"#,
        );
        let Figures { mem, temp, load, .. } = board.figures;
        assert_eq!((board.figures.cpu(), board.figures.disk()), (Some(1.5), Some(61.0)));
        assert_eq!((mem, temp, load, board.state), (None, None, Some(0.5), State::Well));
        let chasar =
            r#"{"name":"a","values":{"percpu.0":10,"percpu.1":null,"percpu.2":20,"disk.percent_used":7}}"#;
        let figures = self::board(chasar).figures;
        assert_eq!((figures.cpu(), figures.disk()), (Some(15.0), Some(7.0)));
    }

    #[test]
    fn what_a_change_does_not_say_stays_and_null_is_said() {
        let mut board = board(r#"{"name":"a","state":"lost","model":"Pi","values":{"cpu":1,"mem":2}}"#);
        board.take(serde_json::from_str(r#"{"name":"a","heard":5,"values":{"cpu":null}}"#).unwrap());
        assert_eq!(
            (board.state, &*board.model, board.figures.cpu(), board.figures.mem),
            (State::Lost, "Pi", None, Some(2.0))
        );
        board.take(serde_json::from_str(r#"{"name":"a","model":null,"state":"melted"}"#).unwrap());
        assert_eq!((board.state, &*board.model, board.heard), (State::Warning, "", Some(5.0)));
    }

    #[test]
    fn a_frame_says_what_boards_said_by_their_names() {
        let frame = r#"{"now":7,"hosts":[],"values":{"a":{"cpu":3,"x":"y"},"b":[]},"gone":[]}"#;
        let Hosts { now, values: Heard(values), .. } = serde_json::from_str(frame).unwrap();
        let mut board = board(r#"{"name":"a","heard":5,"values":{"cpu":1,"mem":2}}"#);
        for (name, values) in values {
            if name == "a" {
                board.hear(values, now);
            }
        }
        assert_eq!((board.heard, board.figures.cpu(), board.figures.mem), (Some(7.0), Some(3.0), Some(2.0)));
    }

    #[test]
    fn more_than_is_kept_is_passed_over() {
        let many = |item: &dyn Fn(usize) -> String| (0..BOARDS + 100).map(item).collect::<Vec<_>>().join(",");
        let hosts = many(&|n| format!(r#"{{"name":"{n}"}}"#));
        let hosts: Hosts = serde_json::from_str(&format!(r#"{{"now":1,"hosts":[{hosts}]}}"#)).unwrap();
        assert_eq!(hosts.hosts.len(), BOARDS + 1);
        let disks = many(&|n| format!(r#""disk.{n}.percent":{n}"#));
        let tags = many(&|n| format!(r#""{n}":"x""#));
        let board = board(&format!(r#"{{"name":"a","values":{{{disks}}},"tags":{{{tags}}}}}"#));
        assert_eq!((board.figures.disks.len(), board.tags.0.len()), (MOST, TAGS));
    }
}
