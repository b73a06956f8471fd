//! `card`. The trees are made as Linux's `drivers/mmc/core` writes these files: no capture was found.

use std::fs;

use serde_json::{Value, json};

use crate::figure;
use support::boards::Tree;

fn put(tree: &Tree, block: &str, attributes: &[(&str, &[u8])]) {
    for (name, content) in attributes {
        tree.put(&format!("sys/block/{block}/device/{name}"), content);
    }
}

#[test]
fn an_emmc_tells_its_wear_and_an_sd_card_does_not() {
    let tree = Tree::new();
    put(&tree, "mmcblk0", &[("name", b"SD32G\n"), ("type", b"SD\n")]);
    put(
        &tree,
        "mmcblk2",
        &[
            ("name", b"DG4016\n"),
            ("type", b"MMC\n"),
            ("life_time", b"0x01 0x02\n"),
            ("pre_eol_info", b"0x01\n"),
        ],
    );
    // Hardware partitions of a chip have no `type`: their device is the chip.
    fs::create_dir_all(tree.path().join("sys/block/mmcblk2boot0/device")).unwrap();
    put(&tree, "sda", &[("type", b"0\n")]);
    assert_eq!(
        figure(&tree, "card"),
        json!({
            "mmcblk0": {"name": "SD32G", "type": "SD", "life_time": null, "pre_eol": null},
            "mmcblk2": {"name": "DG4016", "type": "MMC", "life_time": [10, 20], "pre_eol": "normal"},
        })
    );
}

#[test]
fn a_worn_chip_says_so_and_one_before_emmc_5_has_nothing_to_say() {
    let tree = Tree::new();
    let worn: [(&str, &[u8]); 3] =
        [("type", b"MMC\n"), ("life_time", b"0x0b 0x00\n"), ("pre_eol_info", b"0x03\n")];
    put(&tree, "mmcblk0", &worn);
    let old: [(&str, &[u8]); 3] =
        [("type", b"MMC\n"), ("life_time", b"0x00 0x00\n"), ("pre_eol_info", b"0x00\n")];
    put(&tree, "mmcblk1", &old);
    assert_eq!(
        figure(&tree, "card"),
        json!({
            "mmcblk0": {"name": null, "type": "MMC", "life_time": [110, null], "pre_eol": "urgent"},
            "mmcblk1": {"name": null, "type": "MMC", "life_time": null, "pre_eol": null},
        })
    );
}

#[test]
fn a_name_that_is_no_text_or_too_long_is_null_and_any_other_is_escaped() {
    for (name, expected) in [
        (&b"\xff\xfe\n"[..], Value::Null),
        (b"a name longer than any register", Value::Null),
        (b"\"\\\x01  \n", json!("\"\\\u{1}")),
    ] {
        let tree = Tree::new();
        put(&tree, "mmcblk0", &[("type", b"SD\n"), ("name", name)]);
        assert_eq!(figure(&tree, "card")["mmcblk0"]["name"], expected);
    }
}

#[test]
fn card_is_empty_without_a_card_and_null_without_sysfs() {
    let tree = Tree::new();
    assert_eq!(figure(&tree, "card"), Value::Null);
    fs::create_dir_all(tree.path().join("sys/block/sda/device")).unwrap();
    assert_eq!(figure(&tree, "card"), json!({}));
}
