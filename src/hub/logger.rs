//! The log: lines on standard error, where systemd's journal takes them up.

use std::io::{self, Write as _};

use log::{LevelFilter, Log, Metadata, Record};

struct Stderr;

static STDERR: Stderr = Stderr;

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
        if self.enabled(record.metadata()) {
            // In one piece; where nobody reads it, nothing else fails.
            let line = format!("psistats-hub {} {}\n", record.level(), record.args());
            let _ = io::stderr().write_all(line.as_bytes());
        }
    }

    fn flush(&self) {}
}
