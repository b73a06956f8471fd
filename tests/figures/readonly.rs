//! `readonly`

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use crate::{after, first, is_inside};
use support::boards::{START, Tree, open_sampler};

const CONFIGURATION: &str = "[readonly]\nenabled=yes\ninterval=1\n[disk]\nenabled=no\nmounts=/ /boot /data\n";
const MOUNTS: &str = "proc/self/mountinfo";

/// The figure where the table has these lines, behind that of the root.
fn figure(tree: &Tree, boot: &str) -> Value {
    tree.put(MOUNTS, format!("27 1 179:2 / / rw - ext4 /dev/root rw\n{boot}\n"));
    first(&mut open_sampler(tree.path(), CONFIGURATION))["readonly"].take()
}

#[test]
fn what_nobody_can_write_though_it_was_meant_to_be_written_is_readonly_and_nothing_else() {
    for (line, fstab, expected) in [
        ("28 27 179:1 / /boot rw - vfat /dev/mmcblk0p1 rw,errors=remount-ro", None, false),
        // As kernels before 6.15 leave it after an error, and later ones.
        ("28 27 179:1 / /boot rw - vfat /dev/mmcblk0p1 ro,errors=remount-ro", None, true),
        ("28 27 179:1 / /boot rw - ext4 /dev/mmcblk0p1 rw,errors=remount-ro,emergency_ro", None, true),
        ("28 27 179:1 / /boot ro - ext4 /dev/mmcblk0p1 ro,emergency_ro", Some("ro"), true),
        ("28 27 179:1 / /boot rw - ext4 /dev/mmcblk0p1 rw,shutdown", None, true),
        // In the sandbox of a service.
        ("28 27 179:1 / /boot ro - ext4 /dev/mmcblk0p1 rw", Some("rw"), false),
        // Whoever mounted it, and whoever mounted it again.
        ("28 27 179:1 / /boot ro - ext4 /dev/mmcblk0p1 ro", None, false),
        ("28 27 179:1 / /boot ro - ext4 /dev/mmcblk0p1 ro", Some("defaults,ro"), false),
        ("28 27 179:1 / /boot ro - ext4 /dev/mmcblk0p1 ro", Some("defaults"), true),
        ("28 27 179:1 / /boot rw - squashfs /dev/loop0 ro", None, false),
        // Of two the one on top.
        (
            "28 27 179:1 / /boot rw - ext4 /dev/mmcblk0p1 ro\n29 28 179:3 / /boot rw - vfat /dev/mmcblk0p3 rw",
            None,
            false,
        ),
    ] {
        let tree = Tree::new();
        if let Some(options) = fstab {
            tree.put("etc/fstab", format!("# comment\nPARTUUID=1 /boot/ auto {options} 0 2\n"));
        }
        let health = |readonly| json!({"readonly": readonly, "errors": null});
        let expected = json!({"/": health(false), "/boot": health(expected), "/data": null});
        assert_eq!(figure(&tree, line), expected, "{line}, {fstab:?}");
    }
}

#[test]
fn what_was_writable_at_an_earlier_reading_was_meant_to_be() {
    let tree = Tree::new();
    tree.put(MOUNTS, "");
    let mut sampler = open_sampler(tree.path(), CONFIGURATION);
    let mut readonly = |second, options: &str| {
        tree.put(MOUNTS, format!("27 1 179:2 / / {options} - ext4 /dev/root {options}\n"));
        after(&mut sampler, Duration::from_secs(second))["readonly"]["/"]["readonly"].take()
    };
    assert_eq!(
        [readonly(0, "ro"), readonly(1, "rw"), readonly(2, "ro")],
        [json!(false), json!(false), json!(true)]
    );
}

#[test]
fn errors_are_ext4s_own_count_by_the_number_of_the_device_whatever_the_table_calls_it() {
    let tree = Tree::new();
    tree.put("sys/dev/block/179:2/uevent", "MAJOR=179\nMINOR=2\nDEVNAME=mmcblk0p2\nDEVTYPE=partition\n");
    tree.put("sys/fs/ext4/mmcblk0p2/errors_count", "3\n");
    assert_eq!(figure(&tree, "")["/"], json!({"readonly": false, "errors": 3}));
    for text in ["", "x\n", "-1\n"] {
        tree.put("sys/fs/ext4/mmcblk0p2/errors_count", text);
        assert_eq!(figure(&tree, "")["/"], json!({"readonly": false, "errors": null}), "{text:?}");
    }
}

#[test]
fn without_a_table_that_reads_as_one_the_figure_is_null() {
    let tree = Tree::new();
    let mut sampler = open_sampler(tree.path(), CONFIGURATION);
    assert_eq!(first(&mut sampler)["readonly"], Value::Null);
    tree.put(MOUNTS, "27 1 179:2 / /");
    assert_eq!(after(&mut sampler, Duration::from_secs(1))["readonly"], Value::Null);
}

#[test]
#[ignore = "needs root, loop devices and mkfs.ext4: tests/run"]
fn a_real_ext4_that_meets_an_error_is_readonly_from_then_on_and_its_error_counted() {
    let setup = "cd \"$(mktemp -d)\"
        truncate -s 16M image && mkfs.ext4 -q -F image && mkdir mnt
        mount -t ext4 -o loop,errors=remount-ro image mnt
        rm image
        export PSISTATS_TEST_MOUNT=\"$PWD/mnt\"";
    let test = "readonly::a_real_ext4_that_meets_an_error_is_readonly_from_then_on_and_its_error_counted";
    if !is_inside(&["--mount"], setup, test) {
        return;
    }
    let mount = PathBuf::from(std::env::var_os("PSISTATS_TEST_MOUNT").unwrap());
    let configuration =
        format!("[readonly]\nenabled=yes\ninterval=1\n[disk]\nenabled=no\nmounts={}\n", mount.display());
    let mut sampler = open_sampler(Path::new("/"), &configuration);
    sampler.prime(START);
    let mut of = |second| {
        let report = after(&mut sampler, Duration::from_secs(second));
        report["readonly"][mount.to_str().unwrap()].clone()
    };
    fs::write(mount.join("file"), "x").unwrap();
    assert_eq!(of(1), json!({"readonly": false, "errors": 0}));
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let device = table.lines().find(|line| line.contains(mount.to_str().unwrap())).unwrap();
    let device = device.split(" /dev/").nth(1).unwrap().split(' ').next().unwrap();
    fs::write(format!("/sys/fs/ext4/{device}/trigger_fs_error"), "1").unwrap();
    assert_eq!(of(2), json!({"readonly": true, "errors": 1}));
    assert!(fs::write(mount.join("file"), "y").is_err());
}
