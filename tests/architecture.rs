//! Rules that no compiler knows, for every file of `src` but documents. What a crate may use, its Cargo.toml says.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// In the agent, protocols are for those that hold a connection.
const SPEAKERS: [&str; 1] = ["outlets/"];

/// A file of `src`: its path there, and its text without tests and comments.
struct Source {
    path: PathBuf,
    lines: usize,
    code: String,
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
            if path.extension().is_none_or(|kind| kind != "rs") {
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

#[test]
fn the_code_of_a_file_has_no_comments_and_no_tests() {
    assert_eq!(code_of("a // b\nc\n\n#[cfg(test)]\nmod tests {}"), "a \nc");
}

#[test]
fn the_agent_speaks_a_protocol_only_where_it_holds_a_connection() {
    let mut speakers = 0;
    for source in sources() {
        let Ok(file) = source.path.strip_prefix("agent") else { continue };
        let speaks =
            ["psistats_core::amqp", "psistats_core::zmtp"].iter().any(|room| source.code.contains(room));
        let may = SPEAKERS.iter().any(|place| file.to_str().unwrap().starts_with(place));
        assert!(may || !speaks, "{} speaks a protocol", source.path.display());
        speakers += usize::from(speaks);
    }
    assert!(speakers > 0, "the outlets are where they should be");
}

#[test]
fn no_file_is_longer_than_500_lines() {
    for source in sources() {
        assert!(source.lines <= 500, "{} has {} lines", source.path.display(), source.lines);
    }
}

#[test]
fn unsafe_code_is_in_one_file_alone() {
    for source in sources().iter().filter(|source| source.path != Path::new("host/machine/sys.rs")) {
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

#[test]
fn the_page_of_the_hub_is_small_plain_files_that_ask_for_nothing_elsewhere() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/hub/web/page");
    let mut bytes = 0;
    for file in fs::read_dir(page).unwrap() {
        let path = file.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        bytes += text.len();
        assert!(text.lines().count() <= 300, "{} has {} lines", path.display(), text.lines().count());
        for word in ["innerHTML", "http://", "https://", "eval("] {
            let allowed = word == "http://" && text.contains("http://www.w3.org/");
            assert!(allowed || !text.contains(word), "{} has {word}", path.display());
        }
    }
    assert!((10_000..120_000).contains(&bytes), "{bytes} bytes");
}

/// Licences that ask for no more than to be named: the packages' copyright file and their SBOM do.
const LICENCES: [&str; 11] = [
    "MIT",
    "Apache-2.0",
    "0BSD",
    "BSD-2-Clause",
    "BSD-3-Clause",
    // Of a list of authorities that amqprs brings; nothing of it is linked, since the hub names its own.
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Whether one alternative of each part of an SPDX expression is among [`LICENCES`].
fn is_allowed(expression: &str) -> bool {
    let expression = expression.replace('/', " OR ").replace(['(', ')'], "");
    expression.split(" AND ").all(|part| part.split(" OR ").any(|licence| LICENCES.contains(&licence)))
}

#[test]
fn dependencies_come_from_the_registry_under_licences_that_go_with_ours() {
    for (expression, expected) in [
        ("MIT/Apache-2.0", true),
        ("(MIT OR GPL-3.0-only) AND Unicode-3.0", true),
        ("MIT AND GPL-3.0-only", false),
        ("", false),
    ] {
        assert_eq!(is_allowed(expression), expected, "{expression}");
    }
    let cargo = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--locked",
            "--format-version=1",
            "--filter-platform=x86_64-unknown-linux-gnu",
            "--manifest-path",
        ])
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"))
        .output()
        .unwrap();
    assert!(cargo.status.success(), "{}", String::from_utf8_lossy(&cargo.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&cargo.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    assert!(packages.len() > 100, "the dependencies are listed");
    // The registry is cargo's own: that of our dependencies, of which no manifest names another.
    let ours = packages.iter().filter(|package| package["source"].is_null());
    let dependencies = ours.flat_map(|package| package["dependencies"].as_array().unwrap());
    let unnamed = dependencies.filter(|dependency| dependency["registry"].is_null());
    let registries: BTreeSet<_> = unnamed.filter_map(|dependency| dependency["source"].as_str()).collect();
    assert!(
        registries.len() == 1 && registries.iter().all(|one| one.starts_with("registry+")),
        "{registries:?}"
    );
    for package in packages {
        let (name, source) = (&package["name"], package["source"].as_str());
        assert!(source.is_none_or(|source| registries.contains(source)), "{name} comes from {source:?}");
        let licence = package["license"].as_str().unwrap_or_default();
        assert!(is_allowed(licence), "{name} has the licence {licence:?}: is it one to add, and why?");
    }
}
