//! Against a map of every sample, in time that passes as fast as it can.

use std::collections::BTreeMap;

use proptest::prelude::*;

use psistats_hub::history::{History, Limits, Replay, Replayed, Tier};

use super::{DAY_MS, HOUR_MS, MINUTE_MS, START_MS, open_within, report};

const BOARDS: [&str; 3] = ["pi-1", "pi-2", "büro"];
const SERIES: [&str; 3] = ["cpu", "disk./.percent", "load"];

#[derive(Debug, Clone)]
enum Step {
    /// Time passes, milliseconds.
    Pass(i64),
    /// A report of a board, so late, with a value of each of the first series.
    Report {
        board: usize,
        late_ms: i64,
        values: Vec<f64>,
    },
    Commit,
    /// So many steps of what there is to do.
    Tend(usize),
    Reopen,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let pass = prop_oneof![8 => 0..2 * MINUTE_MS, 3 => 0..2 * HOUR_MS, 1 => 0..3 * DAY_MS];
    let late = prop_oneof![8 => Just(0), 2 => 0..3 * HOUR_MS, 1 => 0..20 * DAY_MS];
    let value = prop_oneof![
        4 => (0..1000_i32).prop_map(|value| f64::from(value) / 10.0),
        1 => (0..9_000_000_000_i64).prop_map(|value| value as f64),
        1 => -10.0..10.0,
    ];
    let values = prop::collection::vec(value, 1..=3);
    let step = prop_oneof![
        6 => pass.prop_map(Step::Pass),
        12 => (0..3_usize, late, values)
            .prop_map(|(board, late_ms, values)| Step::Report { board, late_ms, values }),
        3 => Just(Step::Commit),
        3 => (0..4_usize).prop_map(Step::Tend),
        1 => Just(Step::Reopen),
    ];
    prop::collection::vec(step, 50..400)
}

type Samples = BTreeMap<(usize, usize), Vec<(i64, f64)>>;

/// Goes through all that a board said, as one does who sends it on, and compares the number of samples of each minute.
fn replay(history: &mut History, samples: &Samples, now_ms: i64) {
    let begin_ms = (now_ms - 13 * DAY_MS) / MINUTE_MS * MINUTE_MS;
    let end_ms = now_ms / MINUTE_MS * MINUTE_MS;
    for (board, name) in BOARDS.iter().enumerate() {
        let mut expected = BTreeMap::new();
        for ((_, series), known) in samples.iter().filter(|((other, _), _)| *other == board) {
            for (time, _) in known.iter().filter(|(time, _)| (begin_ms..end_ms).contains(time)) {
                *expected.entry((SERIES[*series], time / MINUTE_MS * MINUTE_MS)).or_default() += 1;
            }
        }
        let (mut found, mut from_ms) = (BTreeMap::new(), begin_ms);
        let mut whole = BTreeMap::new();
        while from_ms < end_ms {
            let until_ms = from_ms + 3 * HOUR_MS;
            let replay = match history.replay(name, (from_ms, until_ms, end_ms), now_ms).unwrap() {
                Replayed::Minutes(replay) => replay,
                Replayed::Later(start_ms) => {
                    assert!(start_ms >= until_ms);
                    from_ms = start_ms;
                    continue;
                }
                Replayed::Nothing => break,
            };
            count(&replay, &mut found);
            count(&history.everything(name, from_ms, until_ms.min(end_ms), now_ms).unwrap(), &mut whole);
            from_ms = until_ms;
        }
        assert_eq!(found, expected, "{name}");
        assert_eq!(whole, expected, "{name}");
    }
}

