//! `[alerts]`, `[alert:NAME]`, `[notify:NAME]` and `[heartbeat]` of the configuration.

use std::time::Duration;

use crate::alerts::email::{Email, Server, mailboxes};
use crate::alerts::heartbeat::Heartbeat;
use crate::alerts::quiet::{Hours, Quiet};
use crate::alerts::rules::{Bound, RULES, Rule, Series, Severity, Test};
use crate::alerts::target::{Http, Kind};
use crate::http::Trust;
use lettre::message::Mailbox;
use psistats_host::conf::ini::{Entry, trim};
use psistats_host::conf::obtain::obtain;
use psistats_host::conf::secret::Secret;
use psistats_host::conf::values::{WEEK, boolean, has_controls, path, seconds};
use psistats_host::conf::{Expected, Reading};

/// The section of what concerns all of them.
pub const NAME: &str = "alerts";
/// The section of the dead man's ping.
pub const HEARTBEAT: &str = "heartbeat";
/// What the names of sections with a rule begin with.
pub const RULE: &str = "alert:";
/// What the names of sections with a receiver begin with.
pub const RECEIVER: &str = "notify:";

/// Of receivers.
const TYPES: &str = "webhook, ntfy, email or command";
/// The most rules of an operator, and receivers.
const MOST: usize = 64;
/// No time at all is a time, too.
const TIMES: std::ops::RangeInclusive<Duration> = Duration::ZERO..=WEEK;

const INTERVALS: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=WEEK;

/// What the configuration says of alerts.
#[derive(Clone, Debug, PartialEq)]
pub struct Alerts {
    /// `grace`: nothing is raised for so long after the start.
    pub grace: Duration,
    /// Those of the table, as far as they are enabled, and those of the operator.
    pub rules: Vec<Rule>,
    /// Who is told.
    pub receivers: Vec<Receiver>,
    /// `[heartbeat]`, where there is one.
    pub heartbeat: Option<Heartbeat>,
}

impl Default for Alerts {
    fn default() -> Self {
        let (rules, receivers) = (RULES.to_vec(), Vec::new());
        Self { grace: Duration::from_secs(60), rules, receivers, heartbeat: None }
    }
}

/// `[notify:NAME]`
#[derive(Clone, Debug, PartialEq)]
pub struct Receiver {
    /// `NAME`
    pub name: String,
    /// What and where it is.
    pub kind: Kind,
    /// `severity`: what matters less is not told there.
    pub least: Severity,
    /// `quiet` and `quiet_except`: when it is not told what can wait.
    pub quiet: Option<Quiet>,
}

/// Reads all these sections; the tokens of receivers where they are `needed`.
pub fn read(r: &mut Reading<'_>, alerts: &mut Alerts, needed: bool) {
    r.set(NAME, "grace", &mut alerts.grace, seconds(&TIMES));
    let mut url = None;
    let mut every = Duration::from_secs(60);
    r.set(HEARTBEAT, "url", &mut url, |text| Http::parse(text).map(Some));
    r.set(HEARTBEAT, "every", &mut every, seconds(&INTERVALS));
    alerts.heartbeat = url.map(|url| Heartbeat { url, every });
    for section in &r.ini.sections {
        if let Some(name) = section.name.strip_prefix(RULE) {
            if !is_name(name) {
                r.error(section.line, format_args!("[{RULE}NAME]: expected a NAME of {EXPECTED_NAME}"));
            } else if alerts.rules.len() > RULES.len() + MOST {
                r.error(section.line, format_args!("[{RULE}NAME]: expected at most {MOST} such sections"));
                break;
            } else {
                rule(r, &section.name, name, section.line, &mut alerts.rules);
            }
        } else if let Some(name) = section.name.strip_prefix(RECEIVER) {
            if !is_name(name) {
                r.error(section.line, format_args!("[{RECEIVER}NAME]: expected a NAME of {EXPECTED_NAME}"));
            } else if alerts.receivers.len() == MOST {
                r.error(
                    section.line,
                    format_args!("[{RECEIVER}NAME]: expected at most {MOST} such sections"),
                );
                break;
            } else {
                let head = (section.name.as_str(), section.line);
                receiver(r, head, name, needed, &mut alerts.receivers);
            }
        }
    }
}

