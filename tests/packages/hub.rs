//! The package psistats-hub: what is in it, and its service under a real systemd, beside the package psistats.

use std::fs;

use serde_json::Value;

use crate::hub_contents::{is_whole, package};
use crate::life::{UPGRADE, installed};
use crate::root;
use crate::tree::Tree;

/// Where a drop-in of the unit goes.
const DROP_INS: &str = "/etc/systemd/system/psistats-hub.service.d";

#[test]
#[ignore = "needs boards/package --hub amd64 and lintian: tests/run"]
fn the_hubs_package_has_its_files_and_lintian_finds_nothing_but_what_is_overridden_with_a_reason() {
    // tests/hub_on_boards has those of the other architectures.
    is_whole("amd64", "x86_64-unknown-linux-musl");
}

/// A machine with systemd and the package psistats, and with the hub's package in /root.
fn machine() -> Tree {
    let tree = installed("amd64", "systemd-offline");
    fs::copy(package("amd64"), tree.path("/root/newer.deb")).unwrap();
    tree
}

/// The line of the shell that prints the body of a GET: there is no curl, and there is bash.
fn get(path: &str) -> String {
    get_with("", path)
}

/// The same with further headers, each with its end of line.
fn get_with(headers: &str, path: &str) -> String {
    format!(
        "bash -c 'exec 3<>/dev/tcp/127.0.0.1/8666
        printf \"GET {path} HTTP/1.1\\r\\nHost: 127.0.0.1\\r\\n{headers}Connection: close\\r\\n\\r\\n\" >&3
        sed \"1,/^\\r*\\$/d\" <&3'"
    )
}

fn json(tree: &Tree, path: &str) -> Value {
    let body = tree.does(&get(path));
    serde_json::from_str(&body).unwrap_or_else(|e| panic!("{path}: {e}: {body}"))
}

fn own_board(tree: &Tree) -> String {
    format!("/api/v1/hosts/{}", tree.does("cat /proc/sys/kernel/hostname").trim())
}

/// That the page has a figure of a board which only chasar's messages have.
fn of_chasar(board: &str) -> String {
    format!("{} | grep '\"memory.total_bytes\":[0-9]'", get(board))
}

/// Runs chasar's client node until that holds.
fn client_node_is_served(tree: &Tree, port: u16, until: &str) {
    tree.does(&format!("systemd-run --unit=node chasar clientnode start 127.0.0.1 {port}"));
    tree.until(until);
    tree.does("systemctl stop node");
}

#[test]
#[ignore = "needs boards/package --hub and tests/packages/tree: tests/run"]
fn under_systemd_the_hub_serves_its_page_the_agent_beside_it_and_client_nodes_and_a_purge_leaves_nothing() {
    let tree = machine();
    // As an installer makes it, and debootstrap does not.
    tree.does("echo 127.0.0.1 localhost >/etc/hosts");
    tree.does("dpkg -i /root/newer.deb");
    // It is ready as soon as it is installed, and the agent finds what it takes for a broker.
    assert_eq!(
        tree.does("systemctl show -P ActiveState -P UnitFileState -P NRestarts psistats-hub"),
        "0\nactive\nenabled\n"
    );
    assert!(tree.does(&get("/")).contains("<title>"));
    tree.does(
        "test $(stat -Lc %a%u /var/lib/psistats-hub) = 700$(stat -c %u /proc/$(systemctl show -P MainPID psistats-hub))",
    );
    tree.does("systemctl restart psistats");
    tree.until("psistats status | grep '^connected to'");
    tree.until(&format!("{} | grep '\"connections\":1'", get("/api/v1/hub")));
    let own = own_board(&tree);
    // The sandbox hides nothing that the figures need.
    tree.until(&format!("{} | grep '\"disk./.percent\":[0-9]'", get(&own)));
    let board = json(&tree, &own);
    for figure in ["cpu", "mem", "uptime", "load.0"] {
        assert!(board["values"][figure].is_number(), "{figure}: {board}");
    }
    assert_eq!(board["conflict"], Value::Null, "{board}");
    client_node_is_served(&tree, 5555, &of_chasar(&own));
    // What psistats brings runs the relay too, from beside itself.
    tree.does("printf '[chasar]\\npublish_port=6667\\n' >/root/other.conf");
    tree.does("systemd-run --unit=master chasar masternode start 127.0.0.1 5556 --config /root/other.conf");
    tree.until("journalctl -u master | grep 'client nodes at 127.0.0.1:5556'");
    tree.does("systemctl stop master");

    let pid = tree.does("systemctl show -P MainPID psistats-hub");
    tree.does("systemctl reload psistats-hub");
    tree.until("journalctl -u psistats-hub | grep 'configuration was reloaded'");
    assert_eq!(tree.does("systemctl show -P MainPID psistats-hub"), pid);

    // What root adds is for the service's own user to read.
    let token = tree.does("psistats-hub token add viewer 2>/dev/null");
    let forwarded = "X-Forwarded-For: 192.0.2.1\\r\\n";
    assert!(tree.does(&get_with(forwarded, "/api/v1/hosts")).contains("expected a login"));
    let login = format!("{forwarded}Authorization: Bearer {}\\r\\n", token.trim());
    tree.until(&format!("{} | grep '\"hosts\":'", get_with(&login, "/api/v1/hosts")));

    let oldest = |tree: &Tree| json(tree, &format!("{own}/history?series=mem"))["t"][0].as_f64().unwrap();
    let (first_heard, before) = (json(&tree, &own)["first_heard"].clone(), oldest(&tree));
    tree.does("systemctl restart psistats-hub");
    assert_ne!(tree.does("systemctl show -P MainPID psistats-hub"), pid);
    assert_eq!((&json(&tree, &own)["first_heard"], oldest(&tree)), (&first_heard, before));

    tree.does("dpkg --purge psistats-hub");
    tree.ends("systemctl is-active psistats-hub", 3);
    let left = tree
        .does("find / -xdev -name '*psistats-hub*' ! -path '/var/log/*' ! -path '/proc/*' ! -path '/sys/*'");
    assert_eq!(left, "");
    // The other package is as it was, and says what is missing.
    assert_eq!(tree.does("systemctl is-active psistats"), "active\n");
    tree.does("chasar masternode start 2>&1 | grep 'install the Debian package psistats-hub'");
}

