//! The message of a chasar client node: against psutil on the live machine, and in trees that are made up.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use psistats_host::chasar::collector::Options;
use serde_json::{Value, json};
use support::boards::{Collector, START, Tree};
use support::python::{assert_near, python};

const ALL: Options<'_> = Options { interface: None, processes: usize::MAX };

fn message(collector: &mut Collector, clock: SystemTime) -> Value {
    serde_json::from_slice(collector.message(clock, START + Duration::from_secs(1))).unwrap()
}

/// The message of `root`, a second after the start.
fn of(root: &Path, options: Options<'_>) -> Value {
    let mut collector = Collector::open(root, options);
    collector.prime(START);
    message(&mut collector, UNIX_EPOCH + Duration::from_micros(1_473_636_385_771_686))
}

#[test]
#[ignore = "needs python3-psutil: tests/run"]
fn every_field_is_psutils() {
    let script = r#"
import json, psutil, socket
route = [line.split() for line in open("/proc/net/route")][1:]
route = sorted((int(r[6]), r[0]) for r in route if r[1] == r[7] == "00000000")
name = route[0][1] if route else None
addresses = psutil.net_if_addrs().get(name, [])
memory, disk = psutil.virtual_memory(), psutil.disk_usage("/")
print(json.dumps({
    "hostname": socket.gethostname(),
    "mac_address": next((a.address for a in addresses if a.family == psutil.AF_LINK), None),
    "ipv4_interfaces": [
        {"addr": a.address, "netmask": a.netmask, "broadcast": a.broadcast}
        for a in addresses if a.family == socket.AF_INET
    ],
    "cores": psutil.cpu_count(),
    "memory": {"total_bytes": memory.total, "total_bytes_used": memory.used, "percent_used": memory.percent},
    "disk": {
        "total_bytes": disk.total, "total_bytes_used": disk.used, "total_bytes_free": disk.free,
        "percent_used": disk.percent,
    },
    "processes": {p.pid: p.name() for p in psutil.process_iter()},
}))
"#;
    let (ours, theirs) = (of(Path::new("/"), ALL), python(script));
    for key in ["hostname", "mac_address", "ipv4_interfaces"] {
        assert_eq!(ours[key], theirs[key], "{key}");
    }
    assert_eq!(ours["cpu"]["percent_used"].as_array().unwrap().len(), theirs["cores"]);
    for group in ["memory", "disk"] {
        assert_eq!(ours[group]["total_bytes"], theirs[group]["total_bytes"]);
        let total = ours[group]["total_bytes"].as_f64().unwrap();
        for (key, theirs) in theirs[group].as_object().unwrap() {
            assert_near(&ours[group][key], theirs, if key == "percent_used" { 5.0 } else { total / 20.0 });
        }
        let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(keys(&ours[group]), keys(&theirs[group]));
    }
    let mut same = 0;
    for (name, process) in ours["process"].as_object().unwrap() {
        same += u32::from(theirs["processes"][process["pid"].to_string()] == name.as_str());
    }
    let all = ours["process"].as_object().unwrap().len();
    assert!(same as usize * 10 >= all * 8, "{same} of {all}");
}

#[test]
fn a_message_has_the_keys_of_the_original_whatever_the_machine_has() {
    let whole = of(Path::new("/"), ALL);
    for message in [&whole, &of(Tree::new().path(), ALL)] {
        let mut keys: Vec<_> = message.as_object().unwrap().keys().map(String::as_str).collect();
        keys.sort_unstable();
        let expected = [
            "computer_clock",
            "computer_utc_clock",
            "cpu",
            "disk",
            "hostname",
            "ipv4_interfaces",
            "mac_address",
            "memory",
            "process",
        ];
        assert_eq!(keys, expected);
        assert_eq!(message["computer_utc_clock"], "2016-09-11 23:26:25.771686");
        assert_eq!(message["computer_clock"].as_str().unwrap().len(), 26);
    }
    let (_, process) = whole["process"].as_object().unwrap().iter().next().unwrap();
    let keys: Vec<_> = process.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, ["percent_cpu_used", "percent_memory_used", "pid", "status"]);
}

#[test]
fn what_a_machine_does_not_tell_is_null_or_empty() {
    let tree = Tree::new();
    tree.put("proc/sys/kernel/hostname", "pi\n");
    let mut found = of(tree.path(), ALL);
    found.as_object_mut().unwrap().remove("computer_clock");
    let expected = json!({
        "computer_utc_clock": "2016-09-11 23:26:25.771686", "hostname": "pi", "mac_address": null,
        "ipv4_interfaces": [], "cpu": {"percent_used": []}, "memory": null, "disk": null, "process": {}
    });
    assert_eq!(found, expected);
}

