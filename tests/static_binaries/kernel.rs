//! System calls as old as the boards' kernels.

use std::process::Command;

use crate::{X86_64, binary, libzmq_gets_messages_of, pika_reads_reports_of};

#[test]
#[ignore = "needs RabbitMQ and boards/build: tests/run"]
fn a_kernel_of_3_1_answers_enosys_to_newer_calls_and_the_agent_publishes_all_the_same() {
    pika_reads_reports_of(&mut on_3_1());
}

#[test]
#[ignore = "needs python3-zmq and boards/build: tests/run"]
fn a_kernel_of_3_1_is_enough_for_a_client_node_of_chasar() {
    libzmq_gets_messages_of(&mut on_3_1());
}

fn on_3_1() -> Command {
    let mut command = Command::new("/usr/bin/python3");
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/kernel_3_1.py")).arg(binary(X86_64));
    command
}
