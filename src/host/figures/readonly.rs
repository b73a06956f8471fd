//! `readonly`: file systems that nobody can write to any more, as the kernel leaves them after an error.

use std::fmt::Write as _;
use std::ops::ControlFlow;

use heapless::String;

use crate::figures::Options;
use crate::figures::figure::Figure;
use crate::figures::mounts::{Space, Table};
use crate::limits;
use crate::machine::snapshot::Snapshot;
use crate::machine::source::{ReadError, Root, Source, read_at};
use psistats_core::bytes::Short;
use psistats_core::kernel::mountinfo::Device;
use psistats_core::kernel::{fstab, text};
use psistats_core::report::disk::Health;
use psistats_core::report::{Members, json_of};

#[derive(Debug)]
pub struct ReadOnly {
    table: Table,
    fstab: Source,
    mounts: Box<[Space]>,
    /// Of the same number.
    states: Box<[State]>,
}

#[derive(Clone, Copy, Debug, Default)]
struct State {
    /// What fstab says. None: nothing.
    is_to_be_writable: Option<bool>,
    /// When it was read earlier.
    was_writable: bool,
    /// None: nothing is mounted there.
    health: Option<Health>,
}

impl ReadOnly {
    /// Opens the table of mounts and `/etc/fstab`, for `/` and for the mount points of `options`.
    pub fn open(root: &Root, options: &Options) -> Self {
        let others = options.mounts.iter().map(|point| point.as_str()).filter(|point| *point != "/");
        let mounts: Box<[Space]> = ["/"].into_iter().chain(others).filter_map(Space::at).collect();
        let states = vec![State::default(); mounts.len()].into();
        Self { table: Table::of(root), fstab: Source::open(root, "etc/fstab"), mounts, states }
    }

    fn read_fstab(&mut self, root: &Root, text: &mut [u8]) {
        let Self { fstab, mounts, states, .. } = self;
        states.iter_mut().for_each(|state| state.is_to_be_writable = None);
        // An editor puts another file there.
        fstab.reopen(root);
        // Where it is missing, nothing is said.
        let _ = fstab.pieces(text, limits::FSTAB, |text| {
            for (point, writable) in fstab::entries(text) {
                let of = mounts.iter().zip(&mut *states).find(|(mount, _)| point.is(&mount.point));
                if let Some((_, state)) = of {
                    state.is_to_be_writable.get_or_insert(writable);
                }
            }
            ControlFlow::Continue(())
        });
    }
}

impl Figure for ReadOnly {
    fn source(&self) -> &str {
        self.table.name()
    }

    fn reopen(&mut self, root: &Root) {
        self.table.reopen(root);
    }

    fn read(&mut self, snapshot: &mut Snapshot<'_>) -> Result<(), ReadError> {
        let Snapshot { root, text, .. } = snapshot;
        self.table.survey(text, &mut self.mounts)?;
        self.read_fstab(root, text);
        for (mount, state) in self.mounts.iter().zip(&mut self.states) {
            state.health = mount.access().map(|access| {
                state.was_writable |= !access.is_readonly;
                let is_to_be_writable =
                    state.is_to_be_writable.unwrap_or(access.is_asked || state.was_writable);
                Health {
                    readonly: access.is_broken || access.is_readonly && is_to_be_writable,
                    errors: errors(root, access.device, text),
                }
            });
        }
        Ok(())
    }

    fn encode(&self, buf: &mut [u8]) -> Result<usize, Short> {
        let states = self.mounts.iter().zip(&self.states);
        json_of(&Members(states.map(|(mount, state)| (mount.point.as_str(), state.health))), buf)
    }
}

/// How many errors ext4 has found on `device` (Documentation/ABI/testing/sysfs-fs-ext4, `errors_count`).
fn errors(root: &Root, (major, minor): Device, buf: &mut [u8]) -> Option<u64> {
    let mut number = String::<42>::new();
    write!(number, "{major}:{minor}").ok()?;
    let uevent = read_at(&root.file_of(&["sys/dev/block/", &number, "/uevent"])?, buf, 0).ok()?;
    let name = str::from_utf8(uevent).ok()?.lines().find_map(|line| line.strip_prefix("DEVNAME="))?;
    let count = root.file_of(&["sys/fs/ext4/", name, "/errors_count"])?;
    text(read_at(&count, buf, 0).ok()?)?.parse().ok()
}
