//! `[sensors] devices[]`: which sensors, and what to call them, as psistats 0.2 took them.

use crate::conf::ini::trim;
use crate::conf::reading::Expected;
use crate::limits;

/// A line of `devices[]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// As libsensors calls the chip: `coretemp-isa-0000`.
    pub chip: String,
    /// Label of the feature, or the name of its file: `Core 0`, `temp2`.
    pub feature: String,
    /// What a report calls it; the feature where the line has none.
    pub label: String,
}

/// Reads the lines, of which empty ones do not count.
pub(super) fn devices(text: &str) -> Result<Vec<Device>, Expected> {
    let lines = text.split('\n').map(trim).filter(|line| !line.is_empty());
    let devices: Option<Vec<_>> = lines.map(device).collect();
    let devices = devices.ok_or(
        "a line for each sensor, CHIP.FEATURE or (LABEL, CHIP.FEATURE), as `psistats sensors` lists them",
    )?;
    if devices.len() > limits::LISTED_SENSORS {
        return Err(format!("at most {} sensors", limits::LISTED_SENSORS).into());
    }
    let same = |a: &Device, b: &Device| (&a.chip, &a.feature) == (&b.chip, &b.feature);
    if devices.iter().enumerate().any(|(n, device)| devices.iter().take(n).any(|other| same(device, other))) {
        return Err("each sensor once".into());
    }
    Ok(devices)
}

fn device(line: &str) -> Option<Device> {
    let (label, name) = match line.strip_prefix('(') {
        Some(rest) => {
            let (label, name) = rest.strip_suffix(')')?.split_once(',')?;
            (Some(trim(label)), trim(name))
        }
        None => (None, line),
    };
    // DRIVER-BUS-ADDRESS has no dot behind its second dash; a feature may have.
    let (dash, _) = name.match_indices('-').nth(1)?;
    let dot = dash + name.get(dash..)?.find('.')?;
    let (chip, feature) = (name.get(..dot)?, name.get(dot + 1..)?);
    let label = label.unwrap_or(feature);
    let fits = |text: &str| {
        !text.is_empty() && text.len() <= limits::CHIP_NAME && !crate::conf::values::has_controls(text)
    };
    [chip, feature, label].into_iter().all(fits).then(|| Device {
        chip: chip.to_owned(),
        feature: feature.to_owned(),
        label: label.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<(String, String, String)>, Expected> {
        devices(text).map(|all| all.into_iter().map(|d| (d.label, d.chip, d.feature)).collect())
    }

    #[test]
    fn a_line_is_a_sensor_or_a_label_and_a_sensor() {
        let text = "(CPU Core 1, coretemp-isa-0000.Core 0)\n\n( a , coretemp-isa-0000.Core 1 )\nrpi_volt-isa-0000.in0\n\
                    ina-i2c-1-40.+3.3V, left\na.b-c-virtual-0.temp1";
        let expected = [
            ("CPU Core 1", "coretemp-isa-0000", "Core 0"),
            ("a", "coretemp-isa-0000", "Core 1"),
            ("in0", "rpi_volt-isa-0000", "in0"),
            ("+3.3V, left", "ina-i2c-1-40", "+3.3V, left"),
            ("temp1", "a.b-c-virtual-0", "temp1"),
        ];
        let expected = expected.map(|(label, chip, feature)| (label.into(), chip.into(), feature.into()));
        assert_eq!(read(text).unwrap(), expected);
        assert_eq!(read("\n \n"), Ok(vec![]));
    }

    #[test]
    fn what_is_no_sensor_or_too_many_of_them_is_refused() {
        for wrong in [
            "coretemp.Core 0",
            "coretemp-isa-0000",
            "coretemp-isa-0000.",
            "(coretemp-isa-0000.Core 0)",
            "(, coretemp-isa-0000.Core 0)",
            "(a, coretemp-isa-0000.Core 0",
            "a-isa-0.\u{7f}",
            &format!("a-isa-0.{}", "x".repeat(49)),
        ] {
            assert!(read(wrong).unwrap_err().starts_with("a line for each sensor"), "{wrong}");
        }
        assert_eq!(read("a-isa-0.b\n(c, a-isa-0.b)"), Err("each sensor once".into()));
        let many: String = (0..65).map(|n| format!("a-isa-0.temp{n}\n")).collect();
        assert_eq!(read(&many), Err("at most 64 sensors".into()));
    }
}
