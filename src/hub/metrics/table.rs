//! From the path of a series to its metric: the names are those that Prometheus' conventions ask for, in base units.
//!
//! A series belongs to the first family of [`FIGURES`] that has a place for its path, and the last one has a place for
//! every path. No two paths become one metric with the same labels: within a family, the places differ by a label, or
//! by what the label's value looks like.

use crate::fleet::Value;
use crate::metrics::family::{Family, Kind};

/// How a value becomes one in base units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// It is one, a truth value among them.
    Base,
    /// A number that is sent as a text.
    Text,
    /// Percent become a ratio.
    Percent,
    /// Mega- becomes the unit.
    Mega,
    /// Milli- becomes the unit.
    Milli,
    /// A text: 0 where it is this one, and 1 where it is another.
    Other(&'static str),
}

impl Unit {
    fn number(self, value: &Value) -> Option<f64> {
        match (self, value) {
            (Self::Other(usual), Value::Text(text)) => Some(f64::from(**text != *usual)),
            (Self::Other(_), _) => None,
            (Self::Text, Value::Text(text)) => text.parse().ok(),
            (Self::Base | Self::Text, value) => value.number(),
            (Self::Percent, value) => value.number().map(|percent| percent / 100.0),
            (Self::Mega, value) => value.number().map(|mega| mega * 1e6),
            (Self::Milli, value) => value.number().map(|milli| milli / 1000.0),
        }
    }
}

/// Paths of one shape.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// They begin and end so.
    begin: &'static str,
    end: &'static str,
    /// The label whose value stands between; empty: nothing does.
    pub label: &'static str,
    /// Another label with its value.
    pub more: Option<(&'static str, &'static str)>,
    /// Only where the series beside it says that its unit is this one.
    unit: Option<&'static str>,
}

impl Place {
    /// With another label.
    const fn with(self, label: &'static str, value: &'static str) -> Self {
        Self { more: Some((label, value)), ..self }
    }

    /// The shape, for people to read: `disk.MOUNTPOINT.total`.
    pub fn shape(&self) -> String {
        format!("{}{}{}", self.begin, self.label.to_uppercase(), self.end)
    }

    /// The value of [`Self::label`], where that is the shape of `path`.
    pub fn subject<'p>(&self, path: &'p str) -> Option<&'p str> {
        let subject = path.strip_prefix(self.begin)?.strip_suffix(self.end)?;
        // Sensors of hwmon chips share a family with the processor's thermometer, whose name has no dot.
        let is_sensor = self.unit.is_none() || subject.contains('.');
        (subject.is_empty() == self.label.is_empty() && is_sensor).then_some(subject)
    }
}

/// Paths of what sensors measure.
const SENSORS: &str = "sensors.";
const VALUE: &str = ".value";

/// The path of a sensor's value without that word: where `unit` stands in its place is its unit.
pub fn sensor(path: &str) -> Option<&str> {
    path.strip_prefix(SENSORS).and(path.strip_suffix("value"))
}

/// A family of series.
#[derive(Debug)]
pub struct Figure {
    /// Its metric.
    pub family: Family,
    /// Of the values.
    pub unit: Unit,
    /// Where its series are.
    pub places: &'static [Place],
}

impl Figure {
    /// What a value says in base units, where that can be a sample.
    pub fn number(&self, value: &Value) -> Option<f64> {
        let is_fine =
            |number: &f64| number.is_finite() && (self.family.kind != Kind::Counter || *number >= 0.0);
        self.unit.number(value).filter(is_fine)
    }

    /// The place that has a path, and the value of its label. `unit` is that of a sensor.
    pub fn place<'p>(&self, path: &'p str, unit: &str) -> Option<(&'static Place, &'p str)> {
        let places = self.places.iter().filter(|place| place.unit.is_none_or(|wanted| wanted == unit));
        places.filter_map(|place| Some((place, place.subject(path)?))).next()
    }
}

/// Where among [`FIGURES`] a series is. None: it has no metric. That is so where it is empty,
/// or has the character NUL, which readers of metrics do not take.
/// `unit` is that of a sensor.
pub fn figure_of(path: &str, unit: &str) -> Option<u16> {
    if path.contains('\0') {
        return None;
    }
    let place = FIGURES.iter().position(|figure| figure.place(path, unit).is_some())?;
    u16::try_from(place).ok()
}

