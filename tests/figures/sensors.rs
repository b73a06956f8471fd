//! `sensors`

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::{after, figure, first, psutil, with_configuration};
use support::boards::{Tree, boards, open_sampler};

/// A chip of hwmon as sysfs shows it: its directory is below its device's, which is on a bus.
pub fn chip(tree: &Tree, number: u32, device: &str, subsystem: &str, files: &[(&str, &str)]) {
    let directory = format!("sys/devices/{device}/hwmon/hwmon{number}");
    for (name, text) in files {
        tree.put(&format!("{directory}/{name}"), format!("{text}\n"));
    }
    link(
        tree,
        &format!("sys/class/hwmon/hwmon{number}"),
        &format!("../../devices/{device}/hwmon/hwmon{number}"),
    );
    link(tree, &format!("{directory}/device"), &format!("../../../{}", last(device)));
    on_bus(tree, device, subsystem);
}

fn on_bus(tree: &Tree, device: &str, subsystem: &str) {
    let up = "../".repeat(device.split('/').count() + 1);
    link(tree, &format!("sys/devices/{device}/subsystem"), &format!("{up}{subsystem}"));
}

fn zone(tree: &Tree, number: u32, kind: &str, temperature: &str) {
    let directory = format!("sys/class/thermal/thermal_zone{number}");
    tree.put(&format!("{directory}/type"), format!("{kind}\n"));
    tree.put(&format!("{directory}/temp"), format!("{temperature}\n"));
}

fn link(tree: &Tree, name: &str, to: &str) {
    let path = tree.path().join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    symlink(to, path).unwrap();
}

fn last(path: &str) -> &str {
    path.rsplit('/').next().unwrap()
}

/// A chip on each bus that libsensors knows and that a test can make, and one on none.
pub fn machine() -> Tree {
    let tree = Tree::new();
    let core = [
        ("name", "coretemp"),
        ("temp1_label", "Package id 0"),
        ("temp1_input", "52000"),
        ("temp2_label", "Core 0"),
        ("temp2_input", "41000"),
        ("temp10_label", "Core 8"),
        ("temp10_input", "43500"),
    ];
    chip(&tree, 0, "platform/coretemp.0", "bus/platform", &core);
    let board = [
        ("name", "nct6775"),
        ("in0_input", "1468"),
        ("in1_label", "+3.3V"),
        ("in1_input", "3312"),
        ("fan1_input", "1200"),
        ("fan2_label", "Rear"),
        ("fan2_input", "0"),
        ("temp1_input", "-5250"),
    ];
    chip(&tree, 1, "platform/nct6775.656", "bus/platform", &board);
    let disk = [("name", "nvme"), ("temp1_label", "Composite"), ("temp1_input", "38850")];
    chip(&tree, 2, "pci0000:00/0000:00:1d.0/0000:01:00.0/nvme/nvme0", "class/nvme", &disk);
    link(
        &tree,
        "sys/devices/pci0000:00/0000:00:1d.0/0000:01:00.0/nvme/nvme0/device",
        "../../../0000:01:00.0",
    );
    on_bus(&tree, "pci0000:00/0000:00:1d.0/0000:01:00.0", "bus/pci");
    let climate = [("name", "sht4x"), ("temp1_input", "19000"), ("humidity1_input", "49700")];
    chip(&tree, 3, "platform/soc/i2c-1/1-0044", "bus/i2c", &climate);
    let power =
        [("name", "ina219"), ("curr1_input", "250"), ("power1_input", "2500000"), ("in1_input", "4980")];
    chip(&tree, 4, "platform/soc/i2c-10/10-0040", "bus/i2c", &power);
    chip(&tree, 5, "platform/soc/spi0.1", "bus/spi", &[("name", "adt7310"), ("temp1_input", "24812")]);
    chip(
        &tree,
        6,
        "virtual/thermal/thermal_zone0",
        "class/thermal",
        &[("name", "cpu_thermal"), ("temp1_input", "46300")],
    );
    let disk = [("name", "drivetemp"), ("temp1_input", "33000")];
    chip(&tree, 7, "platform/sata/host2/target2:0:0/2:0:0:0", "bus/scsi", &disk);
    chip(
        &tree,
        8,
        "platform/LNXSYBUS:00/ACPI000D:00",
        "bus/acpi",
        &[("name", "power_meter"), ("power1_input", "17000000")],
    );
    chip(
        &tree,
        9,
        "platform/soc/f1072004.mdio/f1072004.mdio-mii:01",
        "bus/mdio_bus",
        &[("name", "phy"), ("temp1_input", "61000")],
    );
    chip(
        &tree,
        10,
        "platform/usb/0003:1B1C:1C0B.0007",
        "bus/hid",
        &[("name", "corsairpsu"), ("temp1_input", "30250")],
    );
    chip(&tree, 11, "platform/cooling_fan", "bus/platform", &[("name", "pwmfan"), ("fan1_input", "3200")]);
    tree
}

