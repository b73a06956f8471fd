//! psistats.conf against Python's own reader, the original's files, and files gone wrong.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use psistats::config::ini::{self, Ini};
use psistats::config::logging::{Field, Format, Handler, Level, Logger, Logging, Piece, Target, When};
use psistats::config::settings::{Host, QueueKind};
use psistats::config::{Problem, Settings, load, parse};

const DOCUMENTED: &str = include_str!("fixtures/config/documented.conf");
const LATER: &str = include_str!("fixtures/config/later.conf");

fn read(text: &str) -> (Settings, Vec<Problem>) {
    parse(text.as_bytes(), Path::new("f")).unwrap_or_else(|errors| panic!("{errors}"))
}

fn settings(text: &str) -> Settings {
    read(text).0
}

fn errors(text: &str) -> Vec<String> {
    parse(text.as_bytes(), Path::new("f")).expect_err(text).0.iter().map(ToString::to_string).collect()
}

fn warnings(text: &str) -> Vec<String> {
    read(text).1.iter().map(ToString::to_string).collect()
}

fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

// Python's configparser as the oracle.

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
        "[a]\nÄÖ = 1\nİ = 2\nΣΑΣ = 3\n",
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
    let value = r##"[a-c;#=:%"'\[\] \t\u{a0}\u{1c}éİΣ]{0,10}"##;
    let line = prop_oneof![
        2 => "\\[[a-cA]{1,2}\\]( ;x)?",
        1 => Just("[DEFAULT]".to_owned()),
        8 => ("[ \t]{0,2}", "[a-cA-CİΣ]{1,2}", "[ ]{0,1}[=:][ ]{0,2}", value)
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
            read.set(read.get() + 1);
            accepted.set(accepted.get() + u32::from(oracle.borrow_mut().agrees(&text)));
            Ok(())
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
    assert!(accepted.get() * 4 > read.get(), "too few texts that both accept: {}", accepted.get());
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = parse(&bytes, Path::new("f"));
    }

    #[test]
    fn damaged_files_never_panic(at in 0..LATER.len(), bytes in prop::collection::vec(any::<u8>(), 0..4), torn: bool) {
        let mut file = LATER.as_bytes().to_vec();
        let end = if torn { file.len() } else { (at + bytes.len()).min(file.len()) };
        file.splice(at..end, bytes);
        let _ = parse(&file, Path::new("f"));
    }

    /// Whatever is wrong with the file, and wherever the password was put.
    #[test]
    fn no_message_shows_a_password(
        before in "[a-zA-Z0-9=:;#%@/ ]{0,6}",
        after in "[a-zA-Z0-9=:;#%@/ ]{0,6}",
        place in prop::sample::select(vec![
            "pass={}", "pass {}", "pass : {}", "pass=x\n  {}", "passs={}", "pass=1\npass={}",
            "url=amqp://u:{}@h", "url=amqps://u:{}@h", "url=amqp://u:{}@h:port", "url = {}",
            "url=amqp://u:{}@h/a/b\nhost=h", "host=amqp://u:{}@h", "pass={}\u{7f}", "url=amqp://u:%zz{}@h",
        ]),
        rest in prop::sample::select(vec!["", "port=x", "user", "[queue]\ntype=none", "[logging]\nkeys=root", "\0"]),
    ) {
        let secret = format!("{before}sesame{after}");
        let text = format!("[server]\n{}\n{rest}\n", place.replace("{}", &secret));
        let told = match parse(text.as_bytes(), Path::new("f")) {
            Ok((settings, warnings)) => format!("{settings:?} {warnings:?}"),
            Err(errors) => format!("{errors} {errors:?}"),
        };
        prop_assert!(!told.contains("sesame"), "{text:?}: {told}");
    }
}

// The original's files.

fn plain(field: Field) -> Piece {
    Piece::Field { field, width: 0, zeros: false, precision: None, kind: 's' }
}

fn usual_format() -> Format {
    let space = || Piece::Text(" ".into());
    let [time, name, level] = [Field::Asctime, Field::Name, Field::Levelname].map(plain);
    let pieces = vec![time, space(), name, space(), level, space(), plain(Field::Message)];
    Format { pieces, datefmt: None }
}

#[test]
fn the_documented_example_gives_the_documented_settings() {
    let (settings, warnings) = read(DOCUMENTED);
    assert_eq!(warnings, []);
    let logging = Logging {
        handlers: vec![Handler {
            name: "fileout".into(),
            level: Level::Debug,
            target: Target::TimedRotatingFile {
                path: "psistats.log".into(),
                when: When::Midnight,
                interval: 1,
                backups: 0,
                utc: false,
            },
            format: usual_format(),
        }],
        root: Logger { level: Level::Info, handlers: vec![0], propagate: false, qualname: "psistats".into() },
        pika: None,
    };
    // Every other documented value is the default.
    assert_eq!(settings, Settings { logging: Some(logging), ..Settings::default() });
}