/// `[alert:NAME]`: another bound or time for a rule of the table, or a new rule.
fn rule(r: &mut Reading<'_>, section: &str, name: &str, line: usize, rules: &mut Vec<Rule>) {
    let known = rules.iter().position(|rule| rule.name == *name);
    let (mut is_enabled, mut series) = (true, None);
    let mut bounds = [None; 3];
    let [above, below, clear] = &mut bounds;
    r.set(section, "enabled", &mut is_enabled, boolean);
    r.set(section, "above", above, |text| number(text).map(Some));
    r.set(section, "below", below, |text| number(text).map(Some));
    r.set(section, "clear", clear, |text| number(text).map(Some));
    let [above, below, clear] = bounds;
    let mut rule = match known.and_then(|known| rules.get(known)) {
        Some(rule) => rule.clone(),
        None => {
            r.set(section, "series", &mut series, |text| pattern(text).map(Some));
            let (Some(series), true) = (series, above.is_some() != below.is_some()) else {
                let text =
                    "expected series= and either above= or below=, or the NAME of a rule that there is";
                return r.error(line, format_args!("[{section}]: {text}"));
            };
            let at = above.or(below).unwrap_or_default();
            let bound =
                if above.is_some() { Bound::Above { at, clear: at } } else { Bound::Below { at, clear: at } };
            Rule::own(name, series, bound)
        }
    };
    if let Err(why) = set_bound(&mut rule.test, above, below, clear) {
        r.error(line, format_args!("[{section}]: {why}"));
    }
    let mut hold = Duration::from_millis(rule.hold_ms.unsigned_abs());
    r.set(section, "for", &mut hold, seconds(&TIMES));
    rule.hold_ms = i64::try_from(hold.as_millis()).unwrap_or(i64::MAX);
    r.set(section, "severity", &mut rule.severity, severity);
    r.set(section, "on", &mut rule.tag, |text| tag(text).map(Some));
    match known {
        Some(known) if is_enabled => rules.get_mut(known).into_iter().for_each(|has| *has = rule.clone()),
        Some(known) => drop(rules.remove(known)),
        None if is_enabled => rules.push(rule),
        None => {}
    }
}

/// Takes over what a section says of the bound of a rule.
fn set_bound(
    test: &mut Test,
    above: Option<f64>,
    below: Option<f64>,
    clear: Option<f64>,
) -> Result<(), &'static str> {
    let Test::Level(_, bound) = test else {
        let is_none = above.or(below).or(clear).is_none();
        return if is_none {
            Ok(())
        } else {
            Err("expected no above=, below= or clear=: this rule has no bound")
        };
    };
    let (before, given, other) = match bound {
        Bound::Above { at, clear } | Bound::Beyond { at, clear } => ((at, clear), above, below),
        Bound::Below { at, clear } => ((at, clear), below, above),
    };
    if other.is_some() {
        return Err("expected the bound on the same side as this rule has it: above= or below=");
    }
    let (at, margin) = before;
    // The margin goes with the bound.
    let moved = given.map_or(*margin, |given| *margin - *at + given);
    *at = given.unwrap_or(*at);
    *margin = clear.unwrap_or(moved);
    let (at, margin) = (*at, *margin);
    let is_inside = match bound {
        Bound::Above { .. } | Bound::Beyond { .. } => margin <= at,
        Bound::Below { .. } => margin >= at,
    };
    if is_inside { Ok(()) } else { Err("expected clear= on the good side of the bound") }
}

/// `[notify:NAME]`
fn receiver(
    r: &mut Reading<'_>,
    (section, line): (&str, usize),
    name: &str,
    needed: bool,
    receivers: &mut Vec<Receiver>,
) {
    let (mut kind, mut least) = ("", Severity::Notice);
    r.set(section, "type", &mut kind, |text| {
        let known = ["webhook", "ntfy", "email", "command"].into_iter().find(|known| *known == text);
        known.ok_or_else(|| TYPES.into())
    });
    r.set(section, "severity", &mut least, severity);
    let (mut hours, mut except) = (None, Some(Severity::Critical));
    r.set(section, "quiet", &mut hours, |text| Hours::parse(text).map(Some));
    r.set(section, "quiet_except", &mut except, severity_or_none);
    let quiet = hours.map(|hours| Quiet { hours, except });
    let kind = match kind {
        "command" => {
            let mut command = Vec::new();
            r.set(section, "command", &mut command, words);
            if command.is_empty() && r.entry(section, "command").is_none() {
                r.error(line, format_args!("[{section}]: expected command=, what is run"));
            }
            Kind::Command(command)
        }
        "webhook" | "ntfy" => {
            let (mut http, is_ntfy) = (Http::default(), kind == "ntfy");
            r.set(section, "url", &mut http, if is_ntfy { Http::parse_topic } else { Http::parse });
            if r.entry(section, "url").is_none() {
                r.error(line, format_args!("[{section}]: expected url=, where it is"));
            }
            let token = r.entry(section, "token").filter(|_| needed);
            http.token = token.and_then(|entry| secret(r, section, entry));
            r.set(section, "tls_ca", &mut http.trust, |text| path(text).map(Trust::from));
            if is_ntfy { Kind::Ntfy(http) } else { Kind::Webhook(http) }
        }
        "email" => match email(r, section, line, needed) {
            Some(email) => Kind::Email(email.into()),
            None => return,
        },
        _ => {
            if r.entry(section, "type").is_none() {
                r.error(line, format_args!("[{section}]: expected type={TYPES}"));
            }
            // No setting counts where one is wrong; that no key is unknown because of it helps to see which.
            for key in ["url", "token", "tls_ca", "command", "user", "pass", "from", "to"] {
                r.entry(section, key);
            }
            return;
        }
    };
    receivers.push(Receiver { name: name.to_owned(), kind, least, quiet });
}

