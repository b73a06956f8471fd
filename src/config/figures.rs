//! The further figures of a report: each is off until a section of its name switches it on.

use std::time::Duration;

use super::reading::Reading;
use super::values::{boolean, seconds};

/// What switches a figure on.
const ENABLED: &str = "enabled";

/// The further figures of a report, and what they are to look at.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Figures {
    /// Those that are enabled, in the order of [`FigureName::ALL`].
    pub wanted: Vec<Wanted>,
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
    /// `board`
    Board,
    /// `os`
    Os,
}

impl FigureName {
    /// All, in the order in which a report has them.
    pub const ALL: [Self; 7] =
        [Self::Load, Self::PerCpu, Self::Swap, Self::CpuFreq, Self::Pressure, Self::Board, Self::Os];

    /// As the key in a report spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Load => "load",
            Self::PerCpu => "percpu",
            Self::Swap => "swap",
            Self::CpuFreq => "cpu_freq",
            Self::Pressure => "pressure",
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

    /// Seconds where the section has no `interval`: 1 for what changes by the second, 60 for what is
    /// slow or costs more to read, 3600 for what stays.
    const fn default_interval(self) -> u64 {
        match self {
            Self::Load | Self::PerCpu | Self::Swap | Self::CpuFreq | Self::Pressure => 1,
            Self::Board | Self::Os => 3600,
        }
    }
}

/// Reads the section of every figure.
pub(super) fn figures(r: &mut Reading<'_>) -> Figures {
    Figures { wanted: FigureName::ALL.into_iter().filter_map(|name| wanted(r, name)).collect() }
}

/// `[name] enabled interval`, and `[cpu] enabled percpu interval`.
fn wanted(r: &mut Reading<'_>, name: FigureName) -> Option<Wanted> {
    let (section, switch) = name.switch();
    let mut on = None;
    r.set(section, switch, &mut on, |text| boolean(text).map(Some));
    let mut enabled = true;
    if switch != ENABLED {
        r.set(section, ENABLED, &mut enabled, boolean);
    }
    let mut interval = Duration::from_secs(name.default_interval());
    r.set(section, "interval", &mut interval, seconds(0.001..=604_800.0));
    if let Some(line) = r.section_line(section).filter(|_| !on.is_some_and(|on| on || switch == ENABLED)) {
        r.warn(line, format!("[{section}]: has no effect without {switch}=yes"));
    }
    (enabled && on == Some(true)).then_some(Wanted { name, interval })
}
