//! The further figures of a report: each is off until a section of its name switches it on.

use std::time::Duration;

use crate::conf::external::{External, externals};
use crate::conf::reading::{Expected, Reading};
use crate::conf::sensors::devices;
use crate::conf::values::{TIMER, boolean, has_controls, seconds};
use crate::figures::{Entry, FIGURES, Options};
use crate::limits;
use psistats_core::kernel::mountinfo::unescaped;

/// A figure that reports have unless it is disabled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BasicFigure {
    /// `enabled`
    pub enabled: bool,
    /// `interval`, 0.001 to 604,800 seconds. None: it is in each report, or in each of the secondary timer.
    pub interval: Option<Duration>,
}

impl Default for BasicFigure {
    fn default() -> Self {
        Self { enabled: true, interval: None }
    }
}

/// The further figures of a report, and what they are to look at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Those that are enabled, in the order of [`FIGURES`].
    pub wanted: Vec<Wanted>,
    /// `[value:NAME]`: at most [`limits::EXTERNALS`].
    pub externals: Vec<External>,
    /// What some figures are to look at.
    pub options: Options,
}

impl Figures {
    /// From one read of the figure `name` to the next; none where it is not enabled.
    pub fn interval(&self, name: &str) -> Option<Duration> {
        self.wanted.iter().find(|wanted| wanted.name == name).map(|wanted| wanted.interval)
    }
}

/// A further figure that is enabled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Its name in [`FIGURES`].
    pub name: &'static str,
    /// `interval`: from one read to the next, 0.001 to 604,800 seconds. What is read goes into the
    /// next report, so that less than the primary timer means every report.
    pub interval: Duration,
}

/// Reads the section of every figure; `cpu` is what its section says beside `percpu`.
pub(super) fn figures(r: &mut Reading<'_>, cpu: BasicFigure, figures: &mut Figures) {
    figures.wanted.extend(FIGURES.iter().filter_map(|entry| wanted(r, entry, cpu)));
    figures.externals = externals(r);
    // 0.2 asked a daemon.
    for key in ["hostname", "port"] {
        let entry = r.entry("hddtemp", key);
        if let Some(entry) = entry.filter(|_| figures.interval("hddtemp").is_some()) {
            r.warn(
                entry.line,
                format_args!("[hddtemp] {key}: has no effect: the kernel's drivetemp is asked"),
            );
        }
    }
    let options = &mut figures.options;
    r.set("disk", "mounts", &mut options.mounts, mounts);
    r.set("diskio", "counters", &mut options.disk_counters, boolean);
    r.set("net", "counters", &mut options.net_counters, boolean);
    r.set("sensors", "devices[]", &mut options.sensors, devices);
}

/// Mount points between white space or commas; in them `\040` is a space, as in `fstab(5)`.
fn mounts(text: &str) -> Result<Vec<String>, Expected> {
    let words = text.split(|c: char| c.is_whitespace() || c == ',').filter(|word| !word.is_empty());
    let mounts = words.map(mount_point).try_fold(Vec::new(), |mut all, point| {
        all.extend(Some(point?).filter(|point| !all.contains(point)));
        Some(all)
    });
    mounts.filter(|mounts| (1..=limits::MOUNTS).contains(&mounts.len())).ok_or_else(|| {
        format!(
            "1 to {} mount points such as / /boot, each of at most {} bytes, with \\040 for a space in one",
            limits::MOUNTS,
            limits::MOUNT_POINT
        )
        .into()
    })
}

fn mount_point(word: &str) -> Option<String> {
    let path = String::from_utf8(unescaped(word.as_bytes()).collect()).ok()?;
    let path = match path.trim_end_matches('/') {
        "" => "/",
        path => path,
    };
    (word.starts_with('/') && path.len() <= limits::MOUNT_POINT && !has_controls(path))
        .then(|| path.to_owned())
}

/// `[name] enabled interval`, and `[cpu] percpu`.
fn wanted(r: &mut Reading<'_>, entry: &Entry, cpu: BasicFigure) -> Option<Wanted> {
    let (name, (section, switch)) = (entry.name, entry.switch());
    let mut on = None;
    r.set(section, switch, &mut on, |text| boolean(text).map(Some));
    let mut interval = Duration::from_secs(entry.interval_s);
    if section != name {
        let interval = cpu.interval.unwrap_or(interval);
        return (cpu.enabled && on == Some(true)).then_some(Wanted { name, interval });
    }
    r.set(section, "interval", &mut interval, seconds(&TIMER));
    if let Some(line) = r.section_line(section).filter(|_| on.is_none()) {
        r.warn(line, format_args!("[{section}]: has no effect without {switch}=yes"));
    }
    (on == Some(true)).then_some(Wanted { name, interval })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mount_points_stand_between_spaces_commas_and_lines_and_each_counts_once() {
        assert_eq!(
            mounts("/, /boot/\n/media/pi/USB\\040DISK /boot").unwrap(),
            ["/", "/boot", "/media/pi/USB DISK"]
        );
        assert_eq!(mounts("//").unwrap(), ["/"]);
    }

    #[test]
    fn what_is_no_list_of_paths_or_too_long_is_refused_with_what_was_expected() {
        let many: String = (0..=limits::MOUNTS).map(|n| format!("/{n} ")).collect();
        let long = "/".to_owned() + &"x".repeat(limits::MOUNT_POINT);
        for wrong in ["", " , ", "boot", "/ boot", "/a\\012b", "/\\377", &many, &long] {
            assert!(mounts(wrong).unwrap_err().contains("1 to 16 mount points"), "{wrong:?}");
        }
        assert_eq!(mounts(many.rsplit_once("/").unwrap().0).unwrap().len(), limits::MOUNTS);
    }
}
