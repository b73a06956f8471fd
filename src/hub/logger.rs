//! The log: lines on standard error, where systemd's journal takes them up.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use log::{Level, LevelFilter, Log, Metadata, Record};

use crate::output::write_stream;

struct Stderr {
    /// Lines that nobody took since the one before.
    lost: AtomicU64,
}

static STDERR: Stderr = Stderr { lost: AtomicU64::new(0) };

/// From now on what is logged is written.
pub fn install() {
    // Fails only where there is one already.
    let _ = log::set_logger(&STDERR);
    log::set_max_level(LevelFilter::Info);
}

impl Log for Stderr {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= LevelFilter::Info
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let lost = self.lost.load(Ordering::Relaxed);
        if lost > 0 && write(Level::Warn, format_args!("{lost} lines are missing here: nobody took them")) {
            self.lost.fetch_sub(lost, Ordering::Relaxed);
        }
        if !write(record.level(), *record.args()) {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn flush(&self) {}
}

/// Whether it was taken. Nothing waits for whoever does not read.
fn write(level: Level, text: fmt::Arguments<'_>) -> bool {
    write_stream(io::stderr(), format!("psistats-hub {level} {text}\n").as_bytes()).is_ok()
}
