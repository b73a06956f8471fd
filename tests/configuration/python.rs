//! Python's configparser as the oracle of the syntax.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use psistats_host::conf::ini::{self, Ini};

use crate::{DOCUMENTED, LATER, cases};

const PYTHON: &str = r#"
import configparser, json, sys

def read(text, inline):
    parser = configparser.RawConfigParser(strict=False, inline_comment_prefixes=inline)
    try:
        parser.read_string(text)
    except configparser.Error:
        return None
    return {section: dict(parser.items(section)) for section in parser.sections()}

for line in sys.stdin:
    text = json.loads(line)
    print(json.dumps([read(text, None), read(text, ";")]), flush=True)
"#;

type Sections = BTreeMap<String, BTreeMap<String, String>>;

/// One Python that reads text after text.
struct Oracle {
    child: Child,
    texts: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Oracle {
    fn start() -> Self {
        let mut child = Command::new("/usr/bin/python3")
            .args(["-c", PYTHON])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("/usr/bin/python3");
        let texts = child.stdin.take().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        Self { child, texts, answers }
    }

    /// The text as Python 3 reads it, and with `;` allowed after a value; None where it refuses.
    fn read(&mut self, text: &str) -> [Option<Sections>; 2] {
        writeln!(self.texts, "{}", serde_json::to_string(text).unwrap()).unwrap();
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        serde_json::from_str(&answer).unwrap()
    }

    /// Compares the two readings; tells whether both accepted the text.
    fn agrees(&mut self, text: &str) -> bool {
        let [plain, inline] = self.read(text);
        let (Ok(ours), Some(theirs)) = (ini::parse(text.as_bytes(), Path::new("f")), plain) else {
            return false;
        };
        let names: Vec<&String> = ours.sections.iter().map(|section| &section.name).collect();
        assert_eq!(sorted(names), theirs.keys().collect::<Vec<_>>(), "{text:?}");
        for (section, theirs) in &theirs {
            assert_eq!(sorted(keys(&ours, section)), theirs.keys().collect::<Vec<_>>(), "{text:?}");
            for (key, theirs) in theirs {
                let entry = ours.entry(section, key).unwrap();
                let (first, rest) = theirs.split_once('\n').map_or((&**theirs, None), |(f, r)| (f, Some(r)));
                // What Python 2 reads otherwise ends on the first line.
                let first = match &inline {
                    Some(inline) if entry.commented => match inline.get(section).and_then(|s| s.get(key)) {
                        Some(value) => value.split('\n').next().unwrap_or_default(),
                        None => continue,
                    },
                    None if entry.commented => continue,
                    _ if first == "\"\"" => "",
                    _ => first,
                };
                let expected = rest.map_or(first.to_owned(), |rest| format!("{first}\n{rest}"));
                assert_eq!(entry.value, expected.trim_end(), "[{section}] {key} of {text:?}");
            }
        }
        true
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn keys<'i>(ini: &'i Ini, section: &str) -> Vec<&'i String> {
    let entries = &ini.section(section).unwrap().entries;
    let mut keys: Vec<_> = entries.iter().chain(&ini.defaults).map(|entry| &entry.key).collect();
    keys.sort();
    keys.dedup();
    keys
}

fn sorted<T: Ord>(mut all: Vec<T>) -> Vec<T> {
    all.sort();
    all
}

#[test]
fn files_are_read_as_pythons_configparser_reads_them() {
    let mut oracle = Oracle::start();
    for text in [
        DOCUMENTED,
        LATER,
        "",
        "# only a comment\n",
        "[a]\nKEY = Value\nkey2: v\nk3=a:b=c\nk4:a=b:c\n",
        "[a]\nk = 1\n\n  2\n  # comment\n; comment\n\n  3\n\n\n[b]\nx=\n",
        "[a]\nk =\n  1,\n  2\nj = x\n",
        "[a]\n  k = 1\n  j = 2\n    3\n k4 = 4\n",
        "[a]\r\nk = 1\r\n 2\r\nj=\r\n\r\n[b]\r\nx : y\r\n",
        "[a]\nk=1\n[b]\nk=2\n[a]\nk=3\nj=4\nj=5\n",
        "[DEFAULT]\nk=1\nj=2\n[a]\nk=3\n[b]\n[DEFAULT]\nj=4\n",
        "[a b] trailing\nk k = v v\n",
        "[a]\nk\u{a0}=\u{a0}v\u{2003}w\u{85}\n\u{a0}more\n",
        "[a]\nk = 5 ; comment\nj = a;b\ni = ;c\nh = a;b ;c\ng = a # b\nf = \"\"\ne = x ;y\n  z ;w\n",
        "[a]\npass = #hash\nuser = \"quoted\"\npercent = %(x)s %\n",
        "[a]\nk = v",
        "[a]\nk = v\n\tw\n \tx\n",
        "[a]\nk = 1\n[b]\n  indented = 2\n",
        "[ a ]\nk = 1\n",
        "[a]\n k = [b]\n  [c]\n",
    ] {
        assert!(oracle.agrees(text), "both must read {text:?}");
    }
    for text in ["k = 1\n", "[a]\nk\n", "[a]\n= v\n", "[a\n"] {
        assert!(oracle.read(text)[0].is_none() && ini::parse(text.as_bytes(), Path::new("f")).is_err());
    }
}

/// Lines that stress the grammar, and some without any.
fn text() -> impl Strategy<Value = String> {
    let value = r##"[a-c;#=:%"'\[\] \t\u{a0}\u{1c}é]{0,10}"##;
    let line = prop_oneof![
        2 => "\\[[a-cA]{1,2}\\]( ;x)?",
        1 => Just("[DEFAULT]".to_owned()),
        8 => ("[ \t]{0,2}", "[a-cA-Cé]{1,2}", "[ ]{0,1}[=:][ ]{0,2}", value)
            .prop_map(|(indent, key, sign, value)| indent + &key + &sign + &value),
        4 => ("[ \t]{1,4}", value).prop_map(|(indent, value)| indent + &value),
        2 => "[ \t]{0,3}",
        2 => "[ ]{0,3}[;#][a-c=;]{0,4}",
        1 => "[\u{20}-\u{24f}\u{2000}-\u{200a}\u{2028}]{0,8}",
    ];
    (prop::collection::vec(line, 0..10), prop_oneof![Just("\n"), Just("\r\n")])
        .prop_map(|(lines, end)| format!("[a]{end}{}", lines.join(end)))
}

#[test]
fn generated_files_are_read_as_pythons_configparser_reads_them() {
    let (oracle, read, accepted) = (RefCell::new(Oracle::start()), Cell::new(0), Cell::new(0));
    TestRunner::new(cases(2000))
        .run(&text(), |text| {
            // Of capital letters beyond ASCII ours leaves those in keys as they are.
            prop_assume!(!text.chars().any(|c| !c.is_ascii() && c.is_uppercase()));
            read.set(read.get() + 1);
            accepted.set(accepted.get() + u32::from(oracle.borrow_mut().agrees(&text)));
            Ok(())
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
    assert!(accepted.get() * 4 > read.get(), "too few texts that both accept: {}", accepted.get());
}