#[test]
fn the_interface_is_that_of_the_default_route_or_the_one_that_is_configured() {
    let tree = Tree::new();
    for (name, mac, number) in [("eth0", "b8:27:eb:00:00:01", 2), ("wlan0", "b8:27:eb:00:00:02", 3)] {
        tree.put(&format!("sys/class/net/{name}/address"), format!("{mac}\n"));
        tree.put(&format!("sys/class/net/{name}/ifindex"), format!("{number}\n"));
    }
    assert_eq!(of(tree.path(), ALL)["mac_address"], Value::Null, "without a route");
    tree.put(
        "proc/net/route",
        "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n\
         wlan0\t00000000\t0101A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0\n",
    );
    assert_eq!(of(tree.path(), ALL)["mac_address"], "b8:27:eb:00:00:02");
    for (interface, mac) in [("eth0", json!("b8:27:eb:00:00:01")), ("eth9", Value::Null)] {
        let options = Options { interface: Some(interface), ..ALL };
        assert_eq!(of(tree.path(), options)["mac_address"], mac, "{interface}");
    }
}

#[test]
fn an_interface_that_was_replaced_by_another_of_its_name_is_told_as_it_is_now() {
    let tree = Tree::new();
    tree.put("sys/class/net/usb0/address", "b8:27:eb:00:00:01\n");
    tree.put("sys/class/net/usb0/ifindex", "2\n");
    let mut collector = Collector::open(tree.path(), Options { interface: Some("usb0"), ..ALL });
    assert_eq!(message(&mut collector, UNIX_EPOCH)["mac_address"], "b8:27:eb:00:00:01");
    tree.put("sys/class/net/usb0/address", "b8:27:eb:00:00:02\n");
    tree.put("sys/class/net/usb0/ifindex", "7\n");
    assert_eq!(message(&mut collector, UNIX_EPOCH)["mac_address"], "b8:27:eb:00:00:02");
}

/// What netifaces, which the original asks, says of `interface`.
fn netifaces(interface: &str) -> Value {
    python(&format!(
        "import json, netifaces\nprint(json.dumps(netifaces.ifaddresses({interface:?})[netifaces.AF_INET]))\n"
    ))
}

#[test]
#[ignore = "needs root and python3-netifaces: tests/run"]
fn a_loopback_and_a_link_with_two_ends_have_a_peer_and_others_a_broadcast_address_as_in_netifaces() {
    // Once more, in a network of its own.
    const INSIDE: &str = "PSISTATS_TEST_INSIDE";
    if std::env::var_os(INSIDE).is_none() {
        let setup = "mount -t sysfs sysfs /sys && ip link set lo up &&
            ip tuntap add tun7 mode tun && ip link set tun7 up && ip addr add 10.3.0.1 peer 10.3.0.2 dev tun7 &&
            ip tuntap add tap7 mode tap && ip link set tap7 up && ip addr add 10.4.0.1/24 brd + dev tap7 &&
            ip addr add 10.5.0.1/24 dev tap7 && exec \"$0\" --ignored two_ends";
        let mut unshare = Command::new("unshare");
        unshare.args(["--net", "--mount", "sh", "-c", setup]).arg(std::env::current_exe().unwrap());
        let output = unshare.env(INSIDE, "1").output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        return;
    }
    let ours = ["lo", "tun7", "tap7"].map(|interface| {
        let ours =
            of(Path::new("/"), Options { interface: Some(interface), ..ALL })["ipv4_interfaces"].take();
        assert_eq!(ours, netifaces(interface), "{interface}");
        ours
    });
    assert_eq!((&ours[0][0]["peer"], &ours[1][0]["peer"]), (&json!("127.0.0.1"), &json!("10.3.0.2")));
    assert_eq!(ours[2][0]["broadcast"], "10.4.0.255");
    assert_eq!(ours[2][1]["broadcast"], "10.5.0.1", "none was given");
}

/// A tree with so many processes, of names of the longest kind, each with as many pages as its number.
fn crowd(processes: u32) -> Tree {
    let tree = Tree::new();
    tree.put("proc/meminfo", "MemTotal: 8000000 kB\nMemFree: 100 kB\nMemAvailable: 250 kB\n");
    for pid in 1..=processes {
        let stat =
            format!("{pid} (program-{pid:07}) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 5 1000 7 0 0 0\n");
        tree.put(&format!("proc/{pid}/stat"), stat);
        tree.put(&format!("proc/{pid}/statm"), format!("1000 {pid} 0 0 0 0 0\n"));
        tree.put(&format!("proc/{pid}/cmdline"), format!("program-{pid:07}{}\0", "\u{1}".repeat(100)));
    }
    tree
}

#[test]
fn of_more_processes_than_there_is_room_for_those_that_use_most_are_told() {
    let tree = crowd(1100);
    let told = of(tree.path(), ALL);
    let told = told["process"].as_object().unwrap();
    assert!((100..=512).contains(&told.len()), "{}", told.len());
    let least = told.values().map(|process| process["pid"].as_u64().unwrap()).min().unwrap();
    assert_eq!(least, 1101 - told.len() as u64, "the largest");
    assert_eq!(of(tree.path(), Options { processes: 3, ..ALL })["process"].as_object().unwrap().len(), 3);
    assert_eq!(of(tree.path(), Options { processes: 0, ..ALL })["process"], json!({}));
}
