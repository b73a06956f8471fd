//! `throttled`

use serde_json::{Value, json};

use crate::{figure, with_answer};
use support::boards::Tree;

const DRIVER: &str = "sys/devices/platform/soc/soc:firmware/get_throttled";
const NAMES: [&str; 4] = ["under_voltage", "frequency_capped", "throttled", "soft_temperature_limit"];

fn four(values: [Option<bool>; 4]) -> Value {
    NAMES.into_iter().zip(values).map(|(name, value)| (name.to_owned(), json!(value))).collect()
}

/// What is expected where `now` holds and `since_boot` has been.
fn throttled(now: [Option<bool>; 4], since_boot: [Option<bool>; 4]) -> Value {
    let mut throttled = four(now);
    throttled["since_boot"] = four(since_boot);
    throttled
}

fn flags(set: [usize; 2]) -> [Option<bool>; 4] {
    std::array::from_fn(|bit| Some(set.contains(&bit)))
}

const NONE: usize = 9;

#[test]
fn throttled_is_what_the_firmwares_driver_says_as_it_was_captured() {
    for (text, now, since_boot) in [
        ("80000\n", [NONE; 2], [3; 2]), // a Pi 3 B+
        ("80008\n", [3; 2], [3; 2]),
        ("50000\n", [NONE; 2], [0, 2]), // a Pi 3
        ("50005\n", [0, 2], [0, 2]),
        ("0\n", [NONE; 2], [NONE; 2]),
        ("20002\n", [1; 2], [1; 2]),
        // A bit that means nothing.
        ("100010\n", [NONE; 2], [NONE; 2]),
    ] {
        let tree = Tree::new();
        tree.put(DRIVER, text);
        tree.put("sys/class/hwmon/hwmon0/name", "rpi_volt\n");
        tree.put("sys/class/hwmon/hwmon0/in0_lcrit_alarm", "1\n");
        assert_eq!(figure(&tree, "throttled"), throttled(flags(now), flags(since_boot)), "{text}");
    }
}

#[test]
fn without_the_firmwares_driver_the_chip_says_under_voltage_and_the_rest_is_null() {
    let tree = Tree::new();
    tree.put("sys/class/hwmon/hwmon0/name", "cpu_thermal\n");
    tree.put("sys/class/hwmon/hwmon0/in0_lcrit_alarm", "0\n");
    tree.put("sys/class/hwmon/hwmon3/name", "rpi_volt\n");
    tree.put("sys/class/hwmon/hwmon3/in0_lcrit_alarm", "1\n");
    assert_eq!(figure(&tree, "throttled"), throttled([Some(true), None, None, None], [None; 4]));
    tree.put(DRIVER, "nonsense\n");
    tree.put("sys/class/hwmon/hwmon3/in0_lcrit_alarm", "0\n");
    assert_eq!(figure(&tree, "throttled"), throttled([Some(false), None, None, None], [None; 4]));
    tree.put("sys/class/hwmon/hwmon3/in0_lcrit_alarm", "nonsense\n");
    assert_eq!(figure(&tree, "throttled"), Value::Null);
}

#[test]
fn throttled_is_null_without_a_source() {
    let tree = Tree::new();
    assert_eq!(figure(&tree, "throttled"), Value::Null);
    // Not the firmware: ENOTTY.
    tree.put("dev/vcio", "");
    assert_eq!(figure(&tree, "throttled"), Value::Null);
}

/// The figure where every `ioctl(2)` succeeds and leaves `answer` as its argument.
fn answered(tree: &Tree, answer: [u32; 8]) -> Value {
    let answer = answer.map(u32::to_le_bytes).concat();
    let configuration = "[throttled]\nenabled=yes\n[cpu_temp]\nenabled=no\n";
    with_answer(tree.path(), configuration, "ioctl", 3, &answer)["throttled"].take()
}

#[test]
#[ignore = "needs strace: tests/run"]
fn the_firmware_itself_is_asked_for_what_no_driver_says() {
    let answer = [28, 0x8000_0000, 0x0003_0046, 4, 0x8000_0004, 0x0005_0005, 0, 0];
    let tree = Tree::new();
    tree.put("dev/vcio", "");
    assert_eq!(answered(&tree, answer), throttled(flags([0, 2]), flags([0, 2])));
    // The driver's chip looks more often.
    tree.put("sys/class/hwmon/hwmon0/name", "rpi_volt\n");
    tree.put("sys/class/hwmon/hwmon0/in0_lcrit_alarm", "0\n");
    assert_eq!(answered(&tree, answer), throttled(flags([2, 2]), flags([0, 2])));
    let mut refused = answer;
    refused[1] = 0x8000_0001;
    assert_eq!(answered(&tree, refused), throttled([Some(false), None, None, None], [None; 4]));
}
