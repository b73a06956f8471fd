//! `/proc/self/mountinfo`: what is mounted where, and whether it is safe to ask about it.
//!
//! `Documentation/filesystems/proc.rst`, section 3.5.

use core::iter;

use heapless::String;

use crate::kernel::{decimal, lines};
use crate::limits;

/// Kinds without a block device that have nobody to wait for but the kernel. An overlay answers for its
/// upper layer; one over a network file system without an upper layer can still hang, and cannot be told.
const LOCAL: [&[u8]; 10] = [
    b"aufs",
    b"bcachefs",
    b"btrfs",
    b"devtmpfs",
    b"overlay",
    b"ramfs",
    b"rootfs",
    b"tmpfs",
    b"ubifs",
    b"zfs",
];

/// Of those, the ones that keep their files on block devices all the same.
const SEVERAL_DEVICES: [&[u8]; 3] = [b"bcachefs", b"btrfs", b"zfs"];

/// Kinds that nobody can write to.
const READ_ONLY: [&[u8]; 5] = [b"cramfs", b"erofs", b"iso9660", b"romfs", b"squashfs"];

/// Kinds on a block device that other nodes of a cluster must agree on.
const CLUSTER: [&[u8]; 2] = [b"gfs2", b"ocfs2"];

/// One mount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mount<'a> {
    /// Major and minor number, as `stat(2)` gives them of a file there.
    pub device: Device,
    /// The type of the file system, with its subtype: `ext4`, `fuse.sshfs`.
    pub kind: &'a [u8],
    /// The directory of the file system that is mounted; escaped, as the next.
    root: &'a [u8],
    point: &'a [u8],
    /// Of this mount, and of the file system itself, wherever it is mounted.
    options: &'a [u8],
    super_options: &'a [u8],
}

/// Major and minor number of a device; the major number 0 is none's.
pub type Device = (u64, u64);

/// The mounts of `text`; None for a line that does not read as one.
pub fn mounts(text: &[u8]) -> impl Iterator<Item = Option<Mount<'_>>> {
    lines(text).filter(|line| !line.is_empty()).map(mount)
}

/// `ID PARENT MAJOR:MINOR ROOT POINT OPTIONS [FIELD...] - TYPE SOURCE OPTIONS`, single spaces in between.
fn mount(line: &[u8]) -> Option<Mount<'_>> {
    let mut words = line.split(|byte| *byte == b' ');
    let mut numbers = words.nth(2)?.split(|byte| *byte == b':').map(decimal);
    let device = (numbers.next()??, numbers.next()??);
    let (root, point, options) = (words.next()?, words.next()?, words.next()?);
    words.find(|word| *word == b"-")?;
    let kind = words.next()?;
    let super_options = words.nth(1).unwrap_or_default();
    Some(Mount { device, kind, root, point, options, super_options })
}

impl<'a> Mount<'a> {
    /// Where it is mounted.
    pub fn point(&self) -> impl Iterator<Item = u8> + 'a {
        unescaped(self.point)
    }

    /// Whether it keeps its files on a block device of this machine.
    pub fn has_device(&self) -> bool {
        (self.device.0 != 0 || SEVERAL_DEVICES.contains(&self.kind)) && self.is_local()
    }

    /// Whether nothing but this kernel answers for it: no server, no other program, no cluster.
    ///
    /// Only what is known to be so, since one that is not known yet may hang its callers for ever. On a
    /// block device that is all but FUSE (`fuseblk`) and the cluster's; without one it is a short list.
    fn is_local(&self) -> bool {
        if self.device.0 == 0 {
            LOCAL.contains(&self.kind)
        } else {
            !self.kind.starts_with(b"fuse") && !CLUSTER.contains(&self.kind)
        }
    }

    /// What is left of `path` behind the mount point, where the way to `path` leads there.
    fn rest<'p>(&self, path: &'p str) -> Option<&'p [u8]> {
        let mut rest = path.as_bytes().iter();
        let mut last = 0;
        for byte in self.point() {
            last = byte;
            if rest.next() != Some(&byte) {
                return None;
            }
        }
        let rest = rest.as_slice();
        // The only mount point that ends in a slash is the root.
        (rest.is_empty() || rest.starts_with(b"/") || last == b'/').then_some(rest)
    }

    /// Whether it is a directory of the file system `beneath` that is mounted in its own place, as the
    /// sandboxes of services do: nothing else is there than would be without it.
    fn is_bound_to_itself(&self, beneath: Option<Device>) -> bool {
        beneath == Some(self.device) && self.root.ends_with(self.point)
    }
}

