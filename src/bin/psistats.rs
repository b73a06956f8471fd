//! `psistats`: wiring and exit codes only.

use std::process::ExitCode;

fn main() -> ExitCode {
    psistats::agent::cli::main(std::env::args_os())
}