#[test]
fn each_documented_key_has_its_effect() {
    let s = settings(
        "[queue]\nprefix=q\nexclusive=no\ndurable=ON\nautodelete=False\nttl=\ntype=Quorum\ndeclare=0\n\
         [exchange]\nname=x\ntype=direct\ndurable=True\nautodelete=1\ndeclare=off\n\
         [server]\nhost=a, b:1, [::1]:2\nport=3\npath=v\nuser=u\npass=p;w\nheartbeat=0\n\
         [message]\ntimestamp=yes\npersistent=yes\n[backlog]\nbytes=8192\n\
         [app]\nprimary_timer=0.1\nsecondary_timer=2\nretry_timer=1.5\npidfile=/p\npidfile_timeout=0\n\
         stdin_path=\nstdout_path=/o\nstderr_path=/e\n[cpu_temp]\nenabled=0\n",
    );
    let host = |name: &str, port| Host { name: name.into(), port };
    assert_eq!(s.server.hosts, [host("a", 3), host("b", 1), host("::1", 2)]);
    assert_eq!((&*s.server.vhost, &*s.server.user, s.server.pass.reveal()), ("v", "u", "p;w"));
    assert_eq!(s.server.heartbeat, 0);
    assert_eq!((&*s.queue.prefix, s.queue.exclusive, s.queue.durable), ("q", false, true));
    assert_eq!((s.queue.autodelete, s.queue.ttl, s.queue.declare), (false, None, false));
    assert_eq!(s.queue.kind, Some(QueueKind::Quorum));
    assert_eq!((&*s.exchange.name, &*s.exchange.kind, s.exchange.declare), ("x", "direct", false));
    assert!(s.exchange.durable && s.exchange.autodelete && s.message.timestamp && s.message.persistent);
    assert_eq!(s.backlog.bytes, 8192);
    assert_eq!(s.app.primary_timer, Duration::from_millis(100));
    assert_eq!(s.app.secondary_timer, Duration::from_secs(2));
    assert_eq!(s.app.retry_timer, Duration::from_millis(1500));
    assert_eq!(s.app.pidfile_timeout, Duration::ZERO);
    let paths = [&s.app.pidfile, &s.app.stdin_path, &s.app.stdout_path, &s.app.stderr_path];
    assert_eq!(paths.map(|path| path.to_str().unwrap()), ["/p", "/dev/null", "/o", "/e"]);
    assert!(!s.cpu_temp.enabled);
}

