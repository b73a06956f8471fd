//! Installed where systemd itself runs as the first process: its unit with the whole sandbox.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::life::{UPGRADE, add_newer, configure, installed};
use crate::tree::Tree;
use support::PATIENCE;
use support::broker::Broker;
use support::consumer::Tap;
use support::process::{Process, Stream};
use support::reports::read_past;

/// What systemd says of the service.
fn show(tree: &Tree) -> BTreeMap<String, String> {
    let text = tree.does("systemctl show psistats");
    text.lines().filter_map(|line| line.split_once('=')).map(|(k, v)| (k.to_owned(), v.to_owned())).collect()
}

/// The first report of the program outside, without a sandbox, with uptime and addresses.
fn report_outside() -> Value {
    let agent =
        Process::start(Command::new(env!("CARGO_BIN_EXE_psistats")).args(["start-local", "--stdout"]));
    serde_json::from_str(&agent.wait_for_lines_of(Stream::Stdout, 1, PATIENCE)[0]).unwrap()
}

#[test]
#[ignore = "needs RabbitMQ, boards/package and tests/packages/tree: tests/run"]
fn under_systemd_it_is_active_without_a_broker_and_publishes_the_same_figures_from_its_sandbox() {
    let tree = installed("amd64", "systemd");
    let service = show(&tree);
    for (key, value) in
        [("ActiveState", "active"), ("SubState", "running"), ("UnitFileState", "enabled"), ("NRestarts", "0")]
    {
        assert_eq!(service[key], value, "{key}: {service:#?}");
    }
    assert!(service["StatusText"].starts_with("sampled="), "{}", service["StatusText"]);
    assert!(service["StatusText"].contains(" (no connection"), "{}", service["StatusText"]);
    // Whoever asks, the service is known; and no second one is started.
    let told = tree.does(
        "touch /tmp/empty.conf
        su -s /bin/sh nobody -c 'psistats status --config /tmp/empty.conf'",
    );
    let runs =
        format!("psistats is running, pid {} (psistats.service)\nno connection (for ", service["MainPID"]);
    assert!(told.starts_with(&runs), "{told}");
    let told = tree.does("psistats start 2>&1");
    let refuses =
        format!("psistats is already running as a systemd service, pid {}: use `sudo", service["MainPID"]);
    assert!(told.starts_with(&refuses), "{told}");
    assert_eq!(tree.does("grep -l ^psistats /proc/[0-9]*/comm | wc -l"), "1\n");
    let status = fs::read_to_string(tree.path(&format!("/proc/{}/status", service["MainPID"]))).unwrap();
    for line in ["CapBnd:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"] {
        assert!(status.contains(line), "{line}: {status}");
    }

    // A password that only systemd can read, and a log file in the one place that it may write to.
    let broker = Broker::shared();
    let vhost = broker.vhost();
    let reading = Tap::new(broker.port, &vhost).open();
    configure(&tree, broker.port, &vhost);
    let log = "[logging]\nkeys=root\n[logger_root]\nlevel=INFO\nhandlers=f\n[handler_f]\nclass=FileHandler\nargs=('/var/log/psistats/psistats.log',)";
    tree.does(&format!(
        "
        sed -i 's/^pass=.*/pass=@credential:broker/' /etc/psistats.conf
        printf '%s\n' \"{log}\" >>/etc/psistats.conf
        (umask 077 && echo guest >/etc/psistats.password)
        mkdir -p /etc/systemd/system/psistats.service.d
        printf '[Service]\nLoadCredential=broker:/etc/psistats.password\nWatchdogSec=1\n' \
            >/etc/systemd/system/psistats.service.d/test.conf
        systemctl daemon-reload
        systemctl restart psistats || {{ journalctl -u psistats; exit 1; }}"
    ));
    let report = read_past(&reading, 1).body;
    let outside = report_outside();
    for key in ["hostname", "ipaddr"] {
        assert_eq!(report[key], outside[key], "{key}");
    }
    let uptime = |report: &Value| report["uptime"].as_f64().unwrap();
    assert!((0.0..60.0).contains(&(uptime(&outside) - uptime(&report))), "{report} and {outside}");
    assert!((0.0..=100.0).contains(&report["mem"].as_f64().unwrap()), "{report}");
    assert!((0.0..=100.0).contains(&report["cpu"].as_f64().unwrap()), "{report}");
    assert_eq!(report.get("cpu_temp"), outside.get("cpu_temp"));
    assert!(tree.does("cat /var/log/psistats/psistats.log").contains("configuration: /etc/psistats.conf"));

    // The watchdog is fed: another second begins, and then it is not, and another process takes over.
    let first = show(&tree);
    tree.until(&format!(
        "test $(systemctl show psistats -P WatchdogTimestampMonotonic) -gt $(({} + 2000000))",
        first["WatchdogTimestampMonotonic"]
    ));
    let second = show(&tree);
    assert_eq!((&second["MainPID"], &second["NRestarts"][..]), (&first["MainPID"], "0"));
    tree.does(&format!("kill -STOP {}", first["MainPID"]));
    tree.until("test $(systemctl show psistats -P NRestarts) = 1 && systemctl is-active psistats");
    assert_ne!(show(&tree)["MainPID"], first["MainPID"]);

    // What checks the configuration first is not given the credential.
    tree.does("systemctl reload psistats");
    tree.until("journalctl -u psistats | grep '/etc/psistats.conf: ok'");
    // A wrong configuration is told to whoever reloads, and to nobody else.
    let pid = &show(&tree)["MainPID"];
    tree.does("sed -i 's/^port=.*/port=none/' /etc/psistats.conf; ! systemctl reload psistats");
    tree.until("journalctl -u psistats | grep -F '[server] port: expected a port'");
    let after = show(&tree);
    assert_eq!((&after["ActiveState"][..], &after["MainPID"]), ("active", pid));
    tree.does("systemctl stop psistats");
    let service = show(&tree);
    assert_eq!((&service["ActiveState"][..], &service["Result"][..]), ("inactive", "success"));
}

