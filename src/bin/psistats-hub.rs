//! `psistats-hub`: wiring and exit codes only.

use std::process::ExitCode;

fn main() -> ExitCode {
    psistats::hub::cli::main(std::env::args_os())
}
