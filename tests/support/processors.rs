//! Boards' processors, emulated by qemu's user mode.

use std::path::Path;
use std::process::Command;

/// The processor of the Pi 1 and the Pi Zero.
pub const ARM1176: [&str; 3] = ["qemu-arm-static", "-cpu", "arm1176"];
/// The processor of the Pi 2.
pub const CORTEX_A7: [&str; 3] = ["qemu-arm-static", "-cpu", "cortex-a7"];
/// The processor of the Pi 3.
pub const CORTEX_A53: [&str; 3] = ["qemu-aarch64-static", "-cpu", "cortex-a53"];

/// The command that runs `program` on `processor`.
pub fn on(processor: [&str; 3], program: &Path) -> Command {
    let mut command = Command::new(processor[0]);
    command.args(&processor[1..]).arg(program);
    command
}