#[test]
fn a_file_of_a_later_version_runs_with_a_warning_for_each_section_without_effect() {
    let (settings, warnings) = read(LATER);
    let warned: Vec<String> = warnings.iter().map(|w| w.text.clone()).collect();
    assert_eq!(
        warned,
        ["sensors", "hddtemp", "hddspace", "ipaddr", "mem", "cpu", "uptime", "os", "hostname"]
            .map(|section| format!("[{section}]: has no effect yet"))
    );
    assert_eq!(settings.server, Settings::default().server);
    let logging = settings.logging.unwrap();
    // [logger_pika] counts though `keys=root` does not list it, and so does [handler_stdout].
    let pika = logging.pika.unwrap();
    assert_eq!((pika.level, pika.propagate, &*pika.qualname), (Level::Error, false, "pika"));
    let used = |logger: &Logger| {
        logger.handlers.iter().map(|&n| logging.handlers[n].name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(used(&logging.root), ["syslog", "stdout"]);
    assert_eq!(used(&pika), ["stdout"]);
    assert_eq!(logging.handlers[1].target, Target::Stdout);
    assert_eq!(logging.handlers[1].format, usual_format());
}

#[test]
fn the_url_counts_before_the_other_keys_with_a_warning_for_each() {
    let text = "[server]\nhost=other\nurl=amqp://u:p%40@[::1]:7/%2fv?heartbeat=5\npass=q\n";
    let server = settings(text).server;
    assert_eq!(server.hosts, [Host { name: "::1".into(), port: 7 }]);
    assert_eq!((&*server.vhost, &*server.user, server.pass.reveal()), ("/v", "u", "p@"));
    assert_eq!(
        warnings(text),
        [
            "f:2: [server] host: has no effect beside url on line 3",
            "f:3: [server] url: what follows the ? has no effect",
            "f:4: [server] pass: has no effect beside url on line 3",
        ]
    );
    assert_eq!(settings("[server]\nurl=amqp://guest:guest@localhost/%2f"), Settings::default());
}

#[test]
fn the_level_of_pika_is_roots_where_it_has_none() {
    let levels = |root: &str, pika: &str| {
        let logging = settings(&format!("[logger_root]\n{root}\n[logger_pika]\n{pika}\n")).logging.unwrap();
        (logging.root.level, logging.pika.unwrap().level)
    };
    assert_eq!(levels("", ""), (Level::Warning, Level::Warning));
    assert_eq!(levels("level=info", "level=NOTSET"), (Level::Info, Level::Info));
    assert_eq!(levels("level=NOTSET", "level=CRITICAL"), (Level::NotSet, Level::Critical));
    let renamed = "[loggers]\nkeys=root,amqp\n[logger_root]\n[logger_amqp]\nqualname=pika\nlevel=ERROR\n";
    assert_eq!(settings(renamed).logging.unwrap().pika.unwrap().level, Level::Error);
    assert_eq!(settings("[handlers]\nkeys=\n").logging, None);
}

// Files gone wrong.

#[test]
fn a_wrong_value_says_where_what_was_expected_and_what_came() {
    for (section, line, expected) in [
        ("server", "port=0", "a port from 1 to 65535"),
        ("server", "port=5672x", "a port from 1 to 65535"),
        ("server", "heartbeat=65536", "seconds from 0 to 65535"),
        (
            "server",
            "host=a,,b",
            "a host, or hosts between commas, each name, name:port or [IPv6 address]:port",
        ),
        ("server", "user=", "1 to 255 bytes of text on one line"),
        ("server", "path=", "1 to 255 bytes of text on one line"),
        ("exchange", "durable=maybe", "yes or no (or true/false, on/off, 1/0)"),
        ("exchange", "name=", "1 to 255 bytes of text on one line"),
        ("queue", "prefix=", "1 to 190 bytes of text on one line"),
        ("queue", "ttl=10s", "milliseconds from 0 to 4294967295, or nothing"),
        ("queue", "type=mirrored", "classic, quorum or stream, or nothing"),
        ("message", "timestamp=2", "yes or no (or true/false, on/off, 1/0)"),
        ("backlog", "bytes=100", "bytes from 8192 to 67108864"),
        ("app", "primary_timer=0", "seconds from 0.001 to 604800"),
        ("app", "retry_timer=-1", "seconds from 0.001 to 604800"),
        ("app", "pidfile=", "the name of a file"),
        ("app", "pidfile_timeout=never", "seconds from 0 to 604800"),
        ("cpu_temp", "enabled=", "yes or no (or true/false, on/off, 1/0)"),
        ("logger_root", "level=LOUD", "one of DEBUG, INFO, WARNING, ERROR, CRITICAL, NOTSET"),
        ("logger_root", "handlers=a", "names of sections that are there (no [handler_a] is)"),
    ] {
        let (key, value) = line.split_once('=').unwrap();
        assert_eq!(
            errors(&format!("[{section}]\n\n{line}\n")),
            [format!("f:3: [{section}] {key}: expected {expected}, found \"{value}\"")]
        );
    }
    let long = "x".repeat(256);
    for key in ["[exchange]\nname", "[exchange]\ntype", "[server]\npath", "[server]\nuser", "[server]\npass"]
    {
        assert_eq!(errors(&format!("{key}={long}")).len(), 1, "{key}");
    }
}

#[test]
fn every_error_is_told_in_the_order_of_lines() {
    let text = "[app]\nprimary_timer=x\n[server]\nport=y\nurl=amqps://u:p@h\n[logging]\nkeys=root\n";
    let lines: Vec<String> =
        errors(text).iter().map(|e| e.split(':').nth(1).unwrap_or_default().to_owned()).collect();
    assert_eq!(lines, ["2", "4", "5", "6"]);
    assert!(errors(text)[2].ends_with("url: expected amqp://: TLS (amqps://) is not supported yet"));
    assert!(errors(text)[3].ends_with("[logging]: expected a section [logger_root] beside it"));
}

#[test]
fn queue_types_that_the_broker_would_refuse_are_errors_with_both_lines() {
    assert_eq!(
        errors("[queue]\ntype=quorum\nexclusive=yes\nautodelete=no\n"),
        [
            "f:2: [queue] type: quorum needs durable=yes; without it the default is otherwise",
            "f:2: [queue] type: quorum needs exclusive=no; line 3 says otherwise",
        ]
    );
    assert_eq!(
        errors("[queue]\ntype=stream\ndurable=yes\nexclusive=no\nautodelete=no\nttl=5\n"),
        ["f:2: [queue] type: stream needs ttl= with no value; line 6 says otherwise"]
    );
    let stream = "[queue]\ntype=stream\ndurable=yes\nexclusive=no\nautodelete=no\nttl=\n";
    assert_eq!(settings(stream).queue.kind, Some(QueueKind::Stream));
}

#[test]
fn a_formatter_or_a_handler_that_is_missing_or_wrong_is_an_error() {
    let with = |rest: &str| errors(&format!("[logger_root]\nhandlers=h\n[handler_h]\n{rest}"));
    assert_eq!(
        with("class=NullHandler\nformatter=f\n"),
        [
            "f:5: [handler_h] formatter: expected names of sections that are there (no [formatter_f] is), found \"f\""
        ]
    );
    let wrong =
        with("class=NullHandler\nformatter=f\n[formatter_f]\nformat=%(nope)s\nstyle={\nclass=my.Own\n");
    assert!(wrong[0].starts_with("f:7: [formatter_f] format: expected fields among asctime, "), "{wrong:?}");
    assert_eq!(wrong[1], "f:8: [formatter_f] style: expected %, the only style supported, found \"{\"");
    assert_eq!(wrong[2], "f:9: [formatter_f] class: expected logging.Formatter, found \"my.Own\"");
}

#[test]
fn a_cut_password_and_a_key_set_twice_are_warnings() {
    assert_eq!(
        warnings("[server]\npass=a ;b\nport=1 ; fine\nport=2\n"),
        [
            "f:2: [server] pass: ` ;` starts a comment and what follows is no part of the value; \
             a ; right after another character is",
            "f:4: [server] port: set again; the value on line 3 has no effect",
        ]
    );
}

#[test]
fn fault_36_an_unknown_key_or_section_is_a_warning_with_file_line_and_a_near_name() {
    assert_eq!(
        warnings(
            "[server]\nhots=a\ntimer=1\n[serve]\nport=1\n[else]\n[DEFAULT]\ncolour=red\n[logger_x]\n[logger_root]\n"
        ),
        [
            "f:2: [server] hots: unknown key, did you mean host?",
            "f:3: [server] timer: unknown key",
            "f:4: [serve]: unknown section, did you mean [server]?",
            "f:6: [else]: unknown section",
            "f:8: [DEFAULT] colour: unknown key",
            "f:9: [logger_x]: has no effect: the loggers here are root and pika",
        ]
    );
    assert_eq!(
        warnings("[app]\nprimary_timr=1\n"),
        ["f:2: [app] primary_timr: unknown key, did you mean primary_timer?"]
    );
}

#[test]
fn fault_36_a_torn_file_or_one_that_is_not_utf_8_is_an_error_with_its_line() {
    assert_eq!(errors("[server]\nhost=a\npo"), ["f:3: expected `key = value`, found no `=`"]);
    assert_eq!(errors("[server]\nhost=a\n[que"), ["f:3: expected `[section]`, found no `]`"]);
    assert!(errors("[server]\nhost=a\n\0\0\0\0")[0].starts_with("f:3: "));
    let error = parse(b"[server]\nuser=\xe9\n", Path::new("f")).unwrap_err().to_string();
    assert_eq!(error, "f:2: expected UTF-8: save the file in that encoding");
}

#[test]
fn fault_36_a_password_that_everyone_can_read_is_a_warning_that_says_chmod() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("psistats.conf");
    let warned = |text: &str, mode| {
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        load(Some(&file)).unwrap().warnings.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let at = |line| {
        let file = file.display();
        vec![format!("{file}:{line}: everyone on this machine can read this password: chmod 640 {file}")]
    };
    assert_eq!(warned("[server]\nuser=u\npass=p\n", 0o644), at(3));
    assert_eq!(warned("[server]\nurl=amqp://u:p@h\n", 0o604), at(2));
    for (text, mode) in [
        ("[server]\npass=p\n", 0o640),
        ("[server]\npass=\n", 0o644),
        ("[server]\nurl=amqp://u@h\n", 0o644),
        ("[server]\nuser=u\n", 0o644),
    ] {
        assert_eq!(warned(text, mode), Vec::<String>::new(), "{text}");
    }
}

#[test]
fn a_file_that_was_asked_for_and_is_missing_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("psistats.conf");
    let error = load(Some(&file)).unwrap_err().to_string();
    assert_eq!(error, format!("{}: no such file: expected a psistats.conf", file.display()));
    assert!(
        load(Some(dir.path()))
            .unwrap_err()
            .to_string()
            .ends_with("expected a regular file, found something else")
    );
    fs::write(&file, "[server]\nhost=board\n").unwrap();
    let loaded = load(Some(&file)).unwrap();
    assert_eq!(loaded.source.as_deref(), Some(&*file));
    assert_eq!(loaded.settings.server.hosts, [Host { name: "board".into(), port: 5672 }]);
}
