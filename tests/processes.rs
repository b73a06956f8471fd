//! The table of processes: against psutil, and in trees that are made up.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use psistats_core::limits;
use psistats_host::machine::processes::{Process, ProcessTable};
use psistats_host::machine::source::Root;
use serde_json::Value;
use support::boards::Tree;

const SECOND: Duration = Duration::from_secs(1);

fn table(root: &Path, capacity: usize) -> ProcessTable {
    ProcessTable::open(&Root::open(root), capacity, 100, 4096)
}

fn scan(table: &mut ProcessTable, elapsed: Duration) -> BTreeMap<u32, Process> {
    table.scan(&mut [0; limits::KERNEL_FILE], elapsed).unwrap();
    table.distinct(usize::MAX).map(|process| (process.pid, process.clone())).collect()
}

/// A process of `tree` with so many ticks and pages.
fn put(tree: &Tree, pid: u32, name: &str, started: u64, ticks: u64, pages: u64) {
    let text =
        format!("{pid} ({name}) S 1 1 1 0 -1 0 0 0 0 0 {ticks} 0 0 0 20 0 1 0 {started} 1000 7 0 0 0\n");
    tree.put(&format!("proc/{pid}/stat"), text);
    tree.put(&format!("proc/{pid}/statm"), format!("1000 {pages} 0 0 0 0 0\n"));
}

/// A process that keeps a processor busy under the name `name`, until it is dropped.
struct Busy {
    child: Child,
    _dir: tempfile::TempDir,
}

