//! A child process whose lines are read as they come, and which never outlives the test.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Killed and reaped when dropped.
pub struct Process {
    name: String,
    child: Child,
    output: Arc<Output>,
}

/// Where a line came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    Stdout,
    Stderr,
}

#[derive(Default)]
struct Output {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    lines: Vec<(Stream, String)>,
    ended_streams: usize,
}

impl Process {
    /// Starts `command` with its output captured.
    pub fn start(command: &mut Command) -> Self {
        let name = command.get_program().to_string_lossy().into_owned();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|e| panic!("{name}: {e}"));
        let output = Arc::new(Output::default());
        read_lines(child.stdout.take().unwrap(), Stream::Stdout, Arc::clone(&output));
        read_lines(child.stderr.take().unwrap(), Stream::Stderr, Arc::clone(&output));
        Self { name, child, output }
    }

    /// Process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// All lines so far, of both streams in the order in which they came.
    pub fn lines(&self) -> Vec<String> {
        self.output.state.lock().unwrap().lines.iter().map(|(_, line)| line.clone()).collect()
    }

    /// The lines so far of one stream.
    pub fn lines_of(&self, stream: Stream) -> Vec<String> {
        let state = self.output.state.lock().unwrap();
        state.lines.iter().filter(|(s, _)| *s == stream).map(|(_, line)| line.clone()).collect()
    }

    /// The first line that contains `pattern`, which comes within `patience`.
    pub fn wait_for_line(&self, pattern: &str, patience: Duration) -> String {
        self.wait_for_line_after(0, pattern, patience)
    }

    /// The same, after the first `seen` lines.
    pub fn wait_for_line_after(&self, seen: usize, pattern: &str, patience: Duration) -> String {
        self.wait_for(&format!("a line with {pattern:?}"), patience, |lines| {
            lines.iter().skip(seen).find(|(_, line)| line.contains(pattern)).map(|(_, line)| line.clone())
        })
    }

    /// The first `n` lines of `stream`, which come within `patience`.
    pub fn wait_for_lines_of(&self, stream: Stream, n: usize, patience: Duration) -> Vec<String> {
        self.wait_for(&format!("{n} lines on {stream:?}"), patience, |lines| {
            let of_it: Vec<_> = lines.iter().filter(|(s, _)| *s == stream).take(n).collect();
            (of_it.len() == n).then(|| of_it.into_iter().map(|(_, line)| line.clone()).collect())
        })
    }

    /// Sends `signal`.
    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id() as i32), signal).unwrap();
    }

    /// Whether it has ended, without waiting.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits for its end, which comes within `patience`.
    pub fn wait(&mut self, patience: Duration) -> ExitStatus {
        // Its output ends with it: this waits without polling. A process that closes its output
        // and lives on (a daemon's parent does not) would be caught by the deadline below.
        let deadline = Instant::now() + patience;
        let state = self.output.state.lock().unwrap();
        drop(self.output.changed.wait_timeout_while(state, patience, |s| s.ended_streams < 2).unwrap());
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            let late = Instant::now() >= deadline;
            assert!(!late, "{} did not end within {patience:?}; it said:\n{}", self.name, self.text());
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// A figure of `/proc/PID/status`: `Threads`, `VmRSS` (KiB), `voluntary_ctxt_switches`...
    pub fn status(&self, field: &str) -> u64 {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        text.lines()
            .find_map(|line| line.strip_prefix(field)?.strip_prefix(':')?.split_whitespace().next())
            .and_then(|figure| figure.parse().ok())
            .unwrap_or_else(|| panic!("no figure {field} in:\n{text}"))
    }

    fn wait_for<T>(
        &self,
        what: &str,
        patience: Duration,
        find: impl Fn(&[(Stream, String)]) -> Option<T>,
    ) -> T {
        let deadline = Instant::now() + patience;
        let mut state = self.output.state.lock().unwrap();
        loop {
            if let Some(found) = find(&state.lines) {
                return found;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || state.ended_streams == 2 {
                let why = if left.is_zero() { "in time" } else { "before its end" };
                drop(state);
                panic!("{} did not say {what} {why}; it said:\n{}", self.name, self.text());
            }
            state = self.output.changed.wait_timeout(state, left).unwrap().0;
        }
    }

    fn text(&self) -> String {
        self.lines().join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only where it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read_lines(from: impl Read + Send + 'static, stream: Stream, output: Arc<Output>) {
    thread::spawn(move || {
        let mut from = BufReader::new(from);
        let mut line = Vec::new();
        while from.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
            let text = String::from_utf8_lossy(&line).trim_end_matches('\n').to_owned();
            output.state.lock().unwrap().lines.push((stream, text));
            output.changed.notify_all();
            line.clear();
        }
        output.state.lock().unwrap().ended_streams += 1;
        output.changed.notify_all();
    });
}
