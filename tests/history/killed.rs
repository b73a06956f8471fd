//! kill -9 at any moment.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use psistats_hub::history::History;

use super::{HOUR_MS, MINUTE_MS, START_MS, again, folder_of_child, open, report};

const KILLS: u32 = 100;

/// Commit `n` has the three samples of minute `n`, and one of an hour that is long over.
fn commit(history: &mut History, n: i64) {
    let time_ms = START_MS + n * MINUTE_MS;
    for board in ["pi-1", "pi-2"] {
        for part in 0..3 {
            let at_ms = time_ms + part * 20_000;
            history
                .record(&report(board, at_ms, &n.to_string(), &[("n", n as f64), ("one", 1.0)]), at_ms)
                .unwrap();
        }
    }
    history.record(&report("late", time_ms - 30 * HOUR_MS, "", &[("n", n as f64)]), time_ms).unwrap();
    history.commit(time_ms).unwrap();
}

/// The process that is killed: commits, and says what is durable.
#[test]
fn child_that_commits() {
    let Some(folder) = folder_of_child() else { return };
    let first: i64 = std::env::var("HISTORY_FIRST").unwrap().parse().unwrap();
    let (mut history, _) = open(&folder, START_MS + first * MINUTE_MS);
    for n in first..=i64::MAX {
        commit(&mut history, n);
        println!("\ndurable {n}");
        std::io::stdout().flush().unwrap();
        history.tend(START_MS + n * MINUTE_MS);
    }
}

#[test]
fn what_was_committed_is_there_after_kill_9_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    let (mut first, mut slowest) = (0, Duration::ZERO);
    for kill in 0..KILLS {
        let mut child = again("killed::child_that_commits", folder.path())
            .env("HISTORY_FIRST", first.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let reader = thread::spawn(move || {
            lines.map_while(Result::ok).filter_map(|line| line.strip_prefix("durable ")?.parse().ok()).last()
        });
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        thread::sleep(Duration::from_millis(20 + seed % 400));
        child.kill().unwrap();
        child.wait().unwrap();
        let told: i64 = reader.join().unwrap().unwrap_or(first - 1);

        let begin = Instant::now();
        let (mut history, reports) = open(folder.path(), START_MS + told.max(0) * MINUTE_MS);
        slowest = slowest.max(begin.elapsed());
        let last = reports.iter().filter_map(|report| str::from_utf8(&report.id).ok()?.parse().ok()).max();
        let durable = last.unwrap_or(-1);
        assert!(durable >= told, "kill {kill}: {told} was told to be durable, {durable} is");
        if kill % 10 == 9 {
            check(&mut history, durable);
        }
        first = durable + 1;
    }
    assert!(slowest < Duration::from_secs(2), "{slowest:?}");
    println!("{KILLS} kills, {first} commits, opened within {slowest:?}");
}

/// Each sample up to commit `durable` is there, once.
fn check(history: &mut History, durable: i64) {
    let now_ms = START_MS + durable * MINUTE_MS;
    // Minutes are kept for 14 days, and a fast disk takes more commits than these have.
    let oldest = (durable - 12 * 24 * 60).max(0);
    for (board, early_ms, samples) in [("pi-1", 0, 3), ("pi-2", 0, 3), ("late", 30 * HOUR_MS, 1)] {
        for start in (oldest..=durable).step_by(1000) {
            let from_ms = START_MS + start * MINUTE_MS - early_ms;
            let range = history.range(board, "n", from_ms, from_ms + 1000 * MINUTE_MS, 1000, now_ms);
            assert_eq!((range.step_ms, range.start_ms), (MINUTE_MS, from_ms));
            for (n, (count, average)) in (start..).zip(range.samples.iter().zip(&range.average)) {
                if n <= durable {
                    assert_eq!(
                        (*count, *average),
                        (samples, Some(n as f64)),
                        "{board}, commit {n} of {durable}"
                    );
                }
            }
        }
    }
}
