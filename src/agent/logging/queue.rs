//! A log file behind a queue, so that logging never waits for a file system.
//!
//! When a file server is gone, a process that touches its files blocks until it is back. So each file has a thread
//! that writes it. The first line starts the thread, and it ends when no more lines come. The queue is bounded:
//! when it is full, the oldest lines are dropped, and the file says how many.

use std::fmt::Write as _;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::logging::file::LogFile;
use crate::logging::trouble::Trouble;
use crate::net::aside;
use psistats_core::outbox::Outbox;
use psistats_host::output::line::{LINE, Line};

/// Bytes of the queued lines: a few hundred usual lines, or a dozen of the longest.
const QUEUE: usize = 32 * 1024;

/// How long the thread waits for another line before it ends.
const IDLE: Duration = Duration::from_secs(30);

/// A log file and the lines that wait for it.
#[derive(Debug)]
pub struct Queue(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    waiting: Mutex<Waiting>,
    /// Notified when a line is queued or has been written.
    changed: Condvar,
    /// Locked by the thread, while there is one.
    file: Mutex<(LogFile, Trouble)>,
}

#[derive(Debug)]
struct Waiting {
    /// The lines, each with the Unix seconds at which it was logged.
    lines: Outbox<Box<[u8]>>,
    /// How many dropped lines have been reported in the file.
    told: u64,
    /// Whether there is a thread.
    thread: bool,
    /// Whether the thread is writing a line.
    busy: bool,
}

impl Queue {
    /// An empty queue for `file`. Its failures are reported by `trouble`.
    pub fn new(file: LogFile, trouble: Trouble) -> Self {
        let lines = Outbox::new(vec![0; QUEUE].into_boxed_slice());
        let waiting = Mutex::new(Waiting { lines, told: 0, thread: false, busy: false });
        Self(Arc::new(Shared { waiting, changed: Condvar::new(), file: Mutex::new((file, trouble)) }))
    }

    /// Queues `line`, which was logged at `now` (Unix seconds).
    pub fn push(&self, line: &[u8], now: i64) {
        let mut waiting = lock(&self.0.waiting);
        // This cannot fail: the queue is larger than the longest line.
        let _ = waiting.lines.push(now, line);
        self.0.changed.notify_all();
        if waiting.thread {
            return;
        }
        waiting.thread = true;
        drop(waiting);
        let theirs = self.0.clone();
        if aside::spawn("log", Box::new(move || theirs.write(IDLE))).is_err() {
            // No thread can be started: write the lines here, although that can block.
            self.0.write(Duration::ZERO);
        }
    }

    /// Waits until every line is written, at most until `deadline`.
    pub fn flush(&self, deadline: Instant) {
        let left = deadline.saturating_duration_since(Instant::now());
        let at_work = |waiting: &mut Waiting| waiting.busy || waiting.has_lines();
        let _ = self.0.changed.wait_timeout_while(lock(&self.0.waiting), left, at_work);
    }
}

impl Shared {
    /// Writes the lines, until none has come for `idle`.
    fn write(&self, idle: Duration) {
        let (file, trouble) = &mut *lock(&self.file);
        let mut line = heapless::Vec::new();
        let mut waiting = lock(&self.waiting);
        loop {
            if let Some((now, dropped)) = waiting.next(&mut line) {
                waiting.busy = true;
                drop(waiting);
                if dropped > 0 {
                    let mut told = Line::default();
                    let _ = write!(
                        told,
                        "psistats: {dropped} lines were dropped here: writing to this file took too long"
                    );
                    told.end();
                    trouble.note(&file.write(told.as_bytes(), now));
                }
                trouble.note(&file.write(&line, now));
                waiting = lock(&self.waiting);
                waiting.busy = false;
                self.changed.notify_all();
                continue;
            }
            let (after, wait) =
                self.changed.wait_timeout(waiting, idle).unwrap_or_else(PoisonError::into_inner);
            waiting = after;
            if wait.timed_out() && !waiting.has_lines() {
                waiting.thread = false;
                return;
            }
        }
    }
}

impl Waiting {
    fn has_lines(&self) -> bool {
        self.lines.counters().pending > 0
    }

    /// Moves the oldest line to `line`. Returns when it was logged (Unix seconds), and how many lines were dropped
    /// since the previous call.
    fn next(&mut self, line: &mut heapless::Vec<u8, LINE>) -> Option<(i64, u64)> {
        let record = self.lines.unsent()?;
        line.clear();
        let _ = line.extend_from_slice(record.body);
        let (ticket, now) = (record.sequence, record.sampled_ms);
        self.lines.mark_sent(ticket);
        let _ = self.lines.confirm(ticket, false);
        let dropped = self.lines.counters().dropped;
        Some((now, dropped - std::mem::replace(&mut self.told, dropped)))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::logging::Fallback;

    #[test]
    fn a_file_that_blocks_costs_the_oldest_lines_and_later_says_how_many_were_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.log");
        let file = LogFile::open(&path, false).unwrap();
        let queue = Queue::new(file, Trouble::new(format_args!("x.log"), Fallback::Stderr));
        let patience = || Instant::now() + Duration::from_secs(60);
        {
            let _hung = lock(&queue.0.file);
            for n in 0..1000 {
                queue.push(format!("line {n:0>94}\n").as_bytes(), 0);
            }
            queue.flush(Instant::now() + Duration::from_millis(1));
        }
        queue.flush(patience());
        let text = fs::read_to_string(&path).unwrap();
        let (first, rest) = text.split_once('\n').unwrap();
        let dropped =
            first.strip_prefix("psistats: ").and_then(|told| told.split_once(" lines were dropped"));
        let dropped: usize = dropped.unwrap().0.parse().unwrap();
        let numbers = rest.lines().map(|line| line.strip_prefix("line ").unwrap().parse::<usize>().unwrap());
        assert!(numbers.eq(dropped..1000) && (1..900).contains(&dropped), "{text}");
    }
}
