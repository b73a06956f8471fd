//! What reports and the line of counters say of themselves.

use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::PATIENCE;
use super::consumer::{Collector, Message};
use super::process::Process;

/// A report's number, which its message id ends in.
pub fn sequence(message: &Message) -> u64 {
    let id = message.message_id.as_deref().expect("a message id");
    id.rsplit('-').next().unwrap().parse().expect(id)
}

/// The next report.
#[track_caller]
pub fn next(reading: &Collector) -> Message {
    reading.next(PATIENCE).unwrap_or_else(|| panic!("no report within {PATIENCE:?}"))
}

/// Reads until a report with this number or a higher one.
#[track_caller]
pub fn read_past(reading: &Collector, number: u64) -> Message {
    loop {
        let message = next(reading);
        if sequence(&message) >= number {
            return message;
        }
    }
}

/// The line of counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counters {
    pub sampled: u64,
    pub confirmed: u64,
    pub dropped: u64,
    pub pending: u64,
    /// `Away`, `Ready` or `Blocked`.
    pub connection: &'static str,
}

impl Counters {
    /// Those of a line, if it is one of counters. Their sum holds.
    pub fn parse(line: &str) -> Option<Self> {
        let text =
            |name: &str| line.split_whitespace().find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
        let figure = |name| text(name)?.parse().ok();
        let counters = Self {
            sampled: figure("sampled")?,
            confirmed: figure("confirmed")?,
            dropped: figure("dropped")?,
            pending: figure("pending")?,
            connection: Self::connection(line)?,
        };
        assert_eq!(counters.sampled, counters.confirmed + counters.dropped + counters.pending, "{line}");
        Some(counters)
    }

    fn connection(line: &str) -> Option<&'static str> {
        let words = line.split("pending=").nth(1)?.split_once(" (")?.1;
        let meant =
            [("connected to ", "Ready"), ("no connection", "Away"), ("blocked by the broker", "Blocked")];
        meant.into_iter().find(|(begin, _)| words.starts_with(begin)).map(|(_, meant)| meant)
    }

    /// The last ones among `lines`.
    pub fn last(lines: &[String]) -> Option<Self> {
        lines.iter().rev().find_map(|line| Self::parse(line))
    }

    /// Asks `agent`, which logs to its standard error, until they are as wanted.
    #[track_caller]
    pub fn wait_for(agent: &Process, wanted: impl Fn(Self) -> bool) -> Self {
        // From its first line on it answers to signals.
        agent.wait_for_line("psistats ", PATIENCE);
        let told = || agent.lines().iter().filter_map(|line| Self::parse(line)).collect::<Vec<_>>();
        let begin = Instant::now();
        loop {
            let before = told().len();
            agent.signal(Signal::SIGUSR1);
            while told().len() == before {
                assert!(begin.elapsed() < PATIENCE, "no line of counters: {:#?}", agent.lines());
                thread::sleep(Duration::from_millis(5));
            }
            let counters = *told().last().unwrap();
            if wanted(counters) {
                return counters;
            }
            assert!(begin.elapsed() < PATIENCE, "{counters:?}");
            thread::sleep(Duration::from_millis(20));
        }
    }
}
