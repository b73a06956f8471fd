//! A disk that is full for a while: a small file system in memory, in a namespace of its own.

use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;

use log::{LevelFilter, Log, Metadata, Record};

use psistats_hub::history::{History, Limits};

use super::{HOUR_MS, MINUTE_MS, START_MS, folder_of_child, open_within, report};

/// Makes digits that do not pack.
const PRIME: u64 = 0x9e37_79b9_7f4a_7c15;

struct Lines(Mutex<Vec<String>>);
static LINES: Lines = Lines(Mutex::new(Vec::new()));

impl Log for Lines {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }
    fn log(&self, record: &Record<'_>) {
        self.0.lock().unwrap().push(record.args().to_string());
    }
    fn flush(&self) {}
}

fn lines_with(text: &str) -> usize {
    LINES.0.lock().unwrap().iter().filter(|line| line.contains(text)).count()
}

/// Takes all room that is left.
fn fill(path: &Path) {
    let mut file = File::options().create(true).append(true).open(path).unwrap();
    for size in [1 << 16, 1 << 12, 1] {
        while file.write_all(&vec![1; size]).is_ok() {}
    }
}

/// Commits minute after minute, and returns how many reports were taken until there was no room for more, and the
/// first that is not durable.
fn record_until_full(history: &mut History, next: &mut i64, filler: &Path) -> (usize, i64) {
    let mut durable = *next;
    for taken in 0.. {
        let time_ms = START_MS + *next * MINUTE_MS;
        // More than the journal has reserved, however well it packs.
        let part = |part: u64| format!("{:016x}", (*next as u64 + part).wrapping_mul(PRIME));
        let id = [1, 2, 3, 4].map(part).concat();
        if history.record(&report("pi-1", time_ms, &id, &[("n", *next as f64)]), time_ms).is_err() {
            return (taken, durable);
        }
        *next += 1;
        if taken % 4000 == 3999 {
            fill(filler);
            if history.commit(time_ms).is_ok() {
                durable = *next;
            }
        }
        if taken % 100 == 0 {
            history.tend_all(time_ms);
        }
    }
    (0, durable)
}

#[test]
fn child_on_a_small_disk() {
    let Some(folder) = folder_of_child() else { return };
    log::set_logger(&LINES).unwrap();
    log::set_max_level(LevelFilter::Info);
    let filler = folder.join("filler");
    let data = folder.join("data");
    let limits = Limits { waiting: 20_000, slots: 20_000, ..Limits::default() };
    let (mut history, _) = open_within(&data, limits, START_MS);
    let mut next = 0;
    for round in 0..3 {
        for _ in 0..500 {
            let time_ms = START_MS + next * MINUTE_MS;
            history
                .record(&report("pi-1", time_ms, &next.to_string(), &[("n", next as f64)]), time_ms)
                .unwrap();
            next += 1;
            history.commit(time_ms).unwrap();
            history.tend(time_ms);
        }
        // An hour of many boards, whose blocks the file of the store has to grow for.
        let time_ms = START_MS + (next - 1) * MINUTE_MS;
        for board in 0..200 * (round + 1) {
            let samples = ["a", "b", "c"].map(|series| (series, board as f64));
            history.record(&report(&format!("crowd-{board}"), time_ms, "", &samples), time_ms).unwrap();
        }
        history.commit(time_ms).unwrap();
        fill(&filler);
        let (taken, durable) = record_until_full(&mut history, &mut next, &filler);
        assert!((5_000..=41_000).contains(&taken), "{taken} reports in memory");
        let now_ms = START_MS + next * MINUTE_MS;
        assert_eq!(history.commit(now_ms).unwrap_err().kind(), ErrorKind::StorageFull);
        assert_eq!(lines_with("cannot write to the history's journal"), round + 1);
        let lines = lines_with("cannot use");
        assert!((1..=round + 1).contains(&lines), "{:?}", LINES.0.lock().unwrap());
        if round == 1 {
            // It can be opened on the full disk too; what was not committed was not confirmed.
            drop(history);
            history = open_within(&data, limits, now_ms).0;
            next = durable;
            fs::remove_file(&filler).unwrap();
        } else {
            fs::remove_file(&filler).unwrap();
            history.commit(now_ms).unwrap();
            assert_eq!(lines_with("the history's journal works again"), round / 2 + 1);
        }
        history.tend_all(now_ms + HOUR_MS);
    }
    let now_ms = START_MS + next * MINUTE_MS;
    // Everything of the last two weeks is there.
    for start in ((next - 13 * 1440)..next).step_by(1000) {
        let from_ms = START_MS + start * MINUTE_MS;
        let range = history.range("pi-1", "n", from_ms, from_ms + 1000 * MINUTE_MS, 1000, now_ms);
        for (n, (count, min)) in (start..next).zip(range.samples.iter().zip(&range.min)) {
            assert_eq!((*count, *min), (1, Some(n as f64)), "minute {n} of {next}");
        }
    }
    println!("\nwent on");
}

#[test]
fn on_a_full_disk_it_says_so_once_and_goes_on_when_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let program = std::env::current_exe().unwrap();
    let script = format!(
        "mount -t tmpfs -o size=2m none '{0}' && exec '{1}' --exact full_disk::child_on_a_small_disk --nocapture",
        folder.path().display(),
        program.display()
    );
    let output = Command::new("unshare")
        .args(["--mount", "sh", "-c", &script])
        .env("HISTORY_FOLDER", folder.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("went on"), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
}
