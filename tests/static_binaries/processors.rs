//! The boards' processors, emulated by qemu's user mode.

use std::os::unix::process::ExitStatusExt;
use std::process::Command;

use nix::sys::signal::Signal;

use crate::{
    ARM64, ARMV6, ARMV7, binary, libzmq_gets_messages_of, pika_reads_reports_of, reports_come_over_tls_of,
};
use support::PATIENCE;
use support::process::{Process, Stream};
use support::processors::{ARM1176, CORTEX_A7, CORTEX_A53, on};

#[test]
#[ignore = "needs RabbitMQ, boards/build and qemu: tests/run"]
fn a_pi_1_publishes_reports_that_pika_reads() {
    pika_reads_reports_of(&mut on(ARM1176, &binary(ARMV6)));
}

#[test]
#[ignore = "needs RabbitMQ, openssl, boards/build and qemu: tests/run"]
fn a_pi_1_publishes_reports_over_tls() {
    reports_come_over_tls_of(&mut on(ARM1176, &binary(ARMV6)));
}

#[test]
#[ignore = "needs RabbitMQ, boards/build and qemu: tests/run"]
fn a_pi_2_publishes_reports_that_pika_reads_with_the_binary_of_a_pi_1_and_with_its_own() {
    pika_reads_reports_of(&mut on(CORTEX_A7, &binary(ARMV6)));
    pika_reads_reports_of(&mut on(CORTEX_A7, &binary(ARMV7)));
}

#[test]
#[ignore = "needs RabbitMQ, boards/build and qemu: tests/run"]
fn a_pi_3_publishes_reports_that_pika_reads() {
    pika_reads_reports_of(&mut on(CORTEX_A53, &binary(ARM64)));
}

#[test]
#[ignore = "needs boards/build and qemu: tests/run"]
fn reports_are_printed_on_each_processor() {
    for (processor, target) in [(ARM1176, ARMV6), (CORTEX_A7, ARMV7), (CORTEX_A53, ARM64)] {
        let agent = Process::start(on(processor, &binary(target)).args(["start-local", "--stdout"]));
        let line = agent.wait_for_lines_of(Stream::Stdout, 1, PATIENCE).remove(0);
        let report: serde_json::Value = serde_json::from_str(&line).unwrap();
        let uptime = std::fs::read_to_string("/proc/uptime").unwrap();
        let seconds: f64 = uptime.split(' ').next().unwrap().parse().unwrap();
        let told = report["uptime"].as_f64().unwrap();
        assert!((0.0..60.0).contains(&(seconds - told)), "{line} while /proc/uptime says {uptime}");
    }
}

#[test]
#[ignore = "needs python3-zmq, boards/build and qemu: tests/run"]
fn each_processor_runs_a_client_node_of_chasar() {
    for (processor, target) in [(ARM1176, ARMV6), (CORTEX_A7, ARMV7), (CORTEX_A53, ARM64)] {
        libzmq_gets_messages_of(&mut on(processor, &binary(target)));
    }
}

/// Without this, the tests above would prove nothing about ARMv6.
#[test]
#[ignore = "needs boards/build and qemu: tests/run"]
fn an_armv7_instruction_is_illegal_on_the_emulated_processor_of_a_pi_1() {
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let (source, program) = (dir.path().join("movw.s"), dir.path().join("movw"));
    // movw exists from ARMv6T2 on. It is followed by exit(0).
    std::fs::write(&source, ".globl _start\n_start: movw r0, #0\nmov r7, #1\nswi 0\n").unwrap();
    let zig = concat!(env!("CARGO_MANIFEST_DIR"), "/target/boards/tools/venv/bin/python-zig");
    let assembled = Command::new(zig)
        .args(["cc", "-target", "arm-linux-musleabihf", "-mcpu=cortex_a7", "-nostdlib", "-static", "-o"])
        .args([&program, &source])
        .status();
    assert!(assembled.unwrap().success());
    assert_eq!(on(CORTEX_A7, &program).status().unwrap().code(), Some(0));
    // Run in the temporary directory, because qemu may leave a core file.
    assert_eq!(
        on(ARM1176, &program).current_dir(&dir).status().unwrap().signal(),
        Some(Signal::SIGILL as i32)
    );
}
