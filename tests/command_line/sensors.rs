//! `psistats sensors`: the listing of a machine's sensors, which is a section of the configuration.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::place::{Answer, PSISTATS};

fn board(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/boards").join(name)
}

fn sensors(root: &Path) -> Answer {
    Answer::of(Command::new(PSISTATS).arg("sensors").arg("--root").arg(root))
}

/// The figure `sensors` of one report of the machine at `root`.
fn figure(root: &Path, config: &Path) -> String {
    let mut psistats = Command::new("sh");
    psistats.args([
        "-c",
        r#""$0" start-local --stdout --root "$1" --config "$2" 2>/dev/null | head -n 1"#,
        PSISTATS,
    ]);
    let report = Answer::of(psistats.arg(root).arg(config)).stdout;
    report.split_once("\"sensors\":").unwrap().1.to_owned()
}

#[test]
fn the_listing_of_sensors_works_as_a_configuration_and_reports_the_same_values() {
    let place = tempfile::tempdir().unwrap();
    let (listed, all) = (place.path().join("listed.conf"), place.path().join("all.conf"));
    fs::write(&all, "[sensors]\nenabled=yes\n").unwrap();
    for board in ["rpi5-b-hwmon-haos", "rpi5-b-bookworm-6.1", "jetson-nano-4.9.253"].map(board) {
        let listing = sensors(&board);
        assert_eq!((listing.code, listing.stderr.as_str()), (Some(0), ""));
        fs::write(&listed, format!("[server]\nhost=broker\n\n{}\n[queue]\nttl=5000\n", listing.stdout))
            .unwrap();
        let check = Answer::of(Command::new(PSISTATS).args(["check-config", "--config"]).arg(&listed));
        check.says(0, &format!("{}: ok\n", listed.display()));
        assert_eq!(check.stderr, "");
        let figure = figure(&board, &listed);
        assert!(figure.matches("\"value\":").count() >= 3, "{figure}");
        assert_eq!(figure, self::figure(&board, &all));
    }
}

#[test]
fn a_sensor_that_cannot_be_read_is_listed_as_a_comment_with_the_reason() {
    let place = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| {
        let path = place.path().join("sys/class/hwmon").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    put("hwmon0/name", "a\n");
    put("hwmon0/temp1_label", "CPU\n");
    put("hwmon0/temp2_label", "Board\n");
    put("hwmon0/temp2_input", "-273000\n");
    put("hwmon0/fan1_input", "3200\n");
    put("hwmon1/name", "rpi_volt\n");
    put("hwmon1/in0_lcrit_alarm", "0\n");
    // This file of sysfs fails with EINVAL on every machine: the loopback interface has no speed.
    symlink("/sys/class/net/lo/speed", place.path().join("sys/class/hwmon/hwmon0/temp1_input")).unwrap();
    sensors(place.path()).says(
        0,
        "[sensors]\nenabled=yes\ndevices[] =\n    \
         # a-virtual-0.CPU: invalid argument\n    \
         # a-virtual-0.Board: implausible reading: -273000\n    \
         # 3200.0 rpm\n    a-virtual-0.fan1\n\
         # rpi_volt-virtual-0: has no readable sensors\n",
    );
}

#[test]
fn a_machine_without_sensors_gets_a_comment_that_says_so() {
    let place = tempfile::tempdir().unwrap();
    sensors(place.path()).says(0, "# no sensors in /sys/class/hwmon and /sys/class/thermal\n");
}
