//! The class of a log handler and its arguments to [`Target`].
//!
//! Arguments are keys of the handler's section, as the original's files have them
//! (`logging.config.dictConfig`), or the tuple `args=(...)` of `logging.config.fileConfig`.

use std::path::PathBuf;

use crate::conf::hosts;
use crate::conf::ini::{Entry, trim};
use crate::conf::literal::{self, Literal};
use crate::conf::logging::{SyslogAddress, Target, When};
use crate::conf::reading::{Expected, Reading, shown};
use crate::conf::values::{self, boolean, only};

/// The supported classes, and their parameters in Python's order as keys spell them.
const CLASSES: [(&str, &[&str]); 6] = [
    ("StreamHandler", &["stream"]),
    ("FileHandler", &["filename", "mode", "encoding", "delay"]),
    ("RotatingFileHandler", &["filename", "mode", "maxbytes", "backupcount", "encoding", "delay"]),
    (
        "TimedRotatingFileHandler",
        &["filename", "when", "interval", "backupcount", "encoding", "delay", "utc"],
    ),
    ("SysLogHandler", &["address", "facility"]),
    ("NullHandler", &[]),
];

/// Facilities by their numbers (RFC 5424 §6.2.1), as Python's `LOG_...` name them.
const FACILITIES: [&str; 24] = [
    "KERN", "USER", "MAIL", "DAEMON", "AUTH", "SYSLOG", "LPR", "NEWS", "UUCP", "CRON", "AUTHPRIV", "FTP",
    "NTP", "SECURITY", "CONSOLE", "SOLCRON", "LOCAL0", "LOCAL1", "LOCAL2", "LOCAL3", "LOCAL4", "LOCAL5",
    "LOCAL6", "LOCAL7",
];

/// Reads a handler's section. None where it, its class or its file is missing, which has then been said.
pub(super) fn target(r: &mut Reading<'_>, section: &str) -> Option<Target> {
    let class = r.entry(section, "class");
    let line = r.ini.section(section)?.line; // a missing section is an error where it is named
    let Some(class) = class else {
        r.error(line, format_args!("[{}]: expected a class, such as class=StreamHandler", shown(section)));
        return None;
    };
    let bare = class.value.strip_prefix("logging.").unwrap_or(&class.value);
    let bare = bare.strip_prefix("handlers.").unwrap_or(bare);
    let Some((name, parameters)) = CLASSES.iter().find(|(name, _)| *name == bare) else {
        let names: Vec<&str> = CLASSES.iter().map(|(name, _)| *name).collect();
        r.wrong(section, class, &format!("one of {}", names.join(", ")));
        return None;
    };
    let arguments = Arguments::read(r, section, parameters);
    if parameters.contains(&"filename") && !arguments.given.iter().any(|(name, ..)| *name == "filename") {
        r.error(line, format_args!("[{}]: {name} expects filename=FILE", shown(section)));
        return None;
    }
    Some(arguments.target(r, name))
}

/// The arguments of one handler, each with the entry that gives it.
struct Arguments<'s, 'a> {
    section: &'s str,
    given: Vec<(&'static str, Literal, &'a Entry)>,
}

