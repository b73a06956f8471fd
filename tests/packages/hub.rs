//! The package psistats-hub, made for amd64: what is in it, and its service under a real systemd, beside the
//! package psistats.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::life::installed;
use crate::{VERSION, lintian, root, text};

/// All that is installed.
const FILES: [&str; 7] = [
    "./etc/psistats-hub.conf",
    "./lib/systemd/system/psistats-hub.service",
    "./usr/bin/psistats-hub",
    "./usr/share/doc/psistats-hub/changelog.gz",
    "./usr/share/doc/psistats-hub/copyright",
    "./usr/share/lintian/overrides/psistats-hub",
    "./usr/share/man/man1/psistats-hub.1.gz",
];

fn package() -> PathBuf {
    let path = root(&format!("target/packages/psistats-hub_{VERSION}_amd64.deb"));
    assert!(path.is_file(), "{} is missing: boards/package --hub amd64", path.display());
    path
}

#[test]
#[ignore = "needs boards/package --hub and lintian: tests/run"]
fn it_has_its_files_and_lintian_finds_nothing_but_what_is_overridden_with_a_reason() {
    let listing = text(Command::new("dpkg-deb").arg("--contents").arg(package()));
    let files = listing.lines().filter(|line| !line.starts_with('d'));
    assert!(files.clone().all(|line| line.starts_with("-rw-r--r-- root/root") || line.contains("/usr/bin/")));
    assert_eq!(files.map(|line| &line[line.find("./").unwrap()..]).collect::<Vec<_>>(), FILES);
    assert_eq!(text(lintian().arg(package())), "");
}

#[test]
#[ignore = "needs boards/package --hub and tests/packages/tree: tests/run"]
fn under_systemd_it_serves_the_client_node_of_the_package_psistats_and_leaves_nothing_when_purged() {
    let tree = installed("amd64", "systemd-offline");
    fs::copy(package(), tree.path("/root/hub.deb")).unwrap();
    tree.does("dpkg -i /root/hub.deb");
    tree.until("systemctl is-active psistats-hub");
    assert_eq!(tree.does("systemctl show -P UnitFileState psistats-hub"), "enabled\n");
    tree.until(
        "journalctl -u psistats-hub | grep 'client nodes at 127.0.0.1:5555, .* room for [0-9]* connections'",
    );
    tree.does("systemd-run --unit=node chasar clientnode start");
    let counters = "systemctl kill -s USR1 psistats-hub; journalctl -u psistats-hub | grep 'messages=[1-9]'";
    tree.until(counters);
    tree.does("systemctl stop node");
    // What psistats brings runs it too, from beside itself.
    tree.does("printf '[chasar]\\npublish_port=6667\\n' >/root/other.conf");
    tree.does("systemd-run --unit=master chasar masternode start 127.0.0.1 5556 --config /root/other.conf");
    tree.until("journalctl -u master | grep 'client nodes at 127.0.0.1:5556'");
    tree.does("systemctl stop master");

    tree.does("dpkg --purge psistats-hub");
    tree.ends("systemctl is-active psistats-hub", 3);
    let left = tree
        .does("find / -xdev -name '*psistats-hub*' ! -path '/var/log/*' ! -path '/proc/*' ! -path '/sys/*'");
    assert_eq!(left, "");
    // The other package is as it was, and says what is missing.
    assert_eq!(tree.does("systemctl is-active psistats"), "active\n");
    tree.does("chasar masternode start 2>&1 | grep 'install the Debian package psistats-hub'");
}
