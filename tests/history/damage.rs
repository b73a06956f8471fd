//! Files that were cut, or changed behind its back.

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::{DAY_MS, HOUR_MS, MINUTE_MS, START_MS, open, report};

const DAYS: i64 = 3;

/// Some days of minutes, and an hour that is still open.
fn build(folder: &Path) -> i64 {
    let (mut history, _) = open(folder, START_MS);
    let mut now_ms = START_MS;
    while now_ms < START_MS + DAYS * DAY_MS + 90 * MINUTE_MS {
        for board in ["pi-1", "pi-2"] {
            let value = (now_ms / MINUTE_MS % 997) as f64;
            history
                .record(&report(board, now_ms, "id", &[("a", value), ("b", value / 3.0)]), now_ms)
                .unwrap();
        }
        now_ms += MINUTE_MS;
        if now_ms % (20 * MINUTE_MS) == 0 {
            history.commit(now_ms).unwrap();
            history.tend_all(now_ms);
        }
    }
    history.commit(now_ms).unwrap();
    now_ms
}

/// Opens a history that was damaged: what it says is right, or a gap; and it goes on.
fn use_it(folder: &Path, now_ms: i64) {
    let (mut history, _) = open(folder, now_ms);
    for _ in 0..2 {
        for (board, series, divisor) in [("pi-1", "a", 1.0), ("pi-2", "b", 3.0)] {
            for day in 0..=DAYS {
                let from_ms = START_MS + day * DAY_MS;
                let range = history.range(board, series, from_ms, from_ms + DAY_MS, 1440, now_ms);
                for (minute, value) in (from_ms / MINUTE_MS..).zip(&range.min) {
                    let right = (minute % 997) as f64 / divisor;
                    assert!(value.is_none_or(|value| value == right), "{board} {minute}: {value:?}");
                }
            }
            history.range(board, series, START_MS, now_ms, 100, now_ms);
            history.series(board, now_ms);
        }
        history.tend_all(now_ms + 30 * HOUR_MS);
    }
    let later_ms = now_ms + 2 * DAY_MS;
    history.record(&report("pi-3", later_ms, "id", &[("a", 5.0)]), later_ms).unwrap();
    history.commit(later_ms).unwrap();
    history.tend_all(later_ms + 3 * HOUR_MS);
    let range = history.range("pi-3", "a", later_ms, later_ms + MINUTE_MS, 1, later_ms + 3 * HOUR_MS);
    assert_eq!(range.samples, [1]);
}

fn copy(from: &Path, to: &Path) {
    for file in fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}

fn is_set_aside(folder: &Path) -> bool {
    let mut files = fs::read_dir(folder).unwrap();
    files.any(|file| file.unwrap().file_name().to_string_lossy().starts_with("history.redb.damaged-"))
}

#[test]
fn damaged_files_are_set_aside_and_it_runs_on() {
    let whole = tempfile::tempdir().unwrap();
    let now_ms = build(whole.path());
    let mut aside = 0;
    let damage = (any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0..8_u8, any::<bool>());
    let mut runner = TestRunner::new(ProptestConfig::with_cases(100));
    let mut names: Vec<_> =
        fs::read_dir(whole.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
    names.sort();
    runner
        .run(&damage, |(file, place, bit, cut)| {
            let folder = tempfile::tempdir().unwrap();
            copy(whole.path(), folder.path());
            let path = folder.path().join(file.get(&names));
            let mut bytes = fs::read(&path).unwrap();
            if bytes.is_empty() {
                return Ok(());
            }
            let place = place.index(bytes.len());
            if cut {
                bytes.truncate(place);
            } else {
                bytes[place] ^= 1 << bit;
            }
            fs::write(&path, bytes).unwrap();
            use_it(folder.path(), now_ms);
            Ok(())
        })
        .unwrap();
    // Every page of the store that matters, each once.
    let size = fs::metadata(whole.path().join("history.redb")).unwrap().len();
    for page in 0..size / 4096 {
        let folder = tempfile::tempdir().unwrap();
        copy(whole.path(), folder.path());
        let path = folder.path().join("history.redb");
        let mut bytes = fs::read(&path).unwrap();
        let place = page as usize * 4096;
        bytes[place..place + 400].fill(0x5a);
        fs::write(&path, bytes).unwrap();
        use_it(folder.path(), now_ms);
        aside += usize::from(is_set_aside(folder.path()));
    }
    assert!(aside > 2, "set aside {aside} times of {}", size / 4096);
}