/// The bytes of `field`, in which `\040` stands for a space; also in `/etc/fstab`, see `fstab(5)`.
pub fn unescaped(field: &[u8]) -> impl Iterator<Item = u8> + '_ {
    let mut rest = field;
    iter::from_fn(move || {
        let (byte, after) = match rest {
            [b'\\', a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', after @ ..] => {
                ((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'), after)
            }
            [byte, after @ ..] => (*byte, after),
            [] => return None,
        };
        rest = after;
        Some(byte)
    })
}

/// The type of a file system; empty where it is no text or too long.
pub type Kind = String<{ limits::FILE_SYSTEM }>;

/// What the table of mounts says of one path.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Place {
    beneath: Option<Device>,
    access: Option<Access>,
    waits: Option<Kind>,
}

/// Whether the file system that is mounted somewhere can be written.
///
/// By the options of the file system: those of a mount are also `ro` in the sandbox of a service, and stay `rw`
/// where the kernel has given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// Of the file system.
    pub device: Device,
    /// Nobody can write to it.
    pub is_readonly: bool,
    /// For an error: ext4 says so since Linux 6.15 (`emergency_ro`, `shutdown`). Before, it was `ro` alone.
    pub is_broken: bool,
    /// Whoever mounted it asked for one that can be written: the mount is not `ro` itself.
    pub is_asked: bool,
}

impl Access {
    fn of(mount: &Mount<'_>) -> Self {
        let has =
            |options: &[u8], wanted: &[u8]| options.split(|byte| *byte == b',').any(|one| one == wanted);
        let is_broken = [&b"emergency_ro"[..], b"shutdown"].iter().any(|word| has(mount.super_options, word));
        Self {
            device: mount.device,
            is_readonly: is_broken || has(mount.super_options, b"ro"),
            is_broken,
            is_asked: !has(mount.options, b"ro") && !READ_ONLY.contains(&mount.kind),
        }
    }
}

impl Place {
    /// Takes the next mount of the table into account.
    ///
    /// Every mount on the way to `path` counts, also one that others cover: to walk over it, or over
    /// what uncovers it, is to ask it.
    pub fn add(&mut self, path: &str, mount: &Mount<'_>) {
        let Some(rest) = mount.rest(path) else { return };
        if !mount.is_local() && self.waits.is_none() {
            let kind = str::from_utf8(mount.kind).ok().and_then(|kind| Kind::try_from(kind).ok());
            self.waits = Some(kind.unwrap_or_default());
        }
        if rest.is_empty() {
            // Of several the last is on top.
            if !mount.is_bound_to_itself(self.beneath) {
                self.access = Some(Access::of(mount));
            }
        } else {
            self.beneath = Some(mount.device);
        }
    }

    /// Whether a file system is mounted just there.
    pub fn is_mounted(&self) -> bool {
        self.access.is_some()
    }

    /// Whether it can be written, where one is mounted.
    pub fn access(&self) -> Option<Access> {
        self.access
    }

