//! `cpu_freq`

use std::fs;
use std::time::Duration;

use psistats_host::limits;
use serde_json::{Value, json};

use crate::{after, figure, first, python};
use support::boards::{Tree, boards, open_sampler};

const ONLINE: &str = "sys/devices/system/cpu/online";

fn file(core: usize) -> String {
    format!("sys/devices/system/cpu/cpu{core}/cpufreq/scaling_cur_freq")
}

fn machine(online: &str, khz: &[&str]) -> Tree {
    let tree = Tree::new();
    tree.put(ONLINE, online);
    for (core, khz) in khz.iter().enumerate() {
        tree.put(&file(core), khz);
    }
    tree
}

#[test]
fn a_captured_board_gives_the_core_that_has_a_clock_and_null_for_the_other() {
    assert_eq!(figure(&Tree::of(&boards().join("st-ericsson-mop500-2.6")), "cpu_freq"), json!([800.0, null]));
}

#[test]
fn an_offline_core_is_null_even_while_it_shows_the_clock_that_it_shares() {
    let tree = machine("0,2\n", &["1500000\n", "1500000\n", "600105\n", "600105\n"]);
    assert_eq!(figure(&tree, "cpu_freq"), json!([1500.0, null, 600.105]));
}

#[test]
fn a_core_whose_clock_is_unknown_is_null_and_without_any_the_figure_is() {
    assert_eq!(figure(&machine("0-1\n", &["<unknown>\n", "1000000\n"]), "cpu_freq"), json!([null, 1000.0]));
    assert_eq!(figure(&machine("0-1\n", &["<unknown>\n", "0\n"]), "cpu_freq"), Value::Null);
    assert_eq!(figure(&machine("0-1\n", &[]), "cpu_freq"), Value::Null);
    assert_eq!(figure(&machine("nonsense\n", &["1000000\n"]), "cpu_freq"), Value::Null);
    assert_eq!(figure(&Tree::new(), "cpu_freq"), Value::Null);
}

#[test]
fn a_core_that_goes_and_comes_back_as_another_file_is_found_again() {
    let tree = machine("0-1\n", &["1000000\n", "1000000\n"]);
    let mut sampler = open_sampler(tree.path(), "[cpu_freq]\nenabled=yes\n");
    assert_eq!(first(&mut sampler)["cpu_freq"], json!([1000.0, 1000.0]));
    let mut at = |second| after(&mut sampler, Duration::from_secs(second))["cpu_freq"].clone();
    tree.put(ONLINE, "0\n");
    fs::remove_dir_all(tree.path().join("sys/devices/system/cpu/cpu1")).unwrap();
    assert_eq!(at(1), json!([1000.0, null]));
    tree.put(ONLINE, "0-2\n");
    assert_eq!(at(2)[2], Value::Null);
    for (core, khz) in ["600000\n", "1200000\n", "400000\n"].iter().enumerate() {
        tree.put(&file(core), khz);
    }
    assert_eq!(at(3), json!([600.0, 1200.0, 400.0]));
}

#[test]
fn without_any_at_the_start_they_are_found_when_they_come() {
    let tree = Tree::new();
    let mut sampler = open_sampler(tree.path(), "[cpu_freq]\nenabled=yes\n");
    assert_eq!(first(&mut sampler)["cpu_freq"], Value::Null);
    tree.put(ONLINE, "0\n");
    tree.put(&file(0), "700000\n");
    assert_eq!(after(&mut sampler, Duration::from_secs(1))["cpu_freq"], json!([700.0]));
}

#[test]
fn cores_beyond_the_limit_are_left_out() {
    let tree = machine("0-99999999999\n", &["700000\n"]);
    let cores = figure(&tree, "cpu_freq");
    assert_eq!((&cores[0], cores.as_array().unwrap().len()), (&json!(700.0), limits::CORES));
}

#[test]
#[ignore = "needs python3-psutil: tests/run"]
fn cpu_freq_is_what_psutil_makes_of_the_same_files() {
    let khz = ["1500000\n", "600105\n", "999999\n", "1\n", "2400000\n"];
    let tree = machine("0-4\n", &khz);
    tree.put("proc/cpuinfo", "");
    for (core, file) in (0..khz.len()).flat_map(|core| ["min", "max"].map(|file| (core, file))) {
        tree.put(&format!("sys/devices/system/cpu/cpu{core}/cpufreq/scaling_{file}_freq"), "1\n");
    }
    // psutil knows only the machine's own /sys, and decides when it is imported.
    let theirs = python(&format!(
        "
import glob, json, os
root, exists, real = {:?}, os.path.exists, glob.glob
os.path.exists = lambda path: path.endswith('/cpu0/cpufreq') or exists(path)
import psutil
psutil.PROCFS_PATH = root + '/proc'
os.chdir(root)
glob.glob = lambda pattern: real(pattern.lstrip('/'))
print(json.dumps([core.current for core in psutil.cpu_freq(percpu=True)]))
",
        tree.path()
    ));
    assert_eq!(figure(&tree, "cpu_freq"), theirs);
}