/// What `type=email` needs.
fn email(r: &mut Reading<'_>, section: &str, line: usize, needed: bool) -> Option<Email> {
    let (mut server, mut user) = (Server::default(), None);
    let (mut from, mut to) = (Vec::new(), Vec::new());
    r.set(section, "url", &mut server, Server::parse);
    r.set(section, "user", &mut user, |text| Ok(Some(text.to_owned())));
    r.set(section, "from", &mut from, |text| mailboxes(text).and_then(only_one));
    r.set(section, "to", &mut to, mailboxes);
    let pass = r.entry(section, "pass");
    for key in ["url", "from", "to"] {
        if r.entry(section, key).is_none() {
            r.error(line, format_args!("[{section}]: expected url=, from= and to=, found no {key}"));
        }
    }
    if user.is_some() != pass.is_some() {
        r.error(line, format_args!("[{section}]: expected both user= and pass=, or none of them"));
    }
    let pass = pass.filter(|_| needed).and_then(|entry| secret(r, section, entry));
    Some(Email { server, login: user.zip(pass), from: from.pop()?, to })
}

fn only_one(mailboxes: Vec<Mailbox>) -> Result<Vec<Mailbox>, Expected> {
    if mailboxes.len() == 1 { Ok(mailboxes) } else { Err("one address".into()) }
}

/// A token or password, which stands there, or in the file or credential that it names. No message shows it.
fn secret(r: &mut Reading<'_>, section: &str, entry: &Entry) -> Option<Secret> {
    match obtain(trim(&entry.value)) {
        Ok(obtained) => {
            if let Some(file) = obtained.exposed {
                let text = format_args!(
                    "everyone on this machine can read this secret: chmod 640 {}",
                    file.display()
                );
                r.warn(entry.line, text);
            }
            Some(obtained.secret).filter(|secret| !secret.reveal().is_empty())
        }
        Err(expected) => {
            r.error(entry.line, format_args!("[{section}] {}: expected {expected}", entry.key));
            None
        }
    }
}

const EXPECTED_NAME: &str = "1 to 64 letters, digits, - _ and .";

fn is_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

fn number(text: &str) -> Result<f64, Expected> {
    text.parse().ok().filter(|number: &f64| number.is_finite()).ok_or_else(|| "a number".into())
}

fn severity(text: &str) -> Result<Severity, Expected> {
    match text {
        "notice" => Ok(Severity::Notice),
        "warning" => Ok(Severity::Warning),
        "critical" => Ok(Severity::Critical),
        _ => Err("notice, warning or critical".into()),
    }
}

fn severity_or_none(text: &str) -> Result<Option<Severity>, Expected> {
    match text {
        "no" => Ok(None),
        text => severity(text).map(Some).map_err(|expected| format!("{expected}; or no").into()),
    }
}

/// A path of a series, in which one or two `*` stand for anything.
fn pattern(text: &str) -> Result<Series, Expected> {
    let is_path = (1..=160).contains(&text.len()) && !has_controls(text) && text.matches('*').count() <= 2;
    if is_path {
        Ok(Series(text.to_owned().into()))
    } else {
        Err("a figure's path, as mem or disk.*.percent, with at most two *".into())
    }
}

/// `KEY=VALUE`
fn tag(text: &str) -> Result<(String, String), Expected> {
    let pair = text.split_once('=').map(|(key, value)| (trim(key).to_owned(), trim(value).to_owned()));
    pair.filter(|(key, _)| !key.is_empty()).ok_or_else(|| "a tag as the board has it: KEY=VALUE".into())
}

/// A program and its arguments, between blanks.
fn words(text: &str) -> Result<Vec<String>, Expected> {
    let words: Vec<_> = text.split_whitespace().map(str::to_owned).collect();
    let is_program = words.first().is_some_and(|program| program.starts_with('/'));
    if is_program {
        Ok(words)
    } else {
        Err("a program's absolute path, and perhaps arguments between blanks; there is no shell".into())
    }
}
