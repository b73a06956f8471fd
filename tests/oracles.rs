//! Our figures against those of programs that others wrote: the procfs crate, psutil, Python.
//!
//! What needs Debian's python3-psutil is ignored by a plain `cargo test`, and fails without it.

#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::fmt::Write as _;
use std::fs;
use std::hint::black_box;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use procfs::{Current, CurrentSI, FromBufRead, FromBufReadSI, FromRead};
use psistats_core::kernel::{meminfo, stat, uptime};
use psistats_core::report::percent;
use serde_json::Value;
use support::boards::{NO_TEMPERATURE, START, Tree, all, counters_at_start, name, open_sampler, tick};

const PSUTIL: &str = "python3-psutil";

/// Debian's Python, running `script`.
fn python(script: &str, arguments: &[&Path]) -> Child {
    Command::new("/usr/bin/python3")
        .args(["-W", "ignore", "-c", script])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("/usr/bin/python3: {error}; apt-get install {PSUTIL}"))
}

/// All that `script` prints, given `input`.
fn answer(script: &str, arguments: &[&Path], input: &str) -> String {
    let mut child = python(script, arguments);
    let mut stdin = child.stdin.take().unwrap();
    let output = std::thread::scope(|scope| {
        scope.spawn(move || stdin.write_all(input.as_bytes()).unwrap());
        child.wait_with_output().unwrap()
    });
    assert!(output.status.success(), "the oracle failed; is {PSUTIL} installed?");
    String::from_utf8(output.stdout).unwrap()
}

fn live(secondary: bool) -> Value {
    let mut sampler = open_sampler(Path::new("/"), NO_TEMPERATURE);
    serde_json::from_slice(sampler.report(tick(0, secondary))).unwrap()
}

#[track_caller]
fn assert_near(ours: &Value, theirs: f64, tolerance: f64) {
    let ours = ours.as_f64().unwrap();
    assert!((ours - theirs).abs() <= tolerance, "ours {ours}, the oracle's {theirs} +- {tolerance}");
}

#[test]
fn kernel_text_of_every_board_reads_as_the_procfs_crate_reads_it() {
    let (mut stats, mut meminfos, mut uptimes) = (0, 0, 0);
    for board in all().iter().filter(|board| name(board) != "made-broken") {
        if let Ok(text) = fs::read(board.join("proc/stat")) {
            let ours = stat::parse(&text).unwrap();
            let theirs =
                procfs::KernelStats::from_buf_read(&text[..], procfs::current_system_info()).unwrap().total;
            assert_eq!(
                (ours.user, ours.nice, ours.system, ours.idle),
                (theirs.user, theirs.nice, theirs.system, theirs.idle)
            );
            assert_eq!((Some(ours.iowait), Some(ours.irq)), (theirs.iowait, theirs.irq));
            assert_eq!((Some(ours.softirq), Some(ours.steal)), (theirs.softirq, theirs.steal));
            stats += 1;
        }
        if let Ok(text) = fs::read(board.join("proc/meminfo"))
            && let Ok(theirs) = procfs::Meminfo::from_buf_read(&text[..])
        {
            let ours = meminfo::parse(&text).unwrap();
            assert_eq!((ours.total_bytes, ours.free_bytes), (theirs.mem_total, theirs.mem_free));
            assert_eq!(ours.available_bytes, theirs.mem_available);
            meminfos += 1;
        }
        if let Ok(text) = fs::read(board.join("proc/uptime")) {
            let theirs = procfs::Uptime::from_read(&text[..]).unwrap().uptime;
            assert_eq!(uptime::parse(&text).unwrap().0 as f64 / 100.0, theirs);
            uptimes += 1;
        }
    }
    // Some captures are excerpts that the crate does not read.
    assert!(stats >= 8 && meminfos >= 8 && uptimes >= 4, "{stats} {meminfos} {uptimes}");
}

