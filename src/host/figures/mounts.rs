//! Mount points and the space there, of file systems that answer at once.
//!
//! `statvfs(3)` on a network or FUSE file system can hang for ever, and with it the one thread. So the
//! table of mounts is read first, each time, and what may have to be waited for is not asked.

use std::ops::ControlFlow;

use heapless::{String, Vec};
use log::info;
use nix::sys::statvfs::statvfs;

use crate::limits;
use crate::machine::source::{ReadError, Root, Source};
use psistats_core::kernel::mountinfo::{Access, Device, Mount, Place, mounts};
use psistats_core::report::disk::Usage;

/// A mount point, and what was found there.
#[derive(Debug)]
pub struct Space {
    /// The path.
    pub point: String<{ limits::MOUNT_POINT }>,
    /// Of the file system, where it is known.
    pub device: Device,
    /// What there is, where the figure keeps it.
    pub usage: Option<Usage>,
    place: Place,
}

impl Space {
    /// At `point`, unless that is too long.
    pub fn at(point: &str) -> Option<Self> {
        let point = String::try_from(point).ok()?;
        Some(Self { point, device: Device::default(), usage: None, place: Place::default() })
    }

    /// Where `mount` is, unless that is too long or no text.
    pub fn of(mount: &Mount<'_>) -> Option<Self> {
        let mut point = Vec::new();
        for byte in mount.point() {
            point.push(byte).ok()?;
        }
        let point = String::from_utf8(point).ok()?;
        Some(Self { point, device: mount.device, usage: None, place: Place::default() })
    }

    /// The kind of file system that is not asked.
    pub fn waits(&self) -> Option<&str> {
        self.place.waits()
    }

    /// Whether it can be written, where something is mounted.
    pub fn access(&self) -> Option<Access> {
        self.place.access()
    }

    /// Asks for the space, where the last survey found that it may be asked for.
    ///
    /// # Errors
    /// [`ReadError::Waits`], [`ReadError::NotMounted`], or as `statvfs(3)`.
    pub fn ask(&self) -> Result<Usage, ReadError> {
        if self.place.waits().is_some() {
            return Err(ReadError::Waits);
        }
        if !self.place.is_mounted() {
            return Err(ReadError::NotMounted);
        }
        // nix copies a path of less than 1024 bytes to the stack.
        let stat = statvfs(self.point.as_str())?;
        // Some C libraries have 32 bits for these.
        #[allow(clippy::useless_conversion)]
        Ok(Usage::new(
            stat.fragment_size().into(),
            stat.blocks().into(),
            stat.blocks_free().into(),
            stat.blocks_available().into(),
        ))
    }
}

/// The table of mounts of this process.
#[derive(Debug)]
pub struct Table {
    source: Source,
    live: bool,
}

impl Table {
    /// Opens `/proc/self/mountinfo`.
    pub fn of(root: &Root) -> Self {
        Self { source: Source::open(root, "proc/self/mountinfo"), live: root.is_live() }
    }

    /// The same for `figure`, which is the space there.
    pub fn open(root: &Root, figure: &str) -> Self {
        let table = Self::of(root);
        if !table.live {
            let root = root.path("");
            info!(
                "{figure} stays null in reports: the space of this machine is not that of {}",
                root.display()
            );
        }
        table
    }

    /// Whether it is the running system's own: under another root there is no space to ask for.
    pub fn is_live(&self) -> bool {
        self.live
    }

    /// Where it is, under the root.
    pub fn name(&self) -> &'static str {
        self.source.name()
    }

    /// Opens it anew.
    pub fn reopen(&mut self, root: &Root) {
        self.source.reopen(root);
    }

    /// Calls `each` with every mount, in order.
    ///
    /// # Errors
    /// Those of the file; [`ReadError::Content`] also for one line that does not read as a mount, since
    /// that may be the one not to be asked.
    pub fn each(&self, text: &mut [u8], each: &mut dyn FnMut(&Mount<'_>)) -> Result<(), ReadError> {
        let mut whole = true;
        self.source.pieces(text, limits::MOUNTINFO, |text| {
            for mount in mounts(text) {
                match mount {
                    Some(mount) => each(&mount),
                    None => {
                        whole = false;
                        return ControlFlow::Break(());
                    }
                }
            }
            ControlFlow::Continue(())
        })?;
        whole.then_some(()).ok_or(ReadError::Content)
    }

    /// Finds out what is mounted at each of `spaces`, and on the way there.
    ///
    /// # Errors
    /// As [`Table::each`].
    pub fn survey(&self, text: &mut [u8], spaces: &mut [Space]) -> Result<(), ReadError> {
        for space in &mut *spaces {
            space.place = Place::default();
        }
        self.each(text, &mut |mount| {
            for space in &mut *spaces {
                space.place.add(&space.point, mount);
            }
        })
    }
}
