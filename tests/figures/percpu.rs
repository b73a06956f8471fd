//! `percpu`

use std::fmt::Write as _;
use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use procfs::CurrentSI;
use psistats_core::limits::KERNEL_FILE;
use psistats_host::limits;
use serde_json::{Value, json};

use crate::{after, assert_near, first, python};
use support::boards::{START, Tree, all, name, open_sampler};

const PERCPU: &str = "[cpu]\npercpu=yes\n";

/// A /proc/stat like `stat`, of a machine that has just started.
fn counters_at_start(stat: &str) -> String {
    stat.lines().filter(|line| line.starts_with("cpu")).fold(String::new(), |mut text, line| {
        let mut words = line.split_whitespace();
        let name = words.next().unwrap();
        writeln!(text, "{name}{}", " 0".repeat(words.count())).unwrap();
        text
    })
}

fn cores(stat: &str) -> usize {
    stat.lines().filter(|line| line.starts_with("cpu")).count() - 1
}

/// What percpu is after `stats`, of which the first is primed with.
fn over(stats: &[&str]) -> Vec<Value> {
    let tree = Tree::new();
    tree.put("proc/stat", stats[0]);
    let mut sampler = open_sampler(tree.path(), PERCPU);
    sampler.prime(START);
    let later = stats[1..].iter().zip(0..).map(|(stat, second)| {
        tree.put("proc/stat", stat);
        after(&mut sampler, Duration::from_secs(second))["percpu"].clone()
    });
    later.collect()
}

#[test]
fn an_offline_core_is_null_in_its_place_and_measured_anew_when_it_is_back() {
    let both = "cpu 0 0 0 0\ncpu0 0 0 0 100\ncpu1 0 0 0 100\nintr 1 2\n";
    let without_0 = "cpu 0 0 0 0\ncpu1 50 0 0 150\nintr 1 2\n";
    let without_1 = "cpu 0 0 0 0\ncpu0 10 0 0 190\nintr 1 2\n";
    let back = "cpu 0 0 0 0\ncpu0 20 0 0 280\ncpu1 60 0 0 160\nintr 1 2\n";
    let again = "cpu 0 0 0 0\ncpu0 20 0 0 380\ncpu1 70 0 0 190\nintr 1 2\n";
    assert_eq!(
        over(&[both, without_0, without_1, back, again]),
        [json!([null, 50.0]), json!([null, null]), json!([10.0, null]), json!([0.0, 25.0])]
    );
}

#[test]
fn a_core_that_comes_later_is_null_until_it_was_read_twice() {
    let one = "cpu 0 0 0 0\ncpu0 0 0 0 100\n";
    let three = "cpu 0 0 0 0\ncpu0 0 0 0 200\ncpu2 5 0 0 5\n";
    let later = "cpu 0 0 0 0\ncpu0 0 0 0 300\ncpu2 10 0 0 10\n";
    assert_eq!(over(&[one, three, later]), [json!([0.0, null, null]), json!([0.0, null, 50.0])]);
}

#[test]
fn fault_32_counters_of_a_core_that_wrap_are_null_and_never_a_spike() {
    let full = format!("cpu 0 0 0 0\ncpu0 0 0 0 {}\ncpu1 0 0 0 100\n", u32::MAX);
    let wrapped = "cpu 0 0 0 0\ncpu0 10 0 0 90\ncpu1 50 0 0 150\n";
    let later = "cpu 0 0 0 0\ncpu0 20 0 0 180\ncpu1 50 0 0 250\n";
    assert_eq!(over(&[&full, wrapped, later]), [json!([null, 50.0]), json!([10.0, 0.0])]);
}

#[test]
fn what_has_no_line_of_a_core_is_null() {
    for text in ["", "cpu 1 2 3 4\nintr 5\n", "intr 5\ncpu0 1 2 3 4\n", "cpu0 1 2 3 x\n"] {
        assert_eq!(over(&[text, text]), [Value::Null], "{text}");
    }
}

#[test]
fn a_stat_that_is_longer_than_the_buffer_is_read_to_its_last_core_and_what_is_beyond_the_limit_is_left_out() {
    let stat = |user: u64| {
        let steady = u64::MAX / 16;
        (0..=limits::CORES).fold("cpu 0 0 0 0\n".to_owned(), |mut text, core| {
            writeln!(text, "cpu{core} {} {steady} {steady} {steady} {steady}", steady + user).unwrap();
            text
        })
    };
    let (before, now) = (stat(0), stat(25) + "intr 1 2 3\n");
    assert!(before.len() > KERNEL_FILE);
    assert_eq!(over(&[&before, &now, &now])[0], json!(vec![100.0; limits::CORES]));
}

