//! `diskio` and `net`

use std::fs;
use std::path::Path;
use std::time::Duration;

use psistats_core::limits;
use serde_json::{Value, json};

use crate::{after, figure, psutil};
use support::boards::{START, Sampler, Tree, all, name, open_sampler};

const DISKIO: &str = "[diskio]\nenabled=yes\n";
const NET: &str = "[net]\nenabled=yes\n";
const HEAD: &str = "Inter-|   Receive                                                |  Transmit\n \
    face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n";

/// A sampler that has read its counters.
fn primed(root: &Path, configuration: &str) -> Sampler {
    let mut sampler = open_sampler(root, configuration);
    sampler.prime(START);
    sampler
}

/// The figure `key` of the report `second` seconds after the start.
fn at(sampler: &mut Sampler, second: u64, key: &str) -> Value {
    after(sampler, Duration::from_secs(second))[key].clone()
}

/// A disk with hardware, as sysfs shows it.
fn put_disk(tree: &Tree, name: &str) {
    fs::create_dir_all(tree.path().join("sys/block").join(name).join("device")).unwrap();
}

fn diskstats(tree: &Tree, lines: &[(&str, [u64; 3])]) {
    let line = |(name, [read, written, ms]): &(&str, [u64; 3])| {
        format!(" 179 0 {name} 1 2 {read} 4 5 6 {written} 8 0 {ms} 11\n")
    };
    tree.put("proc/diskstats", lines.iter().map(line).collect::<String>());
}

fn net_dev(tree: &Tree, lines: &[(&str, [u64; 4])]) {
    let line = |(name, [rx, tx, errors, drops]): &(&str, [u64; 4])| {
        format!("{name:>6}:{rx} 0 {errors} {drops} 0 0 0 0 {tx} 0 0 0 0 0 0 0\n")
    };
    tree.put("proc/net/dev", format!("{HEAD}{}", lines.iter().map(line).collect::<String>()));
}

#[test]
fn diskio_is_of_whole_disks_with_hardware_and_not_of_what_stands_on_them() {
    let tree = Tree::new();
    let used = [2, 2, 2];
    let names = ["loop0", "mmcblk0", "mmcblk0p1", "mmcblk0boot0", "zram0", "dm-0", "sda", "sda1"];
    for disk in ["mmcblk0", "mmcblk0boot0", "sda"] {
        put_disk(&tree, disk);
    }
    fs::create_dir_all(tree.path().join("sys/block/zram0")).unwrap();
    diskstats(&tree, &names.map(|name| (name, used)));
    let mut sampler = primed(tree.path(), DISKIO);
    let still = json!({"read": 0, "write": 0, "busy": 0.0});
    assert_eq!(at(&mut sampler, 1, "diskio"), json!({"mmcblk0": still, "mmcblk0boot0": still, "sda": still}));
}

#[test]
fn diskio_is_bytes_a_second_and_the_share_of_time_with_work() {
    let tree = Tree::new();
    put_disk(&tree, "mmcblk0");
    diskstats(&tree, &[("mmcblk0", [1000, 50, 10])]);
    let mut sampler = primed(tree.path(), DISKIO);
    diskstats(&tree, &[("mmcblk0", [1010, 54, 260])]);
    assert_eq!(
        at(&mut sampler, 2, "diskio"),
        json!({"mmcblk0": {"read": 2560, "write": 1024, "busy": 12.5}})
    );
}

#[test]
fn the_counters_themselves_are_beside_the_rates_where_they_are_wanted_and_also_where_the_rates_are_null() {
    let tree = Tree::new();
    put_disk(&tree, "mmcblk0");
    diskstats(&tree, &[("mmcblk0", [1000, 50, 10])]);
    net_dev(&tree, &[("eth0", [1000, 50, 1, 7])]);
    let configuration = "[diskio]\nenabled=yes\ncounters=yes\n[net]\nenabled=yes\ncounters=yes\n";
    let report = crate::first(&mut open_sampler(tree.path(), configuration));
    assert_eq!(
        report["diskio"]["mmcblk0"],
        json!({
            "read": null, "write": null, "busy": null,
            "read_bytes": 512_000, "write_bytes": 25_600, "busy_ms": 10
        })
    );
    assert_eq!(
        report["net"]["eth0"],
        json!({
            "rx": null, "tx": null, "errors": null, "drops": null,
            "rx_bytes": 1000, "tx_bytes": 50, "errors_total": 1, "drops_total": 7
        })
    );
}

