//! What boards say as metrics: by Prometheus itself, its promtool, and the parser of python3-prometheus-client.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
#![allow(clippy::cast_possible_truncation)]

#[cfg(not(debug_assertions))] // it measures
mod cost;
mod document;
#[allow(dead_code)]
#[path = "../hub/hub.rs"]
mod hub;
#[allow(dead_code)]
#[path = "../hub/master.rs"]
mod master;
mod many_hubs;
mod pages;
mod prometheus;
mod remote_write;
mod rules;

use std::io::Write;
use std::process::{Command, Output, Stdio};

use psistats_hub::fleet::{Bounds, Fleet, Heard, Source};
use psistats_hub::metrics::{Format, Scrape};
use support::project;

/// When everything was heard: Unix milliseconds.
const NOW: i64 = 1_700_000_000_123;

/// A report with every figure.
fn full() -> String {
    std::fs::read_to_string(project::path("tests/metrics/report.json")).unwrap().replace('\n', "")
}

/// What the captured boards report.
fn golden() -> Vec<String> {
    let mut reports = Vec::new();
    for board in std::fs::read_dir(project::path("tests/fixtures/boards")).unwrap() {
        let report = std::fs::read_to_string(board.unwrap().path().join("report.json")).unwrap();
        reports.push(report.trim().to_owned());
    }
    assert!(reports.len() > 20);
    reports
}

fn take(fleet: &mut Fleet, source: Source, body: &str, now_ms: i64) {
    let heard = Heard { source, peer: None, id: None, sampled_ms: None, body: body.to_owned().into() };
    fleet.take(&heard, now_ms).unwrap();
}

/// A fleet of boards that have sent a report each.
fn fleet<'b>(bodies: impl IntoIterator<Item = &'b str>) -> Fleet {
    let mut fleet = Fleet::new(Bounds::default());
    for body in bodies {
        take(&mut fleet, Source::Amqp, body, NOW);
    }
    fleet
}

/// All that a scrape writes.
fn text(fleet: &Fleet, mut scrape: Scrape) -> String {
    std::iter::from_fn(|| scrape.next(fleet)).collect()
}

fn all(fleet: &Fleet, format: Format) -> String {
    text(fleet, Scrape::of_all(fleet, format))
}

/// What a program makes of that input.
fn run(command: &mut Command, input: &str) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?}: {error}: tests/run installs it"));
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().unwrap();
    // It may have ended before it read everything.
    let _ = writer.join().unwrap();
    output
}
