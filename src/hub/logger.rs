//! The log: lines on standard error, which systemd's journal collects.

use std::fmt::{self, Write as _};
use std::io;
use std::os::fd::AsFd as _;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use log::{Level, LevelFilter, Log, Metadata, Record};

use psistats_host::output::line::Line;
use psistats_host::output::localtime::Zone;
use psistats_host::output::{is_journal, level_name, priority, python_level, write_stream};

struct Stderr {
    /// The time zone of the lines' times; `None` in the journal, whose entries have times.
    zone: OnceLock<Option<Zone>>,
    /// Lines that were dropped since the last one was written.
    lost: AtomicU64,
}

static STDERR: Stderr = Stderr { zone: OnceLock::new(), lost: AtomicU64::new(0) };

/// Makes this the program's log.
pub fn install() {
    STDERR.zone.get_or_init(|| (!is_journal(io::stderr().as_fd())).then(Zone::local));
    // It fails only where one is installed already.
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
        // Taken, not read: another thread may log at the same time.
        let lost = self.lost.swap(0, Ordering::Relaxed);
        let text = format_args!("{lost} lines were dropped: nobody read standard error");
        if lost > 0 && !self.write(Level::Warn, text) {
            self.lost.fetch_add(lost, Ordering::Relaxed);
        }
        if !self.write(record.level(), *record.args()) {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn flush(&self) {}
}

impl Stderr {
    /// Writes a line, unless it would have to wait for the reader. Whether it was written.
    fn write(&self, level: Level, text: fmt::Arguments<'_>) -> bool {
        let (level, mut line) = (python_level(level), Line::default());
        if let Some(zone) = self.zone.get().and_then(Option::as_ref) {
            line.push_time(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(), zone);
            let _ = write!(line, " psistats-hub {} ", level_name(level));
        } else {
            let _ = write!(line, "<{}>", priority(0, level));
        }
        line.push(Line::escaped(text).as_str());
        line.end();
        write_stream(io::stderr(), line.as_bytes()).is_ok()
    }
}