fn count(replay: &Replay, found: &mut BTreeMap<(&'static str, i64), u32>) {
    for (path, rollups) in &replay.series {
        let series = SERIES.iter().find(|series| ***series == **path).unwrap();
        assert!(rollups.is_sorted_by_key(|rollup| rollup.start_ms));
        for rollup in rollups {
            assert_eq!(found.insert((*series, rollup.start_ms), rollup.count), None, "once");
        }
    }
}

/// Asks for every series in windows of `window_ms` up to `now_ms`, and compares each bucket.
fn compare(history: &mut History, samples: &Samples, now_ms: i64, tier: Tier, window_ms: i64, windows: i64) {
    for (board, name) in BOARDS.iter().enumerate() {
        for (series, path) in SERIES.iter().enumerate() {
            let empty = Vec::new();
            let known = samples.get(&(board, series)).unwrap_or(&empty);
            for window in 0..windows {
                let to_ms = now_ms - window * window_ms;
                let range = history.range(name, path, to_ms - window_ms, to_ms, 2000, now_ms);
                assert_eq!(range.tier, tier);
                for (bucket, (start_ms, count)) in
                    (range.start_ms..).step_by(range.step_ms as usize).zip(&range.samples).enumerate()
                {
                    let end_ms = start_ms + range.step_ms;
                    let values: Vec<f64> = known
                        .iter()
                        .filter(|(time, _)| (start_ms..end_ms).contains(time))
                        .map(|(_, value)| *value)
                        .collect();
                    let place = format!("{name} {path} at {start_ms}, {tier:?}: {values:?}");
                    assert_eq!(*count as usize, values.len(), "{place}");
                    let min = values.iter().copied().reduce(f64::min);
                    let max = values.iter().copied().reduce(f64::max);
                    assert_eq!((range.min[bucket], range.max[bucket]), (min, max), "{place}");
                    let (Some(min), Some(max)) = (min, max) else { continue };
                    let average = values.iter().sum::<f64>() / values.len() as f64;
                    let tolerance = (max - min) * 0.06 + max.abs() * 1e-9;
                    assert!((range.average[bucket].unwrap() - average).abs() <= tolerance, "{place}");
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn every_answer_is_that_of_a_map_of_all_samples(steps in steps()) {
        let folder = tempfile::tempdir().unwrap();
        // Few slots: what comes late is sealed before its hour is over, too.
        let limits = Limits { slots: 200, ..Limits::default() };
        let mut now_ms = START_MS;
        let mut samples = Samples::new();
        let (mut history, _) = open_within(folder.path(), limits, now_ms);
        for step in steps {
            match step {
                Step::Pass(time_ms) => now_ms += time_ms,
                Step::Report { board, late_ms, values } => {
                    let time_ms = now_ms - late_ms;
                    let named: Vec<_> = SERIES.iter().copied().zip(values.iter().copied()).collect();
                    while history.record(&report(BOARDS[board], time_ms, "id", &named), now_ms).is_err() {
                        history.commit(now_ms).unwrap();
                        now_ms += HOUR_MS;
                        history.tend_all(now_ms);
                    }
                    for (series, value) in values.iter().enumerate() {
                        samples.entry((board, series)).or_default().push((time_ms, *value));
                    }
                }
                Step::Commit => drop(history.commit(now_ms).unwrap()),
                Step::Tend(steps) => (0..steps).for_each(|_| _ = history.tend(now_ms)),
                Step::Reopen => {
                    history.commit(now_ms).unwrap();
                    drop(history);
                    history = open_within(folder.path(), limits, now_ms).0;
                }
            }
        }
        history.commit(now_ms).unwrap();
        for _ in 0..2 {
            compare(&mut history, &samples, now_ms, Tier::Minute, DAY_MS, 13);
            compare(&mut history, &samples, now_ms, Tier::Quarter, 20 * DAY_MS, 4);
            replay(&mut history, &samples, now_ms);
            history.tend_all(now_ms);
        }
        prop_assert_eq!(history.counts().damaged, 0);
    }
}

#[test]
fn what_is_too_old_goes_and_the_rest_stays() {
    let folder = tempfile::tempdir().unwrap();
    let (mut history, _) = open_within(folder.path(), Limits::default(), START_MS);
    let mut now_ms = START_MS;
    for day in 0..450 {
        now_ms = START_MS + day * DAY_MS;
        history.record(&report("pi-1", now_ms, "", &[("cpu", day as f64)]), now_ms).unwrap();
        history.commit(now_ms).unwrap();
        history.tend_all(now_ms);
    }
    let last = |history: &mut History, days: i64| {
        let range = history.range("pi-1", "cpu", now_ms - days * DAY_MS, now_ms + MINUTE_MS, 2000, now_ms);
        range.samples.iter().sum::<u32>()
    };
    assert_eq!(last(&mut history, 13), 14);
    assert_eq!(last(&mut history, 399), 400);
    let all = last(&mut history, 1000);
    assert!((400..=433).contains(&all), "{all}");
    // Of minutes, only those of two weeks are there.
    let range = history.range("pi-1", "cpu", now_ms - 14 * DAY_MS, now_ms + 1, 2000, now_ms);
    assert_eq!((range.samples.iter().sum::<u32>(), range.step_ms), (15, 11 * MINUTE_MS));
    assert!(history.series("pi-1", now_ms).contains(&"cpu".to_owned()));
    // Journals of hours that are sealed are deleted.
    let journals = std::fs::read_dir(folder.path()).unwrap().count();
    assert!(journals < 8, "{journals} files");
}

#[test]
fn what_has_no_place_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits { boards: 2, series: 2, ..Limits::default() };
    let (mut history, _) = open_within(folder.path(), limits, START_MS);
    let samples = [("a", 1.0), ("b", f64::NAN), ("b", 2.0), ("c", 3.0)];
    history.record(&report("one", START_MS, "", &samples), START_MS).unwrap();
    history.record(&report("two", START_MS - 401 * DAY_MS, "", &samples[..1]), START_MS).unwrap();
    history.record(&report("two", START_MS + 2 * DAY_MS, "", &samples[..1]), START_MS).unwrap();
    history.record(&report("two", START_MS, "", &samples[..1]), START_MS).unwrap();
    history.record(&report("three", START_MS, "", &samples[..1]), START_MS).unwrap();
    let counts = history.counts();
    assert_eq!((counts.out_of_time, counts.unnamed), (2, 3));
    history.commit(START_MS).unwrap();
    assert_eq!(history.boards().collect::<Vec<_>>(), ["one", "two"]);
}

#[test]
fn beyond_its_limit_the_oldest_quarter_goes() {
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits { bytes: 20_000, ..Limits::default() };
    let (mut history, _) = open_within(folder.path(), limits, START_MS);
    let mut now_ms = START_MS;
    for hour in 0..13 * 24 {
        for minute in 0..60 {
            now_ms = START_MS + hour * HOUR_MS + minute * MINUTE_MS;
            let value = f64::from((now_ms / 7919 % 1000) as u32) / 10.0;
            history.record(&report("pi-1", now_ms, "", &[("a", value), ("b", value / 7.0)]), now_ms).unwrap();
        }
        history.commit(now_ms).unwrap();
        history.tend_all(now_ms);
    }
    let range = history.range("pi-1", "a", START_MS, now_ms, 2000, now_ms);
    let first = range.samples.iter().position(|samples| *samples > 0).unwrap() as i64;
    let days = (now_ms - range.start_ms - first * range.step_ms) as f64 / DAY_MS as f64;
    assert!((1.0..12.0).contains(&days), "{days} days are left");
    let newest = range.samples.iter().rev().take(10).filter(|samples| **samples > 0).count();
    assert!(newest >= 9, "the newest are there");
}