impl<'s, 'a> Arguments<'s, 'a> {
    /// Keys of the section count before `args`.
    fn read(r: &mut Reading<'a>, section: &'s str, parameters: &[&'static str]) -> Self {
        let mut given = Vec::new();
        for &name in parameters {
            if let Some(entry) = r.entry(section, name) {
                let text = trim(&entry.value);
                let value = match literal::tuple(text) {
                    Ok(values) if name == "address" => Literal::Tuple(values),
                    _ => Literal::Text(text.to_owned()),
                };
                given.push((name, value, entry));
            }
        }
        if let Some(entry) = r.entry(section, "args") {
            match literal::tuple(&entry.value) {
                Ok(values) if values.len() > parameters.len() => {
                    r.wrong(section, entry, &format!("at most ({})", parameters.join(", ")));
                }
                Ok(values) => {
                    given.extend(parameters.iter().zip(values).map(|(&name, value)| (name, value, entry)));
                }
                Err(expected) => r.wrong(section, entry, &expected),
            }
        }
        r.set(section, "kwargs", &mut (), |text| only(text == "{}", "{}: write its entries as keys here"));
        Self { section, given }
    }

    /// An argument as `read` makes it; `default` where it is absent, None or wrong.
    fn take<T>(
        &self,
        r: &mut Reading<'_>,
        name: &str,
        default: T,
        read: impl Fn(&Literal) -> Result<T, Expected>,
    ) -> T {
        let mut taken = default;
        self.give(r, name, &mut |value| {
            taken = read(value)?;
            Ok(())
        });
        taken
    }

    /// Gives an argument to `take`, where it is there and not None.
    #[inline(never)]
    fn give(&self, r: &mut Reading<'_>, name: &str, take: &mut dyn FnMut(&Literal) -> Result<(), Expected>) {
        let Some((_, value, entry)) = self.given.iter().find(|(given, ..)| *given == name) else { return };
        let is_none = matches!(value, Literal::Name(name) if name == "None");
        if !is_none && let Err(expected) = take(value) {
            let wanted = if entry.key == name { expected } else { format!("as {name} {expected}").into() };
            r.wrong(self.section, entry, &wanted);
        }
    }

    fn target(&self, r: &mut Reading<'_>, class: &str) -> Target {
        match class {
            "StreamHandler" => self.take(r, "stream", Target::Stderr, stream),
            "SysLogHandler" => Target::Syslog {
                address: self.take(r, "address", SyslogAddress::Udp("localhost".into(), 514), address),
                facility: self.take(r, "facility", 1, facility),
            },
            "NullHandler" => Target::Null,
            _ => self.file(r, class),
        }
    }

    fn file(&self, r: &mut Reading<'_>, class: &str) -> Target {
        let path = self.take(r, "filename", PathBuf::new(), |v| values::path(&word(v)));
        let truncate = self.take(r, "mode", false, mode);
        // Said and checked, without effect: the log is UTF-8, and opened at the start.
        self.take(r, "encoding", (), encoding);
        self.take(r, "delay", false, |v| boolean(&word(v)));
        let backups = self.take(r, "backupcount", 0, number);
        match class {
            "RotatingFileHandler" => {
                // Python's rule: what rotates is never emptied at the start, what does not may be.
                match self.take(r, "maxbytes", 0, number) {
                    0 => Target::File { path, truncate },
                    max_bytes => Target::RotatingFile { path, max_bytes: max_bytes.into(), backups },
                }
            }
            "TimedRotatingFileHandler" => Target::TimedRotatingFile {
                path,
                when: self.take(r, "when", When::Hours, when),
                interval: self.take(r, "interval", 1, positive),
                backups,
                utc: self.take(r, "utc", false, |v| boolean(&word(v))),
            },
            _ => Target::File { path, truncate },
        }
    }
}

/// The literal as a key would spell it; nothing for a tuple.
#[inline(never)]
fn word(value: &Literal) -> String {
    match value {
        Literal::Text(text) | Literal::Name(text) => text.clone(),
        Literal::Number(number) => number.to_string(),
        Literal::Tuple(_) => String::new(),
    }
}

/// A whole number.
fn number(value: &Literal) -> Result<u32, Expected> {
    values::whole(&(0..=u32::MAX as u64, "a whole number"))(&word(value))
}

/// A whole number that is not 0.
fn positive(value: &Literal) -> Result<u32, Expected> {
    values::whole(&(1..=u32::MAX as u64, "a whole number"))(&word(value))
}

fn stream(value: &Literal) -> Result<Target, Expected> {
    let word = word(value);
    match word.strip_prefix("ext://").unwrap_or(&word) {
        "sys.stdout" => Ok(Target::Stdout),
        "sys.stderr" | "" => Ok(Target::Stderr),
        _ => Err("ext://sys.stdout or ext://sys.stderr".into()),
    }
}

fn mode(value: &Literal) -> Result<bool, Expected> {
    match word(value).as_str() {
        "w" => Ok(true),
        "a" => Ok(false),
        _ => Err("a (append) or w (empty it at the start)".into()),
    }
}

fn encoding(value: &Literal) -> Result<(), Expected> {
    let name = word(value).to_ascii_lowercase().replace('_', "-");
    only(matches!(name.as_str(), "" | "utf-8" | "utf8" | "ascii"), "utf-8, the only encoding supported")
}

fn when(value: &Literal) -> Result<When, Expected> {
    Ok(match word(value).to_ascii_uppercase().as_bytes() {
        b"S" => When::Seconds,
        b"M" => When::Minutes,
        b"H" => When::Hours,
        b"D" => When::Days,
        b"MIDNIGHT" => When::Midnight,
        [b'W', day @ b'0'..=b'6'] => When::Weekday(day - b'0'),
        _ => return Err("one of S, M, H, D, midnight, W0 (Monday) to W6".into()),
    })
}

fn address(value: &Literal) -> Result<SyslogAddress, Expected> {
    let udp = match value {
        Literal::Text(path) if path.starts_with('/') => return Ok(SyslogAddress::Path(values::path(path)?)),
        Literal::Tuple(pair) => match pair.as_slice() {
            [Literal::Text(host), Literal::Number(port)] => {
                hosts::host(host, 0).ok().zip(u16::try_from(*port).ok().filter(|&port| port > 0))
            }
            _ => None,
        },
        _ => None,
    };
    udp.filter(|(host, _)| host.port == 0)
        .map(|(host, port)| SyslogAddress::Udp(host.name, port))
        .ok_or("a socket such as /dev/log, or ('host', port)".into())
}

/// A number, `daemon`, `LOG_DAEMON` or `handlers.SysLogHandler.LOG_DAEMON`.
fn facility(value: &Literal) -> Result<u8, Expected> {
    let word = word(value).to_ascii_uppercase();
    let name = word.rsplit('.').next().unwrap_or_default();
    let name = name.strip_prefix("LOG_").unwrap_or(name);
    let number = FACILITIES.iter().position(|known| *known == name).or_else(|| name.parse().ok());
    number
        .and_then(|number| u8::try_from(number).ok())
        .filter(|number| usize::from(*number) < FACILITIES.len())
        .ok_or("a facility, such as daemon, local0 or 0 to 23".into())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::conf::ini;

    fn read(section: &str) -> Result<Target, String> {
        let text = format!("[handler_h]\n{section}");
        let ini = ini::parse(text.as_bytes(), Path::new("f")).unwrap();
        let mut r = Reading::new(&ini, Path::new("f"));
        let target = target(&mut r, "handler_h");
        match r.problems.first() {
            Some(first) => Err(first.to_string()),
            None => Ok(target.unwrap()),
        }
    }

    #[test]
    fn keys_and_tuples_of_python_give_the_same_handler() {
        let timed = Target::TimedRotatingFile {
            path: "p.log".into(),
            when: When::Midnight,
            interval: 1,
            backups: 7,
            utc: true,
        };
        let sized = Target::RotatingFile { path: "p.log".into(), max_bytes: 1000, backups: 3 };
        let local = |facility| Target::Syslog { address: SyslogAddress::Path("/dev/log".into()), facility };
        let udp = Target::Syslog { address: SyslogAddress::Udp("::1".into(), 1514), facility: 1 };
        for (target, texts) in [
            (
                timed,
                [
                    "class=logging.handlers.TimedRotatingFileHandler\nfilename=p.log\nwhen=MIDNIGHT\nbackupCount=7\nutc=yes\ndelay=0\nencoding=utf-8",
                    "class=handlers.TimedRotatingFileHandler\nargs=('p.log', 'midnight', 1, 7, None, False, True)",
                ],
            ),
            (
                sized,
                [
                    "class=RotatingFileHandler\nfilename=p.log\nmaxBytes=1000\nbackupCount=3",
                    "class=logging.handlers.RotatingFileHandler\nargs=('p.log', 'w', 1000, 3)",
                ],
            ),
            (
                local(3),
                [
                    "class=logging.handlers.SysLogHandler\naddress=/dev/log\nfacility=daemon",
                    "class=handlers.SysLogHandler\nargs=('/dev/log', handlers.SysLogHandler.LOG_DAEMON)",
                ],
            ),
            (
                udp,
                [
                    "class=SysLogHandler\naddress=('::1', 1514)",
                    "class=handlers.SysLogHandler\nargs=(('::1', 1514),)",
                ],
            ),
            (
                Target::File { path: "p.log".into(), truncate: true },
                ["class=FileHandler\nfilename=p.log\nmode=w", "class=FileHandler\nargs=('p.log', 'w')"],
            ),
            (
                Target::Stdout,
                [
                    "class=logging.StreamHandler\nstream=ext://sys.stdout",
                    "class=StreamHandler\nargs=(sys.stdout,)",
                ],
            ),
            (Target::Stderr, ["class=StreamHandler", "class=StreamHandler\nargs=()"]),
            (Target::Null, ["class=NullHandler", "class=logging.NullHandler\nargs=()"]),
        ] {
            for text in texts {
                assert_eq!(read(text), Ok(target.clone()), "{text}");
            }
        }
    }

    #[test]
    fn a_wrong_argument_says_which_one_and_what_is_expected() {
        for (text, expected) in [
            ("level=INFO", "f:1: [handler_h]: expected a class, such as class=StreamHandler"),
            (
                "class=SMTPHandler",
                "f:2: [handler_h] class: expected one of StreamHandler, FileHandler, RotatingFileHandler, \
                 TimedRotatingFileHandler, SysLogHandler, NullHandler, found \"SMTPHandler\"",
            ),
            ("class=FileHandler", "f:1: [handler_h]: FileHandler expects filename=FILE"),
            (
                "class=StreamHandler\nargs=(open('x'),)",
                "f:3: [handler_h] args: expected a tuple of 'texts', numbers and names, as ('psistats.log', 'a'), \
                 found \"(open('x'),)\"",
            ),
            (
                "class=StreamHandler\nargs=(sys.stdout, 1)",
                "f:3: [handler_h] args: expected at most (stream), found \"(sys.stdout, 1)\"",
            ),
            (
                "class=TimedRotatingFileHandler\nargs=('f', 'noon')",
                "f:3: [handler_h] args: expected as when one of S, M, H, D, midnight, W0 (Monday) to W6, \
                 found \"('f', 'noon')\"",
            ),
            (
                "class=RotatingFileHandler\nfilename=f\nmaxBytes=-1",
                "f:4: [handler_h] maxbytes: expected a whole number from 0 to 4294967295, found \"-1\"",
            ),
            (
                "class=SysLogHandler\naddress=localhost",
                "f:3: [handler_h] address: expected a socket such as /dev/log, or ('host', port), \
                 found \"localhost\"",
            ),
            (
                "class=SysLogHandler\nfacility=24",
                "f:3: [handler_h] facility: expected a facility, such as daemon, local0 or 0 to 23, found \"24\"",
            ),
        ] {
            assert_eq!(read(text), Err(expected.into()), "{text}");
        }
    }
}
