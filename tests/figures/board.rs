//! `board`

use std::fs;

use psistats_core::limits::KERNEL_FILE;
use psistats_host::limits;
use serde_json::{Value, json};

use crate::figure;
use support::boards::{Tree, all, boards};

const MODEL: &str = "proc/device-tree/model";
const CPUINFO: &str = "proc/cpuinfo";

/// The board that says of itself what stands at the end of a Raspberry Pi's cpuinfo.
fn with_cpuinfo(end: &str) -> Value {
    let tree = Tree::new();
    tree.put(CPUINFO, format!("processor\t: 0\nCPU revision\t: 7\n\n{end}"));
    figure(&tree, "board")
}

#[test]
fn captured_boards_say_which_they_are() {
    let none = || Value::Null;
    let expected = [
        (
            "rpi1-b-512mb-wheezy",
            json!("Raspberry Pi Model B Rev 2"),
            json!("0123456789abcdef"),
            json!("000d"),
        ),
        (
            "rpi-zero-w-jessie-4.4.48",
            json!("Raspberry Pi Zero W Rev 1.1"),
            json!("0123456789abcdef"),
            json!("9000c1"),
        ),
        (
            "rpi3-bplus-stretch-4.14",
            json!("Raspberry Pi 3 Model B Plus Rev 1.3"),
            json!("0123456789abcdef"),
            json!("a020d3"),
        ),
        (
            "rpi5-b-bookworm-6.1",
            json!("Raspberry Pi 5 Model B Rev 1.0"),
            json!("0123456789abcdef"),
            json!("d04170"),
        ),
        ("odroid-xu4-5.4.151", json!("Hardkernel ODROID-XU4"), none(), json!("0100")),
        ("zynq7000-innosilicon-4.4.0", json!("Xilinx Zynq Platform"), none(), json!("0003")),
        ("zte-zx279128-router-4.1.25", json!("ZTE ZX279128"), none(), none()),
        ("arm720t-4020-board-2.6", json!("4020 board"), none(), none()),
    ];
    for (board, model, serial, revision) in expected {
        let expected = json!({"model": model, "serial": serial, "revision": revision});
        assert_eq!(figure(&Tree::of(&boards().join(board)), "board"), expected, "{board}");
    }
    // 64-bit kernels say nothing of the board there.
    assert_eq!(figure(&Tree::of(&boards().join("jetson-nano-4.9.253")), "board"), none());
}

#[test]
fn a_revision_names_the_model_that_newer_kernels_name_themselves() {
    let mut named = vec![
        // Of captures whose other files are of no use.
        ("b03112".to_owned(), "Raspberry Pi 4 Model B Rev 1.2".to_owned()),
        ("d03114".to_owned(), "Raspberry Pi 4 Model B Rev 1.4".to_owned()),
    ];
    for board in all() {
        let text = fs::read_to_string(board.join(CPUINFO)).unwrap_or_default();
        let line =
            |name| text.lines().find_map(|line: &str| line.strip_prefix(name)?.trim().strip_prefix(": "));
        if let (Some(revision), Some(model)) = (line("Revision"), line("Model")) {
            named.push((revision.to_owned(), model.to_owned()));
        }
    }
    assert!(named.len() >= 5, "{named:?}");
    for (revision, model) in named {
        let ours = with_cpuinfo(&format!("Hardware\t: BCM2835\nRevision\t: {revision}\n"));
        assert_eq!(ours, json!({"model": model, "serial": null, "revision": revision}));
    }
}

#[test]
fn kernels_of_wheezy_give_the_revision_alone() {
    for (hardware, revision, model) in [
        ("BCM2708", "0002", "Raspberry Pi Model B Rev 1"),
        ("BCM2708", "0010", "Raspberry Pi Model B Plus Rev 1.2"),
        ("BCM2709", "1a01040", "Raspberry Pi 2 Model B Rev 1.0"),
        ("BCM2709", "a22082", "Raspberry Pi 3 Model B Rev 1.2"),
        ("BCM2708", "ffff", "BCM2708"),
    ] {
        let ours = with_cpuinfo(&format!("Hardware\t: {hardware}\nRevision\t: {revision}\n"));
        assert_eq!(ours, json!({"model": model, "serial": null, "revision": revision}));
    }
}

#[test]
fn the_device_tree_counts_before_cpuinfo_and_that_before_a_pcs_firmware() {
    let tree = Tree::new();
    tree.put("sys/class/dmi/id/product_name", "Standard PC (Q35)\n");
    assert_eq!(
        figure(&tree, "board"),
        json!({"model": "Standard PC (Q35)", "serial": null, "revision": null})
    );
    tree.put(CPUINFO, "Hardware\t: sun8i\nRevision\t: 0000\nSerial\t\t: 02c00181\n");
    assert_eq!(figure(&tree, "board"), json!({"model": "sun8i", "serial": "02c00181", "revision": null}));
    tree.put("sys/firmware/devicetree/base/model", "Xunlong Orange Pi\0");
    tree.put("sys/firmware/devicetree/base/serial-number", "0000000002c00182\0");
    assert_eq!(
        figure(&tree, "board"),
        json!({"model": "Xunlong Orange Pi", "serial": "0000000002c00182", "revision": null})
    );
    tree.put(MODEL, "in /proc\0");
    assert_eq!(figure(&tree, "board")["model"], "in /proc");
}

#[test]
fn the_board_stands_behind_any_number_of_processors() {
    let tree = Tree::of(&boards().join("hisilicon-128core"));
    assert_eq!(figure(&tree, "board"), Value::Null);
    let text = fs::read_to_string(tree.path().join(CPUINFO)).unwrap();
    assert!(text.len() > 2 * KERNEL_FILE);
    tree.put(CPUINFO, text + "\nSerial\t: 1\n");
    assert_eq!(figure(&tree, "board"), json!({"model": null, "serial": "1", "revision": null}));
}

#[test]
fn what_is_no_text_or_too_long_is_left_out() {
    let tree = Tree::new();
    for model in [&b"\xff\0"[..], b"\0", b"", &[b'a'; limits::KERNEL_VALUE + 1]] {
        tree.put(MODEL, model);
        assert_eq!(figure(&tree, "board"), Value::Null);
    }
    tree.put(MODEL, "a \"board\"\u{1}\0");
    assert_eq!(figure(&tree, "board")["model"], "a \"board\"\u{1}");
    std::os::unix::fs::symlink("/dev/zero", tree.path().join(CPUINFO)).unwrap();
    assert_eq!(figure(&tree, "board")["model"], "a \"board\"\u{1}");
}
