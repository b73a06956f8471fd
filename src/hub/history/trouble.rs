//! One message when something begins to fail, and one when it works again.

use std::fmt::Display;

use log::{error, info};

/// Whether something fails at present.
#[derive(Debug, Default)]
pub struct Trouble {
    failing: bool,
}

impl Trouble {
    /// Logs `what`, unless it failed already.
    pub fn begin(&mut self, what: impl Display) {
        if !self.failing {
            error!("{what}; further failures are suppressed until it recovers");
        }
        self.failing = true;
    }

    /// Logs `what`, if it failed.
    pub fn end(&mut self, what: &str) {
        if self.failing {
            info!("{what}");
        }
        self.failing = false;
    }
}
