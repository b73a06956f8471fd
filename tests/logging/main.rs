//! Logging compared with Python's `logging`, and under the failures that happen on a board.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod python;
mod syslog;
mod trouble;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use log::Level as Rust;
use psistats::logging::rotate::Schedule;
use psistats::logging::{self, Error, Fallback, Loggers};
use psistats_host::conf::logging::{Field, Format, Handler, Level, Logger, Logging, Piece, Target, When};
use psistats_host::output::localtime::Zone;

/// The timeout of what should happen at once.
const DEADLINE: Duration = Duration::from_secs(60);

fn text(text: &str) -> Piece {
    Piece::Text(text.into())
}

fn field(field: Field, width: i16, kind: char) -> Piece {
    Piece::Field { field, width, zeros: false, kind }
}

fn plain() -> Format {
    Format { pieces: vec![field(Field::Message, 0, 's')], datefmt: None }
}

fn handler(target: Target) -> Handler {
    Handler { name: "out".into(), level: Level::NotSet, target, format: plain() }
}

fn logger(level: Level, handlers: Vec<usize>) -> Logger {
    Logger { level, handlers, propagate: true, qualname: "root".into() }
}

/// A configuration with the root logger at INFO and these handlers.
fn root(handlers: Vec<Handler>) -> Logging {
    let all = (0..handlers.len()).collect();
    Logging { handlers, root: logger(Level::Info, all), pika: None }
}

fn file(path: &Path) -> Target {
    Target::File { path: path.into(), truncate: false }
}

fn open(config: &Logging) -> Loggers {
    open_at(config, "UTC", 0)
}

fn open_at(config: &Logging, zone: &str, now: u64) -> Loggers {
    Loggers::open(config, Fallback::Stderr, Zone::named(zone).unwrap(), true, at(now)).unwrap()
}

fn at(unix_seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(unix_seconds)
}

fn say(loggers: &mut Loggers, target: &str, level: Rust, text: &str, unix_seconds: u64) {
    let args = format_args!("{text}");
    let record = log::Record::builder().args(args).level(level).target(target).build();
    loggers.write(&record, &logging::message(&record), at(unix_seconds));
    loggers.flush(std::time::Instant::now() + DEADLINE);
}

fn info(loggers: &mut Loggers, text: &str) {
    say(loggers, "psistats", Rust::Info, text, 0);
}

/// The names and contents of a directory's files.
fn files(folder: &Path) -> BTreeMap<String, String> {
    let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
    entries.map(|e| (e.file_name().into_string().unwrap(), fs::read_to_string(e.path()).unwrap())).collect()
}

#[test]
fn the_facade_passes_only_records_that_some_handler_writes() {
    let quiet = |level, of_handler| {
        let config = Logging {
            handlers: vec![Handler { level: of_handler, ..handler(Target::Null) }],
            root: logger(level, vec![0]),
            pika: None,
        };
        open(&config).max_level()
    };
    assert_eq!(quiet(Level::NotSet, Level::NotSet), log::LevelFilter::Trace);
    assert_eq!(quiet(Level::Info, Level::Debug), log::LevelFilter::Info);
    assert_eq!(quiet(Level::Debug, Level::Error), log::LevelFilter::Error);
    assert_eq!(quiet(Level::Critical, Level::NotSet), log::LevelFilter::Off);
}

#[test]
fn a_record_shows_the_name_of_the_logger_it_belongs_to() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.log");
    let pieces = vec![field(Field::Name, 0, 's'), text(":"), field(Field::Message, 0, 's')];
    let out = Handler { format: Format { pieces, datefmt: None }, ..handler(file(&path)) };
    let named = |name: &str, handlers| Logger { qualname: name.into(), ..logger(Level::Info, handlers) };
    let config =
        Logging { handlers: vec![out], root: named("psistats", vec![0]), pika: Some(named("pika", vec![])) };
    let mut loggers = open(&config);
    for target in ["psistats", "pika", "pika::link", "pika.link", "pikachu"] {
        say(&mut loggers, target, Rust::Warn, target, 0);
    }
    let expected = "psistats:psistats\npika:pika\npika:pika::link\npika:pika.link\npsistats:pikachu\n";
    assert_eq!(fs::read_to_string(path).unwrap(), expected);
}