#[test]
#[ignore = "needs boards/package --hub and tests/packages/tree: tests/run"]
fn whoever_had_the_package_for_chasars_master_node_keeps_it_by_upgrade_and_can_have_it_alone() {
    let tree = machine();
    // As it was before it had a hub, with a configuration that was edited.
    tree.does(
        "cd /root && dpkg-deb -R newer.deb old && cd old
        sed -i 's/^Version: .*/Version: 0.1.0/' DEBIAN/control
        unit=lib/systemd/system/psistats-hub.service
        sed -i 's/^Type=.*/Type=exec/; /^StateDirectory/d; s/^ExecStart=.*/& masternode start/' $unit
        printf '[chasar]\\nbind=127.0.0.1\\nport=5555\\npublish_port=6666\\n' >etc/psistats-hub.conf
        dpkg-deb --root-owner-group -b . ../old.deb && dpkg -i ../old.deb
        sed -i 's/^bind=.*/bind=*/; s/^port=.*/port=5557/' /etc/psistats-hub.conf",
    );
    tree.does("systemctl restart psistats-hub");
    tree.until("journalctl -u psistats-hub | grep 'client nodes at 0.0.0.0:5557 and .* room for'");
    tree.does(UPGRADE);
    tree.does("grep -Fx bind=\\* /etc/psistats-hub.conf");
    tree.until("journalctl -u psistats-hub | grep \"client nodes at 0.0.0.0:5557 and .* subscribers at 0.0.0.0:6666\"");
    client_node_is_served(&tree, 5557, &of_chasar(&own_board(&tree)));

    // The relay alone, by what the manual page says.
    let page = fs::read_to_string(root("boards/debian/hub/psistats-hub.1")).unwrap();
    let (_, lines) = page.split_once(".nf\n[Service]\nExecStart=\n").unwrap();
    let drop_in = lines.split_once(".fi\n").unwrap().0.replace('\\', "");
    tree.does(&format!(
        "mkdir -p {DROP_INS} && cat >{DROP_INS}/alone.conf <<'END'\n[Service]\nExecStart=\n{drop_in}END"
    ));
    tree.does("systemctl daemon-reload && systemctl restart psistats-hub");
    assert_eq!(tree.does("systemctl is-active psistats-hub"), "active\n");
    tree.ends(&get("/"), 1);
    let counters = "systemctl kill -s USR1 psistats-hub; journalctl -u psistats-hub | grep 'messages=[1-9]'";
    client_node_is_served(&tree, 5557, counters);
}

#[test]
#[ignore = "needs boards/package --hub and tests/packages/tree: tests/run"]
fn boards_log_in_with_a_password_that_root_alone_can_read() {
    let tree = machine();
    tree.does("dpkg -i /root/newer.deb");
    // As the comments in the configuration say.
    tree.does(&format!(
        "(umask 077 && echo secret >/etc/psistats-hub.password)
        mkdir -p {DROP_INS}
        sed -n '/^#   .Service/,/^#   Load/s/^#   //p' /etc/psistats-hub.conf >{DROP_INS}/password.conf
        sed -i 's/^#user=boards/user=boards/; s/^#pass=.*:boards/pass=@credential:boards/; s/^#self=yes/self=no/' /etc/psistats-hub.conf
        systemctl daemon-reload && systemctl restart psistats-hub
        systemctl reload psistats-hub
        sed -i 's/^host=.*/host=127.0.0.1/; s/^user=.*/user=boards/; s/^pass=.*/pass=secret/' /etc/psistats.conf
        systemctl restart psistats"
    ));
    tree.until("psistats status | grep '^connected to'");
    tree.until(&format!("{} | grep '\"source\":\"amqp\"'", get(&own_board(&tree))));
    tree.does("! journalctl -u psistats-hub | grep secret");
}
