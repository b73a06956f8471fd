//! `psistats sensors`: lists the sensors of a machine as a section to paste into a configuration.

use std::fmt::Write;

use psistats_core::report::json_of;
use psistats_host::limits;
use psistats_host::machine::hwmon::{Sensor, Sensors};
use psistats_host::machine::source::{ReadError, Root};

/// A `[sensors]` section that names every sensor that can be read, each after a comment with its present value.
/// A sensor that cannot be read appears as a comment with the reason.
pub fn section(root: &Root) -> String {
    let mut left_out = String::new();
    let found = Sensors::find(root, &|_| true, &mut |what| line(&mut left_out, format_args!("# {what}")));
    if found.all.is_empty() {
        return format!("# no sensors in /sys/class/hwmon and /sys/class/thermal\n{left_out}");
    }
    let mut text = String::from("[sensors]\nenabled=yes\ndevices[] =\n");
    let mut buf = [0; limits::KERNEL_VALUE];
    for sensor in &found.all {
        let Sensor { chip, feature, kind, .. } = sensor;
        buf.fill(0);
        match sensor.read(&mut buf) {
            Ok(value) => {
                let unit = if kind.unit() == "c" { "°C" } else { kind.unit() };
                // The value is formatted as in a report, because Rust's own formatting of a float adds 10 KB.
                let length = json_of(&value, &mut buf).unwrap_or_default();
                let value = std::str::from_utf8(buf.get(..length).unwrap_or_default()).unwrap_or_default();
                line(&mut text, format_args!("    # {value} {}\n    {chip}.{feature}", unit));
            }
            Err(ReadError::Content) => {
                line(
                    &mut text,
                    format_args!("    # {chip}.{feature}: implausible reading: {}", first_line(&buf)),
                );
            }
            Err(failure) => line(&mut text, format_args!("    # {chip}.{feature}: {failure}")),
        }
    }
    text + &left_out
}

/// The first line of a file, without its end.
fn first_line(bytes: &[u8]) -> &str {
    let line = bytes.split(|byte| matches!(byte, b'\n' | 0)).next().unwrap_or_default();
    str::from_utf8(line).unwrap_or_default()
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{line}");
}
