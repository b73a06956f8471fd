//! What Home Assistant is told of a series: its platform, name, device class, unit, and whether it is shown at first.
//!
//! Classes and their units: <https://developers.home-assistant.io/docs/core/entity/sensor/#available-device-classes>
//! and <https://www.home-assistant.io/integrations/binary_sensor/#device-class>. A figure that the table does not know is
//! its owner's own, and becomes a sensor by its path.

use std::borrow::Cow;

use serde::Serialize;

use crate::alerts::rules::Series;
use crate::fleet::Value;

/// What kind of entity it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Platform {
    /// A number.
    Sensor,
    /// A truth value.
    BinarySensor,
}

/// An entity, but for its topics and its name.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Kind {
    /// What kind of entity it is.
    pub platform: Platform,
    /// Its class; none for what Home Assistant has no class for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_class: Option<&'static str>,
    /// Its unit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit_of_measurement: Option<&'static str>,
    /// How its statistics are made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state_class: Option<&'static str>,
    /// What the state is made of, where it is not the message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value_template: Option<&'static str>,
    /// `diagnostic`: it is not what the board is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entity_category: Option<&'static str>,
    /// Whether it is shown before somebody asks for it.
    pub enabled_by_default: bool,
}

impl Kind {
    const fn measured(device_class: Option<&'static str>, unit: Option<&'static str>) -> Self {
        Self {
            platform: Platform::Sensor,
            device_class,
            unit_of_measurement: unit,
            state_class: Some("measurement"),
            value_template: None,
            entity_category: Some("diagnostic"),
            enabled_by_default: false,
        }
    }

    const fn truth(device_class: Option<&'static str>) -> Self {
        let Self { value_template, entity_category, enabled_by_default, .. } = Self::measured(None, None);
        Self {
            platform: Platform::BinarySensor,
            device_class,
            unit_of_measurement: None,
            state_class: None,
            value_template,
            entity_category,
            enabled_by_default,
        }
    }

    const fn shown(self) -> Self {
        Self { enabled_by_default: true, ..self }
    }

    /// It only goes up, but for restarts.
    const fn counted(self) -> Self {
        Self { state_class: Some("total_increasing"), ..self }
    }
}

/// Series of one shape. In the name, `*` stands for what the first one of the shape stands for.
struct Row {
    series: Series,
    name: &'static str,
    kind: Kind,
}

const fn row(series: &'static str, name: &'static str, kind: Kind) -> Row {
    Row { series: Series(Cow::Borrowed(series)), name, kind }
}

const PERCENT: Kind = Kind::measured(None, Some("%"));
const PLAIN: Kind = Kind::measured(None, None);
const BYTES: Kind = Kind::measured(Some("data_size"), Some("B"));
const BYTES_A_SECOND: Kind = Kind::measured(Some("data_rate"), Some("B/s"));
const SECONDS: Kind = Kind::measured(Some("duration"), Some("s"));
const DBM: Kind = Kind::measured(Some("signal_strength"), Some("dBm"));
const CELSIUS: Kind = Kind::measured(Some("temperature"), Some("°C"));
const RPM: Kind = Kind::measured(None, Some("rpm"));
const PROBLEM: Kind = Kind::truth(Some("problem"));
/// Home Assistant shows it as "5 hours ago".
const MOMENT: Kind = Kind {
    state_class: None,
    value_template: Some("{{ value | as_datetime }}"),
    ..Kind::measured(Some("timestamp"), None)
};

