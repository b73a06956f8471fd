//! `/etc/fstab`: what is to be mounted where (fstab(5)).

use crate::kernel::mountinfo::unescaped;
use crate::kernel::{lines, words};

/// The mount points of `text`, and whether what is mounted there is to be writable.
pub fn entries(text: &[u8]) -> impl Iterator<Item = (Point<'_>, bool)> {
    lines(text).filter_map(|line| {
        let mut words = words(line).take_while(|word| !word.starts_with(b"#"));
        let point = Point(words.nth(1)?);
        let options = words.nth(1).unwrap_or(b"defaults");
        let last = options.rsplit(|byte| *byte == b',').find(|option| matches!(*option, b"ro" | b"rw"));
        Some((point, last != Some(b"ro")))
    })
}

/// A mount point as it is written there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point<'a>(&'a [u8]);

impl Point<'_> {
    /// Whether it is `path`, which has no slash at its end unless it is the root.
    pub fn is(&self, path: &str) -> bool {
        let end = self.0.iter().rposition(|byte| *byte != b'/').map_or(1, |last| last + 1);
        unescaped(self.0.get(..end).unwrap_or_default()).eq(path.bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &[u8] = b"# <file system> <mount point> <type> <options> <dump> <pass>
proc            /proc           proc    defaults          0       0
PARTUUID=738a4d67-01  /boot/    vfat    defaults,rw,ro  0       2
PARTUUID=738a4d67-02\t/\text4\tdefaults,noatime\t0 1
/dev/sda1 /media/USB\\040DISK exfat ro,noauto
/dev/sdb1 /srv
/dev/sdc1 # nothing more
\xff
";

    fn is_writable(path: &str) -> Option<bool> {
        entries(TABLE).find(|(point, _)| point.is(path)).map(|(_, writable)| writable)
    }

    #[test]
    fn a_mount_is_to_be_writable_unless_its_last_word_about_it_is_ro() {
        for (path, expected) in [
            ("/", Some(true)),
            ("/boot", Some(false)),
            ("/media/USB DISK", Some(false)),
            ("/srv", Some(true)),
            ("/home", None),
            ("<mount", None),
        ] {
            assert_eq!(is_writable(path), expected, "{path}");
        }
        assert_eq!(entries(TABLE).count(), 5);
    }
}
