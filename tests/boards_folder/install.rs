//! `boards/install` on simulated machines: each has installed packages, package lists and an archive with newer
//! packages. The real dpkg compares the versions; apt-get, dpkg-query and id are stand-ins.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Output};

use tempfile::TempDir;

/// The files of a simulated machine: `installed`, `lists` and `archive` with lines `NAME VERSION`, `user` with
/// a user's number, and `calls` with the arguments of apt-get. Without `archive` there is no network.
struct Machine(TempDir);

const APT_GET: &str = r#"#!/bin/bash
cd "$MACHINE"
while [ $# -gt 0 ]; do
    case $1 in -o) shift 2 ;; -*) shift ;; *) break ;; esac
done
echo "$*" >>calls
case $1 in
    update) [ -e archive ] && cp archive lists || { echo "E: no network" >&2; exit 100; } ;;
    install)
        shift
        for name; do
            [[ $name == -* ]] && continue
            line=$(grep "^$name " lists) || { echo "E: Unable to locate package $name" >&2; exit 100; }
            grep -qxF "$line" archive || { echo "E: 404 Not Found: $line" >&2; exit 100; }
            sed -i "/^$name /d" installed
            echo "$line" >>installed
        done ;;
esac
"#;

const DPKG_QUERY: &str = r#"#!/bin/bash
line=$(grep "^${*: -1} " "$MACHINE/installed") || exit 1
echo "installed ${line#* }"
"#;

const ID: &str = "#!/bin/sh\ncat \"$MACHINE/user\"\n";

impl Machine {
    fn new(installed: &str, lists: &str, archive: Option<&str>) -> Self {
        let machine = Self(TempDir::new().unwrap());
        for (name, text) in [("installed", installed), ("lists", lists), ("user", "0\n"), ("calls", "")] {
            fs::write(machine.file(name), text).unwrap();
        }
        archive.into_iter().for_each(|text| fs::write(machine.file("archive"), text).unwrap());
        for (name, text) in [("apt-get", APT_GET), ("dpkg-query", DPKG_QUERY), ("id", ID)] {
            fs::write(machine.file(name), text).unwrap();
            fs::set_permissions(machine.file(name), fs::Permissions::from_mode(0o755)).unwrap();
        }
        machine
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn of_an_ordinary_user(self) -> Self {
        fs::write(self.file("user"), "1000\n").unwrap();
        self
    }

    fn install(&self, packages: &[&str]) -> Output {
        let path = format!("{}:{}", self.0.path().display(), std::env::var("PATH").unwrap());
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/boards/install");
        let mut command = Command::new(script);
        command.args(packages).env("PATH", path).env("MACHINE", self.0.path());
        command.output().unwrap()
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.file(name)).unwrap()
    }
}

#[track_caller]
fn succeeds(output: &Output) {
    assert!(output.status.success(), "{output:?}");
}

/// Asserts that `boards/install` failed with code 2, and returns the last line, which says what to do.
#[track_caller]
fn refuses(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    String::from_utf8_lossy(&output.stderr).lines().last().unwrap().to_owned()
}

const OLD: &str = "jq 1.6-2\nrustc-web 1.85.0+dfsg3-1~deb12u3\n";
const NEW: &str = "jq 1.6-2.1\nrustc-web 1.96.0+dfsg1-1~deb12u2\n";

#[test]
fn old_package_lists_are_updated_before_the_first_installation() {
    let machine = Machine::new("", OLD, Some(NEW));
    succeeds(&machine.install(&["jq", "rustc-web=1.89"]));
    assert_eq!(machine.read("calls"), "update\ninstall jq rustc-web\n");
    assert_eq!(machine.read("installed"), NEW);
}

#[test]
fn a_package_that_is_too_old_is_upgraded() {
    let machine = Machine::new(OLD, OLD, Some(NEW));
    succeeds(&machine.install(&["jq", "rustc-web=1.89"]));
    assert_eq!(machine.read("calls"), "update\ninstall rustc-web\n");
}

#[test]
fn with_everything_installed_neither_root_nor_a_network_is_needed() {
    let machine = Machine::new(NEW, OLD, None).of_an_ordinary_user();
    succeeds(&machine.install(&["jq", "rustc-web=1.89"]));
    assert_eq!(machine.read("calls"), "");
}

#[test]
fn an_ordinary_user_gets_one_line_with_the_missing_packages_and_the_command_to_run() {
    let machine = Machine::new(OLD, OLD, Some(NEW)).of_an_ordinary_user();
    let output = machine.install(&["jq", "rustc-web=1.89"]);
    assert_eq!(
        refuses(&output),
        "boards/install: missing: rustc-web=1.89; as root: \
         apt-get update && apt-get install --no-install-recommends rustc-web"
    );
    assert_eq!(String::from_utf8_lossy(&output.stderr).lines().count(), 1);
    assert_eq!(machine.read("calls"), "");
}

#[test]
fn packages_that_cannot_be_downloaded_are_named() {
    let machine = Machine::new("", OLD, None);
    let said = refuses(&machine.install(&["jq"]));
    assert!(said.contains("cannot install jq; to try by hand: apt-get update && "), "{said}");
}

#[test]
fn a_version_that_no_archive_offers_is_reported_with_the_installed_and_the_needed_one() {
    let machine = Machine::new(OLD, OLD, Some(OLD));
    let said = refuses(&machine.install(&["rustc-web=1.89"]));
    assert!(said.contains("rustc-web 1.85.0+dfsg3-1~deb12u3, expected 1.89 or newer"), "{said}");
}
