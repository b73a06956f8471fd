//! `fan`

use std::fs;

use serde_json::{Value, json};

use crate::figure;
use crate::sensors::{chip, machine, over};
use support::boards::{Tree, boards};

#[test]
fn the_fan_of_a_pi_5_is_called_by_its_driver_whatever_its_number() {
    for (board, rpm) in [("rpi5-b-hwmon-haos", 1468), ("rpi5-b-bookworm-6.1", 0)] {
        assert_eq!(figure(&Tree::of(&boards().join(board)), "fan"), json!({"pwmfan": rpm}));
    }
}

#[test]
fn several_fans_of_a_chip_have_their_own_names_too() {
    let fans = json!({"nct6775.fan1": 1200, "nct6775.Rear": 0, "pwmfan": 3200});
    assert_eq!(figure(&machine(), "fan"), fans);
}

#[test]
fn chips_of_the_same_driver_have_their_own_names() {
    let tree = Tree::new();
    chip(&tree, 0, "platform/fan0", "bus/platform", &[("name", "pwmfan"), ("fan1_input", "1000")]);
    chip(&tree, 1, "platform/fan1", "bus/platform", &[("name", "pwmfan"), ("fan1_input", "2000")]);
    assert_eq!(figure(&tree, "fan"), json!({"pwmfan-isa-0000": 1000, "pwmfan-isa-0001": 2000}));
}

#[test]
fn a_fan_that_does_not_answer_is_null_in_its_place_and_all_of_them_are_null() {
    let tree = machine();
    let fan = "sys/devices/platform/nct6775.656/hwmon/hwmon1/fan1_input";
    tree.put(fan, "-1\n");
    assert_eq!(figure(&tree, "fan"), json!({"nct6775.fan1": null, "nct6775.Rear": 0, "pwmfan": 3200}));
    for device in ["nct6775.656", "cooling_fan"] {
        fs::remove_dir_all(tree.path().join("sys/devices/platform").join(device)).unwrap();
    }
    assert_eq!(figure(&tree, "fan"), Value::Null);
    assert_eq!(figure(&Tree::new(), "fan"), Value::Null);
}

#[test]
#[ignore = "needs python3-psutil: tests/run"]
fn fans_are_psutils() {
    let tree = machine();
    let mut theirs = Vec::new();
    for fans in over(&tree, "sensors_fans()").as_object().unwrap().values() {
        theirs.extend(fans.as_array().unwrap().iter().map(|fan| fan[1].as_i64().unwrap()));
    }
    let mut ours: Vec<_> =
        figure(&tree, "fan").as_object().unwrap().values().map(|rpm| rpm.as_i64().unwrap()).collect();
    theirs.sort_unstable();
    ours.sort_unstable();
    assert_eq!(ours, theirs);
}
