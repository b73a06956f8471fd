//! The order of the rooms, and the rules that hold for every file of `src`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::fs;
use std::path::{Path, PathBuf};

/// The rooms, in the order in which data flows: each uses only what stands above it.
const ROOMS: [&str; 14] = [
    "limits", "time", "bytes", "json", "link", "sample", "report", "outbox", "amqp", "zmtp", "config",
    "output", "agent", "hub",
];

/// Of the rooms above, those that a room must know nothing of all the same.
const STRANGERS: [(&str, &[&str]); 4] = [
    ("outbox", &["sample", "report"]),
    ("amqp", &["sample", "report"]),
    ("zmtp", &["sample", "report", "amqp"]),
    ("hub", &["agent"]),
];

/// In the agent, protocols are for those that hold a connection.
const PUBLISHERS: [&str; 3] = ["publisher", "attempts", "node"];

/// A file of `src`: its path there, and its text without tests and comments.
struct Source {
    path: PathBuf,
    lines: usize,
    code: String,
}

impl Source {
    fn room(&self) -> String {
        let first = self.path.iter().next().unwrap();
        Path::new(first).file_stem().unwrap().to_str().unwrap().to_owned()
    }
}

fn sources() -> Vec<Source> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders = vec![src.clone()];
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            sources.push(Source {
                path: path.strip_prefix(&src).unwrap().to_owned(),
                lines: text.lines().count(),
                code: code_of(&text),
            });
        }
    }
    assert!(sources.len() > 10, "the source is where it should be");
    sources
}

/// What stands before the tests, which come last in a file, without comments.
fn code_of(text: &str) -> String {
    let tests = ["\n#[cfg(test)]\nmod ", "\n#[cfg(all(test"];
    let end = tests.iter().filter_map(|mark| text.find(mark)).min().unwrap_or(text.len());
    let code = text[..end].lines().map(|line| line.split("//").next().unwrap_or(""));
    code.collect::<Vec<_>>().join("\n")
}

/// The rooms that `code` names after `crate::`, also in `use crate::{a, b::c}`.
fn rooms_used(code: &str) -> Vec<String> {
    let mut used = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        let names = match rest.strip_prefix('{') {
            Some(group) => outer_names(group),
            None => vec![rest],
        };
        for name in names {
            let end = name.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(name.len());
            used.push(name[..end].to_owned());
        }
    }
    used
}

/// The parts of `a, b::{c, d}, e}`: a, b, e.
fn outer_names(group: &str) -> Vec<&str> {
    let (mut depth, mut start, mut names) = (0, 0, Vec::new());
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                names.push(group[start..at].trim());
                start = at + 1;
                if c == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    names
}

#[test]
fn the_reader_of_imports_reads_them() {
    let code = "use crate::amqp::{Client, Event};\nuse crate::{bytes::Short, config::{a, b},\n limits};\nlet x = crate::time::Instant;";
    assert_eq!(rooms_used(code), ["amqp", "bytes", "config", "limits", "time"]);
    assert_eq!(code_of("a // b\nc\n\n#[cfg(test)]\nmod tests {}"), "a \nc");
}

#[test]
fn a_room_uses_only_what_stands_above_it() {
    for source in sources() {
        let room = source.room();
        let Some(place) = ROOMS.iter().position(|name| *name == room) else {
            assert!(["lib", "bin"].contains(&room.as_str()), "a room that is not on the map: {room}");
            continue;
        };
        let strangers = STRANGERS.iter().find(|(name, _)| *name == room).map_or(&[][..], |(_, s)| *s);
        for used in rooms_used(&source.code) {
            let path = source.path.display();
            let above = ROOMS[..=place].contains(&used.as_str());
            assert!(above, "{path} uses {used}, which does not stand above {room}");
            assert!(!strangers.contains(&used.as_str()), "{path} must know nothing of {used}");
        }
    }
}

#[test]
fn the_agent_knows_a_protocol_only_where_it_holds_a_connection() {
    for source in sources().iter().filter(|source| source.room() == "agent") {
        let file = source.path.to_str().unwrap();
        let publishes = PUBLISHERS.iter().any(|name| file.contains(name));
        let knows = rooms_used(&source.code).iter().any(|room| ["amqp", "zmtp"].contains(&room.as_str()));
        assert!(publishes || !knows, "{file} speaks a protocol");
    }
}

#[test]
fn no_file_is_longer_than_500_lines() {
    for source in sources() {
        assert!(source.lines <= 500, "{} has {} lines", source.path.display(), source.lines);
    }
}

#[test]
fn unsafe_code_is_in_one_file_alone() {
    for source in sources().iter().filter(|source| source.path != Path::new("agent/sys.rs")) {
        let words = source.code.split(|c: char| !c.is_alphanumeric() && c != '_');
        assert_eq!(words.filter(|word| *word == "unsafe").count(), 0, "{}", source.path.display());
    }
}

#[test]
fn nothing_outside_tests_can_panic_by_its_own_words() {
    let words =
        [".unwrap()", ".expect(", ".unwrap_err()", "panic!", "todo!", "unimplemented!", "unreachable!"];
    for source in sources() {
        // A constant's value: it is the compiler that would panic.
        let code = source.code.replace("Err(_) => unreachable!(),\n};", "");
        for word in words {
            assert!(!code.contains(word), "{} says {word}", source.path.display());
        }
    }
}