/// The first that fits counts.
static ROWS: &[Row] = &[
    row("cpu", "CPU", PERCENT.shown()),
    row("mem", "Memory", PERCENT.shown()),
    row("cpu_temp", "CPU temperature", CELSIUS.shown()),
    row("disk.*.percent", "Disk *", PERCENT.shown()),
    row("throttled.since_boot.under_voltage", "Under-voltage since boot", PROBLEM),
    row("throttled.since_boot.frequency_capped", "Frequency capped since boot", PROBLEM),
    row("throttled.since_boot.throttled", "Throttled since boot", PROBLEM),
    row("throttled.since_boot.soft_temperature_limit", "Soft temperature limit since boot", PROBLEM),
    row("throttled.under_voltage", "Under-voltage", PROBLEM.shown()),
    row("throttled.frequency_capped", "Frequency capped", PROBLEM.shown()),
    row("throttled.throttled", "Throttled", PROBLEM.shown()),
    row("throttled.soft_temperature_limit", "Soft temperature limit", PROBLEM.shown()),
    row("readonly.*.readonly", "Disk * read-only", PROBLEM.shown()),
    row("readonly.*.errors", "Disk * errors", PLAIN.counted()),
    row("wifi.*.level", "Wi-Fi signal *", DBM.shown()),
    row("wifi.*.noise", "Wi-Fi noise *", DBM),
    row("wifi.*.quality", "Wi-Fi quality *", PLAIN),
    row("card.*.life_time.0", "Card * life used (A)", PERCENT.shown()),
    row("card.*.life_time.1", "Card * life used (B)", PERCENT.shown()),
    row("boot", "Last boot", MOMENT.shown()),
    row("uptime", "Uptime", SECONDS),
    row("load.0", "Load (1 min)", PLAIN),
    row("load.1", "Load (5 min)", PLAIN),
    row("load.2", "Load (15 min)", PLAIN),
    row("processes", "Processes", PLAIN),
    row("swap", "Swap", PERCENT),
    row("memory.total_bytes", "Memory size", BYTES),
    row("memory.total_bytes_used", "Memory used", BYTES),
    row("percpu.*", "CPU core *", PERCENT),
    row("cpu_freq.*", "CPU core * clock", Kind::measured(Some("frequency"), Some("MHz"))),
    row("pressure.*.some", "Pressure * (some)", PERCENT),
    row("pressure.*.full", "Pressure * (full)", PERCENT),
    row("fan.*", "Fan *", RPM),
    row("hddspace.*", "Disk space *", PERCENT),
    row("disk.*.total", "Disk * size", BYTES),
    row("disk.*.used", "Disk * used", BYTES),
    row("disk.*.free", "Disk * free", BYTES),
    row("diskio.*.read", "Disk * read rate", BYTES_A_SECOND),
    row("diskio.*.write", "Disk * write rate", BYTES_A_SECOND),
    row("diskio.*.busy", "Disk * busy", PERCENT),
    row("diskio.*.read_bytes", "Disk * read", BYTES.counted()),
    row("diskio.*.write_bytes", "Disk * written", BYTES.counted()),
    row("diskio.*.busy_ms", "Disk * busy time", Kind::measured(Some("duration"), Some("ms")).counted()),
    row("net.*.rx", "Network * receive rate", BYTES_A_SECOND),
    row("net.*.tx", "Network * transmit rate", BYTES_A_SECOND),
    row("net.*.rx_bytes", "Network * received", BYTES.counted()),
    row("net.*.tx_bytes", "Network * transmitted", BYTES.counted()),
    row("net.*.errors", "Network * new errors", PLAIN),
    row("net.*.drops", "Network * new drops", PLAIN),
    row("net.*.errors_total", "Network * errors", PLAIN.counted()),
    row("net.*.drops_total", "Network * drops", PLAIN.counted()),
    row("clock.synchronised", "Clock synchronised", Kind::truth(None)),
    row("clock.offset", "Clock offset", SECONDS),
    row("clock_difference", "Clock difference", SECONDS),
];

/// Sensors of hwmon, whose kind is by the unit that stands beside them.
const SENSOR: Series = Series(Cow::Borrowed("sensors.*.value"));
const UNITS: [(&str, Kind); 6] = [
    ("c", CELSIUS),
    ("rpm", RPM),
    ("V", Kind::measured(Some("voltage"), Some("V"))),
    ("A", Kind::measured(Some("current"), Some("A"))),
    ("W", Kind::measured(Some("power"), Some("W"))),
    ("%", Kind::measured(Some("humidity"), Some("%"))),
];

impl Platform {
    /// That of a series which says this. None: a text, or nothing at all.
    pub const fn of(value: &Value) -> Option<Self> {
        match value {
            Value::Number(_) => Some(Self::Sensor),
            Value::Truth(_) => Some(Self::BinarySensor),
            Value::Text(_) | Value::Missing | Value::Unsaid => None,
        }
    }
}

/// What a series is, and its name. `unit` is that of a sensor.
pub fn entity(path: &str, platform: Platform, unit: &str) -> (Kind, String) {
    let rows = ROWS.iter().filter(|row| row.kind.platform == platform);
    let known =
        rows.filter_map(|row| Some((row.kind, row.name.replace('*', row.series.subject(path)?)))).next();
    let sensor = || {
        let (subject, (_, kind)) = (SENSOR.subject(path)?, UNITS.iter().find(|(has, _)| *has == unit)?);
        Some((*kind, subject.to_owned()))
    };
    let own = || {
        let kind = if platform == Platform::Sensor { PLAIN } else { Kind::truth(None) };
        // What its owner added is what it is for.
        (Kind { entity_category: None, ..kind.shown() }, path.to_owned())
    };
    known.or_else(sensor).unwrap_or_else(own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_is_what_the_table_says_or_a_sensor_by_its_path() {
        let of = |path, value: Value, unit| {
            let (kind, name) = entity(path, Platform::of(&value)?, unit);
            Some((kind.platform, kind.device_class, kind.unit_of_measurement, name))
        };
        let sensor = |class, unit, name: &str| Some((Platform::Sensor, class, unit, name.to_owned()));
        let binary = |class, name: &str| Some((Platform::BinarySensor, class, None, name.to_owned()));
        let number = Value::Number(1.0);
        assert_eq!(
            of("cpu_temp", number.clone(), ""),
            sensor(Some("temperature"), Some("°C"), "CPU temperature")
        );
        assert_eq!(of("disk./srv.percent", number.clone(), ""), sensor(None, Some("%"), "Disk /srv"));
        assert_eq!(
            of("throttled.under_voltage", Value::Truth(false), ""),
            binary(Some("problem"), "Under-voltage")
        );
        assert_eq!(of("sensors.a.b.value", number.clone(), "V"), sensor(Some("voltage"), Some("V"), "a.b"));
        assert_eq!(of("sensors.a.b.value", number.clone(), ""), sensor(None, None, "sensors.a.b.value"));
        assert_eq!(of("soil.wet", Value::Truth(true), ""), binary(None, "soil.wet"));
        // Somebody's own figure of a known name.
        assert_eq!(of("cpu", Value::Truth(true), ""), binary(None, "cpu"));
        for nothing in [Value::Text("1".into()), Value::Missing, Value::Unsaid] {
            assert_eq!(of("cpu", nothing, ""), None);
        }
    }
}
