//! Compares with Python's own `logging`, which runs in one process for each test.

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use psistats::logging::format::{Entry, write_entry};
use psistats_host::conf::logging::SyslogAddress;
use psistats_host::output::level_name;
use psistats_host::output::line::Line;
use serde_json::{Value, json};

use super::syslog::{listen, received};
use super::*;

/// Runs `script` in Debian's Python. It reads `cases` as JSON on standard input, and answers in JSON on
/// standard output.
fn python(script: &str, cases: &Value) -> Vec<Value> {
    let mut child = Command::new("/usr/bin/python3")
        .args(["-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("/usr/bin/python3");
    let mut stdin = child.stdin.take().unwrap();
    let cases = cases.to_string();
    let feeder = thread::spawn(move || stdin.write_all(cases.as_bytes()));
    let out = child.wait_with_output().unwrap();
    feeder.join().unwrap().unwrap();
    assert!(out.status.success(), "Python failed: see its traceback above");
    serde_json::from_slice::<Value>(&out.stdout).unwrap().as_array().unwrap().clone()
}

/// The format in Python's notation.
fn spelled(format: &Format) -> String {
    let spell = |piece: &Piece| match piece {
        Piece::Text(text) => text.replace('%', "%%"),
        Piece::Field { field, width, zeros, kind } => {
            let zeros = if *zeros { "0" } else { "" };
            let width = if *width == 0 { String::new() } else { width.to_string() };
            format!("%({}){zeros}{width}{kind}", attribute(*field))
        }
    };
    format.pieces.iter().map(spell).collect()
}

/// Python's name of a record's attribute.
fn attribute(field: Field) -> String {
    let name = format!("{field:?}");
    name[..1].to_lowercase() + &name[1..]
}

const TEXTS: [Field; 10] = [
    Field::Asctime,
    Field::Filename,
    Field::FuncName,
    Field::Levelname,
    Field::Message,
    Field::Module,
    Field::Name,
    Field::Pathname,
    Field::ProcessName,
    Field::Levelno,
];
const NUMBERS: [Field; 6] =
    [Field::Created, Field::Levelno, Field::Lineno, Field::Msecs, Field::Process, Field::RelativeCreated];
const LEVELS: [Level; 5] = [Level::Debug, Level::Info, Level::Warning, Level::Error, Level::Critical];
const ZONES: [&str; 6] = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Asia/Kolkata",
    "Australia/Lord_Howe",
    "CET-1CEST,M3.5.0,M10.5.0/3",
];

/// Times around changes of the clock, ends of years and beginnings of weeks.
fn instants() -> Vec<u64> {
    let days = [
        0,             // 1970-01-01
        1_043_281_790, // 2003-01-23
        1_078_012_800, // 2004-02-29
        1_104_537_599, // 2004-12-31 23:59:59
        1_711_846_800, // 2024-03-31 01:00: Berlin to summer time
        1_710_054_000, // 2024-03-10 07:00: New York
        1_729_990_800, // 2024-10-27 01:00: Berlin to winter time
        1_735_689_600, // 2025-01-01
        4_102_444_800, // 2100: by the zone's rule
    ];
    days.iter().flat_map(|day| [*day, day + 1, day + 43_200 + 61]).collect()
}

const FORMAT_ORACLE: &str = r#"
import json, logging, os, sys, time
lines = []
for c in json.load(sys.stdin):
    os.environ['TZ'] = c['zone']; time.tzset()
    r = logging.LogRecord(c['name'], c['level'], c['pathname'], c['line'], c['message'], None, None, c['module_path'])
    r.created = c['nanos'] / 1e9
    r.msecs = c['nanos'] % 1000000000 // 1000000 + 0.0   # exact, as from Python 3.13 on
    r.relativeCreated = (c['nanos'] - c['started']) / 1e6  # likewise
    r.process = c['process']
    lines.append(logging.Formatter(c['format'], c['datefmt']).format(r))
json.dump(lines, sys.stdout)
"#;

/// Compares our line with Python's for each format, time and zone.
fn assert_same_lines(formats: &[Format]) {
    let mut cases = Vec::new();
    let mut ours = Vec::new();
    let messages = ["short", "", "Gr\u{fc}\u{df}e \u{20ac} 100%", &"long ".repeat(20)];
    for (n, unix_seconds) in instants().into_iter().enumerate() {
        for (z, zone) in ZONES.iter().enumerate() {
            for (f, format) in formats.iter().enumerate() {
                let (level, message) = (LEVELS[(n + z + f) % 5], messages[(n + f) % 4]);
                let nanos =
                    unix_seconds * 1_000_000_000 + [0, 7_000_000, 411_999_999, 999_999_000][(z + n) % 4];
                let started = nanos.saturating_sub(234_567_890_123_000);
                let entry = Entry {
                    name: "psistats",
                    level,
                    message,
                    pathname: "src/agent/service.rs",
                    module_path: "psistats::life::service",
                    line: 42,
                    time: Duration::from_nanos(nanos),
                    started: Duration::from_nanos(started),
                    process: 4711,
                };
                let mut line = Line::default();
                write_entry(&mut line, format, &entry, &Zone::named(zone).unwrap());
                ours.push(line.as_str().to_owned());
                cases.push(json!({
                    "zone": zone, "name": entry.name, "level": level as i32, "pathname": entry.pathname,
                    "line": entry.line, "message": message, "module_path": entry.module_path, "nanos": nanos,
                    "started": started, "process": 4711, "format": spelled(format), "datefmt": format.datefmt,
                }));
            }
        }
    }
    let theirs = python(FORMAT_ORACLE, &json!(cases));
    assert_eq!(ours.len(), theirs.len());
    for ((ours, theirs), case) in ours.iter().zip(&theirs).zip(&cases) {
        assert_eq!(Some(ours.as_str()), theirs.as_str(), "{case}");
    }
}

#[test]
#[ignore = "needs python3: tests/run"]
fn every_field_in_every_width_and_kind_reads_as_pythons() {
    let is_float = |of| matches!(of, Field::Created | Field::Msecs | Field::RelativeCreated);
    // As texts floats have the shortest digits in Python, and six decimals here; whole numbers have no `f` here.
    let differs = |of, kind| kind == if is_float(of) { 's' } else { 'f' };
    let mut formats = Vec::new();
    for width in [0, 1, 3, 12, 40, -1, -12, -40] {
        for of in TEXTS {
            formats.push(Format { pieces: vec![text("["), field(of, width, 's'), text("]")], datefmt: None });
        }
        let numbers = NUMBERS.into_iter().flat_map(|of| ['s', 'd', 'f'].map(|kind| (of, kind)));
        for (of, kind) in numbers.filter(|(of, kind)| !differs(*of, *kind)) {
            formats.push(Format { pieces: vec![field(of, width, kind), text("|")], datefmt: None });
        }
    }
    assert_same_lines(&formats);
}

#[test]
#[ignore = "needs python3: tests/run"]
fn zero_padding_is_as_pythons() {
    let mut formats = Vec::new();
    let mut push = |field, width, kind| {
        let piece = Piece::Field { field, width, zeros: true, kind };
        formats.push(Format { pieces: vec![piece, text("|")], datefmt: None });
    };
    for width in [1, 3, 12] {
        for of in [Field::Msecs, Field::Lineno, Field::Process] {
            push(of, width, 'd');
        }
        push(Field::RelativeCreated, width + 10, 'f');
    }
    assert_same_lines(&formats);
}

#[test]
#[ignore = "needs python3: tests/run"]
fn whole_formats_and_strftime_are_formatted_as_by_python() {
    let usual = vec![
        field(Field::Asctime, 0, 's'),
        text(" %"),
        field(Field::Name, -10, 's'),
        text(" "),
        field(Field::Levelname, -8, 's'),
        text("["),
        field(Field::Process, 0, 'd'),
        text("] "),
        field(Field::Message, 0, 's'),
    ];
    let dates = [
        "%a %A %b %B %d %F %H %I %j %m %M %p %S %T %y %Y %z %Z %%",
        "%d/%b/%Y:%H:%M:%S %z",
        "%Q %f 100% %",
        "\u{20ac} %Y",
        "",
    ];
    let format = |datefmt| Format { pieces: usual.clone(), datefmt };
    let mut formats: Vec<_> = dates.iter().map(|d| format(Some((*d).to_owned()))).collect();
    formats.push(format(None));
    assert_same_lines(&formats);
}

const ROLLOVER_ORACLE: &str = r#"
import json, logging.handlers, os, sys, time
answers = []
for c in json.load(sys.stdin):
    os.environ['TZ'] = c['zone']; time.tzset()
    logging.handlers.time.time = lambda: c['from']
    h = logging.handlers.TimedRotatingFileHandler('/nonexistent/x', c['when'], c['interval'], delay=True, utc=c['utc'])
    names = []
    h.rotator = lambda source, dest: names.append(dest)
    computed = h.computeRollover(c['from'])
    local = time.gmtime if c['utc'] else time.localtime
    # Up to 3.11 the change of clocks is considered by computeRollover for a day of a coming week,
    # and by doRollover for all, so twice for those: the first is right there, the second elsewhere.
    if h.when == 'MIDNIGHT' or h.when[0] == 'W' and local(c['from']).tm_wday == h.dayOfWeek:
        h.doRollover()
        computed = h.rolloverAt
    h.rolloverAt = computed
    logging.handlers.time.time = lambda: computed + c['late']
    h.doRollover()
    answers.append([computed, names[-1].removeprefix('/nonexistent/x.')])
json.dump(answers, sys.stdout)
"#;

fn spelled_when(when: When) -> String {
    match when {
        When::Seconds => "S".into(),
        When::Minutes => "M".into(),
        When::Hours => "H".into(),
        When::Days => "D".into(),
        When::Midnight => "midnight".into(),
        When::Weekday(day) => format!("W{day}"),
    }
}

#[test]
#[ignore = "needs python3: tests/run"]
fn rollovers_happen_when_pythons_do_and_leave_files_of_the_same_names() {
    let mut whens = vec![When::Seconds, When::Minutes, When::Hours, When::Days, When::Midnight];
    whens.extend((0..7).map(When::Weekday));
    // Every few hours of the weeks in which clocks change in Berlin and New York.
    let weeks = [1_711_846_800, 1_710_054_000, 1_729_990_800, 1_730_613_600, 1_735_689_600];
    let instants: Vec<i64> = weeks.iter().flat_map(|w| (-30..30).map(move |n| w + n * 20_011)).collect();
    let (mut cases, mut ours) = (Vec::new(), Vec::new());
    for zone in ["Europe/Berlin", "America/New_York", "Asia/Tokyo", "UTC"] {
        for (n, from) in instants.iter().copied().enumerate() {
            for when in &whens {
                let interval = [1, 1, 3, 10][n % 4];
                let utc = n % 5 == 0;
                let late = [0, 5, 90_000, 86_400 * 40][n % 4];
                let schedule = Schedule {
                    when: *when,
                    interval,
                    zone: if utc { Zone::utc() } else { Zone::named(zone).unwrap() },
                };
                let next = schedule.next(from);
                let mut suffix = Line::default();
                schedule.suffix(&mut suffix, next, next + late);
                ours.push(json!([next, suffix.as_str()]));
                cases.push(json!({
                    "zone": zone, "from": from, "when": spelled_when(*when), "interval": interval, "utc": utc,
                    "late": late,
                }));
            }
        }
    }
    let theirs = python(ROLLOVER_ORACLE, &json!(cases));
    assert_eq!(ours.len(), theirs.len());
    for ((ours, theirs), case) in ours.iter().zip(&theirs).zip(&cases) {
        assert_eq!(ours, theirs, "{case}");
    }
}

const ROTATING_ORACLE: &str = r#"
import json, logging.handlers, os, sys, time
for c in json.load(sys.stdin):
    os.environ['TZ'] = c['zone']; time.tzset()
    now = [c['opened']]
    logging.handlers.time.time = lambda: now[0]
    h = getattr(logging.handlers, c['class'])(c['path'], **c['arguments'])
    h.setFormatter(logging.Formatter('%(message)s'))
    for when, line in c['lines']:
        now[0] = when
        h.emit(logging.LogRecord('x', 20, 'x', 1, line, None, None))
    h.close()
print('[]')
"#;

/// Two directories with the same files, one for psistats and one for Python.
fn pair(before: &[(&str, &str)], mtime: u64) -> [tempfile::TempDir; 2] {
    [(); 2].map(|()| {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in before {
            let path = folder.path().join(name);
            fs::write(&path, content).unwrap();
            fs::File::options().append(true).open(path).unwrap().set_modified(at(mtime)).unwrap();
        }
        folder
    })
}

#[test]
#[ignore = "needs python3: tests/run"]
fn rotation_by_size_leaves_the_same_files_as_python() {
    let lines: Vec<_> = (0..120_usize).map(|n| (0, format!("{n} {}", "x".repeat(n * 7 % 50)))).collect();
    let before =
        [("x.log", "from before\n"), ("x.log.1", "older\n"), ("x.log.3", "oldest\n"), ("x.log.9", "alien\n")];
    let (mut pairs, mut cases) = (Vec::new(), Vec::new());
    for (max_bytes, backups) in [(0, 3), (200, 1), (200, 3), (64, 12), (10, 2), (1_000_000, 2), (200, 0)] {
        let folders = pair(&before, 0);
        let path = folders[0].path().join("x.log");
        let mut loggers = open(&root(vec![handler(Target::RotatingFile { path, max_bytes, backups })]));
        lines.iter().for_each(|(_, line)| info(&mut loggers, line));
        cases.push(json!({
            "class": "RotatingFileHandler", "path": folders[1].path().join("x.log"), "zone": "UTC", "opened": 0,
            "arguments": {"maxBytes": max_bytes, "backupCount": backups}, "lines": lines,
        }));
        pairs.push(folders);
    }
    python(ROTATING_ORACLE, &json!(cases));
    for (folders, case) in pairs.iter().zip(&cases) {
        assert_eq!(files(folders[0].path()), files(folders[1].path()), "{}", case["arguments"]);
    }
}

#[test]
#[ignore = "needs python3: tests/run"]
fn rotation_by_time_leaves_the_same_files_as_python() {
    let start = 1_729_720_000; // four days before Berlin's clocks go back
    let lines: Vec<_> = (0..40_u64).map(|n| (start + n * n * 997, format!("line {n}"))).collect();
    let before = [
        ("x.log", "from before\n"),
        ("x.log.2024-01-01", "old\n"),
        ("x.log.2023-01-01.gz", "older\n"),
        ("x.log.2022-01-01_10", "by hour\n"),
        ("x.log.2024-1-1", "alien\n"),
        ("x.logs.2001-01-01", "taken for ours\n"),
        ("y.log.2001-01-01", "alien\n"),
    ];
    let (mut pairs, mut cases) = (Vec::new(), Vec::new());
    for (when, interval, backups) in [
        (When::Midnight, 1, 0),
        (When::Midnight, 1, 4),
        (When::Days, 2, 3),
        (When::Hours, 6, 5),
        (When::Minutes, 90, 2),
        (When::Seconds, 5000, 1),
        (When::Weekday(6), 1, 2),
    ] {
        for mtime in [start - 10, start - 86_400 * 3] {
            let folders = pair(&before, mtime);
            let path = folders[0].path().join("x.log");
            let target = Target::TimedRotatingFile { path, when, interval, backups, utc: false };
            let mut loggers = open_at(&root(vec![handler(target)]), "Europe/Berlin", start);
            for (now, line) in &lines {
                say(&mut loggers, "psistats", Rust::Info, line, *now);
            }
            cases.push(json!({
                "class": "TimedRotatingFileHandler", "path": folders[1].path().join("x.log"),
                "zone": "Europe/Berlin", "opened": start, "lines": lines,
                "arguments": {"when": spelled_when(when), "interval": interval, "backupCount": backups},
            }));
            pairs.push(folders);
        }
    }
    python(ROTATING_ORACLE, &json!(cases));
    for (folders, case) in pairs.iter().zip(&cases) {
        assert_eq!(files(folders[0].path()), files(folders[1].path()), "{}", case["arguments"]);
    }
}

const ROUTING_ORACLE: &str = r#"
import json, logging, logging.config, sys
answers = []
for c in json.load(sys.stdin):
    logging.config.dictConfig({
        'version': 1, 'disable_existing_loggers': False,
        'formatters': {'f': {'format': '%(levelname)s %(message)s'}},
        'handlers': {n: {'class': 'logging.FileHandler', 'filename': c['folder'] + '/' + n, 'level': l, 'formatter': 'f'}
                     for n, l in c['handlers'].items()},
        'root': {'level': c['root'], 'handlers': ['a']},
        'loggers': {'pika': {'level': c['pika'], 'handlers': ['b'], 'propagate': c['propagate']}}})
    for name in ('psistats', 'pika', 'pika.connection', 'pikachu'):
        for level in (10, 20, 30, 40):
            logging.getLogger(name).log(level, name)
    answers.append({n: open(c['folder'] + '/' + n).read() for n in c['handlers']})
json.dump(answers, sys.stdout)
"#;

#[test]
#[ignore = "needs python3: tests/run"]
fn levels_and_propagation_let_the_same_records_pass_as_python() {
    let levels = [Level::NotSet, Level::Debug, Level::Warning, Level::Error];
    let (mut cases, mut ours, mut folders) = (Vec::new(), Vec::new(), Vec::new());
    let pieces = vec![field(Field::Levelname, 0, 's'), text(" "), field(Field::Message, 0, 's')];
    for n in 0..4_usize.pow(4) * 2 {
        let level = |digit: u32| levels[n / 4_usize.pow(digit) % 4];
        let propagate = n >= 4_usize.pow(4);
        let folder = tempfile::tempdir().unwrap();
        let out = |name: &str, level| Handler {
            level,
            format: Format { pieces: pieces.clone(), datefmt: None },
            ..handler(file(&folder.path().join(format!("our-{name}"))))
        };
        let pika = Logger { propagate, ..logger(level(1), vec![1]) };
        let config = Logging {
            handlers: vec![out("a", level(2)), out("b", level(3))],
            root: logger(level(0), vec![0]),
            pika: Some(pika),
        };
        let mut loggers = open(&config);
        for target in ["psistats", "pika", "pika.connection", "pikachu"] {
            for level in [Rust::Debug, Rust::Info, Rust::Warn, Rust::Error] {
                // The maximum level of the facade must not suppress a record that a handler would write.
                if level <= loggers.max_level() {
                    say(&mut loggers, target, level, target, 0);
                }
            }
        }
        let mut written = files(folder.path());
        ours.push(json!({"a": written.remove("our-a"), "b": written.remove("our-b")}));
        let name = level_name;
        cases.push(json!({
            "folder": folder.path(), "handlers": {"a": name(level(2)), "b": name(level(3))},
            "root": name(level(0)), "pika": name(level(1)), "propagate": propagate,
        }));
        folders.push(folder);
    }
    let theirs = python(ROUTING_ORACLE, &json!(cases));
    assert_eq!(ours.len(), theirs.len());
    for ((ours, theirs), case) in ours.iter().zip(&theirs).zip(&cases) {
        assert_eq!(ours, theirs, "{case}");
    }
}

const SYSLOG_ORACLE: &str = r#"
import json, logging, logging.handlers, sys
for c in json.load(sys.stdin):
    h = logging.handlers.SysLogHandler(c['path'], c['facility'])
    h.emit(logging.LogRecord('x', c['level'], 'x', 1, 'text', None, None))
    h.close()
print('[]')
"#;

#[test]
#[ignore = "needs python3: tests/run"]
fn syslog_datagrams_are_those_of_python_without_the_trailing_nul() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let daemon = listen(&path);
    let (mut cases, mut ours) = (Vec::new(), Vec::new());
    for facility in 0..24 {
        for (rust, level) in [(Rust::Debug, 10), (Rust::Info, 20), (Rust::Warn, 30), (Rust::Error, 40)] {
            let address = SyslogAddress::Path(path.clone());
            let mut config = root(vec![handler(Target::Syslog { address, facility })]);
            config.root.level = Level::NotSet;
            say(&mut open(&config), "psistats", rust, "text", 0);
            ours.push(received(&daemon) + "\0");
            cases.push(json!({"path": path, "facility": facility, "level": level}));
        }
    }
    let sender = thread::spawn(move || python(SYSLOG_ORACLE, &json!(cases)));
    let theirs: Vec<_> = ours.iter().map(|_| received(&daemon)).collect();
    sender.join().unwrap();
    assert_eq!(ours, theirs);
}
