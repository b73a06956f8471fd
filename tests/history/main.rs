//! The kept history by itself: against a model, killed, damaged, on a full disk, and what it costs.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
#![allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, clippy::cast_sign_loss)]

mod cost;
mod damage;
mod full_disk;
mod keeper;
mod killed;
mod model;
mod processes;

use std::path::Path;
use std::process::Command;

use psistats_hub::history::{Found, History, Limits, Report};

// The hour in which everything begins.
const START_MS: i64 = 1_782_864_000_000;
const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;

fn report(board: &str, time_ms: i64, id: &str, samples: &[(&str, f64)]) -> Report {
    let samples = samples.iter().map(|(series, value)| ((*series).into(), *value)).collect();
    Report { board: board.into(), time_ms, id: id.into(), samples }
}

/// Opens with the limits that a hub has, and returns what the journal had.
fn open(folder: &Path, now_ms: i64) -> (History, Vec<Report>) {
    open_within(folder, Limits::default(), now_ms)
}

fn open_within(folder: &Path, limits: Limits, now_ms: i64) -> (History, Vec<Report>) {
    let mut reports = Vec::new();
    let history = History::open(folder, limits, now_ms, |found| {
        if let Found::Report(report) = found {
            reports.push(report);
        }
    })
    .unwrap();
    (history, reports)
}

/// This program again, as a process that does what the test called `name` does where `folder` is set.
fn again(name: &str, folder: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", name, "--nocapture", "--test-threads=1"]).env("HISTORY_FOLDER", folder);
    command
}

/// The folder, in such a process.
fn folder_of_child() -> Option<std::path::PathBuf> {
    std::env::var_os("HISTORY_FOLDER").map(Into::into)
}
