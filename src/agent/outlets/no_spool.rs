//! In place of a spool, in a program without one, whose settings refuse it.

use std::future::pending;
use std::io;
use std::path::Path;

use crate::life::context::Shared;
use psistats_core::outbox::Run;

/// There is none.
pub enum Spool {}

/// Runs of the program, as [`Run`] has them.
pub type Runs = Vec<(u64, String)>;

/// None.
pub fn open(_: &Shared<'_>, _: Option<&Path>) -> (Option<Spool>, Runs) {
    (None, Runs::new())
}

impl Spool {
    /// Nothing.
    ///
    /// # Errors
    /// None.
    pub async fn close(&self, _: &[Run<'_>]) -> io::Result<()> {
        match *self {}
    }
}

/// Waits for ever.
///
/// # Errors
/// None.
pub async fn run(_: Option<&Spool>, _: &[Run<'_>]) -> io::Result<()> {
    pending().await
}