/// What psutil says of `tree`. It reads /sys alone, but for what its glob finds.
pub fn over(tree: &Tree, call: &str) -> Value {
    psutil(&format!(
        "(lambda real: (setattr(psutil._pslinux.glob, 'glob', lambda p: real({:?} + p)), psutil.{call})[1])(psutil._pslinux.glob.glob)",
        tree.path()
    ))
}

/// `{chip: {feature: value}}`
fn values(sensors: &Value) -> Value {
    let values = |features: &Value| -> Value {
        features.as_object().unwrap().iter().map(|(name, of)| (name.clone(), of["value"].clone())).collect()
    };
    sensors.as_object().unwrap().iter().map(|(chip, features)| (chip.clone(), values(features))).collect()
}

#[test]
#[ignore = "needs lm-sensors: tests/run"]
fn chips_features_and_values_are_those_of_libsensors() {
    let tree = machine();
    // libsensors reads /sys alone.
    let script = r#"mount --bind "$0/sys/class" /sys/class && mount --bind "$0/sys/devices" /sys/devices &&
        exec sensors -c /dev/null -j"#;
    let output =
        Command::new("unshare").args(["--mount", "sh", "-c", script]).arg(tree.path()).output().unwrap();
    let theirs: Map<String, Value> = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    let features = |of: &Value| -> Value {
        let features = of.as_object().unwrap().iter().filter(|(name, _)| *name != "Adapter");
        let input = |of: &Value| {
            of.as_object().unwrap().iter().find(|(name, _)| name.ends_with("_input")).unwrap().1.clone()
        };
        features.map(|(name, of)| (name.clone(), input(of))).collect()
    };
    let theirs: Value = theirs.iter().map(|(chip, of)| (chip.clone(), features(of))).collect();
    assert_eq!(values(&figure(&tree, "sensors")), theirs);
    assert_eq!(theirs.as_object().unwrap().len(), 12);
}

#[test]
#[ignore = "needs python3-psutil: tests/run"]
fn temperatures_and_fans_are_psutils() {
    let tree = machine();
    let ours = figure(&tree, "sensors");
    for (unit, theirs) in
        [("c", over(&tree, "sensors_temperatures()")), ("rpm", over(&tree, "sensors_fans()"))]
    {
        let mut found = Vec::new();
        for (chip, features) in ours.as_object().unwrap() {
            let features = features.as_object().unwrap().iter().filter(|(_, sensor)| sensor["unit"] == unit);
            found.extend(features.map(|(_, sensor)| {
                (chip.split('-').next().unwrap().to_owned(), sensor["value"].as_f64().unwrap())
            }));
        }
        let mut expected = Vec::new();
        for (driver, readings) in theirs.as_object().unwrap() {
            expected.extend(
                readings
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|reading| (driver.clone(), reading[1].as_f64().unwrap())),
            );
        }
        found.sort_by(|a, b| a.partial_cmp(b).unwrap());
        expected.sort_by(|a, b| a.partial_cmp(b).unwrap());
        assert!(expected.len() > 2, "{theirs}");
        assert_eq!(found, expected, "{unit}");
    }
}

