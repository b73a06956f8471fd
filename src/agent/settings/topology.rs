//! `[exchange]` and `[queue]`: where reports go to at the broker, and what is declared there.

use crate::settings::fields::{Fields, fields};
use psistats_core::limits;
use psistats_host::conf::tags::Tags;
use psistats_host::conf::values::{boolean, optional, text, whole};
use psistats_host::conf::{Expected, Reading, near, shown};

/// Bytes of `[queue] prefix`: a queue's name, `prefix.hostname`, is a short string.
const PREFIX: usize = limits::SHORTSTR - 1 - limits::HOSTNAME;

/// `[exchange]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// `name`, 1 to 255 bytes.
    pub name: String,
    /// `type`: topic, direct, fanout, headers, or a plugin's.
    pub kind: String,
    /// `declare`: whether to declare it; where not, it must exist.
    pub declare: bool,
    /// `durable`
    pub durable: bool,
    /// `autodelete`
    pub autodelete: bool,
    /// `routing_key`, in which `{hostname}` stands for that; `{tag:NAME}` has been replaced. None: the queue's name.
    pub routing_key: Option<String>,
}

/// `[queue]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queue {
    /// `prefix`: the queue is `prefix.hostname`. 1 to 190 bytes, so that this is a short string.
    pub prefix: String,
    /// `declare`: whether to declare and bind it; where not, reports go to the exchange alone.
    pub declare: bool,
    /// `exclusive`
    pub exclusive: bool,
    /// `durable`
    pub durable: bool,
    /// `autodelete`
    pub autodelete: bool,
    /// `ttl`, milliseconds (`x-message-ttl`); empty: none.
    pub ttl: Option<u32>,
    /// `type` (`x-queue-type`); empty: the broker's default.
    pub kind: Option<QueueKind>,
    /// `arguments`
    pub arguments: Fields,
}

/// `x-queue-type`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueKind {
    /// On one node.
    Classic,
    /// Replicated; must be durable.
    Quorum,
    /// A log; must be durable.
    Stream,
}

impl QueueKind {
    /// As RabbitMQ spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Classic => "classic",
            Self::Quorum => "quorum",
            Self::Stream => "stream",
        }
    }
}

impl Default for Exchange {
    fn default() -> Self {
        Self {
            name: "psistats".into(),
            kind: "topic".into(),
            declare: true,
            durable: false,
            autodelete: false,
            routing_key: None,
        }
    }
}

impl Default for Queue {
    fn default() -> Self {
        Self {
            prefix: "psistats".into(),
            declare: true,
            exclusive: true,
            durable: false,
            autodelete: true,
            ttl: Some(10_000),
            kind: None,
            arguments: Fields::new(),
        }
    }
}

/// Reads `[exchange]`.
pub(super) fn read_exchange(r: &mut Reading<'_>, exchange: &mut Exchange) {
    const NAME: &str = "exchange";
    r.set(NAME, "name", &mut exchange.name, text(&(1..=limits::SHORTSTR)));
    r.set(NAME, "type", &mut exchange.kind, text(&(1..=limits::SHORTSTR)));
    exchange_type(r, NAME, &exchange.kind);
    r.set(NAME, "declare", &mut exchange.declare, boolean);
    r.set(NAME, "durable", &mut exchange.durable, boolean);
    r.set(NAME, "autodelete", &mut exchange.autodelete, boolean);
}

/// What stands for the host name in a routing key.
pub const HOSTNAME: &str = "{hostname}";

/// Reads `[exchange] routing_key`, with the tags that it names.
pub(super) fn read_routing_key(r: &mut Reading<'_>, key: &mut Option<String>, tags: &Tags) {
    r.set("exchange", "routing_key", key, optional(|text| with_tags(text, tags)));
}

