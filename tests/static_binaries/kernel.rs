//! The agent on a kernel that has only the system calls of old boards.

use std::process::Command;

use crate::{X86_64, binary, libzmq_gets_messages_of, pika_reads_reports_of, reports_come_over_tls_of};

#[test]
#[ignore = "needs RabbitMQ and boards/build: tests/run"]
fn the_agent_publishes_on_a_kernel_3_1_that_fails_newer_system_calls_with_enosys() {
    pika_reads_reports_of(&mut on_3_1());
}

#[test]
#[ignore = "needs python3-zmq and boards/build: tests/run"]
fn a_client_node_of_chasar_works_on_a_kernel_3_1() {
    libzmq_gets_messages_of(&mut on_3_1());
}

#[test]
#[ignore = "needs RabbitMQ, openssl and boards/build: tests/run"]
fn the_agent_has_random_numbers_for_tls_on_a_kernel_3_1_without_getrandom() {
    reports_come_over_tls_of(&mut on_3_1());
}

fn on_3_1() -> Command {
    let mut command = Command::new("/usr/bin/python3");
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/kernel_3_1.py")).arg(binary(X86_64));
    command
}
