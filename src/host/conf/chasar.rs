//! `[chasar]`: the client node's side, which psistats has, and the master node's, which psistats-hub has.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::conf::curve::{self, Keys, Need, Role};
use crate::conf::hosts::{Host, host};
use crate::conf::reading::Reading;
use crate::conf::values::{PORT as ANY_PORT, TIMER, boolean, optional, seconds, text, whole};
use crate::limits;

/// The section.
pub const NAME: &str = "chasar";

/// `[chasar]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chasar {
    /// `enabled`: whether psistats sends to a master node too. The commands of chasar do not ask.
    pub enabled: bool,
    /// `master`: the master node that a client node connects to, at `port` where it names no other.
    pub master: Host,
    /// `port`: where the master node takes client nodes.
    pub port: u16,
    /// `interval`: from one message to the next, 0.001 to 604,800 seconds.
    pub interval: Duration,
    /// `interface` that is told of, at most [`limits::INTERFACE_NAME`] bytes; empty: that with the default
    /// route.
    pub interface: Option<String>,
    /// `processes`: most in a message, up to [`limits::PROCESSES`]; 0: none.
    pub processes: usize,
    /// `send_high_water`: bytes that wait for a master node; allocated once.
    pub send_high_water: usize,
    /// `bind`: where the master node listens, at `port`: an address of its machine or a name of some, or `*` for
    /// all of them.
    pub bind: String,
    /// `curve_server_key`, `curve_key`, `curve_clients`: what encrypts, if anything does.
    pub curve: Keys,
    /// `publish_port`: where the master node takes subscribers.
    pub publish_port: u16,
    /// `publish_high_water`: bytes that wait for a subscriber.
    pub publish_high_water: usize,
    /// `message_bytes`: longest message that the master node takes; at most half of `publish_high_water`.
    pub message_bytes: usize,
    /// `messages_per_second`: what the master node takes from a client node; 0: no limit.
    pub messages_per_second: u32,
    /// `connections`: most at the master node; 0: as many as there may be descriptors.
    pub connections: u32,
}

const PORT: u16 = 5555;

impl Default for Chasar {
    fn default() -> Self {
        Self {
            enabled: false,
            master: Host { name: "127.0.0.1".into(), port: PORT },
            port: PORT,
            interval: Duration::from_secs(1),
            interface: None,
            processes: limits::PROCESSES,
            send_high_water: limits::ZMTP_SEND,
            bind: "127.0.0.1".into(),
            curve: Keys::default(),
            publish_port: 6666,
            publish_high_water: 16 * MIB,
            message_bytes: MIB,
            messages_per_second: 1000,
            connections: 0,
        }
    }
}

/// A port as a word of the command line.
///
/// # Errors
/// What was expected.
pub fn port(word: &str) -> Result<u16, String> {
    match word.parse() {
        Ok(port) if port > 0 => Ok(port),
        _ => Err(format!("expected a port from 1 to 65535, got {word}")),
    }
}

/// A master node's name or address as a word of the command line, where the port is a word of its own.
///
/// # Errors
/// What was expected.
pub fn master(word: &str) -> Result<String, String> {
    address(word).ok_or_else(|| format!("expected MASTER, a name or an address, before PORT, got \"{word}\""))
}

/// Where a master node listens, as a word of the command line.
///
/// # Errors
/// What was expected.
pub fn bind(word: &str) -> Result<String, String> {
    listener(word).ok_or_else(|| format!("expected {LISTENER}, got \"{word}\""))
}

const LISTENER: &str = "an address of this machine, or *, without a port";

fn listener(text: &str) -> Option<String> {
    if text == "*" { Some(text.to_owned()) } else { address(text) }
}

/// A name or an address, without a port. A number alone is none, though a resolver takes it for one: it is a
/// port in the wrong place.
fn address(text: &str) -> Option<String> {
    let host = host(text, 0).ok().filter(|host| host.port == 0 && !is_number(text));
    host.map(|host| host.name)
}

/// Whether it is a number, and so no address.
pub fn is_number(word: &str) -> bool {
    word.parse::<u64>().is_ok()
}

const MIB: usize = 1024 * 1024;
const SEND: RangeInclusive<u64> = limits::ZMTP_SEND_MIN as u64..=64 * MIB as u64;
const PUBLISH: RangeInclusive<u64> = MIB as u64..=1024 * MIB as u64;
const MESSAGE: RangeInclusive<u64> = 1024..=64 * MIB as u64;

/// Reads the section, with the keys of that role, as far as `need` says, given whether it is enabled.
pub fn read(r: &mut Reading<'_>, chasar: &mut Chasar, role: Role, need: impl Fn(bool) -> Need) {
    r.set(NAME, "port", &mut chasar.port, whole(&ANY_PORT));
    let port = chasar.port;
    chasar.master.port = port;
    r.set(NAME, "master", &mut chasar.master, |text| host(text, port));
    r.set(NAME, "enabled", &mut chasar.enabled, boolean);
    curve::read(r, &mut chasar.curve, role, need(chasar.enabled));
    r.set(NAME, "interval", &mut chasar.interval, seconds(&TIMER));
    r.set(NAME, "interface", &mut chasar.interface, optional(text(&(1..=limits::INTERFACE_NAME))));
    r.set(NAME, "processes", &mut chasar.processes, whole(&(0..=limits::PROCESSES as u64, "processes")));
    r.set(NAME, "send_high_water", &mut chasar.send_high_water, whole(&(SEND, "bytes")));
    r.set(NAME, "bind", &mut chasar.bind, |text| listener(text).ok_or(LISTENER.into()));
    r.set(NAME, "publish_port", &mut chasar.publish_port, whole(&ANY_PORT));
    r.set(NAME, "publish_high_water", &mut chasar.publish_high_water, whole(&(PUBLISH, "bytes")));
    r.set(NAME, "message_bytes", &mut chasar.message_bytes, whole(&(MESSAGE, "bytes")));
    r.set(
        NAME,
        "messages_per_second",
        &mut chasar.messages_per_second,
        whole(&(0..=u32::MAX as u64, "messages")),
    );
    r.set(NAME, "connections", &mut chasar.connections, whole(&(0..=u32::MAX as u64, "connections")));
    // A subscriber that is to lose nothing must be able to wait for one message while it takes another.
    let needed = chasar.message_bytes.saturating_mul(2);
    let line = ["message_bytes", "publish_high_water"].iter().find_map(|key| r.entry(NAME, key));
    if let Some(line) = line.map(|entry| entry.line).filter(|_| chasar.publish_high_water < needed) {
        let (message, kept) = (chasar.message_bytes, chasar.publish_high_water);
        let text = format_args!(
            "[{NAME}] message_bytes={message} needs publish_high_water={needed} or more, found {kept}"
        );
        r.error(line, text);
    }
}
