//! Reports as lines on standard output, each whole, also into a pipe as soon as it is made.

use std::io;
use std::mem;

use log::warn;

use psistats_core::limits;
use psistats_host::output;

/// Prints reports.
#[derive(Default)]
pub struct Printer {
    /// The line that was begun last, and how much of it is written.
    line: Vec<u8>,
    written: usize,
    /// Reports that came before it could be ended.
    dropped: u64,
}

impl Printer {
    /// Prints a report, or drops it where whoever reads has left no room for the one before: a stop must not
    /// wait for them.
    ///
    /// # Errors
    /// Those of standard output.
    pub fn print(&mut self, report: &[u8]) -> io::Result<()> {
        if !self.write()? {
            if self.dropped == 0 {
                warn!("standard output is full: reports are dropped until it is read");
            }
            self.dropped += 1;
            return Ok(());
        }
        if self.dropped > 0 {
            warn!("standard output is read again: {} reports were dropped", mem::take(&mut self.dropped));
        }
        self.line.clear();
        // Once: nothing is longer.
        self.line.reserve(limits::REPORT + 1);
        self.line.extend_from_slice(report);
        self.line.push(b'\n');
        self.written = 0;
        self.write().map(|_| ())
    }

    /// Prints a report, unless one was. Whether all of that one is written.
    ///
    /// # Errors
    /// Those of standard output.
    pub fn print_once(&mut self, report: &[u8]) -> io::Result<bool> {
        if self.line.is_empty() {
            self.print(report)?;
        }
        self.write()
    }

    /// Writes what of the line is taken without a wait. Whether that is all of it.
    fn write(&mut self) -> io::Result<bool> {
        while let Some(rest) = self.line.get(self.written..).filter(|rest| !rest.is_empty()) {
            match output::write_some(io::stdout(), rest)? {
                0 => return Ok(false),
                n => self.written += n,
            }
        }
        Ok(true)
    }
}
