//! `psistats sensors`: the sensors of a machine, as a section to be pasted into a configuration.

use std::fmt::Write;

use psistats_core::limits;
use psistats_core::report::json_of;
use psistats_host::machine::hwmon::{Sensor, Sensors};
use psistats_host::machine::source::{ReadError, Root};

/// A `[sensors]` section that names everything that can be read, with what it says now in comments; what
/// cannot be read is a comment with the reason.
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
                // As a report has it: to format a double otherwise would take 10 KB of the program.
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

/// What stands in a file's first line.
fn first_line(bytes: &[u8]) -> &str {
    let line = bytes.split(|byte| matches!(byte, b'\n' | 0)).next().unwrap_or_default();
    str::from_utf8(line).unwrap_or_default()
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    // A String takes everything.
    let _ = writeln!(text, "{line}");
}