fn with_tags(template: &str, tags: &Tags) -> Result<String, Expected> {
    const EXPECTED: &str = "{hostname} or {tag:NAME} in braces";
    let template = text(&(1..=limits::SHORTSTR))(template)?;
    let (mut key, mut rest, mut longest) = (String::new(), template.as_str(), 0);
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}').ok_or(EXPECTED)?;
        key.push_str(before);
        match name.strip_prefix("tag:") {
            Some(name) => {
                let tag = tags.iter().find(|(tag, _)| tag.eq_ignore_ascii_case(name));
                let (_, value) = tag.ok_or_else(|| format!("a key of [tags] in {{tag:{}}}", shown(name)))?;
                key.push_str(value);
            }
            None if name == "hostname" => {
                key.push_str(HOSTNAME);
                longest += limits::HOSTNAME - HOSTNAME.len();
            }
            None => return Err(EXPECTED.into()),
        }
        rest = after;
    }
    key.push_str(rest);
    longest += key.len();
    if longest > limits::SHORTSTR {
        return Err(
            format!("at most {} bytes, with a host name of {}", limits::SHORTSTR, limits::HOSTNAME).into()
        );
    }
    Ok(key)
}

/// Types are these (AMQP 0-9-1 §3.1.3), or `x-` and a plugin's.
fn exchange_type(r: &mut Reading<'_>, section: &str, kind: &str) {
    const TYPES: [&str; 4] = ["direct", "fanout", "headers", "topic"];
    let Some(entry) = r.entry(section, "type") else { return };
    if !TYPES.contains(&kind) && !kind.starts_with("x-") {
        let hint = near(&kind.to_ascii_lowercase(), TYPES.into_iter());
        let hint = hint.map(|near| format!(", did you mean {near}?")).unwrap_or_default();
        let (types, found) = (TYPES.join(", "), shown(kind));
        let text =
            format_args!("[{section}] type: expected {types}, or a plugin's x-TYPE, found \"{found}\"{hint}");
        r.warn(entry.line, text);
    }
}

/// Reads `[queue]`.
pub(super) fn read_queue(r: &mut Reading<'_>, queue: &mut Queue) {
    const NAME: &str = "queue";
    r.set(NAME, "prefix", &mut queue.prefix, text(&(1..=PREFIX)));
    r.set(NAME, "declare", &mut queue.declare, boolean);
    r.set(NAME, "exclusive", &mut queue.exclusive, boolean);
    r.set(NAME, "durable", &mut queue.durable, boolean);
    r.set(NAME, "autodelete", &mut queue.autodelete, boolean);
    r.set(NAME, "ttl", &mut queue.ttl, optional(whole(&(0..=u32::MAX as u64, "milliseconds"))));
    r.set(NAME, "type", &mut queue.kind, optional(kind));
    const TAKEN: [(&str, &str); 2] = [("x-message-ttl", "that is ttl"), ("x-queue-type", "that is type")];
    r.set(NAME, "arguments", &mut queue.arguments, fields(&TAKEN));
    fits_together(r, NAME, queue);
}

fn kind(text: &str) -> Result<QueueKind, Expected> {
    [QueueKind::Classic, QueueKind::Quorum, QueueKind::Stream]
        .into_iter()
        .find(|kind| kind.as_str().eq_ignore_ascii_case(text))
        .ok_or("classic, quorum or stream".into())
}

/// What RabbitMQ answers with 406 anyway (its guides "Quorum Queues" and "Streams": durable only,
/// neither exclusive nor auto-delete; a stream has no message TTL).
fn fits_together(r: &mut Reading<'_>, section: &str, queue: &Queue) {
    let Some(kind) = queue.kind.filter(|&kind| kind != QueueKind::Classic) else { return };
    let Some(line) = r.entry(section, "type").map(|entry| entry.line) else { return };
    for (fits, key, needed) in [
        (queue.durable, "durable", "durable=yes"),
        (!queue.exclusive, "exclusive", "exclusive=no"),
        (!queue.autodelete, "autodelete", "autodelete=no"),
        (kind != QueueKind::Stream || queue.ttl.is_none(), "ttl", "ttl= with no value"),
    ] {
        if !fits {
            let found = match r.entry(section, key) {
                Some(other) => format!("line {} says otherwise", other.line),
                None => "without it the default is otherwise".to_string(),
            };
            r.error(line, format_args!("[{section}] type: {} needs {needed}; {found}", kind.as_str()));
        }
    }
}
