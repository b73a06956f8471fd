//! `pressure`

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::{assert_near, figure, live};
use support::boards::Tree;

fn captured(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/pressure").join(name)
}

/// avg10 of a machine's files as the procfs crate reads it.
fn procfs(root: &Path) -> Value {
    let mut resources = Map::new();
    for resource in ["cpu", "io", "memory"] {
        let text = fs::read_to_string(root.join("proc/pressure").join(resource)).unwrap();
        let shares = text.lines().map(|line| {
            let share = procfs::parse_pressure_record(line).unwrap().avg10;
            (line.split(' ').next().unwrap().to_owned(), json!(share.to_string().parse::<f64>().unwrap()))
        });
        resources.insert(resource.to_owned(), Value::Object(shares.collect()));
    }
    Value::Object(resources)
}

#[test]
fn pressure_of_captured_machines_is_what_the_procfs_crate_reads() {
    let with_full = ["cpu-without-full", "cpu-with-full"].map(|name| {
        let ours = figure(&Tree::of(&captured(name)), "pressure");
        assert_eq!(ours, procfs(&captured(name)));
        ours["cpu"].get("full").is_some()
    });
    assert_eq!(with_full, [false, true]);
}

#[test]
fn the_shares_are_of_ten_seconds_with_two_decimals() {
    assert_eq!(
        figure(&Tree::of(&captured("cpu-without-full")), "pressure").to_string(),
        r#"{"cpu":{"some":2.04},"io":{"full":7.59,"some":10.24},"memory":{"full":57.59,"some":70.24}}"#
    );
}

#[test]
fn a_resource_that_is_missing_or_fails_is_null_and_without_any_the_figure_is() {
    let tree = Tree::of(&captured("cpu-with-full"));
    fs::remove_file(tree.path().join("proc/pressure/io")).unwrap();
    let cpu = json!({"some": 0.0, "full": 0.0});
    assert_eq!(figure(&tree, "pressure"), json!({"cpu": cpu, "io": null, "memory": cpu}));
    tree.put("proc/pressure/memory", "nonsense\n");
    assert_eq!(figure(&tree, "pressure"), json!({"cpu": cpu, "io": null, "memory": null}));
    // Where the kernel was told psi=0 the files are there and answer an error.
    fs::remove_file(tree.path().join("proc/pressure/cpu")).unwrap();
    symlink("/sys/class/net/lo/speed", tree.path().join("proc/pressure/cpu")).unwrap();
    assert!(fs::read(tree.path().join("proc/pressure/cpu")).is_err());
    assert_eq!(figure(&tree, "pressure"), Value::Null);
    assert_eq!(figure(&Tree::new(), "pressure"), Value::Null);
}

#[test]
fn pressure_of_the_running_machine_is_the_kernels() {
    let ours = live("pressure");
    if fs::read("/proc/pressure/cpu").is_err() {
        assert_eq!(ours, Value::Null);
        return;
    }
    let theirs = procfs(Path::new("/"));
    for resource in ["cpu", "io", "memory"] {
        // It may have been renewed in between.
        assert_near(&ours[resource]["some"], &theirs[resource]["some"], 20.0);
    }
}
