//! Installed, upgraded, removed, purged: by dpkg itself, in trees of Debian. armhf: a machine of sysvinit,
//! its programs run by qemu. amd64: a container in which no init runs.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use crate::tree::Tree;
use crate::{VERSION, package, text, tiny};
use support::broker::Broker;
use support::consumer::Tap;
use support::reports::read_past;

const CONF: &str = "/etc/psistats.conf";
const SCRIPT: &str = "/etc/init.d/psistats";
/// As an unattended upgrade does it: nobody is asked.
pub const UPGRADE: &str = "dpkg --force-confdef --force-confold -i /root/newer.deb </dev/null";
/// Who runs, by the script.
const PID: &str = "/etc/init.d/psistats status | sed -n 's/^psistats is running, pid \\([0-9]*\\).*/\\1/p'";

/// A tree with the package, not installed yet, in /root.
fn tree(architecture: &str, init: &str) -> Tree {
    let tree = Tree::live(architecture, init);
    fs::copy(package(architecture), tree.path("/root/psistats.deb")).unwrap();
    tree
}

pub fn installed(architecture: &str, init: &str) -> Tree {
    let tree = tree(architecture, init);
    tree.does("dpkg -i /root/psistats.deb");
    tree
}

/// Another version of the package, `change`d by lines of the shell that run where it is unpacked.
pub fn add_newer(tree: &Tree, architecture: &str, change: &str) {
    let place = tempfile::tempdir().unwrap();
    let script = format!(
        "dpkg-deb -R \"$0\" new && cd new && sed -i 's/^Version: .*/&+newer/' DEBIAN/control\n{change}\n
        cd .. && dpkg-deb --root-owner-group -Zgzip -b new newer.deb"
    );
    text(Command::new("sh").args(["-ec", &script]).arg(package(architecture)).current_dir(&place));
    fs::copy(place.path().join("newer.deb"), tree.path("/root/newer.deb")).unwrap();
}

/// Points the installed configuration to a broker.
pub fn configure(tree: &Tree, port: u16, vhost: &str) {
    let edits = [
        "s/^host=.*/host=127.0.0.1/".to_owned(),
        format!("s/^port=.*/port={port}/"),
        format!("s|^path=.*|path={vhost}|"),
        "s/^primary_timer=.*/primary_timer=0.05/".to_owned(),
    ];
    // With an editor that keeps owner and mode.
    let conf = tree.path(CONF);
    let edited = text(Command::new("sed").args(["-e", &edits.join("\n")]).arg(&conf));
    fs::write(&conf, edited).unwrap();
}

/// Every path of the tree but the states of dpkg, and copies of earlier states.
fn paths(tree: &Tree) -> BTreeSet<String> {
    let find = "find / -xdev ! -path '/var/lib/dpkg/*' ! -path '/var/cache/*' ! -path '/root/*' ! -name '*-' ! -name '*.log'";
    tree.does(find).lines().map(str::to_owned).collect()
}

#[test]
#[ignore = "needs RabbitMQ, boards/package and tests/packages/tree: tests/run"]
fn on_armhf_it_starts_with_its_installation_and_publishes_and_its_script_answers_as_lsb_says() {
    let tree = installed("armhf", "sysvinit");
    // No broker is where the installed configuration says, and it runs nevertheless.
    assert_eq!(tree.does(&format!("stat -c '%a %U:%G' {CONF}")), "640 root:psistats\n");
    assert!(!tree.does("id psistats").contains("(video)"));
    tree.does("ls /etc/rc2.d/S*psistats /etc/rc0.d/K*psistats");
    let first = tree.does(PID);
    assert_ne!(first, "");
    tree.does(&format!("{SCRIPT} start"));
    assert_eq!(tree.does(PID), first);
    tree.ends(&format!("{SCRIPT} reload"), 0);

    let broker = Broker::shared();
    let vhost = broker.vhost();
    let reading = Tap::new(broker.port, &vhost).open();
    configure(&tree, broker.port, &vhost);
    tree.does(&format!("{SCRIPT} restart"));
    let second = tree.does(PID);
    assert!(second != first && !second.is_empty(), "{second}");
    read_past(&reading, 20);

    tree.does(&format!("{SCRIPT} stop"));
    tree.ends(&format!("{SCRIPT} status"), 3);
    tree.does(&format!("{SCRIPT} stop"));
    tree.does(&format!("{SCRIPT} try-restart"));
    tree.ends(&format!("{SCRIPT} status"), 3);
    tree.ends(&format!("{SCRIPT} reload"), 7);
    tree.does(&format!("{SCRIPT} start"));
    tree.does(&format!("pid=$({PID}); kill -9 $pid; while kill -0 $pid 2>/dev/null; do sleep 0.01; done"));
    tree.ends(&format!("{SCRIPT} status"), 1);
    tree.ends(&format!("{SCRIPT} dance"), 2);
}

