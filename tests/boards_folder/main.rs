//! `boards/`: all folders have the same form. Run over a board's captured trees with the board's configuration,
//! the program makes the golden reports.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use support::boards as fixtures;
mod install;
mod readme;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Map, Value};
use support::PATIENCE;
use support::process::{Process, Stream};

const PSISTATS: &str = env!("CARGO_BIN_EXE_psistats");

/// The boards, in the order of the table in `boards/README.md`.
const BOARDS: [&str; 13] = [
    "pi-1b",
    "pi-zero-w",
    "pi-2b",
    "pi-3b",
    "pi-zero-2",
    "pi-4b",
    "pi-5",
    "beaglebone-black",
    "odroid-xu4",
    "odroid-c2",
    "orange-pi-h3",
    "rock64",
    "jetson-nano",
];

/// The targets, each with the processors that boards have and qemu 7.2 emulates (`-cpu help`).
const ARMV6: (&str, &[&str]) = ("arm-unknown-linux-musleabihf", &["arm1176"]);
const ARMV7: (&str, &[&str]) = ("armv7-unknown-linux-musleabihf", &["cortex-a7", "cortex-a8", "cortex-a15"]);
const AARCH64: (&str, &[&str]) =
    ("aarch64-unknown-linux-musl", &["cortex-a53", "cortex-a57", "cortex-a72", "cortex-a76"]);

const KEYS: [&str; 6] = ["FIXTURES", "NAME", "OLDEST_KERNEL", "OLDEST_KERNEL_SOURCE", "QEMU_CPU", "TARGET"];

/// A folder of `boards/`, and the keys of its file `board`.
struct Board {
    folder: PathBuf,
    values: BTreeMap<String, String>,
}

impl Board {
    fn read(name: &str) -> Self {
        let folder = root().join("boards").join(name);
        let text = fs::read_to_string(folder.join("board")).unwrap();
        let mut values = BTreeMap::new();
        for line in text.lines() {
            let (key, value) = line.split_once('=').unwrap_or_else(|| panic!("{name}: {line}"));
            let bare = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
            let value = match value.strip_prefix('"') {
                Some(rest) => rest.strip_suffix('"').unwrap_or_else(|| panic!("{name}: {line}")),
                None => value,
            };
            let quoted = line.ends_with('"');
            assert!(
                value.chars().all(|c| if quoted { !"$`\\\"".contains(c) } else { bare(c) }),
                "{name}: {line}"
            );
            let earlier = values.insert(key.to_owned(), value.to_owned());
            assert_eq!(earlier, None, "{name}: {key} comes twice");
        }
        Self { folder, values }
    }

    fn fixtures(&self) -> impl Iterator<Item = PathBuf> {
        self.values["FIXTURES"].split_whitespace().map(|name| fixtures::boards().join(name))
    }

    /// Its psistats.conf, if it has one.
    fn config(&self) -> Option<PathBuf> {
        Some(self.folder.join("psistats.conf")).filter(|file| file.exists())
    }

