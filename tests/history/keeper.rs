//! The thread.

use std::sync::mpsc::channel;

use psistats_hub::history::{Batch, Keeper, Report};
use support::PATIENCE;

use super::{open, report};

fn batch(report: Report) -> Batch {
    Batch { reports: vec![report], is_awaited: true }
}

#[test]
fn a_batch_is_told_to_be_kept_and_questions_are_answered() {
    let folder = tempfile::tempdir().unwrap();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let now_ms = now.as_millis() as i64;
    let (kept, is_kept) = channel();
    let (history, _) = open(folder.path(), now_ms);
    let mut keeper = Keeper::start(history, 8, move |batch, _| _ = kept.send(batch)).unwrap();
    let first = keeper.keep(batch(report("pi-1", now_ms, "1", &[("cpu", 5.0)]))).unwrap();
    let second = keeper.keep(batch(report("pi-1", now_ms, "2", &[("cpu", 7.0)]))).unwrap();
    assert!(first < second);
    assert_eq!(is_kept.recv_timeout(PATIENCE).unwrap(), second);
    let (answer, answered) = channel();
    let question = move |history: &mut psistats_hub::history::History, now_ms| {
        _ = answer.send(history.range("pi-1", "cpu", now_ms - 120_000, now_ms + 1, 10, now_ms));
    };
    keeper.ask(Box::new(question)).unwrap();
    let range = answered.recv_timeout(PATIENCE).unwrap();
    assert_eq!(range.samples.iter().sum::<u32>(), 2);
    let last = keeper.keep(batch(report("pi-1", now_ms, "3", &[("cpu", 9.0)]))).unwrap();
    keeper.stop();
    assert_eq!(is_kept.try_iter().last(), Some(last));
    let (_, reports) = open(folder.path(), now_ms);
    assert_eq!(reports.iter().map(|report| &report.id[..]).collect::<Vec<_>>(), [b"1", b"2", b"3"]);
}