#[test]
#[ignore = "needs boards/package and tests/packages/tree: tests/run"]
fn on_armhf_an_upgrade_keeps_the_edited_configuration_and_a_removal_too_and_a_purge_leaves_nothing() {
    walk_through_a_life("armhf", "sysvinit");
}

#[test]
#[ignore = "needs boards/package and tests/packages/tree: tests/run"]
fn on_amd64_without_an_init_the_same_and_nothing_is_started() {
    walk_through_a_life("amd64", "none");
}

#[test]
#[ignore = "needs boards/package and tests/packages/tree: tests/run"]
fn it_is_stopped_by_its_removal_even_where_a_wrong_configuration_hides_its_pidfile() {
    let tree = installed("amd64", "sysvinit");
    tree.does(&format!("{SCRIPT} status"));
    // Somebody else's is no service of the package's.
    tree.does(
        "printf '[app]\npidfile=/tmp/other.pid\n' >/tmp/other.conf
        su -s /bin/sh nobody -c 'psistats start --config /tmp/other.conf'",
    );
    tree.does(&format!("sed -i 's/^primary_timer=.*/primary_timer=soon/' {CONF}"));
    tree.does("dpkg -r psistats");
    assert_eq!(
        tree.does("grep -l ^psistats /proc/[0-9]*/comm"),
        tree.does("echo /proc/$(cat /tmp/other.pid)/comm")
    );
    tree.does("kill $(cat /tmp/other.pid)");
    tree.does("dpkg --purge psistats && test ! -e /run/psistats.pid");
}

#[test]
#[ignore = "needs boards/package and tests/packages/tree: tests/run"]
fn policy_rc_d_keeps_it_from_starting_and_without_any_of_debians_helpers_its_script_starts_it() {
    let tree = tree("amd64", "sysvinit");
    tree.does("printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d && chmod +x /usr/sbin/policy-rc.d");
    tree.does("dpkg -i /root/psistats.deb");
    tree.ends(&format!("{SCRIPT} status"), 3);
    tree.does("dpkg --purge psistats");
    tree.does("rm $(command -v policy-rc.d invoke-rc.d update-rc.d deb-systemd-helper)");
    tree.does("dpkg -i /root/psistats.deb");
    tree.does(&format!("{SCRIPT} status"));
    tree.does("dpkg --purge psistats");
    tree.ends("grep -l ^psistats /proc/[0-9]*/comm", 1);
}

#[test]
#[ignore = "needs boards/package and tests/packages/tree: tests/run"]
fn owner_and_mode_of_the_configuration_are_the_administrators_where_dpkg_statoverride_says_so() {
    let tree = tree("amd64", "sysvinit");
    tree.does(&format!("dpkg-statoverride --add root games 0660 {CONF}"));
    tree.does("dpkg -i /root/psistats.deb");
    assert_eq!(tree.does(&format!("stat -c '%a %U:%G' {CONF}")), "660 root:games\n");
    tree.does("dpkg --purge psistats");
}

#[test]
#[ignore = "needs boards/package and tests/packages/tree: tests/run"]
fn it_takes_the_place_of_the_python_package_and_its_edited_configuration() {
    let tree = tree("amd64", "sysvinit");
    tree.does(
        "mkdir -p old/DEBIAN old/etc old/usr/bin && cd old
        printf '#!/bin/sh\necho old\n' >usr/bin/psistats && chmod +x usr/bin/psistats
        printf '[queue]\nprefix=old\n' >etc/psistats.conf
        echo /etc/psistats.conf >DEBIAN/conffiles
        printf '%s\n' 'Package: psistats-client' 'Version: 0.0.4' 'Architecture: all' \
            'Maintainer: Nobody <nobody@example.org>' 'Description: the original' >DEBIAN/control
        dpkg-deb -b . ../old.deb && dpkg -i ../old.deb && psistats | grep old
        sed -i s/old/edited/ /etc/psistats.conf",
    );
    tree.does("dpkg --force-confdef --force-confold --auto-deconfigure -B -i /root/psistats.deb </dev/null");
    assert_eq!(tree.does("psistats --version"), format!("psistats {VERSION}\n"));
    assert_eq!(tree.does(&format!("cat {CONF}")), "[queue]\nprefix=edited\n");
    tree.does(&format!("{SCRIPT} status"));
    tree.ends("dpkg -s psistats-client | grep 'install ok installed'", 1);
}

