//! Where a message of chasar says what a report says under another path.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};

/// The key of the processes. Only their number is a series: names of processes come and go without end.
pub const PROCESSES: &str = "process";

/// Where a value belongs.
pub enum Place<'p> {
    /// Where it stands.
    Same,
    /// At the path of the agent's reports.
    At(&'p str),
    /// It is the time of the sample.
    Time,
    /// It says nothing more.
    Nowhere,
}

/// Where the value of `path` belongs. `buffer` is for the answer.
pub fn place<'p>(path: &str, buffer: &'p mut String) -> Place<'p> {
    let same = match path {
        "computer_utc_clock" => return Place::Time,
        "computer_clock" => return Place::Nowhere,
        "memory" | "memory.percent_used" => "mem",
        "cpu.percent_used" => "percpu",
        "ipv4_interfaces" => "ipaddr",
        "disk.percent_used" => "disk./.percent",
        "disk.total_bytes" => "disk./.total",
        "disk.total_bytes_used" => "disk./.used",
        "disk.total_bytes_free" => "disk./.free",
        _ => {
            let (group, index) = if let Some(core) = path.strip_prefix("cpu.percent_used.") {
                ("percpu", core)
            } else if let Some(index) =
                path.strip_prefix("ipv4_interfaces.").and_then(|rest| rest.strip_suffix(".addr"))
            {
                ("ipaddr", index)
            } else {
                return Place::Same;
            };
            buffer.clear();
            buffer.push_str(group);
            buffer.push('.');
            buffer.push_str(index);
            return Place::At(buffer);
        }
    };
    Place::At(same)
}

/// The percentages of the cores of one message.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cores {
    sum: f64,
    count: f64,
}

impl Cores {
    /// Adds the number of a path where that is a core's.
    pub fn note(&mut self, path: &str, percent: f64) {
        if path.starts_with("cpu.percent_used.") {
            self.sum += percent;
            self.count += 1.0;
        }
    }

    /// The percentage of all cores together, to one decimal: `cpu`.
    pub fn mean(self) -> Option<f64> {
        let mean = (self.sum / self.count * 10.0).round() / 10.0;
        mean.is_finite().then_some(mean)
    }
}

/// Unix milliseconds of `YYYY-MM-DD HH:MM:SS.ffffff` in UTC.
pub fn time(text: &str) -> Option<i64> {
    let (date, time) = text.split_once(' ')?;
    let mut date = date.splitn(3, '-').map(|part| part.parse::<u32>().ok());
    let (year, month, day) = (i64::from(date.next()??), date.next()??, date.next()??);
    let mut time = time.splitn(3, ':');
    let hour: u32 = time.next()?.parse().ok()?;
    let minute: u32 = time.next()?.parse().ok()?;
    let seconds: f64 = time.next()?.parse().ok()?;
    let is_time = (1970..=9999).contains(&year)
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && hour < 24
        && minute < 60
        && (0.0..61.0).contains(&seconds);
    if !is_time {
        return None;
    }
    // Days since 1970: by Howard Hinnant, "chrono-compatible low-level date algorithms", days_from_civil.
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year / 400, year % 400);
    let day_of_year = (153 * ((i64::from(month) + 9) % 12) + 2) / 5 + i64::from(day) - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + day_of_year - 719_468;
    #[expect(clippy::cast_possible_truncation, reason = "below 61,000")]
    let ms = (seconds * 1000.0).round() as i64;
    Some((days * 1440 + i64::from(hour * 60 + minute)) * 60_000 + ms)
}

/// How many entries an object has; None of another value.
pub struct Count(pub Option<u32>);

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Counter).map(Self)
    }
}

struct Counter;

impl<'de> Visitor<'de> for Counter {
    type Value = Option<u32>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut count = 0;
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {
            count += 1;
        }
        Ok(Some(count))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }
}
