//! The log: lines on standard error, where systemd's journal takes them up.

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
    /// Of the times; none in the journal, which has its own.
    zone: OnceLock<Option<Zone>>,
    /// Lines that nobody took since the one before.
    lost: AtomicU64,
}

static STDERR: Stderr = Stderr { zone: OnceLock::new(), lost: AtomicU64::new(0) };

/// From now on what is logged is written.
pub fn install() {
    STDERR.zone.get_or_init(|| (!is_journal(io::stderr().as_fd())).then(Zone::local));
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
        let told = format_args!("{lost} lines were dropped: nobody read standard error");
        if lost > 0 && self.write(Level::Warn, told) {
            self.lost.fetch_sub(lost, Ordering::Relaxed);
        }
        if !self.write(record.level(), *record.args()) {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn flush(&self) {}
}

impl Stderr {
    /// Whether it was taken. Nothing waits for whoever does not read.
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
