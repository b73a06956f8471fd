//! What a program needs to make reports of its machine: which figures, how often, and what else each report has.

use crate::conf::figures::{BasicFigure, Figures, figures};
use crate::conf::reading::Reading;
use crate::conf::tags::{Tags, tags};
use crate::conf::values::{TIMER, boolean, seconds};

/// What reports have. The default is the original's documented one.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Reports {
    /// `[cpu]`
    pub cpu: BasicFigure,
    /// `[mem]`
    pub mem: BasicFigure,
    /// `[cpu_temp]`
    pub cpu_temp: BasicFigure,
    /// `[uptime]`
    pub uptime: BasicFigure,
    /// `[ipaddr]`
    pub ipaddr: BasicFigure,
    /// `[ipaddr] ipv6`: whether reports have global IPv6 addresses too.
    pub ipv6: bool,
    /// `[message] timestamp`: also put `ts` into each body.
    pub timestamp: bool,
    /// `[tags]`
    pub tags: Tags,
    /// `[load]` and the like: none unless configured.
    pub figures: Figures,
}

/// Reads the section of every figure, `[tags]` and `[message] timestamp`.
pub fn read(r: &mut Reading<'_>, reports: &mut Reports) {
    r.set("message", "timestamp", &mut reports.timestamp, boolean);
    let basic = [
        ("cpu", &mut reports.cpu),
        ("mem", &mut reports.mem),
        ("cpu_temp", &mut reports.cpu_temp),
        ("uptime", &mut reports.uptime),
        ("ipaddr", &mut reports.ipaddr),
    ];
    for (section, figure) in basic {
        r.set(section, "enabled", &mut figure.enabled, boolean);
        r.set(section, "interval", &mut figure.interval, |text| seconds(&TIMER)(text).map(Some));
    }
    r.set("ipaddr", "ipv6", &mut reports.ipv6, boolean);
    reports.tags = tags(r);
    figures(r, reports.cpu, &mut reports.figures);
}