#[test]
#[ignore = "needs boards/package and tests/packages/tree: tests/run"]
fn under_systemd_an_upgrade_restarts_it_unless_it_is_disabled_and_a_purge_leaves_nothing() {
    let tree = installed("amd64", "systemd");
    let first = show(&tree);
    add_newer(&tree, "amd64", "");
    tree.does(UPGRADE);
    let second = show(&tree);
    assert_eq!((&second["ActiveState"][..], &second["NRestarts"][..]), ("active", "0"));
    assert_ne!(second["MainPID"], first["MainPID"]);

    tree.does("systemctl disable --now psistats");
    tree.does("dpkg -i /root/newer.deb");
    let third = show(&tree);
    assert_eq!((&third["ActiveState"][..], &third["UnitFileState"][..]), ("inactive", "disabled"));

    // Removed and installed again it is as it was: disabled.
    tree.does("systemctl start psistats");
    let pid = &show(&tree)["MainPID"];
    tree.does(&format!("test -d /proc/{pid} && dpkg -r psistats && test ! -e /proc/{pid}"));
    assert_eq!(show(&tree)["LoadState"], "masked");
    tree.does("dpkg -i /root/psistats.deb");
    assert_eq!(show(&tree)["UnitFileState"], "disabled");
    tree.does("systemctl enable --now psistats");
    assert_eq!(show(&tree)["ActiveState"], "active");

    tree.does("dpkg --purge psistats");
    assert_eq!(show(&tree)["LoadState"], "not-found");
    let find = "find / -xdev -name '*psistats*' ! -path '/root/*'";
    assert_eq!(tree.does(find), "");
    tree.ends("getent passwd psistats", 2);
}
