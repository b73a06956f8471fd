//! The captured boards, and copies of them that a test may change.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use psistats_core::time::Instant;
use psistats_host::chasar::collector::{self, Options};
use psistats_host::conf::reports::{self, Reports};
use psistats_host::conf::{Reading, ini};
use psistats_host::figures::Tick;
use psistats_host::machine::Machine;
use psistats_host::sampler;
use tempfile::TempDir;

use crate::project;

/// A configuration whose reports have no cpu_temp.
pub const NO_TEMPERATURE: &str = "[cpu_temp]\nenabled=no\n";
/// A configuration whose reports have ts.
pub const TIMESTAMPS: &str = "[message]\ntimestamp=yes\n";

/// When sampling begins.
pub const START: Instant = Instant::from_nanos(1_000_000_000);

/// A sampler that shares its machine with no collector.
pub struct Sampler {
    machine: Machine,
    sampler: sampler::Sampler,
}

impl Sampler {
    pub fn open(root: &Path, settings: &Reports) -> Self {
        let machine = Machine::open(root);
        let sampler = sampler::Sampler::open(&machine, settings);
        Self { machine, sampler }
    }

    pub fn hostname(&self) -> &str {
        self.machine.hostname()
    }

    pub fn boot_id(&self) -> &str {
        self.sampler.boot_id()
    }

    pub fn prime(&mut self, now: Instant) {
        self.sampler.prime(&mut self.machine.read(self.sampler.counters(), now));
    }

    pub fn report(&mut self, tick: Tick) -> &[u8] {
        let wanted = self.sampler.begin(tick);
        self.sampler.report(tick, &mut self.machine.read(wanted, tick.now))
    }
}

/// A collector that shares its machine with no sampler.
pub struct Collector {
    machine: Machine,
    collector: collector::Collector,
}

impl Collector {
    pub fn open(root: &Path, options: Options<'_>) -> Self {
        let machine = Machine::open(root);
        let collector = collector::Collector::open(&machine, options);
        Self { machine, collector }
    }

    pub fn prime(&mut self, now: Instant) {
        self.collector.prime(&mut self.machine.read(collector::Collector::COUNTERS, now));
    }

    pub fn message(&mut self, clock: SystemTime, now: Instant) -> &[u8] {
        self.collector.message(clock, &mut self.machine.read(collector::Collector::WANTED, now))
    }
}

/// A sampler of `root` by the text of a configuration.
pub fn open_sampler(root: &Path, configuration: &str) -> Sampler {
    let file = Path::new("psistats.conf");
    let ini = ini::parse(configuration.as_bytes(), file).unwrap();
    let (mut reading, mut reports) = (Reading::new(&ini, file), Reports::default());
    reports::read(&mut reading, &mut reports);
    assert_eq!(reading.finish(), Ok(vec![]));
    Sampler::open(root, &reports)
}

/// A tick at the start, which is when every figure is due.
pub fn tick(unix_ms: i64, secondary: bool) -> Tick {
    Tick { unix_ms, now: START, due: START, secondary }
}

/// Where the boards are.
pub fn boards() -> PathBuf {
    project::path("tests/fixtures/boards")
}

/// The boards' directories, in the order of their names.
pub fn all() -> Vec<PathBuf> {
    let mut all: Vec<_> = fs::read_dir(boards()).unwrap().map(|entry| entry.unwrap().path()).collect();
    all.sort();
    assert!(all.len() > 20, "the boards are in {}", boards().display());
    all
}

/// The last part of a board's directory.
pub fn name(board: &Path) -> &str {
    board.file_name().unwrap().to_str().unwrap()
}

/// A root directory of a test's own.
pub struct Tree(TempDir);

impl Tree {
    /// One without files.
    pub fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    /// A copy of `board`.
    pub fn of(board: &Path) -> Self {
        let tree = Self::new();
        copy(board, tree.path());
        tree
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Puts a file there, or new content into the file that is there.
    pub fn put(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            copy(&entry.path(), &to);
        } else if kind.is_symlink() {
            symlink(fs::read_link(entry.path()).unwrap(), to).unwrap();
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// A first line of /proc/stat like that of `stat`, of a machine that has just started.
pub fn counters_at_start(stat: &[u8]) -> String {
    let line = stat.split(|byte| *byte == b'\n').next().unwrap();
    let fields = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).count() - 1;
    format!("cpu {}\n", " 0".repeat(fields))
}
