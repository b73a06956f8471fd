//! `psistats-hub`: wiring and exit codes only.

use std::process::ExitCode;

fn main() -> ExitCode {
    psistats_hub::cli::main(std::env::args_os())
}