impl Busy {
    fn start(name: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join(name);
        std::fs::copy("/bin/sh", &program).unwrap();
        let child = Command::new(program).args(["-c", "while :; do :; done"]).spawn().unwrap();
        Self { child, _dir: dir }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

#[test]
#[ignore = "needs python3-psutil: tests/run"]
fn names_states_and_memory_are_psutils_and_so_is_the_time_of_a_busy_process() {
    let busy = Busy::start("a-busy-program-with-a-long-name");
    let pid = busy.child.id();
    let script = "
import json, psutil, time
processes = [p for p in psutil.process_iter()]
for p in processes:
    try: p.cpu_percent()
    except psutil.Error: pass
print('ready', flush=True)
input()
found = {}
for p in processes:
    try: found[p.pid] = [p.name(), p.status(), p.memory_info().rss, p.cpu_percent()]
    except psutil.Error: pass
print(json.dumps(found))
";
    let mut python = Command::new("/usr/bin/python3")
        .args(["-W", "ignore", "-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("/usr/bin/python3: apt-get install python3-psutil");
    let mut theirs = std::io::BufReader::new(python.stdout.take().unwrap());
    let mut line = String::new();
    std::io::BufRead::read_line(&mut theirs, &mut line).unwrap();
    assert_eq!(line, "ready\n", "is python3-psutil installed?");

    let mut table = table(Path::new("/"), 4096);
    let before = scan(&mut table, SECOND);
    let start = Instant::now();
    while start.elapsed() < SECOND {
        std::thread::sleep(Duration::from_millis(50));
    }
    std::io::Write::write_all(python.stdin.as_mut().unwrap(), b"\n").unwrap();
    let elapsed = start.elapsed();
    let ours = scan(&mut table, elapsed);
    line.clear();
    std::io::BufRead::read_line(&mut theirs, &mut line).unwrap();
    python.wait().unwrap();
    let theirs: BTreeMap<u32, Value> = serde_json::from_str(&line).unwrap();

    let (mut compared, mut same_state, mut same_memory) = (0, 0, 0);
    for (pid, process) in ours.iter().filter(|(pid, _)| before.contains_key(pid)) {
        let Some(of_psutil) = theirs.get(pid) else { continue };
        // A worker of the kernel is called by what it does at the moment.
        if !process.name.starts_with("kworker/") {
            assert_eq!(process.name.as_str(), of_psutil[0].as_str().unwrap(), "{pid}");
        }
        let (ours, rss) = (process.resident_bytes as f64, of_psutil[2].as_f64().unwrap());
        // What is about to end has given its memory back by the time of the second reading.
        if rss == 0.0 && ours > 0.0 {
            continue;
        }
        // Memory of what is at work moves between the two readings.
        assert!((ours - rss).abs() <= 0.2 * rss + 4e6, "{process:?}: {rss}");
        same_memory += u32::from(ours == rss);
        same_state += u32::from(process.status.as_str() == of_psutil[1].as_str().unwrap());
        compared += 1;
    }
    assert!(compared >= 3, "{compared}");
    assert!(same_state * 10 >= compared * 7, "{same_state} of {compared}");
    // Of stat, which psutil does not take it from, hardly one is the same to the page.
    assert!(same_memory * 10 >= compared * 7, "{same_memory} of {compared}");
    let (ours, theirs) = (ours[&pid].cpu.0 as f64 / 10.0, theirs[&pid][3].as_f64().unwrap());
    assert!(ours > 5.0 && (ours - theirs).abs() <= 0.35 * theirs, "ours {ours}, psutil's {theirs}");
}

#[test]
fn cpu_is_the_share_of_one_core_since_the_scan_before() {
    let tree = Tree::new();
    put(&tree, 7, "a", 5, 1000, 10);
    put(&tree, 8, "b", 5, 0, 10);
    let mut table = table(tree.path(), 16);
    assert_eq!(scan(&mut table, SECOND)[&7].cpu.0, 0, "nothing to measure against yet");
    put(&tree, 7, "a", 5, 1025, 10);
    put(&tree, 8, "b", 5, 300, 10);
    put(&tree, 9, "young", 900, 50, 10);
    let found = scan(&mut table, SECOND * 2);
    assert_eq!((found[&7].cpu.0, found[&8].cpu.0), (125, 1500), "12.5 % of one core, and 1.5 cores");
    assert_eq!(found[&9].cpu.0, 250, "all that a new one has used, it has used since");
    assert_eq!(found[&7].resident_bytes, 40_960);
}

#[test]
fn a_number_that_another_process_has_got_is_not_measured_against_the_first() {
    let tree = Tree::new();
    put(&tree, 7, "a", 5, 100_000, 10);
    let mut table = table(tree.path(), 16);
    scan(&mut table, SECOND);
    put(&tree, 7, "b", 900, 10, 10);
    assert_eq!(scan(&mut table, SECOND)[&7].cpu.0, 100);
    put(&tree, 7, "b", 900, 3, 10);
    assert_eq!(scan(&mut table, SECOND)[&7].cpu.0, 0, "what falls has spent nothing");
}

#[test]
fn one_that_could_not_be_looked_at_for_a_while_has_not_used_its_whole_life_since() {
    let tree = Tree::new();
    put(&tree, 7, "a", 5, 0, 10);
    put(&tree, 8, "b", 700, 0, 10);
    let mut table = table(tree.path(), 16);
    scan(&mut table, SECOND);
    // As where there is no descriptor left.
    tree.put("proc/7/stat", "");
    assert!(!scan(&mut table, SECOND).contains_key(&7));
    put(&tree, 7, "a", 5, 500_000, 10);
    put(&tree, 9, "young", 900, 50, 10);
    let found = scan(&mut table, SECOND);
    assert_eq!((found[&7].cpu.0, found[&9].cpu.0), (0, 500));
}

#[test]
fn of_processes_with_one_name_the_highest_id_stands() {
    let tree = Tree::new();
    for pid in [3, 100, 20] {
        put(&tree, pid, "worker", 5, 0, 10);
    }
    put(&tree, 50, "other", 5, 0, 10);
    let found = scan(&mut table(tree.path(), 16), SECOND);
    assert_eq!(found.keys().copied().collect::<Vec<_>>(), [50, 100]);
}

#[test]
fn where_there_are_more_than_fit_those_that_use_most_stand() {
    let tree = Tree::new();
    for pid in 1..=20_u32 {
        put(&tree, pid, &format!("p{pid}"), 5, 0, u64::from(pid));
    }
    let mut table = table(tree.path(), 8);
    scan(&mut table, SECOND);
    put(&tree, 2, "p2", 5, 50, 1);
    let found = scan(&mut table, SECOND);
    assert_eq!(found.len(), 8);
    assert!((14..=20).all(|pid| found.contains_key(&pid)), "the largest: {found:?}");
    put(&tree, 2, "p2", 5, 90, 1);
    put(&tree, 15, "p15", 5, 30, 1);
    scan(&mut table, SECOND);
    let most: Vec<u32> = table.distinct(3).map(|process| process.pid).collect();
    assert_eq!(most, [15, 20, 19], "by processor, then by memory; what was not in the table counts from now");
}

#[test]
fn a_cut_name_is_completed_by_the_command_line_that_it_begins() {
    let tree = Tree::new();
    let cut = "a-program-with-";
    for (pid, line) in [
        (1, "/usr/bin/a-program-with-a-long-name\0--flag\0"),
        (2, "/usr/bin/python3\0/usr/bin/a-program-with-a-long-name\0"),
        (3, ""),
        (4, "a-program-with-a\u{fc}\0"),
    ] {
        put(&tree, pid, cut, 5, 0, 1);
        tree.put(&format!("proc/{pid}/cmdline"), line);
    }
    put(&tree, 5, "short", 5, 0, 1);
    tree.put("proc/5/cmdline", "/usr/bin/short-is-not-cut\0");
    let mut table = table(tree.path(), 16);
    table.scan(&mut [0; 1024], SECOND).unwrap();
    let names: BTreeMap<&str, u32> = table.distinct(99).map(|p| (p.name.as_str(), p.pid)).collect();
    let expected = [
        ("a-program-with-", 3),
        ("a-program-with-a-long-name", 1),
        ("a-program-with-a\u{fc}", 4),
        ("short", 5),
    ];
    assert_eq!(names, BTreeMap::from(expected));
}

#[test]
fn names_that_are_no_text_and_files_that_are_no_processes_harm_nobody() {
    let tree = Tree::new();
    tree.put("proc/1/stat", b"1 (\xff\xfe\x80bad) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 5 1000 1 0\n");
    tree.put("proc/1/statm", "1000 1 0 0 0 0 0\n");
    tree.put("proc/2/stat", "nonsense");
    tree.put("proc/3/status", "no stat");
    tree.put("proc/99999999999999999999/stat", "1 (a) S");
    tree.put("proc/self/stat", "1 (a) S");
    put(&tree, 4, "good", 5, 0, 1);
    put(&tree, 5, "without memory", 5, 0, 1);
    tree.put("proc/5/statm", "nonsense");
    let found = scan(&mut table(tree.path(), 16), SECOND);
    assert_eq!(found.keys().copied().collect::<Vec<_>>(), [1, 4]);
    assert_eq!(found[&1].name.as_str(), "\u{fffd}\u{fffd}\u{fffd}bad");
    assert!(table(&tree.path().join("nowhere"), 16).scan(&mut [0; 512], SECOND).is_err());
}
