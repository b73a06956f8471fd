//! System calls as old as the boards' kernels.

use std::process::Command;

use crate::{X86_64, binary, pika_reads_reports_of};

#[test]
#[ignore = "needs RabbitMQ and boards/build: tests/run"]
fn a_kernel_of_3_1_answers_enosys_to_newer_calls_and_the_agent_publishes_all_the_same() {
    let launcher = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/kernel_3_1.py");
    pika_reads_reports_of(Command::new("/usr/bin/python3").arg(launcher).arg(binary(X86_64)));
}
