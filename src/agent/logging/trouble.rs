//! Failures of a handler: its lines are lost, and the first failure is reported elsewhere.

use core::fmt::{Arguments, Write as _};
use std::os::fd::AsFd as _;
use std::{io, process};

use crate::logging::syslog::{DAEMON, DEV_LOG, Syslog};
use psistats_host::conf::logging::Level;
use psistats_host::output::line::Line;
use psistats_host::output::once::Once;
use psistats_host::output::{Reason, is_journal, priority, write_stream};

/// The log without a `[logging]` section in the configuration. Logging reports its own failures there in any
/// case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fallback {
    /// Standard error, for the foreground: `2003-01-23 00:29:50,411 psistats INFO text`, or `<6>text` where
    /// systemd's journal reads it.
    Stderr,
    /// `/dev/log`, for the background: `psistats[PID]: text`, facility daemon. Standard error where the system
    /// has no syslog.
    Syslog,
}

/// The failures of one handler.
#[derive(Debug)]
pub struct Trouble {
    /// What the handler writes to, escaped.
    name: String,
    failing: Once,
    fallback: Fallback,
}

impl Trouble {
    /// For a handler that writes to `name` and has not failed yet.
    pub fn new(name: Arguments<'_>, fallback: Fallback) -> Self {
        Self { name: Line::escaped(name).as_str().to_owned(), failing: Once::default(), fallback }
    }

    /// Takes the result of writing a line. Reports the first failure of a series, on standard error or to
    /// syslog: the one that the fallback names, or the other where that does not work.
    pub fn note(&self, result: &io::Result<()>) {
        match result {
            Ok(()) => {
                self.failing.over();
            }
            Err(reason) if self.failing.first() => {
                // Where neither works the failure cannot be reported.
                let _ = match self.fallback {
                    Fallback::Stderr => self.to_stderr(reason).or_else(|_| self.to_syslog(reason)),
                    Fallback::Syslog => self.to_syslog(reason).or_else(|_| self.to_stderr(reason)),
                };
            }
            Err(_) => {}
        }
    }

    fn to_stderr(&self, reason: &io::Error) -> io::Result<()> {
        let mut line = Line::default();
        if is_journal(io::stderr().as_fd()) {
            let _ = write!(line, "<{}>", priority(0, Level::Error));
        }
        self.tell(&mut line, format_args!("psistats: "), reason);
        line.end();
        write_stream(io::stderr(), line.as_bytes())
    }

    fn to_syslog(&self, reason: &io::Error) -> io::Result<()> {
        let mut line = Line::default();
        let pri = priority(DAEMON, Level::Error);
        self.tell(&mut line, format_args!("<{pri}>psistats[{}]: ", process::id()), reason);
        Syslog::unix(DEV_LOG.as_ref()).send(line.as_bytes())
    }

    fn tell(&self, line: &mut Line, start: Arguments<'_>, reason: &io::Error) {
        let name = &self.name;
        let rest = "further failures are suppressed until it recovers";
        let _ = write!(line, "{start}cannot log to {name}: {}; {rest}", Reason(reason));
    }
}
