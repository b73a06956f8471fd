//! `clock`: whether the clock is synchronised, and by how much it is off.

use std::path::PathBuf;

use nix::errno::Errno;

use crate::figures::Options;
use crate::figures::figure::Figure;
use crate::machine::snapshot::Snapshot;
use crate::machine::source::{ReadError, Root};
use crate::machine::sys;
use psistats_core::bytes::Short;
use psistats_core::kernel::clock;
use psistats_core::report::json_of;

/// By systemd's ProtectClock, or by whatever holds a container.
const FORBIDDEN: &str = "forbidden by a sandbox; of systemd's unit allow it by ProtectClock=no and \
                         SystemCallFilter=adjtimex (systemctl edit psistats)";

#[derive(Debug, Default)]
pub struct Clock(Option<clock::Clock>);

impl Clock {
    /// The kernel is asked each time.
    pub fn open(_: &Root, _: &Options) -> Self {
        Self::default()
    }
}

impl Figure for Clock {
    fn source(&self) -> &str {
        "adjtimex"
    }

    fn place(&self, _: &Root) -> PathBuf {
        "adjtimex(2)".into()
    }

    fn read(&mut self, snapshot: &mut Snapshot<'_>) -> Result<(), ReadError> {
        if !snapshot.root.is_live() {
            return Err(ReadError::Because(
                "the clock is this machine's, and not that of the root directory",
            ));
        }
        self.0 = match sys::clock() {
            Err(Errno::EPERM) => return Err(ReadError::Because(FORBIDDEN)),
            clock => Some(clock?),
        };
        Ok(())
    }

    fn encode(&self, buf: &mut [u8]) -> Result<usize, Short> {
        json_of(&self.0, buf)
    }
}
