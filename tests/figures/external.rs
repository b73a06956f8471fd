//! `[value:NAME]` and `[tags]`. A file system that hangs is in `tests/environment/hung_mount.rs`.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use psistats_host::limits;
use serde_json::{Value, json};

use crate::{after, first};
use support::boards::{Tree, open_sampler};

const CONFIGURATION: &str = "[value:soil]\nfile=/run/garden/soil\nmax_age=60\ninterval=1\n";
const FILE: &str = "run/garden/soil";

fn value(tree: &Tree) -> Value {
    first(&mut open_sampler(tree.path(), CONFIGURATION))["soil"].take()
}

#[test]
fn a_value_is_what_the_file_holds_on_one_line_whatever_the_kind() {
    let tree = Tree::new();
    let longest = format!("\"{}\"", "x".repeat(limits::EXTERNAL - 2));
    for (text, expected) in [
        ("21.5\n", json!(21.5)),
        (" -3 ", json!(-3)),
        ("null", Value::Null),
        ("\"w\u{fc}st\\n\"\n", json!("w\u{fc}st\n")),
        ("{\n\t\"a\": [1,\r\n 2]\n}\n", json!({"a": [1, 2]})),
        (&*longest, json!(longest.trim_matches('"'))),
    ] {
        tree.put(FILE, text);
        let mut sampler = open_sampler(tree.path(), CONFIGURATION);
        let report = first(&mut sampler);
        assert_eq!(report["soil"], expected, "{text}");
        let line = sampler.report(crate::tick(0, false)).to_vec();
        assert!(!line.contains(&b'\n'), "a report is a line");
    }
}

#[test]
fn what_is_no_json_value_or_too_long_is_null_and_the_report_is_still_one() {
    let tree = Tree::new();
    let long = format!("\"{}\"", "x".repeat(limits::EXTERNAL - 1));
    let endless = "7".repeat(100_000);
    for text in [
        "",
        "\n",
        "nan",
        "1 2",
        "21,5",
        "1}",
        "{\"a\":1",
        "soil 7",
        "\"\\ud800\"x",
        "\u{feff}1",
        &long,
        &endless,
    ] {
        tree.put(FILE, text);
        assert_eq!(value(&tree), Value::Null, "{text:.40}");
    }
    tree.put(FILE, b"\"\xff\"");
    assert_eq!(value(&tree), Value::Null);
}

#[test]
fn a_value_is_null_once_it_is_too_old_or_out_of_the_future_and_comes_back() {
    let tree = Tree::new();
    tree.put(FILE, "1");
    let file = File::options().write(true).open(tree.path().join(FILE)).unwrap();
    let mut sampler = open_sampler(tree.path(), CONFIGURATION);
    let now = SystemTime::now();
    let hour = Duration::from_secs(3600);
    let cases = [(now, json!(1)), (now - hour, json!(null)), (now + hour, json!(null)), (now, json!(1))];
    for (second, (time, expected)) in (0..).zip(cases) {
        file.set_modified(time).unwrap();
        assert_eq!(after(&mut sampler, Duration::from_secs(second))["soil"], expected);
    }
}

#[test]
fn whatever_is_put_in_the_place_of_the_file_or_of_its_directory_does_no_harm() {
    let tree = Tree::new();
    let path = tree.path().join(FILE);
    assert_eq!(value(&tree), Value::Null, "there is none");
    tree.put("run/elsewhere/secret", "1");
    fs::create_dir(tree.path().join("run/garden")).unwrap();
    for target in ["/proc/self/environ", "../elsewhere/secret", "/dev/zero", "soil"] {
        symlink(target, &path).unwrap();
        assert_eq!(value(&tree), Value::Null, "a link to {target}");
        fs::remove_file(&path).unwrap();
    }
    // Nobody writes to it: who opened it like another file would wait for ever.
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert_eq!(value(&tree), Value::Null, "a pipe");
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert_eq!(value(&tree), Value::Null, "a directory");
    fs::remove_dir_all(tree.path().join("run/garden")).unwrap();
    tree.put("run/elsewhere/soil", "1");
    symlink("elsewhere", tree.path().join("run/garden")).unwrap();
    assert_eq!(value(&tree), Value::Null, "a directory that is a link");
    fs::remove_file(tree.path().join("run/garden")).unwrap();
    tree.put(FILE, "1");
    assert_eq!(value(&tree), json!(1));
}