#[test]
fn the_live_machine_is_as_the_procfs_crate_sees_it() {
    let report = live(true);
    let memory = procfs::Meminfo::current().unwrap();
    let (total, available) = (memory.mem_total as f64, memory.mem_available.unwrap() as f64);
    assert_near(&report["mem"], (total - available) / total * 100.0, 3.0);
    assert_near(&report["uptime"], procfs::Uptime::current().unwrap().uptime, 5.0);
    assert_eq!(report["hostname"], nix::unistd::gethostname().unwrap().to_str().unwrap());

    let mut sampler = open_sampler(Path::new("/"), NO_TEMPERATURE);
    let before = procfs::KernelStats::current().unwrap().total;
    sampler.prime(START);
    busy(Duration::from_millis(700));
    let report: Value = serde_json::from_slice(sampler.report(tick(0, false))).unwrap();
    let after = procfs::KernelStats::current().unwrap().total;
    let idle = |time: &procfs::CpuTime| (time.idle + time.iowait.unwrap_or(0)) as f64;
    let all = |time: &procfs::CpuTime| {
        let rest = [time.irq, time.softirq, time.steal].map(Option::unwrap_or_default).iter().sum::<u64>();
        (time.user + time.nice + time.system + rest) as f64 + idle(time)
    };
    let busy_share = 1.0 - (idle(&after) - idle(&before)) / (all(&after) - all(&before));
    assert_near(&report["cpu"], busy_share * 100.0, 8.0);
}

/// Keeps a processor busy.
fn busy(time: Duration) {
    let start = Instant::now();
    while start.elapsed() < time {
        black_box((0..1000_u64).sum::<u64>());
    }
}

#[test]
#[ignore = "needs python3-psutil: tests/run"]
fn percentages_are_rounded_exactly_as_psutil_rounds_them() {
    // Halves of a tenth (of wholes that divide 2000 times a power of two), and anything else.
    let mut pairs: Vec<(u64, u64)> = Vec::new();
    for whole in [1, 3, 7, 16, 80, 100, 160, 200, 400, 800, 1000, 1600, 2000, 4000, 16_000, 32_000] {
        pairs.extend((0..=whole.min(4000)).map(|part| (part, whole)));
    }
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    for bits in 0..100_000 {
        let mut next = || {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            random >> (11 + bits % 50)
        };
        let (one, other) = (next(), next());
        pairs.push((one.min(other), one.max(other)));
    }
    let input: String = pairs.iter().fold(String::new(), |mut text, (part, whole)| {
        writeln!(text, "{part} {whole}").unwrap();
        text
    });
    let script = "
import sys
from psutil._common import usage_percent
for line in sys.stdin:
    part, whole = map(int, line.split())
    print(usage_percent(part, whole, round_=1))
";
    let theirs = answer(script, &[], &input);
    assert_eq!(theirs.lines().count(), pairs.len());
    for ((part, whole), theirs) in pairs.iter().zip(theirs.lines()) {
        let tenths = percent(*part, *whole).0;
        assert_eq!(format!("{}.{}", tenths / 10, tenths % 10), theirs, "{part} of {whole}");
    }
}

#[test]
#[ignore = "needs python3-psutil: tests/run"]
fn memory_of_every_board_is_what_psutil_makes_of_it() {
    let script = "
import sys, psutil
for psutil.PROCFS_PATH in sys.argv[1:]:
    print(psutil.virtual_memory().percent)
";
    let boards: Vec<_> = all()
        .into_iter()
        .filter(|board| board.join("proc/meminfo").exists() && name(board) != "made-broken")
        .collect();
    assert!(boards.len() > 12);
    let procs: Vec<_> = boards.iter().map(|board| board.join("proc")).collect();
    let theirs = answer(script, &procs.iter().map(AsRef::as_ref).collect::<Vec<_>>(), "");
    assert_eq!(theirs.lines().count(), boards.len());
    for (board, theirs) in boards.iter().zip(theirs.lines()) {
        let ours = open_sampler(board, NO_TEMPERATURE).report(tick(0, false)).to_vec();
        let ours: Value = serde_json::from_slice(&ours).unwrap();
        assert_eq!(ours["mem"].to_string(), theirs, "{}", name(board));
    }
}

