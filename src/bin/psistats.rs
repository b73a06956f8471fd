//! `psistats`: wiring and exit codes only.

use std::process::ExitCode;

fn main() -> ExitCode {
    psistats::cli::main(std::env::args_os())
}