#[test]
#[ignore = "needs boards/package and tests/packages/tree: tests/run"]
fn psistats_and_psistats_tiny_take_each_others_place_and_the_purge_of_one_leaves_the_other_running() {
    let tree = tree("armhf", "sysvinit");
    fs::copy(tiny(), tree.path("/root/psistats-tiny.deb")).unwrap();
    let paths_before = paths(&tree);
    tree.does("dpkg -i /root/psistats.deb");
    tree.does(&format!("sed -i 's/^prefix=.*/prefix=edited/' {CONF}"));
    tree.does("mkdir -p /var/log/psistats && echo a log >/var/log/psistats/psistats.log");
    for (new, old) in [("psistats-tiny", "psistats"), ("psistats", "psistats-tiny")] {
        tree.does(&format!("dpkg --force-confdef --force-confold -B -i /root/{new}.deb </dev/null"));
        tree.does(&format!("dpkg --purge {old}"));
        tree.does(&format!(
            "{SCRIPT} status && grep prefix=edited {CONF} && grep 'a log' /var/log/psistats/psistats.log"
        ));
        assert_eq!(tree.does(&format!("stat -c '%a %U:%G' {CONF}")), "640 root:psistats\n");
        tree.does("ls /etc/rc2.d/S*psistats /etc/rc0.d/K*psistats");
    }
    tree.does("dpkg --purge psistats");
    assert_eq!(paths(&tree).symmetric_difference(&paths_before).collect::<Vec<_>>(), [""; 0]);
}

fn walk_through_a_life(architecture: &str, init: &str) {
    let (tree, runs) = (tree(architecture, init), init == "sysvinit");
    let (paths_before, users_before) = (paths(&tree), tree.does("cat /etc/passwd /etc/group"));
    tree.does("dpkg -i /root/psistats.deb");
    assert_eq!(tree.run(&format!("{SCRIPT} status")).code, Some(if runs { 0 } else { 3 }));
    // Without init, started by hand, as in a container.
    tree.does(&format!("{SCRIPT} start"));
    let first = tree.does(PID);

    // Its configuration edited, and another one delivered: the edit stays, the other lies beside it.
    tree.does(&format!("sed -i 's/^prefix=.*/prefix=edited/' {CONF}"));
    add_newer(&tree, architecture, "sed -i 's/^prefix=.*/prefix=newer/' etc/psistats.conf");
    tree.does(UPGRADE);
    assert_eq!(
        tree.does(&format!("grep ^prefix= {CONF} {CONF}.dpkg-dist")).lines().collect::<Vec<_>>(),
        [format!("{CONF}:prefix=edited"), format!("{CONF}.dpkg-dist:prefix=newer"),]
    );
    assert_eq!(
        tree.does(&format!("stat -c '%a %U:%G' {CONF} {CONF}.dpkg-dist")),
        "640 root:psistats\n".repeat(2)
    );
    assert_eq!(tree.does("chasar --version"), format!("psistats {VERSION}\n"));
    if runs {
        let second = tree.does(PID);
        assert!(second != first && !second.is_empty(), "{first} then {second}: restarted");
    }

    // A configuration that is wrong: dpkg succeeds all the same, and what runs goes on.
    tree.does(&format!("cp -p {CONF} /root/kept && sed -i 's/^primary_timer=.*/primary_timer=soon/' {CONF}"));
    let said = tree.does(UPGRADE);
    assert_eq!(
        said.contains("psistats: not restarted; `psistats check-config` or the log says why"),
        runs,
        "{said}"
    );

    tree.does(&format!("cp -p /root/kept {CONF}"));

    // Removed: nothing runs, and the configuration stays. What was started by hand is stopped by hand.
    if !runs {
        tree.does(&format!("{SCRIPT} stop"));
    }
    tree.does("dpkg -r psistats && test ! -e /usr/bin/psistats");
    tree.ends("grep -l ^psistats /proc/[0-9]*/comm", 1);
    for (action, code) in [("status", 4), ("start", 5), ("stop", 0)] {
        tree.ends(&format!("{SCRIPT} {action}"), code);
    }
    tree.does(&format!("grep prefix=edited {CONF}"));

    // Installed again, the configuration is still there; then all goes.
    tree.does("dpkg -i /root/newer.deb");
    tree.does(&format!("grep prefix=edited {CONF}"));
    tree.does("mkdir -p /var/log/psistats && echo a log >/var/log/psistats/psistats.log");
    tree.does("dpkg --purge psistats");
    assert_eq!(paths(&tree).symmetric_difference(&paths_before).collect::<Vec<_>>(), [""; 0]);
    assert_eq!(tree.does("cat /etc/passwd /etc/group"), users_before);
    assert_eq!(tree.does("dpkg --audit"), "");
}
