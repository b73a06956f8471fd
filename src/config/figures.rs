//! The further figures of a report: each is off until a section of its name switches it on.

use std::time::Duration;

use super::reading::Reading;
use super::sensors::{Device, devices};
use super::values::{boolean, seconds};

/// The further figures of a report, and what they are to look at.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Figures {
    /// Those that are enabled, in the order of [`FigureName::ALL`].
    pub wanted: Vec<Wanted>,
    /// `[sensors] devices[]`: which sensors. None: all that there are.
    pub sensors: Vec<Device>,
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

/// A further figure, by the name of its section and of its key in a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FigureName {
    /// `load`
    Load,
    /// `throttled`
    Throttled,
    /// `sensors`
    Sensors,
    /// `fan`
    Fan,
}

impl FigureName {
    /// All, in the order in which a report has them.
    pub const ALL: [Self; 4] = [Self::Load, Self::Throttled, Self::Sensors, Self::Fan];

    /// As section and key spell it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Load => "load",
            Self::Throttled => "throttled",
            Self::Sensors => "sensors",
            Self::Fan => "fan",
        }
    }

    /// Seconds where the section has no `interval`: 1 for what changes by the second, more for what is
    /// slow or costs more to read.
    const fn default_interval(self) -> u64 {
        match self {
            Self::Load | Self::Sensors | Self::Fan => 1,
            // Each reading may be a question to the firmware.
            Self::Throttled => 10,
        }
    }
}

/// Reads the section of every figure.
pub(super) fn figures(r: &mut Reading<'_>) -> Figures {
    let mut sensors = Vec::new();
    r.set(FigureName::Sensors.as_str(), "devices[]", &mut sensors, devices);
    Figures { wanted: FigureName::ALL.into_iter().filter_map(|name| wanted(r, name)).collect(), sensors }
}

/// `[name] enabled interval`.
fn wanted(r: &mut Reading<'_>, name: FigureName) -> Option<Wanted> {
    let section = name.as_str();
    let mut enabled = None;
    r.set(section, "enabled", &mut enabled, |text| boolean(text).map(Some));
    let mut interval = Duration::from_secs(name.default_interval());
    r.set(section, "interval", &mut interval, seconds(0.001..=604_800.0));
    if let Some(line) = r.section_line(section).filter(|_| enabled.is_none()) {
        r.warn(line, format!("[{section}]: has no effect without enabled=yes"));
    }
    (enabled == Some(true)).then_some(Wanted { name, interval })
}
