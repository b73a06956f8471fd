//! The further figures of a report: each is off until a section of its name switches it on.

use std::time::Duration;

use crate::conf::external::{External, externals};
use crate::conf::reading::{Expected, Reading};
use crate::conf::reports::BasicFigure;
use crate::conf::sensors::{Device, devices};
use crate::conf::values::{TIMER, boolean, has_controls, seconds};
use psistats_core::kernel::mountinfo::unescaped;
use psistats_core::limits;

/// What switches a figure on.
const ENABLED: &str = "enabled";

/// The further figures of a report, and what they are to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Figures {
    /// Those that are enabled, in the order of [`FigureName::ALL`].
    pub wanted: Vec<Wanted>,
    /// `[disk] mounts`: at most [`limits::MOUNTS`], each of at most [`limits::MOUNT_POINT`] bytes.
    pub mounts: Vec<String>,
    /// `[diskio] counters`: the counters behind the rates too.
    pub disk_counters: bool,
    /// `[net] counters`: likewise.
    pub net_counters: bool,
    /// `[value:NAME]`: at most [`limits::EXTERNALS`].
    pub externals: Vec<External>,
    /// `[sensors] devices[]`: which sensors. None: all that there are.
    pub sensors: Vec<Device>,
}

impl Default for Figures {
    fn default() -> Self {
        Self {
            wanted: Vec::new(),
            mounts: vec!["/".into()],
            disk_counters: false,
            net_counters: false,
            externals: Vec::new(),
            sensors: Vec::new(),
        }
    }
}

impl Figures {
    /// Whether it is enabled.
    pub fn has(&self, name: FigureName) -> bool {
        self.wanted.iter().any(|wanted| wanted.name == name)
    }
}

/// A further figure that is enabled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Which.
    pub name: FigureName,
    /// `interval`: from one reading to the next, 0.001 to 604,800 seconds. What is read goes into the
    /// next report, so that less than the primary timer means every report.
    pub interval: Duration,
}

/// A further figure, by its key in a report, which is also the name of its section; but for `percpu`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FigureName {
    /// `load`
    Load,
    /// `percpu`
    PerCpu,
    /// `swap`
    Swap,
    /// `cpu_freq`
    CpuFreq,
    /// `pressure`
    Pressure,
    /// `throttled`
    Throttled,
    /// `sensors`
    Sensors,
    /// `fan`
    Fan,
    /// `disk`
    Disk,
    /// `hddspace`
    HddSpace,
    /// `hddtemp`
    HddTemp,
    /// `readonly`
    ReadOnly,
    /// `diskio`
    DiskIo,
    /// `net`
    Net,
    /// `wifi`
    Wifi,
    /// `card`
    Card,
    /// `boot`
    Boot,
    /// `clock`
    Clock,
    /// `board`
    Board,
    /// `os`
    Os,
}

impl FigureName {
    /// All, in the order in which a report has them.
    pub const ALL: [Self; 20] = [
        Self::Load,
        Self::PerCpu,
        Self::Swap,
        Self::CpuFreq,
        Self::Pressure,
        Self::Throttled,
        Self::Sensors,
        Self::Fan,
        Self::Disk,
        Self::HddSpace,
        Self::HddTemp,
        Self::ReadOnly,
        Self::DiskIo,
        Self::Net,
        Self::Wifi,
        Self::Card,
        Self::Boot,
        Self::Clock,
        Self::Board,
        Self::Os,
    ];

    /// As the key in a report spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Load => "load",
            Self::PerCpu => "percpu",
            Self::Swap => "swap",
            Self::CpuFreq => "cpu_freq",
            Self::Pressure => "pressure",
            Self::Throttled => "throttled",
            Self::Sensors => "sensors",
            Self::Fan => "fan",
            Self::Disk => "disk",
            Self::HddSpace => "hddspace",
            Self::HddTemp => "hddtemp",
            Self::ReadOnly => "readonly",
            Self::DiskIo => "diskio",
            Self::Net => "net",
            Self::Wifi => "wifi",
            Self::Card => "card",
            Self::Boot => "boot",
            Self::Clock => "clock",
            Self::Board => "board",
            Self::Os => "os",
        }
    }

    /// The section of it, and the key there that switches it on.
    pub const fn switch(self) -> (&'static str, &'static str) {
        match self {
            Self::PerCpu => ("cpu", "percpu"),
            other => (other.as_str(), ENABLED),
        }
    }

    /// Seconds where the section has no `interval`: 1 for what changes by the second, 60 for what is slow or costs
    /// more to read, 3600 for what stays.
    const fn interval(self) -> u64 {
        match self {
            // Each reading may be a question to the firmware.
            Self::Throttled => 10,
            // As often as the original's file had it. To ask a drive may keep it from its sleep.
            Self::HddTemp => 30,
            // Boot moves when the clock is set.
            Self::Disk | Self::HddSpace | Self::ReadOnly | Self::Wifi | Self::Boot | Self::Clock => 60,
            Self::Card | Self::Board | Self::Os => 3600,
            _ => 1,
        }
    }
}

/// Reads the section of every figure; `cpu` is what its section says beside `percpu`.
pub(super) fn figures(r: &mut Reading<'_>, cpu: BasicFigure, figures: &mut Figures) {
    for name in FigureName::ALL {
        figures.wanted.extend(wanted(r, name, cpu));
    }
    figures.externals = externals(r);
    // 0.2 asked a daemon.
    for key in ["hostname", "port"] {
        let entry = r.entry(FigureName::HddTemp.as_str(), key);
        if let Some(entry) = entry.filter(|_| figures.has(FigureName::HddTemp)) {
            r.warn(
                entry.line,
                format_args!("[hddtemp] {key}: has no effect: the kernel's drivetemp is asked"),
            );
        }
    }
    r.set(FigureName::Disk.as_str(), "mounts", &mut figures.mounts, mounts);
    r.set(FigureName::DiskIo.as_str(), "counters", &mut figures.disk_counters, boolean);
    r.set(FigureName::Net.as_str(), "counters", &mut figures.net_counters, boolean);
    r.set(FigureName::Sensors.as_str(), "devices[]", &mut figures.sensors, devices);
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
fn wanted(r: &mut Reading<'_>, name: FigureName, cpu: BasicFigure) -> Option<Wanted> {
    let (section, switch) = name.switch();
    let mut on = None;
    r.set(section, switch, &mut on, |text| boolean(text).map(Some));
    let mut interval = Duration::from_secs(name.interval());
    if name == FigureName::PerCpu {
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