#[test]
fn fault_32_counters_of_disks_that_wrap_and_disks_that_come_and_go_give_null_and_no_spike() {
    let tree = Tree::new();
    put_disk(&tree, "sda");
    put_disk(&tree, "sdb");
    let max = u64::from(u32::MAX);
    diskstats(&tree, &[("sda", [max, 5, max])]);
    let mut sampler = primed(tree.path(), DISKIO);
    diskstats(&tree, &[("sda", [7, 6, 7]), ("sdb", [9, 9, 9])]);
    let unknown = json!({"read": null, "write": null, "busy": null});
    assert_eq!(
        at(&mut sampler, 1, "diskio"),
        json!({"sda": {"read": null, "write": 512, "busy": null}, "sdb": unknown})
    );
    diskstats(&tree, &[("sda", [8, 6, 7])]);
    assert_eq!(at(&mut sampler, 2, "diskio"), json!({"sda": {"read": 512, "write": 0, "busy": 0.0}}));
    diskstats(&tree, &[("sda", [8, 6, 7]), ("sdb", [900, 900, 900])]);
    assert_eq!(at(&mut sampler, 3, "diskio")["sdb"], unknown, "it may be another one");
}

#[test]
fn diskio_is_null_without_sysfs_to_tell_disks_by_and_empty_without_a_disk() {
    let tree = Tree::new();
    assert_eq!(figure(&tree, "diskio"), Value::Null);
    diskstats(&tree, &[("sda", [1, 1, 1])]);
    assert_eq!(figure(&tree, "diskio"), Value::Null);
    fs::create_dir_all(tree.path().join("sys/block")).unwrap();
    assert_eq!(figure(&tree, "diskio"), json!({}));
}

#[test]
fn net_is_of_every_interface_but_the_loopback() {
    let tree = Tree::new();
    net_dev(&tree, &[("lo", [9, 9, 9, 9]), ("eth0", [1000, 50, 1, 0]), ("enxb827eb12345", [0; 4])]);
    let mut sampler = primed(tree.path(), NET);
    net_dev(&tree, &[("lo", [99, 99, 99, 99]), ("eth0", [4000, 52, 3, 4]), ("enxb827eb12345", [0; 4])]);
    assert_eq!(
        at(&mut sampler, 2, "net"),
        json!({
            "eth0": {"rx": 1500, "tx": 1, "errors": 2, "drops": 4},
            "enxb827eb12345": {"rx": 0, "tx": 0, "errors": 0, "drops": 0}
        })
    );
}

#[test]
fn fault_32_counters_of_interfaces_that_wrap_and_interfaces_that_come_and_go_give_null_and_no_spike() {
    let tree = Tree::new();
    let max = u64::from(u32::MAX);
    net_dev(&tree, &[("eth0", [max - 99, 10, 0, 0]), ("usb0", [5, 5, 5, 5])]);
    let mut sampler = primed(tree.path(), NET);
    net_dev(&tree, &[("eth0", [900, 20, 0, 0])]);
    assert_eq!(
        at(&mut sampler, 1, "net"),
        json!({"eth0": {"rx": null, "tx": 10, "errors": 0, "drops": 0}}),
        "bytes received wrapped at 4 GiB"
    );
    net_dev(&tree, &[("eth0", [1900, 20, 0, 0]), ("usb0", [max, max, max, max])]);
    assert_eq!(
        at(&mut sampler, 2, "net"),
        json!({
            "eth0": {"rx": 1000, "tx": 0, "errors": 0, "drops": 0},
            "usb0": {"rx": null, "tx": null, "errors": null, "drops": null}
        })
    );
}