#[test]
fn text_from_outside_cannot_begin_a_new_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.log");
    let mut loggers = open(&root(vec![handler(file(&path))]));
    info(&mut loggers, "Close: \"bye\n2003-01-23 root INFO forged\r\x1b[1A\"");
    info(&mut loggers, &"\n".repeat(10_000));
    let written = fs::read_to_string(path).unwrap();
    let mut lines = written.lines();
    assert_eq!(lines.next(), Some("Close: \"bye\\n2003-01-23 root INFO forged\\r\\x1b[1A\""));
    let cut = lines.next().unwrap();
    assert!(cut.len() < 2048 && cut.ends_with(" [cut]"), "{cut}");
    assert_eq!(lines.next(), None);
}

#[test]
fn a_log_file_that_cannot_be_opened_is_an_error_with_handler_path_and_reason() {
    let folder = tempfile::tempdir().unwrap();
    let fifo = folder.path().join("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let absent = folder.path().join("absent/x.log");
    // A FIFO without a reader must not block the start.
    for (path, reason) in
        [(absent, "no such file"), (folder.path().to_owned(), "directory"), (fifo, "no such device")]
    {
        let config = root(vec![handler(file(&path))]);
        let error = Loggers::open(&config, Fallback::Stderr, Zone::utc(), true, at(0)).unwrap_err();
        assert!(matches!(error, Error::File { .. }));
        let said = error.to_string();
        assert!(said.contains("[handler_out]") && said.contains(reason), "{said}");
        assert!(said.contains(&path.display().to_string()), "{said}");
    }
}

#[test]
fn mode_w_empties_the_file_at_the_start_and_not_on_reload() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.log");
    fs::write(&path, "yesterday\n").unwrap();
    let config = root(vec![handler(Target::File { path: path.clone(), truncate: true })]);
    for start in [true, false] {
        let zone = Zone::utc();
        info(&mut Loggers::open(&config, Fallback::Stderr, zone, start, at(0)).unwrap(), "line");
    }
    assert_eq!(fs::read_to_string(path).unwrap(), "line\nline\n");
}

#[test]
fn a_second_install_replaces_the_loggers_and_a_failed_one_keeps_them() {
    let folder = tempfile::tempdir().unwrap();
    let to = |name: &str| folder.path().join(name);
    let install = |path: PathBuf| logging::install(Some(&root(vec![handler(file(&path))])), Fallback::Stderr);
    install(to("one")).unwrap();
    log::info!("first");
    log::debug!("never");
    install(to("absent/two")).unwrap_err();
    log::info!("second");
    log::logger().flush();
    install(to("three")).unwrap();
    log::warn!(target: "pika", "third");
    log::logger().flush();
    let expected = [("one", "first\nsecond\n"), ("three", "third\n")];
    assert_eq!(files(folder.path()), expected.map(|(name, text)| (name.into(), text.into())).into());
}

#[test]
fn a_rollover_at_midnight_is_at_the_start_of_the_local_day_even_when_clocks_change() {
    // Clocks change at 2 and 3 o'clock in Berlin, by half an hour in Lord Howe, and at midnight in Havana. Apia
    // skipped a whole day. The rollovers of every day of 2011 and 2024 are computed from an odd hour.
    for name in ["Europe/Berlin", "Australia/Lord_Howe", "America/Havana", "Pacific/Apia"] {
        let zone = Zone::named(name).unwrap();
        let schedule = Schedule { when: When::Midnight, interval: 1, zone: zone.clone() };
        let years = [1_293_840_000_i64, 1_704_067_200];
        for from in years.iter().flat_map(|year| (0..8 * 365).map(move |n| year + n * 10_801)) {
            let next = schedule.next(from);
            let (before, after) = (zone.at(next - 1), zone.at(next));
            assert!(next > from && next - from <= 49 * 3600, "{name} {from} {next}");
            assert_ne!(before.month_day(), after.month_day(), "{name} {from} {next}");
        }
    }
}
