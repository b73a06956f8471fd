//! `[logging]`, `[loggers]`, `[handlers]`, `[formatters]` and the sections they name to [`Logging`].
//!
//! As in Python a section counts where a list names it (`[handlers] keys=`), and what a list or a section
//! names must be there. Where there is no list at all, which Python refuses, every section counts. A handler
//! or formatter that nothing uses is not looked at.

use crate::conf::ini::{Entry, trim};
use crate::conf::logging::{Format, Handler, Level, Logger, Logging};
use crate::conf::reading::{Expected, Reading, near, shown};
use crate::conf::values::{boolean, only, optional, text};
use crate::conf::{percent, targets};

/// The lists, and what kind of section each of them lists: `[logging]` is the original's, `[loggers]` is
/// `logging.config.fileConfig`'s.
const LISTS: [(&str, &str); 4] =
    [("logging", "logger"), ("loggers", "logger"), ("handlers", "handler"), ("formatters", "formatter")];

/// Whether a section is one of logging, or is perhaps a misspelt one.
pub fn is_section(name: &str) -> bool {
    ["logger_", "handler_", "formatter_"].iter().any(|kind| name.starts_with(kind))
        || LISTS.iter().any(|(list, _)| near(name, [*list].into_iter()).is_some())
}

/// Reads the logging sections; none where the file has none of them.
pub fn read(r: &mut Reading<'_>) -> Option<Logging> {
    for (list, kind) in LISTS {
        if let Some(entry) = r.entry(list, "keys") {
            // [logger_root] must be there in any case.
            for name in names(&entry.value).filter(|name| (kind, *name) != ("logger", "root")) {
                must_exist(r, list, entry, &format!("{kind}_{name}"));
            }
        }
    }
    let pika = pika_section(r);
    let first = r.ini.sections.iter().find(|section| {
        let name = section.name.as_str();
        matches!(name, "logging" | "loggers" | "logger_root") || Some(name) == pika.as_deref()
    })?;
    if r.ini.section("logger_root").is_none() {
        r.error(
            first.line,
            format_args!("[{}]: expected a section [logger_root] beside it", shown(&first.name)),
        );
    }
    let mut handlers = Vec::new();
    let root = logger(r, "logger_root", Level::Warning, "root", &mut handlers);
    let pika = pika.map(|section| logger(r, &section, root.level, "pika", &mut handlers));
    let handlers = handlers.iter().filter_map(|name| handler(r, name)).collect();
    Some(Logging { handlers, root, pika })
}

/// The section of the logger `pika`: the one of that name, or the one whose `qualname` it is.
fn pika_section(r: &mut Reading<'_>) -> Option<String> {
    let ini = r.ini;
    let loggers = ini.sections.iter().filter_map(|section| section.name.strip_prefix("logger_"));
    let listed: Vec<&str> = loggers.filter(|name| *name != "root" && is_listed(r, "logger", name)).collect();
    let is_pika = |name: &str| {
        ini.entry(&format!("logger_{name}"), "qualname").is_some_and(|entry| entry.value == "pika")
    };
    let named = listed.iter().find(|name| **name == "pika");
    named.or_else(|| listed.iter().find(|name| is_pika(name))).map(|name| format!("logger_{name}"))
}

/// Whether a section counts: a list names it, or there is none.
fn is_listed(r: &mut Reading<'_>, kind: &str, name: &str) -> bool {
    let of_kind = LISTS.iter().filter(|(_, listed)| *listed == kind);
    let lists: Vec<&Entry> = of_kind.filter_map(|(list, _)| r.entry(list, "keys")).collect();
    lists.is_empty() || lists.iter().any(|list| names(&list.value).any(|listed| listed == name))
}

/// `inherited` is the level where the section has none. `handlers` collects the names of handlers.
fn logger(
    r: &mut Reading<'_>,
    section: &str,
    inherited: Level,
    qualname: &str,
    handlers: &mut Vec<String>,
) -> Logger {
    let mut logger =
        Logger { level: inherited, handlers: Vec::new(), propagate: true, qualname: qualname.to_owned() };
    r.set(section, "level", &mut logger.level, level);
    if logger.level == Level::NotSet && qualname == "pika" {
        logger.level = inherited;
    }
    r.set(section, "propagate", &mut logger.propagate, boolean);
    r.set(section, "qualname", &mut logger.qualname, text(&(1..=255)));
    if let Some(entry) = r.entry(section, "handlers") {
        for name in names(&entry.value) {
            must_count(r, section, entry, "handler", name);
            let known = handlers.iter().position(|known| known == name);
            logger.handlers.push(known.unwrap_or(handlers.len()));
            if known.is_none() {
                handlers.push(name.to_owned());
            }
        }
    }
    logger
}

/// None where something is missing, which has then been said.
fn handler(r: &mut Reading<'_>, name: &str) -> Option<Handler> {
    let section = format!("handler_{name}");
    let mut threshold = Level::NotSet;
    r.set(&section, "level", &mut threshold, level);
    let format = format_of(r, &section);
    let target = targets::target(r, &section)?;
    Some(Handler { name: name.to_owned(), level: threshold, target, format })
}

/// The format that a handler names; without one, or an empty one, the message alone, as in Python.
fn format_of(r: &mut Reading<'_>, handler: &str) -> Format {
    let mut format = Format::of("%(message)s");
    let Some(entry) = r.entry(handler, "formatter").filter(|entry| !entry.value.is_empty()) else {
        return format;
    };
    let section = format!("formatter_{}", entry.value);
    must_count(r, handler, entry, "formatter", &entry.value);
    if r.entry(&section, "format").is_some_and(|entry| !entry.value.is_empty()) {
        r.set(&section, "format", &mut format.pieces, percent::pieces);
    }
    r.set(&section, "datefmt", &mut format.datefmt, optional(text(&(1..=255))));
    r.set(&section, "class", &mut (), |class| {
        only(matches!(class, "" | "Formatter" | "logging.Formatter"), "logging.Formatter")
    });
    r.set(&section, "style", &mut (), |style| only(style == "%", "%, the only style supported"));
    format
}

/// Notes an error where `entry` names a section that the list of its kind leaves out, or that is not there.
fn must_count(r: &mut Reading<'_>, section: &str, entry: &Entry, kind: &str, name: &str) {
    if is_listed(r, kind, name) {
        return must_exist(r, section, entry, &format!("{kind}_{name}"));
    }
    let (section, key, name) = (shown(section), &entry.key, shown(name));
    r.error(entry.line, format_args!("[{section}] {key}: {name} is missing in [{kind}s] keys="));
}

/// Notes an error where `entry` names a section that is not there.
fn must_exist(r: &mut Reading<'_>, section: &str, entry: &Entry, named: &str) {
    if r.ini.section(named).is_none() {
        r.error(
            entry.line,
            format_args!("[{}] {}: there is no section [{}]", shown(section), entry.key, shown(named)),
        );
    }
}

/// Names between commas; empty ones do not count.
fn names(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(trim).filter(|name| !name.is_empty())
}

/// A level's name.
fn level(text: &str) -> Result<Level, Expected> {
    Ok(match text.to_ascii_uppercase().as_str() {
        "NOTSET" => Level::NotSet,
        "DEBUG" => Level::Debug,
        "INFO" => Level::Info,
        "WARNING" | "WARN" => Level::Warning,
        "ERROR" => Level::Error,
        "CRITICAL" | "FATAL" => Level::Critical,
        _ => return Err("one of DEBUG, INFO, WARNING, ERROR, CRITICAL, NOTSET".into()),
    })
}
