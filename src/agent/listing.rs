//! `psistats sensors`: the sensors of a machine, as a section to be pasted into a configuration.

use std::fmt::Write;

use super::hwmon::{self, Sensor};
use super::source::{Failure, Root};
use crate::limits;
use crate::sample::Fixed;

/// A `[sensors]` section that names everything that can be read, with what it says now in comments; what
/// cannot be read is a comment with the reason.
pub fn sensors(root: &Root) -> String {
    let mut found = Vec::with_capacity(limits::LISTED_SENSORS);
    let mut left_out = String::new();
    hwmon::find(root, &mut found, &|_| true, &mut |what| line(&mut left_out, format_args!("# {what}")));
    if found.is_empty() {
        return format!("# no sensors in /sys/class/hwmon and /sys/class/thermal\n{left_out}");
    }
    let mut text = String::from("[sensors]\nenabled=yes\ndevices[] =\n");
    let mut buf = [0; limits::KERNEL_VALUE];
    for sensor in &found {
        let Sensor { chip, feature, kind, .. } = sensor;
        match sensor.read(&mut buf) {
            Ok(Fixed(thousandths)) => {
                let value = thousandths as f64 / 1000.0;
                line(&mut text, format_args!("    # {value} {}\n    {chip}.{feature}", kind.unit()));
            }
            Err(Failure::Content) => {
                line(&mut text, format_args!("    # {chip}.{feature}: says what no working sensor says"));
            }
            Err(failure) => line(&mut text, format_args!("    # {chip}.{feature}: {failure}")),
        }
    }
    text + &left_out
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    // A String takes everything.
    let _ = writeln!(text, "{line}");
}