#[test]
fn without_devices_everything_is_there_by_chip_and_feature() {
    assert_eq!(
        figure(&Tree::of(&boards().join("rpi5-b-hwmon-haos")), "sensors"),
        json!({
            "cpu_thermal-virtual-0": {"temp1": {"label": "temp1", "value": 46.3, "unit": "c"}},
            "rp1_adc-isa-0000": {"temp1": {"label": "temp1", "value": 53.729, "unit": "c"}},
            "pwmfan-isa-0000": {"fan1": {"label": "fan1", "value": 1468.0, "unit": "rpm"}},
        })
    );
    let values = values(&figure(&machine(), "sensors"));
    assert_eq!(
        values["nct6775-isa-0290"],
        json!({"temp1": -5.25, "fan1": 1200.0, "Rear": 0.0, "in0": 1.468, "+3.3V": 3.312})
    );
    assert_eq!(values["ina219-i2c-10-40"], json!({"in1": 4.98, "curr1": 0.25, "power1": 2.5}));
}

#[test]
fn devices_have_the_labels_that_they_were_given_and_what_is_not_there_is_null() {
    let configuration = "[sensors]\nenabled=yes\ninterval=1\ndevices[] = (CPU Core 1, coretemp-isa-0000.Core 0)\n    \
        # a comment\n    nct6775-isa-0290.fan2\n    (CPU Core 9, coretemp-isa-0000.Core 8)\n    rpi_volt-isa-0000.in0\n";
    assert_eq!(
        with_configuration(machine().path(), "sensors", configuration),
        json!({
            "coretemp-isa-0000": {
                "Core 0": {"label": "CPU Core 1", "value": 41.0, "unit": "c"},
                "Core 8": {"label": "CPU Core 9", "value": 43.5, "unit": "c"},
            },
            "nct6775-isa-0290": {"fan2": {"label": "fan2", "value": 0.0, "unit": "rpm"}},
            "rpi_volt-isa-0000": {"in0": {"label": "in0", "value": null, "unit": null}},
        })
    );
}

#[test]
fn a_zone_is_a_chip_unless_a_chip_mirrors_it() {
    let tree = Tree::new();
    chip(
        &tree,
        0,
        "virtual/thermal/thermal_zone0",
        "class/thermal",
        &[("name", "cpu_thermal"), ("temp1_input", "46300")],
    );
    zone(&tree, 0, "cpu-thermal", "46300");
    zone(&tree, 1, "gpu-thermal", "47");
    zone(&tree, 2, "acpitz", "30000");
    zone(&tree, 3, "acpitz", "31000");
    assert_eq!(
        values(&figure(&tree, "sensors")),
        json!({
            "cpu_thermal-virtual-0": {"temp1": 46.3},
            "gpu_thermal-virtual-0": {"temp1": 47.0},
            "acpitz-virtual-0": {"temp1": 30.0, "temp2": 31.0},
        })
    );
}

#[test]
fn the_same_name_twice_is_told_apart() {
    let tree = Tree::new();
    for (number, id, temperature) in [(0, "28-01", "21250"), (1, "28-02", "-1500")] {
        let files = [("name", "w1_slave_temp"), ("temp1_input", temperature)];
        chip(&tree, number, &format!("w1_bus_master1/{id}"), "bus/w1", &files);
    }
    let files = [
        ("name", "nvme"),
        ("temp1_label", "Sensor"),
        ("temp1_input", "38000"),
        ("temp2_label", "Sensor"),
        ("temp2_input", "39000"),
    ];
    chip(&tree, 2, "pci/0000:01:00.0", "bus/pci", &files);
    assert_eq!(
        values(&figure(&tree, "sensors")),
        json!({
            "w1_slave_temp-virtual-0": {"temp1": 21.25},
            "w1_slave_temp-virtual-1": {"temp1": -1.5},
            "nvme-pci-0100": {"Sensor": 38.0, "temp2": 39.0},
        })
    );
}

#[test]
fn a_sensor_that_does_not_answer_is_null_in_its_place_and_all_of_them_are_null() {
    let tree = Tree::new();
    chip(
        &tree,
        0,
        "platform/a",
        "bus/platform",
        &[("name", "a"), ("temp2_input", "40000"), ("temp3_input", "151000")],
    );
    // A file of sysfs that answers EINVAL on every machine: a loopback has no speed.
    link(&tree, "sys/devices/platform/a/hwmon/hwmon0/temp1_input", "/sys/class/net/lo/speed");
    assert_eq!(
        values(&figure(&tree, "sensors")),
        json!({"a-isa-0000": {"temp1": null, "temp2": 40.0, "temp3": null}})
    );
    tree.put("sys/devices/platform/a/hwmon/hwmon0/temp2_input", "hot\n");
    assert_eq!(figure(&tree, "sensors"), Value::Null);
    assert_eq!(figure(&Tree::new(), "sensors"), Value::Null);
}

