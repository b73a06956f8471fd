//! What is in the package psistats-hub of an architecture. `packages` and `hub_on_boards` share this file.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use support::project::path;

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// All that is installed.
const FILES: [&str; 11] = [
    "./etc/psistats-hub.conf",
    "./lib/systemd/system/psistats-hub.service",
    "./usr/bin/psistats-hub",
    "./usr/share/doc/psistats-hub/changelog.gz",
    "./usr/share/doc/psistats-hub/copyright",
    "./usr/share/doc/psistats-hub/examples/grafana/boards.json",
    "./usr/share/doc/psistats-hub/examples/prometheus/alerts.yml",
    "./usr/share/doc/psistats-hub/sbom.cdx.json.gz",
    "./usr/share/lintian/overrides/psistats-hub",
    "./usr/share/man/man1/psistats-hub.1.gz",
    "./usr/share/man/man5/psistats-hub.conf.5.gz",
];

/// What `boards/package --hub` has made for `architecture`.
pub fn package(architecture: &str) -> PathBuf {
    let path = path(&format!("target/packages/psistats-hub_{VERSION}_{architecture}.deb"));
    assert!(path.is_file(), "{} is missing: boards/package --hub {architecture}", path.display());
    path
}

/// What a command, which must succeed, prints.
fn text(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    assert!(output.status.success(), "{command:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The package of `architecture` has every file, the binary of `target`, and nothing for lintian to find.
pub fn is_whole(architecture: &str, target: &str) {
    let package = package(architecture);
    let dpkg_deb = |option: &str, rest: &str| {
        text(
            Command::new("dpkg-deb")
                .arg(option)
                .arg(&package)
                .args(Some(rest).filter(|rest| !rest.is_empty())),
        )
    };
    let listing = dpkg_deb("--contents", "");
    let (folders, mut files): (Vec<_>, Vec<_>) = listing.lines().partition(|line| line.starts_with('d'));
    assert!(folders.iter().all(|line| line.starts_with("drwxr-xr-x root/root ")), "{folders:#?}");
    for file in &files {
        let mode = if file.contains("/usr/bin/") { "-rwxr-xr-x" } else { "-rw-r--r--" };
        assert!(file.starts_with(&format!("{mode} root/root ")), "{architecture}: {file}");
    }
    let name = |line: &&str| line[line.find("./").unwrap()..].to_owned();
    files.sort_by_key(name);
    assert_eq!(files.iter().map(name).collect::<Vec<_>>(), FILES, "{architecture}");

    let fields = dpkg_deb("--field", "");
    let fields: BTreeMap<_, _> = fields.lines().filter_map(|line| line.split_once(": ")).collect();
    let expected = [("Package", "psistats-hub"), ("Version", VERSION), ("Architecture", architecture)];
    for (field, value) in expected {
        assert_eq!(fields[field], value, "{architecture}");
    }
    assert_eq!(dpkg_deb("--info", "conffiles"), "/etc/psistats-hub.conf\n");
    let tree = tempfile::tempdir().unwrap();
    dpkg_deb("--extract", tree.path().to_str().unwrap());
    let packed = fs::read(tree.path().join("usr/bin/psistats-hub")).unwrap();
    let built = fs::read(path(&format!("target/boards/{target}/psistats-hub"))).unwrap();
    assert!(packed == built, "{architecture}");

    let mut lintian = Command::new("lintian");
    lintian.args(["--allow-root", "--display-info", "--fail-on", "error,warning,info"]);
    // A binary's texts stand side by side without a space: which words that makes is up to the compiler.
    lintian.args(["--suppress-tags", "spelling-error-in-binary"]);
    assert_eq!(text(lintian.arg(&package)), "");
}