    /// The figures in the golden reports of the board's trees, without those that every tree has.
    fn figures(&self) -> BTreeSet<String> {
        let golden = self.fixtures().flat_map(|fixture| golden_report(&fixture));
        let figures = golden.filter(|(_, value)| !value.is_null()).map(|(key, _)| key);
        figures.filter(|key| !["hostname", "ipaddr", "ts"].contains(&key.as_str())).collect()
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn names(folder: &Path, wanted: impl Fn(&fs::DirEntry) -> bool) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
    entries.filter(wanted).map(|entry| entry.file_name().into_string().unwrap()).collect()
}

fn golden_report(fixture: &Path) -> Map<String, Value> {
    serde_json::from_slice(&fs::read(fixture.join("report.json")).unwrap()).unwrap()
}

#[test]
fn every_board_has_a_folder_of_the_same_shape() {
    let mut folders = names(&root().join("boards"), |entry| entry.file_type().unwrap().is_dir());
    assert!(folders.remove("debian"), "what boards/package puts beside the binaries");
    assert_eq!(folders, BOARDS.map(str::to_owned).into());
    for name in BOARDS {
        let board = Board::read(name);
        let mut files: BTreeSet<_> = ["README.md", "board"].map(str::to_owned).into();
        files.extend(board.config().map(|_| "psistats.conf".to_owned()));
        assert_eq!(names(&board.folder, |_| true), files, "{name}");
        let readme = fs::read_to_string(board.folder.join("README.md")).unwrap();
        assert!(readme.starts_with(&format!("# {}\n", board.values["NAME"])), "{name}");
        let sections: Vec<_> = readme.lines().filter_map(|line| line.strip_prefix("## ")).collect();
        assert_eq!(sections, ["Sensors", "Quirks", "Gaps"], "{name}");
    }
}

#[test]
fn every_key_of_a_board_is_present_and_has_an_allowed_value() {
    for name in BOARDS {
        let board = Board::read(name);
        let keys: Vec<_> = board.values.keys().filter(|key| *key != "TARGET_32BIT").collect();
        assert_eq!(keys, KEYS, "{name}");
        let target = board.values["TARGET"].as_str();
        let (_, cpus) = [ARMV6, ARMV7, AARCH64].into_iter().find(|(known, _)| *known == target).unwrap();
        assert!(cpus.contains(&board.values["QEMU_CPU"].as_str()), "{name}");
        if let Some(target_32bit) = board.values.get("TARGET_32BIT") {
            assert_eq!((target, target_32bit.as_str()), (AARCH64.0, ARMV7.0), "{name}");
        }
        let kernel: Vec<u32> =
            board.values["OLDEST_KERNEL"].split('.').map(|part| part.parse().unwrap()).collect();
        assert!(kernel.len() == 3 && kernel >= vec![3, 1, 0], "{name}: {kernel:?}");
        assert!(!board.values["OLDEST_KERNEL_SOURCE"].is_empty(), "{name}");
        for fixture in board.fixtures() {
            assert!(fixture.join("SOURCE.txt").is_file(), "{name}: {}", fixture.display());
        }
    }
}

#[test]
fn bash_reads_the_same_values() {
    for name in BOARDS {
        let board = Board::read(name);
        let script = r#"source "$0" && for key; do printf '%s\n' "${!key}"; done"#;
        let mut bash = Command::new("bash");
        bash.args(["-euc", script]).arg(board.folder.join("board")).args(board.values.keys());
        let output = bash.output().unwrap();
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        let values: String = board.values.values().map(|value| format!("{value}\n")).collect();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), values, "{name}");
    }
}

#[test]
fn check_config_finds_no_problem_in_a_boards_configuration() {
    let configured: Vec<_> = BOARDS.map(Board::read).iter().filter_map(Board::config).collect();
    assert!(!configured.is_empty(), "at least the board without a sensor has one");
    for config in configured {
        let output = Command::new(PSISTATS).args(["check-config", "--config"]).arg(&config).output().unwrap();
        assert!(output.status.success(), "{}: {}", config.display(), output.status);
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert_eq!(said, format!("{}: ok\n", config.display()));
    }
}

#[test]
fn the_program_makes_the_golden_report_of_each_captured_tree_of_a_board() {
    let directory = tempfile::tempdir().unwrap();
    let defaults = directory.path().join("psistats.conf");
    fs::write(&defaults, "").unwrap();
    for name in BOARDS {
        let board = Board::read(name);
        let config = board.config();
        for fixture in board.fixtures() {
            let report = first_report(&fixture, config.as_ref().unwrap_or(&defaults));
            let mut golden = golden_report(&fixture);
            golden.remove("ts");
            // The counters of a captured tree never change, so the processors were never busy.
            if golden["cpu"].is_number() {
                golden["cpu"] = 0.0.into();
            }
            // At present this is the only setting that a board needs to change.
            if config.is_some() {
                golden.remove("cpu_temp");
            }
            assert_eq!(report, golden, "{name}: {}", fixture.display());
        }
    }
}

