//! STAND-IN: the agent's main loop is somebody else's; this one waits for the end.

use std::io;
use std::path::PathBuf;

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::SignalFd;

use super::configuration::Configuration;
use super::service::Launcher;
use crate::config::Loaded;

/// What the command line decided.
#[derive(Debug)]
pub struct Options<'a> {
    /// The configuration, checked.
    pub loaded: Loaded,
    /// Where to read it again at SIGHUP.
    pub configuration: Configuration,
    /// What `/proc` and `/sys` are below: `/`, or a captured tree.
    pub root: PathBuf,
    /// Print reports on standard output instead of publishing them.
    pub stdout: bool,
    /// In the background: who waits to hear that all went well.
    pub launcher: Option<&'a mut Launcher>,
}

/// Runs until SIGTERM or SIGINT.
pub fn run(options: Options<'_>) -> io::Result<()> {
    let ends: SigSet = [Signal::SIGTERM, Signal::SIGINT].into_iter().collect();
    ends.thread_block()?;
    let signals = SignalFd::new(&ends)?;
    if let Some(launcher) = options.launcher {
        launcher.ready();
    }
    signals.read_signal()?;
    Ok(())
}