#[test]
fn net_is_null_without_a_source_and_with_one_that_has_no_head() {
    let tree = Tree::new();
    assert_eq!(figure(&tree, "net"), Value::Null);
    tree.put("proc/net/dev", "  eth0: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n");
    assert_eq!(figure(&tree, "net"), Value::Null);
}

#[test]
fn of_more_interfaces_than_there_is_room_for_the_first_stay_and_the_whole_file_is_read() {
    let tree = Tree::new();
    let names: Vec<String> = (0..200).map(|n| format!("veth{n}")).collect();
    let lines: Vec<_> = names.iter().map(|name| (name.as_str(), [u64::MAX; 4])).collect();
    net_dev(&tree, &lines);
    assert!(fs::metadata(tree.path().join("proc/net/dev")).unwrap().len() > limits::KERNEL_FILE as u64);
    let mut sampler = primed(tree.path(), NET);
    let net = at(&mut sampler, 1, "net");
    assert_eq!(net.as_object().unwrap().len(), limits::COUNTED);
    assert!(net.get("veth0").is_some());
    // Those that are gone make room for the next reading.
    net_dev(&tree, &lines[190..]);
    at(&mut sampler, 2, "net");
    assert_eq!(at(&mut sampler, 3, "net").as_object().unwrap().len(), 10);
}

/// The same text with half of every number behind the name, as if read earlier.
fn halved(text: &str, name_at: usize) -> String {
    let line = |line: &str| {
        let words = line.split_whitespace().enumerate().map(|(at, word)| match word.parse::<u64>() {
            Ok(number) if at > name_at => format!("{} ", number / 2),
            _ => format!("{word} "),
        });
        words.collect::<String>() + "\n"
    };
    text.lines().map(line).collect()
}

/// Checks, for every board with `file`, our figure `key` over a second in which its counters doubled,
/// with what psutil's `script` says before and after.
fn over_boards(
    file: &str,
    name_at: usize,
    key: &str,
    script: &str,
    mut check: impl FnMut(&str, &Value, &Value, &Value),
) {
    let mut boards = 0;
    for board in all() {
        let Ok(text) = fs::read_to_string(board.join(file)) else { continue };
        let [early, tree] = [Tree::new(), Tree::new()];
        early.put(file, halved(&text, name_at));
        tree.put(file, halved(&text, name_at));
        for disk in ["sda", "mmcblk0", "mmcblk1", "mtdblock1"] {
            put_disk(&tree, disk);
        }
        let mut sampler = primed(tree.path(), &format!("[{key}]\nenabled=yes\n"));
        tree.put(file, &text);
        let ours = at(&mut sampler, 1, key);
        let theirs = [&early, &tree].map(|tree| {
            psutil(&format!("[setattr(psutil, 'PROCFS_PATH', {:?}), {script}][1]", tree.path().join("proc")))
        });
        check(name(&board), &ours, &theirs[0], &theirs[1]);
        boards += 1;
    }
    assert!(boards >= 3, "{boards}");
}

const DISKS: &str =
    "{k: v._asdict() for k, v in (psutil.disk_io_counters(perdisk=True, nowrap=False) or {}).items()}";
const NICS: &str = "{k: v._asdict() for k, v in psutil.net_io_counters(pernic=True, nowrap=False).items()}";

fn count(of: &Value, device: &str, keys: &[&str]) -> u64 {
    keys.iter().map(|key| of[device][key].as_u64().unwrap_or_else(|| panic!("{device} {key} in {of}"))).sum()
}

