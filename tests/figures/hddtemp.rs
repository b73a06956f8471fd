//! `hddtemp`

use std::fs;

use serde_json::{Value, json};

use crate::figure;
use support::boards::Tree;

/// A chip of `drivetemp`, as Linux shows it.
fn put(tree: &Tree, number: u32, drive: &str, temperature: &str) {
    let chip = format!("sys/class/hwmon/hwmon{number}");
    tree.put(&format!("{chip}/name"), "drivetemp\n");
    tree.put(&format!("{chip}/temp1_input"), temperature);
    fs::create_dir_all(tree.path().join(chip).join("device/block").join(drive)).unwrap();
}

#[test]
fn drives_are_told_by_device_with_the_value_as_text_as_the_daemon_told_it() {
    let tree = Tree::new();
    tree.put("sys/class/hwmon/hwmon0/name", "cpu_thermal\n");
    tree.put("sys/class/hwmon/hwmon0/temp1_input", "48312\n");
    put(&tree, 1, "sda", "38000\n");
    put(&tree, 4, "sdz", "-5000\n");
    put(&tree, 5, "sdb", ""); // asleep
    // What 0.2 makes of `|/dev/sda|...|38|C||/dev/sdz|...|-5|C||/dev/sdb|...|ERR|*|`.
    assert_eq!(
        figure(&tree, "hddtemp"),
        json!({
            "/dev/sda": {"value": "38", "unit": "C"},
            "/dev/sdz": {"value": "-5", "unit": "C"},
            "/dev/sdb": {"value": "ERR", "unit": "*"}
        })
    );
}

#[test]
fn hddtemp_is_null_without_a_drive_that_tells() {
    let tree = Tree::new();
    assert_eq!(figure(&tree, "hddtemp"), Value::Null);
    tree.put("sys/class/hwmon/hwmon0/name", "nvme\n");
    tree.put("sys/class/hwmon/hwmon0/temp1_input", "38000\n");
    assert_eq!(figure(&tree, "hddtemp"), Value::Null);
}

#[test]
fn what_the_original_needed_of_a_daemon_has_no_effect_and_is_told() {
    let text = b"[hddtemp]\nenabled=1\ninterval=30\nhostname=127.0.0.1\nport=7634\n";
    let (_, warnings) = psistats::settings::parse(text, "f".as_ref()).unwrap();
    let warnings: Vec<_> = warnings.iter().map(|warning| (warning.line, warning.text.as_str())).collect();
    let what = "has no effect: the kernel's drivetemp is asked";
    let expected =
        [(4, "hostname"), (5, "port")].map(|(line, key)| (Some(line), format!("[hddtemp] {key}: {what}")));
    assert_eq!(warnings.len(), expected.len());
    for (warning, (line, text)) in warnings.iter().zip(&expected) {
        assert_eq!((warning.0, warning.1), (*line, text.as_str()));
    }
}