#[test]
fn what_a_shell_writes_and_moves_into_place_is_read() {
    // As node_exporter's documentation has it for its textfile collector.
    let dir = tempfile::tempdir().unwrap();
    let write = "echo '{\"celsius\": 21.5}' >\"$0.$$\" && mv \"$0.$$\" \"$0\"";
    let file = dir.path().canonicalize().unwrap().join("room");
    assert!(Command::new("sh").args(["-c", write]).arg(&file).status().unwrap().success());
    let mut sampler = open_sampler(Path::new("/"), &format!("[value:room]\nfile={}\n", file.display()));
    assert_eq!(first(&mut sampler)["room"], json!({"celsius": 21.5}));
}

fn errors(configuration: &str) -> Vec<String> {
    let errors = psistats::settings::parse(configuration.as_bytes(), Path::new("f")).unwrap_err().0;
    errors.into_iter().map(|error| error.text).collect()
}

#[test]
fn a_name_or_a_path_that_cannot_be_is_an_error_that_says_what_can() {
    for (section, expected) in [
        ("[value:]\nfile=/a\n", "[value:NAME]: expected a NAME of 1 to 32 letters, digits, _, - and ."),
        ("[value:a b]\nfile=/a\n", "[value:NAME]: expected a NAME of 1 to 32 letters, digits, _, - and ."),
        ("[value:cpu]\nfile=/a\n", "[value:cpu]: reports have a figure cpu of their own"),
        ("[value:tags]\nfile=/a\n", "[value:tags]: reports have a figure tags of their own"),
        ("[value:wifi]\nfile=/a\n", "[value:wifi]: reports have a figure wifi of their own"),
        ("[value:a]\n", "[value:a]: expected file=, where the value is read from"),
        (
            "[value:a]\nfile=/run/../a\n",
            "[value:a] file: expected the path of a file from / on, of at most 128 bytes and without . and .., found \"/run/../a\"",
        ),
    ] {
        assert_eq!(errors(section), [expected]);
    }
    for path in ["a", "/run/", "/", "", "/./a", &format!("/{}", "x".repeat(128))] {
        assert!(
            errors(&format!("[value:a]\nfile={path}\n"))[0].contains("the path of a file from /"),
            "{path}"
        );
    }
    let many: String = (0..9).map(|n| format!("[value:v{n}]\nfile=/v{n}\n")).collect();
    assert_eq!(errors(&many), ["[value:v8]: expected at most 8 such sections"]);
}

#[test]
fn tags_are_an_object_in_every_report_in_the_order_of_the_file() {
    let configuration = "[tags]\nsite=garage\nRack = 7 \nnote=\"Gr\u{fc}n\" \\ = ;x\n";
    let mut sampler = open_sampler(Tree::new().path(), configuration);
    for secondary in [true, false] {
        let report = sampler.report(crate::tick(0, secondary)).to_vec();
        let text = std::str::from_utf8(&report).unwrap();
        let tags = r#""tags":{"site":"garage","rack":"7","note":"\"Grün\" \\ ="}"#;
        assert!(text.contains(tags), "{text}");
        serde_json::from_str::<Value>(text).unwrap();
    }
    assert!(first(&mut open_sampler(Tree::new().path(), "[tags]\n")).get("tags").is_none());
}

#[test]
fn tags_of_the_longest_kind_fit_and_others_are_an_error() {
    let longest: String = (0..8)
        .map(|n| format!("{n}{}={}\n", "x".repeat(limits::TAG_NAME - 1), "\"\\".repeat(limits::TAG / 2)))
        .collect();
    let report = first(&mut open_sampler(Tree::new().path(), &format!("[tags]\n{longest}")));
    assert_eq!(report["tags"].as_object().unwrap().len(), 8);
    assert_eq!(errors(&format!("[tags]\n{longest}a=b\n")), ["[tags]: expected at most 8 tags"]);
    assert_eq!(errors("[tags]\na b=c\n"), ["[tags]: expected keys of 1 to 32 letters, digits, _, - and ."]);
    assert_eq!(errors("[tags]\na=\n"), ["[tags] a: expected 1 to 64 bytes of text on one line, found \"\""]);
    assert_eq!(errors("[tags]\na=b\n  c\n").len(), 1);
}
