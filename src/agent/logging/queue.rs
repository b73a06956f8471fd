//! A log file behind a queue, so that whoever logs never waits for a file system.
//!
//! Where a file server is gone, whoever touches its files waits until it is back. So a thread writes them, one a
//! file, that the first line starts and that ends when no more come. What is waiting is bounded: when there
//! is no more room the oldest lines go, and the file tells how many.

use std::fmt::Write as _;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::logging::file::LogFile;
use crate::logging::trouble::Trouble;
use crate::net::aside;
use psistats_core::outbox::Outbox;
use psistats_host::output::line::{LINE, Line};

/// Bytes of the lines that wait: a few hundred of the usual ones, or a dozen of the longest.
const QUEUE: usize = 32 * 1024;

/// How long the thread waits for another line before it ends.
const IDLE: Duration = Duration::from_secs(30);

/// See the module.
#[derive(Debug)]
pub struct Queue(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    waiting: Mutex<Waiting>,
    /// There is a line, or one less.
    changed: Condvar,
    /// For the thread, while there is one.
    file: Mutex<(LogFile, Trouble)>,
}

#[derive(Debug)]
struct Waiting {
    /// Each with the Unix seconds at which it was logged.
    lines: Outbox<Box<[u8]>>,
    /// Of those that were dropped, how many the file tells of.
    told: u64,
    /// Whether the thread is there, and whether it is at work on a line.
    thread: bool,
    busy: bool,
}

impl Queue {
    /// Nothing waits for `file`, whose failures `trouble` tells.
    pub fn new(file: LogFile, trouble: Trouble) -> Self {
        let lines = Outbox::new(vec![0; QUEUE].into_boxed_slice());
        let waiting = Mutex::new(Waiting { lines, told: 0, thread: false, busy: false });
        Self(Arc::new(Shared { waiting, changed: Condvar::new(), file: Mutex::new((file, trouble)) }))
    }

    /// Lets `line`, which was logged at `now` (Unix seconds), be written.
    pub fn push(&self, line: &[u8], now: i64) {
        let mut waiting = lock(&self.0.waiting);
        // It has room for more than the longest line.
        let _ = waiting.lines.push(now, line);
        self.0.changed.notify_all();
        if waiting.thread {
            return;
        }
        waiting.thread = true;
        drop(waiting);
        let theirs = self.0.clone();
        if aside::spawn("log", Box::new(move || theirs.write(IDLE))).is_err() {
            // There is no thread to be had: better late than never.
            self.0.write(Duration::ZERO);
        }
    }

    /// Waits until everything is written, at most until `deadline`.
    pub fn flush(&self, deadline: Instant) {
        let left = deadline.saturating_duration_since(Instant::now());
        let at_work = |waiting: &mut Waiting| waiting.busy || waiting.has_lines();
        let _ = self.0.changed.wait_timeout_while(lock(&self.0.waiting), left, at_work);
    }
}

impl Shared {
    /// Writes the lines until there has been none for `idle`.
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
                        "psistats: {dropped} lines were dropped here: this file was not written in time"
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

    /// Takes the oldest line out: when it was logged, and how many were dropped before it.
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
    fn while_a_file_does_not_take_them_lines_wait_within_bounds_and_it_tells_later_how_many_were_dropped() {
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
