//! `psistats`: wiring and exit codes only.

fn main() {}