#[test]
#[ignore = "needs python3-psutil: tests/run"]
fn diskio_over_captured_boards_is_the_difference_of_psutils_counters() {
    let mut disks = 0;
    over_boards("proc/diskstats", 2, "diskio", DISKS, |board, ours, early, late| {
        for (disk, ours) in ours.as_object().unwrap() {
            let since = |key| count(late, disk, &[key]) - count(early, disk, &[key]);
            let busy = (since("busy_time") as f64 / 10.0).min(100.0);
            assert_eq!(ours["read"], since("read_bytes"), "{board} {disk}");
            assert_eq!(ours["write"], since("write_bytes"), "{board} {disk}");
            assert_eq!(ours["busy"].as_f64(), Some(busy), "{board} {disk}");
            disks += 1;
        }
    });
    assert!(disks >= 4, "{disks}");
}

#[test]
#[ignore = "needs python3-psutil: tests/run"]
fn net_over_captured_boards_is_the_difference_of_psutils_counters() {
    over_boards("proc/net/dev", 0, "net", NICS, |board, ours, early, late| {
        let mut nics: Vec<_> = late.as_object().unwrap().keys().filter(|nic| *nic != "lo").collect();
        nics.sort();
        assert_eq!(ours.as_object().unwrap().keys().collect::<Vec<_>>(), nics);
        for (nic, ours) in ours.as_object().unwrap() {
            let since = |keys: &[&str]| count(late, nic, keys) - count(early, nic, keys);
            assert_eq!(ours["rx"], since(&["bytes_recv"]), "{board} {nic}");
            assert_eq!(ours["tx"], since(&["bytes_sent"]), "{board} {nic}");
            assert_eq!(ours["errors"], since(&["errin", "errout"]), "{board} {nic}");
            assert_eq!(ours["drops"], since(&["dropin", "dropout"]), "{board} {nic}");
        }
    });
}

/// Of the running machine: psutil's counters before, twice within, and after our second; ours must lie
/// between what it saw within and what it saw around.
fn within_psutils(key: &str, script: &str, of: &[(&str, &[&str])]) -> Value {
    let before = psutil(script);
    let mut sampler = primed(Path::new("/"), &format!("[{key}]\nenabled=yes\n"));
    let first = psutil(script);
    // Work for a disk.
    fs::write(tempfile::NamedTempFile::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap().path(), [7; 1 << 20])
        .unwrap();
    let second = psutil(script);
    let ours = at(&mut sampler, 1, key);
    let after = psutil(script);
    for (device, rates) in ours.as_object().unwrap() {
        for (ours, theirs) in of {
            let rate = rates[ours].as_u64().unwrap_or_else(|| panic!("{device} {ours}: {rates}"));
            let least = count(&second, device, theirs) - count(&first, device, theirs);
            let most = count(&after, device, theirs) - count(&before, device, theirs);
            assert!((least..=most).contains(&rate), "{device} {ours}: {least} <= {rate} <= {most}");
        }
    }
    ours
}

#[test]
#[ignore = "needs python3-psutil: tests/run"]
fn diskio_of_this_machine_is_as_psutil_sees_it() {
    let ours = within_psutils("diskio", DISKS, &[("read", &["read_bytes"]), ("write", &["write_bytes"])]);
    let theirs = psutil(DISKS);
    let disks = theirs.as_object().unwrap().iter().filter(|(name, _)| {
        count(&theirs, name, &["read_bytes", "write_bytes"]) > 0
            && Path::new("/sys/block").join(name).join("device").exists()
    });
    assert!(disks.map(|(name, _)| name).eq(ours.as_object().unwrap().keys()), "{ours}");
}

#[test]
#[ignore = "needs python3-psutil: tests/run"]
fn net_of_this_machine_is_as_psutil_sees_it() {
    let of: [(&str, &[&str]); 4] = [
        ("rx", &["bytes_recv"]),
        ("tx", &["bytes_sent"]),
        ("errors", &["errin", "errout"]),
        ("drops", &["dropin", "dropout"]),
    ];
    let ours = within_psutils("net", NICS, &of);
    let theirs = psutil(NICS);
    let nics = theirs.as_object().unwrap().keys().filter(|nic| *nic != "lo");
    assert!(nics.eq(ours.as_object().unwrap().keys()), "{ours}");
}
