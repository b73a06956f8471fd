//! What is in a package.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use crate::{ARCHITECTURES, VERSION, lintian, package, root, text, tiny};

/// Mode, owner and what it is: all that is installed.
const FILES: [&str; 12] = [
    "-rwxr-xr-x root/root ./etc/init.d/psistats",
    "-rw-r--r-- root/root ./etc/logrotate.d/psistats",
    "-rw-r----- root/root ./etc/psistats.conf",
    "-rw-r--r-- root/root ./lib/systemd/system/psistats.service",
    "lrwxrwxrwx root/root ./usr/bin/chasar -> psistats",
    "-rwxr-xr-x root/root ./usr/bin/psistats",
    "-rw-r--r-- root/root ./usr/share/doc/psistats/changelog.gz",
    "-rw-r--r-- root/root ./usr/share/doc/psistats/copyright",
    "-rw-r--r-- root/root ./usr/share/doc/psistats/sbom.cdx.json.gz",
    "-rw-r--r-- root/root ./usr/share/lintian/overrides/psistats",
    "-rw-r--r-- root/root ./usr/share/man/man1/chasar.1.gz",
    "-rw-r--r-- root/root ./usr/share/man/man1/psistats.1.gz",
];
const CONFIGURATION_PAGE: &str = "-rw-r--r-- root/root ./usr/share/man/man5/psistats.conf.5.gz";

fn dpkg_deb(option: &str, architecture: &str) -> String {
    text(Command::new("dpkg-deb").arg(option).arg(package(architecture)))
}

#[test]
#[ignore = "needs boards/package: tests/run"]
fn the_members_are_those_that_dpkg_1_16_reads() {
    for architecture in ARCHITECTURES {
        let members = text(Command::new("ar").arg("t").arg(package(architecture)));
        assert_eq!(members, "debian-binary\ncontrol.tar.gz\ndata.tar.gz\n");
        // As long as it does without dpkg.
        for member in ["control.tar.gz", "data.tar.gz"] {
            let script = format!("ar p \"$0\" {member} | tar -tz");
            let listing = text(Command::new("sh").args(["-ec", &script]).arg(package(architecture)));
            assert!(listing.starts_with("./\n"), "{listing}");
        }
    }
}

#[test]
#[ignore = "needs boards/package: tests/run"]
fn each_package_has_the_same_files_and_none_but_the_configuration_is_kept_from_anybody() {
    for architecture in ARCHITECTURES {
        let listing = dpkg_deb("--contents", architecture);
        let files = listing.lines().filter(|line| !line.starts_with('d')).map(|line| {
            let fields: Vec<_> = line.split_whitespace().collect();
            // Mode, owner, size, date, time, and the rest.
            [&fields[..2], &fields[5..]].concat().join(" ")
        });
        let mut files: Vec<_> = files.collect();
        files.sort_by_key(|line| line[line.find("./").unwrap()..].to_owned());
        assert_eq!(files, [&FILES[..], &[CONFIGURATION_PAGE]].concat(), "{architecture}");
        let folders = listing.lines().filter(|line| line.starts_with('d'));
        for folder in folders {
            assert!(folder.starts_with("drwxr-xr-x root/root "), "{architecture}: {folder}");
        }
    }
}

#[test]
#[ignore = "needs boards/package: tests/run"]
fn the_control_file_names_the_architecture_whose_binary_is_in_it() {
    let targets = [
        ("armhf", "arm-unknown-linux-musleabihf"),
        ("arm64", "aarch64-unknown-linux-musl"),
        ("amd64", "x86_64-unknown-linux-musl"),
    ];
    for (architecture, target) in targets {
        let fields = dpkg_deb("--field", architecture);
        let fields: BTreeMap<_, _> = fields.lines().filter_map(|line| line.split_once(": ")).collect();
        let expected = [
            ("Package", "psistats"),
            ("Version", VERSION),
            ("Architecture", architecture),
            ("Depends", "adduser"),
            ("Conflicts", "psistats-client, psistats-tiny"),
            ("Replaces", "psistats-client, psistats-tiny"),
        ];
        for (field, value) in expected {
            assert_eq!(fields[field], value, "{architecture}");
        }
        let installed_kib: u64 = fields["Installed-Size"].parse().unwrap();
        assert!((800..1600).contains(&installed_kib), "{installed_kib} KiB");

        let tree = tempfile::tempdir().unwrap();
        text(Command::new("dpkg-deb").arg("--extract").arg(package(architecture)).arg(tree.path()));
        let ours = fs::read(tree.path().join("usr/bin/psistats")).unwrap();
        assert!(ours == fs::read(root("target/boards").join(target).join("psistats")).unwrap());
        let conffiles =
            text(Command::new("dpkg-deb").args(["--info"]).arg(package(architecture)).arg("conffiles"));
        assert_eq!(conffiles, "/etc/init.d/psistats\n/etc/logrotate.d/psistats\n/etc/psistats.conf\n");
    }
}