const fn gauge(name: &'static str, unit: Unit, help: &'static str, places: &'static [Place]) -> Figure {
    Figure { family: Family::gauge(name, help), unit, places }
}

const fn counter(name: &'static str, unit: Unit, help: &'static str, places: &'static [Place]) -> Figure {
    Figure { family: Family::counter(name, help), unit, places }
}

/// This path.
const fn at(path: &'static str) -> Place {
    Place { begin: path, end: "", label: "", more: None, unit: None }
}

/// Paths with a label's value between `begin` and `end`.
const fn of(begin: &'static str, label: &'static str, end: &'static str) -> Place {
    Place { begin, end, label, more: None, unit: None }
}

/// Sensors that measure in this unit.
const fn sensor_in(unit: &'static str) -> Place {
    Place { unit: Some(unit), ..of(SENSORS, "sensor", VALUE) }
}

/// All figures of boards, in the order in which they are written.
pub const FIGURES: &[Figure] = &[
    gauge("psistats_cpu_ratio", Unit::Percent, "Processor time in use.", &[at("cpu")]),
    gauge(
        "psistats_cpu_core_ratio",
        Unit::Percent,
        "Processor time in use, of each core.",
        &[of("percpu.", "cpu", "")],
    ),
    gauge("psistats_cpu_frequency_hertz", Unit::Mega, "Clock of each core.", &[of("cpu_freq.", "cpu", "")]),
    gauge("psistats_load1", Unit::Base, "Load average over 1 minute.", &[at("load.0")]),
    gauge("psistats_load5", Unit::Base, "Load average over 5 minutes.", &[at("load.1")]),
    gauge("psistats_load15", Unit::Base, "Load average over 15 minutes.", &[at("load.2")]),
    gauge("psistats_processes", Unit::Base, "Number of processes.", &[at("processes")]),
    gauge("psistats_memory_used_ratio", Unit::Percent, "Memory that is not available.", &[at("mem")]),
    gauge("psistats_memory_size_bytes", Unit::Base, "Memory in all.", &[at("memory.total_bytes")]),
    gauge("psistats_memory_used_bytes", Unit::Base, "Memory in use.", &[at("memory.total_bytes_used")]),
    gauge("psistats_swap_used_ratio", Unit::Percent, "Swap in use.", &[at("swap")]),
    gauge(
        "psistats_pressure_ratio",
        Unit::Percent,
        "Share of the last 10 s in which some or all tasks waited.",
        &[
            of("pressure.", "resource", ".some").with("tasks", "some"),
            of("pressure.", "resource", ".full").with("tasks", "full"),
        ],
    ),
    gauge(
        "psistats_temperature_celsius",
        Unit::Base,
        "Temperature; the sensor cpu is the processor's.",
        &[at("cpu_temp").with("sensor", "cpu"), sensor_in("c")],
    ),
    gauge("psistats_fan_rpm", Unit::Base, "Revolutions per minute.", &[of("fan.", "fan", "")]),
    gauge(
        "psistats_sensor_rpm",
        Unit::Base,
        "Revolutions per minute, by the name of the sensor.",
        &[sensor_in("rpm")],
    ),
    gauge("psistats_sensor_volts", Unit::Base, "Voltage.", &[sensor_in("V")]),
    gauge("psistats_sensor_amperes", Unit::Base, "Current.", &[sensor_in("A")]),
    gauge("psistats_sensor_watts", Unit::Base, "Power.", &[sensor_in("W")]),
    gauge("psistats_sensor_ratio", Unit::Percent, "Relative humidity.", &[sensor_in("%")]),
    gauge(
        "psistats_throttled_since_boot",
        Unit::Base,
        "Whether this has held the board back since it started.",
        &[of("throttled.since_boot.", "cause", "")],
    ),
    gauge(
        "psistats_throttled",
        Unit::Base,
        "Whether this holds the board back now.",
        &[of("throttled.", "cause", "")],
    ),
    gauge(
        "psistats_filesystem_size_bytes",
        Unit::Base,
        "Space in all.",
        &[of("disk.", "mountpoint", ".total")],
    ),
    gauge(
        "psistats_filesystem_used_bytes",
        Unit::Base,
        "Space in use.",
        &[of("disk.", "mountpoint", ".used")],
    ),
    gauge(
        "psistats_filesystem_free_bytes",
        Unit::Base,
        "Space that is left to users without privileges.",
        &[of("disk.", "mountpoint", ".free")],
    ),
    gauge(
        "psistats_filesystem_used_ratio",
        Unit::Percent,
        "Space in use, of what users without privileges may use.",
        &[of("disk.", "mountpoint", ".percent")],
    ),
    gauge(
        "psistats_filesystem_readonly",
        Unit::Base,
        "Whether the file system became read-only against its purpose.",
        &[of("readonly.", "mountpoint", ".readonly")],
    ),
    counter(
        "psistats_filesystem_errors_total",
        Unit::Base,
        "Errors that ext4 has counted since the last fsck.",
        &[of("readonly.", "mountpoint", ".errors")],
    ),
    gauge(
        "psistats_disk_read_bytes_per_second",
        Unit::Base,
        "Bytes read a second.",
        &[of("diskio.", "device", ".read")],
    ),
    gauge(
        "psistats_disk_written_bytes_per_second",
        Unit::Base,
        "Bytes written a second.",
        &[of("diskio.", "device", ".write")],
    ),
    gauge(
        "psistats_disk_busy_ratio",
        Unit::Percent,
        "Share of the time in which the disk was busy.",
        &[of("diskio.", "device", ".busy")],
    ),
    counter(
        "psistats_disk_read_bytes_total",
        Unit::Base,
        "Bytes read.",
        &[of("diskio.", "device", ".read_bytes")],
    ),
    counter(
        "psistats_disk_written_bytes_total",
        Unit::Base,
        "Bytes written.",
        &[of("diskio.", "device", ".write_bytes")],
    ),
    counter(
        "psistats_disk_busy_seconds_total",
        Unit::Milli,
        "Time in which the disk was busy.",
        &[of("diskio.", "device", ".busy_ms")],
    ),
    gauge(
        "psistats_drive_temperature_celsius",
        Unit::Text,
        "Temperature of a drive.",
        &[of("hddtemp.", "device", VALUE)],
    ),
    gauge(
        "psistats_network_receive_bytes_per_second",
        Unit::Base,
        "Bytes received a second.",
        &[of("net.", "device", ".rx")],
    ),
    gauge(
        "psistats_network_transmit_bytes_per_second",
        Unit::Base,
        "Bytes sent a second.",
        &[of("net.", "device", ".tx")],
    ),
    gauge(
        "psistats_network_new_errors",
        Unit::Base,
        "Packets with errors since the previous reading.",
        &[of("net.", "device", ".errors")],
    ),
    gauge(
        "psistats_network_new_drops",
        Unit::Base,
        "Packets dropped since the previous reading.",
        &[of("net.", "device", ".drops")],
    ),
    counter(
        "psistats_network_receive_bytes_total",
        Unit::Base,
        "Bytes received.",
        &[of("net.", "device", ".rx_bytes")],
    ),
    counter(
        "psistats_network_transmit_bytes_total",
        Unit::Base,
        "Bytes sent.",
        &[of("net.", "device", ".tx_bytes")],
    ),
    counter(
        "psistats_network_errors_total",
        Unit::Base,
        "Packets with errors.",
        &[of("net.", "device", ".errors_total")],
    ),
    counter(
        "psistats_network_drops_total",
        Unit::Base,
        "Packets dropped.",
        &[of("net.", "device", ".drops_total")],
    ),
    gauge("psistats_wifi_quality", Unit::Base, "Quality of the link.", &[of("wifi.", "device", ".quality")]),
    gauge("psistats_wifi_signal_dbm", Unit::Base, "Level of the signal.", &[of("wifi.", "device", ".level")]),
    gauge("psistats_wifi_noise_dbm", Unit::Base, "Level of the noise.", &[of("wifi.", "device", ".noise")]),
    gauge(
        "psistats_card_life_used_ratio",
        Unit::Percent,
        "Upper bound of the life that flash of each type has used; 1.1 is more than all.",
        &[
            of("card.", "device", ".life_time.0").with("type", "A"),
            of("card.", "device", ".life_time.1").with("type", "B"),
        ],
    ),
    gauge(
        "psistats_card_reserve_low",
        Unit::Other("normal"),
        "Whether the card warns that its reserved blocks are used up.",
        &[of("card.", "device", ".pre_eol")],
    ),
    gauge("psistats_uptime_seconds", Unit::Base, "Time since the start of the board.", &[at("uptime")]),
    gauge("psistats_boot_time_seconds", Unit::Base, "Time of the start of the board.", &[at("boot")]),
    gauge(
        "psistats_clock_synchronised",
        Unit::Base,
        "Whether the clock is synchronised.",
        &[at("clock.synchronised")],
    ),
    gauge(
        "psistats_clock_offset_seconds",
        Unit::Base,
        "Offset that the kernel still corrects.",
        &[at("clock.offset")],
    ),
    gauge(
        "psistats_clock_difference_seconds",
        Unit::Base,
        "By how much the clock of the board is ahead of the hub.",
        &[at("clock_difference")],
    ),
    gauge("psistats_figure", Unit::Base, "Any other figure, by its path in reports.", &[of("", "path", "")]),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn name(path: &str, unit: &str) -> &'static str {
        FIGURES[usize::from(figure_of(path, unit).unwrap())].family.name
    }

    #[test]
    fn a_path_has_the_first_place_that_is_of_its_shape_and_any_other_has_the_last() {
        for (path, unit, expected) in [
            ("cpu", "", "psistats_cpu_ratio"),
            ("cpu.0", "", "psistats_figure"),
            ("disk./mnt/a.b.total", "", "psistats_filesystem_size_bytes"),
            ("disk..total", "", "psistats_figure"),
            ("disk.total", "", "psistats_figure"),
            ("throttled.since_boot.throttled", "", "psistats_throttled_since_boot"),
            ("throttled.under_voltage", "", "psistats_throttled"),
            ("sensors.a.b.value", "c", "psistats_temperature_celsius"),
            ("sensors.a.b.value", "rpm", "psistats_sensor_rpm"),
            ("sensors.a.b.value", "parsec", "psistats_figure"),
            ("sensors.cpu.value", "c", "psistats_figure"),
        ] {
            assert_eq!(name(path, unit), expected, "{path}");
        }
        for path in ["", "a\0b"] {
            assert_eq!(figure_of(path, ""), None, "{path:?}");
        }
    }

    #[test]
    fn values_come_in_base_units() {
        let text = |text: &str| Value::Text(text.into());
        for (unit, value, expected) in [
            (Unit::Base, Value::Number(2.5), Some(2.5)),
            (Unit::Base, Value::Truth(true), Some(1.0)),
            (Unit::Base, text("1"), None),
            (Unit::Text, text("38"), Some(38.0)),
            (Unit::Text, text("ERR"), None),
            (Unit::Percent, Value::Number(25.0), Some(0.25)),
            (Unit::Mega, Value::Number(1.5), Some(1.5e6)),
            (Unit::Milli, Value::Number(1.0), Some(0.001)),
            (Unit::Other("normal"), text("normal"), Some(0.0)),
            (Unit::Other("normal"), text("urgent"), Some(1.0)),
            (Unit::Other("normal"), Value::Missing, None),
            (Unit::Base, Value::Missing, None),
        ] {
            assert_eq!(unit.number(&value), expected, "{unit:?} {value:?}");
        }
    }

    #[test]
    fn what_cannot_be_a_sample_is_left_out() {
        let number = |path, value: Value| FIGURES[usize::from(figure_of(path, "").unwrap())].number(&value);
        assert_eq!(number("cpu_freq.0", Value::Number(1e308)), None);
        assert_eq!(number("hddtemp.a.value", Value::Text("inf".into())), None);
        assert_eq!(number("net.a.rx_bytes", Value::Number(-1.0)), None);
        assert_eq!(number("net.a.rx", Value::Number(-1.0)), Some(-1.0));
    }

    #[test]
    fn names_are_told_apart() {
        for (n, figure) in FIGURES.iter().enumerate() {
            assert!(!FIGURES[..n].iter().any(|before| before.family.name == figure.family.name));
        }
    }
}
