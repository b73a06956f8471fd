//! What becomes of a handler that fails: its lines are lost, and that is told, once.

use core::fmt::{Arguments, Write as _};
use std::os::fd::AsFd as _;
use std::{io, process};

use crate::logging::Fallback;
use crate::logging::syslog::{DAEMON, DEV_LOG, Syslog};
use psistats_host::conf::logging::Level;
use psistats_host::output::line::Line;
use psistats_host::output::{Reason, is_journal, priority, write_stream};

/// The failures of one handler.
#[derive(Debug)]
pub struct Trouble {
    /// Where it writes to, escaped.
    name: String,
    /// The last line did not get through, and that has been told.
    failing: bool,
    fallback: Fallback,
}

impl Trouble {
    /// None so far with what writes to `name`.
    pub fn new(name: Arguments<'_>, fallback: Fallback) -> Self {
        Self { name: Line::escaped(name).as_str().to_owned(), failing: false, fallback }
    }

    /// Tells of the first failure of a row: on standard error or to syslog, whichever the fallback prefers and
    /// works.
    pub fn note(&mut self, result: &io::Result<()>) {
        if let Err(reason) = result
            && !self.failing
        {
            // Where neither works there is nobody to tell.
            let _ = match self.fallback {
                Fallback::Stderr => self.to_stderr(reason).or_else(|_| self.to_syslog(reason)),
                Fallback::Syslog => self.to_syslog(reason).or_else(|_| self.to_stderr(reason)),
            };
        }
        self.failing = result.is_err();
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