    /// The kind of file system, there or on the way there, that may keep whoever asks waiting for ever.
    pub fn waits(&self) -> Option<&str> {
        self.waits.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 179:2 / / rw,relatime shared:1 - ext4 /dev/mmcblk0p2 rw
28 27 179:1 / /boot rw,relatime shared:2 master:1 - vfat /dev/mmcblk0p1 rw,fmask=0022
29 27 179:2 /home /home ro,relatime - ext4 /dev/mmcblk0p2 rw
30 27 8:1 / /media/pi/USB\\040DISK rw - exfat /dev/sda1 rw
31 27 0:50 / /mnt/nas rw - nfs4 nas:/export rw,hard
32 31 8:2 / /mnt/nas/local rw - ext4 /dev/sdb1 rw
33 27 8:17 / /mnt/ntfs rw - fuseblk /dev/sdb1 rw
34 27 0:51 / /mnt/ssh rw - fuse.sshfs pi@a:/ rw
35 27 0:52 / /mnt/auto rw - autofs systemd-1 rw,fd=36
36 35 8:18 / /mnt/auto rw - ext4 /dev/sdb2 rw
37 27 0:53 /@ /data rw - btrfs /dev/sdc rw
38 27 8:3 /srv /srv rw - ext4 /dev/sda3 rw
39 27 0:54 / /tmp rw - tmpfs tmpfs rw
40 27 0:55 / /mnt/new rw - somefs none rw
";

    fn place(path: &str) -> Place {
        let mut place = Place::default();
        mounts(TABLE.as_bytes()).for_each(|mount| place.add(path, &mount.unwrap()));
        place
    }

    #[test]
    fn local_file_systems_may_be_asked_and_those_with_somebody_behind_them_not() {
        for path in ["/", "/boot", "/media/pi/USB DISK", "/data", "/srv", "/tmp"] {
            assert!(place(path).is_mounted() && place(path).waits().is_none(), "{path}");
        }
        for (path, kind) in [
            ("/mnt/nas", "nfs4"),
            ("/mnt/ntfs", "fuseblk"),
            ("/mnt/ssh", "fuse.sshfs"),
            ("/mnt/new", "somefs"),
            ("/proc", "proc"),
        ] {
            assert_eq!(place(path).waits(), Some(kind), "{path}");
        }
    }

    #[test]
    fn the_way_to_a_path_counts_too_and_what_is_covered_there() {
        assert_eq!(place("/mnt/nas/local").waits(), Some("nfs4"));
        assert_eq!(place("/mnt/nas/not/mounted").waits(), Some("nfs4"));
        assert_eq!(place("/mnt/auto").waits(), Some("autofs"));
        assert_eq!(place("/mnt/nasty").waits(), None);
    }

    #[test]
    fn a_path_with_nothing_mounted_there_is_not_its_parent() {
        for path in
            ["/mnt", "/bootx", "/boot/firmware", "/media/pi/USB", "/media/pi/USB\\040DISK", "boot", ""]
        {
            assert!(!place(path).is_mounted(), "{path}");
        }
    }

    #[test]
    fn a_directory_bound_to_itself_by_a_sandbox_is_no_mount_and_one_from_elsewhere_is() {
        assert!(!place("/home").is_mounted(), "the same file system without it");
        assert!(place("/srv").is_mounted(), "another device");
        let mut root = Place::default();
        for mount in mounts(b"1 0 8:1 / / rw - ext4 a rw\n2 1 8:1 / / ro - ext4 a rw\n") {
            root.add("/", &mount.unwrap());
        }
        assert!(root.is_mounted(), "the root is mounted, whatever is mounted over it");
    }

    #[test]
    fn what_has_a_device_is_what_is_on_a_disk_of_this_machine() {
        let with: Vec<_> = mounts(TABLE.as_bytes())
            .flatten()
            .filter(Mount::has_device)
            .map(|mount| std::string::String::from_utf8(mount.point().collect()).unwrap())
            .collect();
        assert_eq!(
            with,
            ["/", "/boot", "/home", "/media/pi/USB DISK", "/mnt/nas/local", "/mnt/auto", "/data", "/srv"]
        );
    }

    #[test]
    fn a_line_that_is_cut_is_none_and_not_taken_for_another() {
        let line = TABLE.lines().nth(5).unwrap();
        for end in 1..line.find("nas:").unwrap() - 5 {
            assert_eq!(mounts(&line.as_bytes()[..end]).next(), Some(None), "{}", &line[..end]);
        }
    }

    #[test]
    fn three_octal_digits_of_a_byte_are_unescaped_and_nothing_else() {
        let text = |field: &str| unescaped(field.as_bytes()).collect::<Vec<_>>();
        assert_eq!(text("a\\040b\\134\\011"), b"a b\\\t");
        assert_eq!(text("\\400\\08\\0"), b"\\400\\08\\0");
    }
}