#[test]
#[ignore = "needs python3-psutil: tests/run"]
fn cpu_of_every_board_is_what_psutil_makes_of_it() {
    let script = "
import sys, shutil, psutil
for path in sys.argv[1:]:
    psutil.PROCFS_PATH = path + '/proc'
    psutil._last_cpu_times = None  # of another machine
    psutil.cpu_percent()
    shutil.copy(path + '/later', path + '/proc/stat')
    print(psutil.cpu_percent())
";
    let mut trees = Vec::new();
    for board in all().iter().filter(|board| name(board) != "made-broken") {
        if let Ok(stat) = fs::read(board.join("proc/stat")) {
            let tree = Tree::new();
            tree.put("proc/stat", counters_at_start(&stat));
            tree.put("later", &stat);
            let mut sampler = open_sampler(tree.path(), NO_TEMPERATURE);
            sampler.prime(START);
            trees.push((tree, sampler));
        }
    }
    assert!(trees.len() >= 8);
    let paths: Vec<_> = trees.iter().map(|(tree, _)| tree.path()).collect();
    let theirs = answer(script, &paths, "");
    assert_eq!(theirs.lines().count(), trees.len());
    for ((_, sampler), theirs) in trees.iter_mut().zip(theirs.lines()) {
        let ours: Value = serde_json::from_slice(sampler.report(tick(0, false))).unwrap();
        // psutil subtracts seconds, as doubles: its quotient may be off in the last bit.
        assert_near(&ours["cpu"], theirs.parse().unwrap(), 0.100_001);
    }
}

#[test]
#[ignore = "needs python3-psutil: tests/run"]
fn the_live_machine_is_as_psutil_sees_it() {
    let script = "
import json, psutil, socket, time
print(json.dumps({
    'hostname': socket.gethostname(),
    'mem': psutil.virtual_memory().percent,
    'uptime': time.clock_gettime(time.CLOCK_BOOTTIME),
    'ipaddr': [a.address for interface in psutil.net_if_addrs().values() for a in interface
               if a.family == socket.AF_INET and a.address != '127.0.0.1'],
}))
";
    let theirs: Value = serde_json::from_str(&answer(script, &[], "")).unwrap();
    let ours = live(true);
    assert_eq!(ours["hostname"], theirs["hostname"]);
    assert_near(&ours["mem"], theirs["mem"].as_f64().unwrap(), 3.0);
    assert_near(&ours["uptime"], theirs["uptime"].as_f64().unwrap(), 5.0);
    let sorted = |report: &Value| {
        let mut list: Vec<_> =
            report["ipaddr"].as_array().unwrap().iter().map(|a| a.as_str().unwrap().to_owned()).collect();
        list.sort();
        list
    };
    assert_eq!(sorted(&ours), sorted(&theirs));
}

#[test]
#[ignore = "needs python3-psutil: tests/run"]
fn cpu_under_load_is_as_psutil_sees_it() {
    let script = "
import sys, psutil
psutil.cpu_percent()
print('begun', flush=True)
sys.stdin.readline()
print(psutil.cpu_percent(), flush=True)
";
    let mut sampler = open_sampler(Path::new("/"), NO_TEMPERATURE);
    let mut psutil = python(script, &[]);
    let mut lines = BufReader::new(psutil.stdout.take().unwrap());
    let mut line = String::new();
    lines.read_line(&mut line).unwrap();
    assert_eq!(line, "begun\n", "is {PSUTIL} installed?");
    sampler.prime(START);
    busy(Duration::from_millis(1500));
    let ours: Value = serde_json::from_slice(sampler.report(tick(0, false))).unwrap();
    psutil.stdin.take().unwrap().write_all(b"end\n").unwrap();
    let mut theirs = String::new();
    lines.read_to_string(&mut theirs).unwrap();
    assert!(psutil.wait().unwrap().success());
    assert_near(&ours["cpu"], theirs.trim().parse().unwrap(), 8.0);
    assert!(ours["cpu"].as_f64().unwrap() > 0.0, "one processor was kept busy: {ours}");
}