#[test]
#[ignore = "needs boards/package and lintian: tests/run"]
fn lintian_finds_nothing_but_what_is_overridden_with_a_reason() {
    assert_eq!(text(lintian().args(ARCHITECTURES.map(package))), "");

    let overrides = fs::read_to_string(root("boards/debian/lintian-overrides")).unwrap();
    let lines: Vec<_> = overrides.lines().collect();
    assert!(
        lines.chunks(2).all(|pair| pair[0].starts_with("# ") && pair[1].starts_with("psistats: ")),
        "{overrides}"
    );
    // Each is needed.
    let mut lintian = Command::new("lintian");
    lintian
        .args(["--allow-root", "--display-info", "--show-overrides", "--fail-on", "none"])
        .arg(package("armhf"));
    let overridden = text(&mut lintian);
    assert_eq!(overridden.matches("O: psistats: ").count(), lines.len() / 2, "{overridden}");
}

#[test]
#[ignore = "needs boards/package: tests/run"]
fn the_same_source_gives_the_same_bytes() {
    let made = |umask: &str| {
        let script = format!("umask {umask}; exec \"$0\" amd64");
        text(Command::new("sh").args(["-c", &script]).arg(root("boards/package")));
        fs::read(package("amd64")).unwrap()
    };
    assert!(made("022") == made("077"));
}

#[test]
#[ignore = "needs boards/package: tests/run"]
fn a_board_has_a_package_for_each_system_that_it_commonly_runs() {
    let boards = [
        ("pi-1b", &["armhf"][..]),
        ("pi-2b", &["armhf"]),
        ("pi-3b", &["arm64", "armhf"]),
        ("pi-5", &["arm64"]),
    ];
    for (board, architectures) in boards {
        let made = text(Command::new(root("boards/package")).arg(board));
        let made: Vec<_> = made.lines().map(|line| line.split_whitespace().last().unwrap()).collect();
        let expected = architectures.iter().map(|a| format!("target/packages/psistats_{VERSION}_{a}.deb"));
        assert_eq!(made, expected.collect::<Vec<_>>(), "{board}");
    }
    for nonsense in ["amd65", "debian", "../tests"] {
        let refused = Command::new(root("boards/package")).arg(nonsense).output().unwrap();
        assert_eq!(refused.status.code(), Some(1));
        let said = String::from_utf8(refused.stderr).unwrap();
        assert!(said.contains(&format!("or a folder of boards/; got {nonsense}")), "{said}");
    }
}

#[test]
#[ignore = "needs boards/package: tests/run"]
fn psistats_tiny_has_the_files_of_psistats_and_takes_its_place() {
    let tiny = tiny();
    let dpkg_deb = |option: &str| text(Command::new("dpkg-deb").arg(option).arg(&tiny));
    let names = |listing: &str| -> Vec<String> {
        let files = listing.lines().filter(|line| !line.starts_with('d'));
        let mut names: Vec<_> =
            files.map(|line| line[line.find("./").unwrap()..].replace("psistats-tiny", "psistats")).collect();
        names.sort();
        names
    };
    let whole = text(Command::new("dpkg-deb").arg("--contents").arg(package("armhf")));
    assert_eq!(names(&dpkg_deb("--contents")), names(&whole));
    let fields = dpkg_deb("--field");
    for field in [
        "Package: psistats-tiny",
        "Provides: psistats",
        "Conflicts: psistats, psistats-client",
        "Replaces: psistats, psistats-client",
    ] {
        assert!(fields.lines().any(|line| line == field), "{field} in {fields}");
    }
    text(lintian().arg(&tiny));
}