#[test]
fn the_section_cpu_switches_both_and_percpu_of_its_own() {
    let tree = Tree::new();
    tree.put("proc/stat", "cpu 1 2 3 4\ncpu0 1 2 3 4\n");
    for (configuration, cpu, percpu) in [
        ("[cpu]\npercpu=yes\nenabled=yes\ninterval=1\n", true, true),
        ("[cpu]\npercpu=yes\nenabled=no\n", false, false),
        ("[cpu]\npercpu=no\n", true, false),
        ("[cpu]\ninterval=2\n", true, false),
    ] {
        let report = first(&mut open_sampler(tree.path(), configuration));
        let found = [report.get("cpu").is_some(), report.get("percpu").is_some()];
        assert_eq!(found, [cpu, percpu], "{configuration}");
    }
}

#[test]
#[ignore = "needs python3-psutil: tests/run"]
fn percpu_of_every_board_is_what_psutil_makes_of_it() {
    let mut trees = Vec::new();
    for board in all().iter().filter(|board| name(board) != "made-broken") {
        let Ok(stat) = fs::read_to_string(board.join("proc/stat")) else { continue };
        if cores(&stat) > 0 {
            let tree = Tree::new();
            tree.put("proc/stat", counters_at_start(&stat));
            let mut sampler = open_sampler(tree.path(), PERCPU);
            sampler.prime(START);
            tree.put("start/stat", counters_at_start(&stat));
            tree.put("proc/stat", &stat);
            trees.push((cores(&stat), first(&mut sampler), tree));
        }
    }
    assert!(trees.len() >= 8, "{}", trees.len());
    let paths: Vec<&Path> = trees.iter().map(|(.., tree)| tree.path()).collect();
    let theirs = python(&format!(
        "
import json, psutil
percents = []
for path in {paths:?}:
    psutil.PROCFS_PATH = path + '/start'
    psutil._last_per_cpu_times = None  # of another machine
    psutil.cpu_percent(percpu=True)
    psutil.PROCFS_PATH = path + '/proc'
    percents.append(psutil.cpu_percent(percpu=True))
print(json.dumps(percents))
"
    ));
    for ((cores, ours, _), theirs) in trees.iter().zip(theirs.as_array().unwrap()) {
        let (ours, theirs) = (ours["percpu"].as_array().unwrap(), theirs.as_array().unwrap());
        assert_eq!((ours.len(), theirs.len()), (*cores, *cores));
        for (ours, theirs) in ours.iter().zip(theirs) {
            // psutil subtracts seconds, as doubles: its quotient may be off in the last bit.
            assert_near(ours, theirs, 0.100_001);
        }
    }
}

/// Busy ticks and all ticks of each core, by the procfs crate.
fn procfs() -> Vec<[u64; 2]> {
    let cores = procfs::KernelStats::current().unwrap().cpu_time;
    let ticks = cores.iter().map(|core| {
        let others = [core.irq, core.softirq, core.steal].map(Option::unwrap_or_default);
        let busy = core.user + core.nice + core.system + others.iter().sum::<u64>();
        [busy, busy + core.idle + core.iowait.unwrap_or_default()]
    });
    ticks.collect()
}

#[test]
fn on_the_running_machine_each_core_lies_between_readings_of_the_procfs_crate() {
    let mut sampler = open_sampler(Path::new("/"), PERCPU);
    let before = procfs();
    sampler.prime(START);
    let primed = procfs();
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(500) {
        black_box((0..1000_u64).sum::<u64>());
    }
    let ended = procfs();
    let ours = first(&mut sampler)["percpu"].clone();
    let after = procfs();
    let spent = |from: &[u64; 2], to: &[u64; 2]| [0, 1].map(|n| to[n].saturating_sub(from[n]) as f64);
    assert_eq!(ours.as_array().unwrap().len(), after.len());
    for (core, ours) in ours.as_array().unwrap().iter().map(|core| core.as_f64().unwrap()).enumerate() {
        let [least_busy, least] = spent(&primed[core], &ended[core]);
        let [most_busy, most] = spent(&before[core], &after[core]);
        // idle and iowait go back now and then.
        let range = least_busy / most * 100.0 - 2.0..=most_busy / least * 100.0 + 2.0;
        assert!(range.contains(&ours), "core {core}: {ours} is not in {range:?}");
    }
    assert!(ours.as_array().unwrap().iter().any(|core| core != &json!(0.0)), "one was kept busy");
}