/// The first report that `psistats start-local --stdout` prints over `fixture`.
fn first_report(fixture: &Path, config: &Path) -> Map<String, Value> {
    let mut command = Command::new(PSISTATS);
    command.args(["start-local", "--stdout", "--root"]).arg(fixture).arg("--config").arg(config);
    let agent = Process::start(&mut command);
    let lines = agent.wait_for_lines_of(Stream::Stdout, 1, PATIENCE);
    serde_json::from_str(&lines[0]).unwrap()
}

#[test]
fn a_boards_readme_names_the_driver_of_every_sensor_in_its_captured_trees() {
    let mut drivers = 0;
    for name in BOARDS {
        let board = Board::read(name);
        let readme = fs::read_to_string(board.folder.join("README.md")).unwrap();
        for fixture in board.fixtures() {
            let listing = fs::read_to_string(fixture.join("sensors.txt")).unwrap_or_default();
            // Lines are CHIP.FEATURE, and `# CHIP: ...` for a chip without a readable sensor.
            for line in listing.lines().skip(3).filter(|line| !line.starts_with("    #")) {
                let chip = line.trim_start_matches(['#', ' ']);
                let driver = chip.rsplitn(3, '-').last().unwrap();
                let zone = driver.replace('_', "-");
                let named = [driver, &zone].iter().any(|name| readme.contains(&format!("`{name}`")));
                assert!(named, "{name}: {driver} of {}", fixture.display());
                drivers += 1;
            }
        }
    }
    assert!(drivers > 10, "{drivers}");
}

#[test]
fn the_table_of_boards_has_a_row_for_each_and_claims_no_more_than_its_trees_show() {
    let readme = fs::read_to_string(root().join("boards/README.md")).unwrap();
    let rows: Vec<_> = readme.lines().filter(|line| line.starts_with("| [")).collect();
    let expected = BOARDS.map(|name| {
        let board = Board::read(name);
        let mut targets = format!("`{}`", board.values["TARGET"]);
        if let Some(target) = board.values.get("TARGET_32BIT") {
            targets += &format!(", `{target}`");
        }
        let package = match (board.values["TARGET"] == AARCH64.0, targets.contains(", ")) {
            (true, true) => "arm64, armhf",
            (true, false) => "arm64",
            (false, _) => "armhf",
        };
        let figures: Vec<_> = board.figures().into_iter().map(|figure| format!("`{figure}`")).collect();
        let checked = if figures.is_empty() { "-".into() } else { figures.join(", ") };
        format!("| [{}]({name}) | {targets} | {package} | {checked} |", board.values["NAME"])
    });
    assert_eq!(rows, expected, "the rows should be\n{}", expected.join("\n"));
}

fn boards_build(arguments: &[&str]) -> Output {
    let mut build = Command::new(root().join("boards/build"));
    build.args(arguments).current_dir("/").output().unwrap()
}

#[test]
fn boards_build_knows_each_board_folder_and_builds_a_shared_target_once() {
    for name in BOARDS {
        let listed = boards_build(&["--list", name]);
        let target = format!("{}\n", Board::read(name).values["TARGET"]);
        assert_eq!((listed.status.code(), listed.stdout), (Some(0), target.into_bytes()), "{name}");
    }
    let listed = boards_build(&["--list", "pi-zero-w", AARCH64.0, "pi-1b", "pi-3b", "pi-2b"]);
    assert_eq!(
        String::from_utf8(listed.stdout).unwrap(),
        format!("{}\n{}\n{}\n", ARMV6.0, AARCH64.0, ARMV7.0)
    );
}

#[test]
fn boards_build_lists_the_known_boards_when_given_an_unknown_one() {
    for arguments in
        [&["pi-9"][..], &["--list", "pi-9"], &["pi-1b", "pi-9"], &[""], &["../boards/pi-1b"], &[]]
    {
        let output = boards_build(arguments);
        assert_eq!((output.status.code(), &output.stdout[..]), (Some(1), &b""[..]), "{arguments:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        for known in BOARDS.iter().chain(&[ARMV6.0, ARMV7.0, AARCH64.0, "x86_64-unknown-linux-musl"]) {
            assert!(said.contains(known), "{arguments:?}: {said}");
        }
        let got = arguments.last().map_or("", |last| last);
        assert!(said.trim_end().ends_with(got), "{arguments:?}: {said}");
    }
}