#[test]
fn names_that_are_no_text_or_too_long_do_no_harm() {
    let tree = Tree::new();
    let long = "x".repeat(200);
    let files = [("name", long.as_str()), ("temp1_label", long.as_str()), ("temp1_input", "1000")];
    chip(&tree, 0, "platform/a", "bus/platform", &files);
    chip(&tree, 1, "platform/b", "bus/platform", &[("name", "b\u{1}"), ("temp1_input", "1000")]);
    let files = [
        ("name", "c"),
        ("temp1_label", "\u{1b}[2J"),
        ("temp1_input", "1000"),
        ("temp2_label", "\"\\"),
        ("temp2_input", "2000"),
    ];
    chip(&tree, 2, "platform/c", "bus/platform", &files);
    tree.put("sys/devices/platform/c/hwmon/hwmon2/temp3_label", b"\xff\n");
    tree.put("sys/devices/platform/c/hwmon/hwmon2/temp3_input", b"3000\n");
    let cut = &long[..psistats_host::limits::SENSOR_LABEL];
    assert_eq!(
        values(&figure(&tree, "sensors")),
        json!({
            format!("{cut}-isa-0000"): {cut: 1.0},
            "c-isa-0000": {"temp1": 1.0, "\"\\": 2.0, "temp3": 3.0},
        })
    );
}

#[test]
fn more_sensors_than_there_is_room_for_are_left_out() {
    let tree = Tree::new();
    for number in 0..70 {
        let directory = format!("sys/class/hwmon/hwmon{number}");
        tree.put(&format!("{directory}/name"), "many\n");
        tree.put(&format!("{directory}/temp1_input"), format!("{}\n", 1000 + number));
    }
    let sensors = figure(&tree, "sensors");
    assert_eq!(sensors.as_object().unwrap().len(), psistats_host::limits::LISTED_SENSORS);
    assert_eq!(sensors["many-virtual-3f"]["temp1"]["value"], json!(1.063));
}

#[test]
fn a_chip_that_comes_late_is_found() {
    let tree = Tree::new();
    let mut sampler = open_sampler(tree.path(), "[sensors]\nenabled=yes\n[fan]\nenabled=yes\n");
    let report = first(&mut sampler);
    assert_eq!((&report["sensors"], &report["fan"]), (&Value::Null, &Value::Null));
    chip(&tree, 0, "platform/cooling_fan", "bus/platform", &[("name", "pwmfan"), ("fan1_input", "3200")]);
    let report = after(&mut sampler, Duration::from_secs(1));
    assert_eq!(values(&report["sensors"]), json!({"pwmfan-isa-0000": {"fan1": 3200.0}}));
    assert_eq!(report["fan"], json!({"pwmfan": 3200}));
}

#[test]
fn a_device_that_comes_late_is_found_beside_those_that_are_there() {
    let tree = Tree::new();
    chip(&tree, 0, "platform/cooling_fan", "bus/platform", &[("name", "pwmfan"), ("fan1_input", "3200")]);
    let configuration =
        "[sensors]\nenabled=yes\ndevices[] = pwmfan-isa-0000.fan1\n  cpu_thermal-virtual-0.temp1\n";
    let mut sampler = open_sampler(tree.path(), configuration);
    let mut values_of = |second| values(&after(&mut sampler, Duration::from_secs(second))["sensors"]);
    let expected = |celsius: Value| json!({"pwmfan-isa-0000": {"fan1": 3200.0}, "cpu_thermal-virtual-0": {"temp1": celsius}});
    assert_eq!(values_of(1), expected(Value::Null));
    zone(&tree, 0, "cpu-thermal", "46300");
    assert_eq!(values_of(2), expected(json!(46.3)));
}
