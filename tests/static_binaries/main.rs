//! The binaries of `boards/build`: their size, and how they run on an old kernel and on other processors.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::cast_possible_truncation
)]

mod kernel;
mod memory;
mod panics;
mod processors;

use std::path::PathBuf;
use std::process::Command;

use support::PATIENCE;
use support::agent::{Agent, Config};
use support::broker::Broker;
use support::consumer::{Message, Tap};
use support::master::Master;
use support::pki::{LOCALHOST, P256, Pki, VALID};
use support::process::Process;
use support::reports::sequence;

const ARMV6: &str = "arm-unknown-linux-musleabihf";
const ARMV7: &str = "armv7-unknown-linux-musleabihf";
const ARM64: &str = "aarch64-unknown-linux-musl";
const X86_64: &str = "x86_64-unknown-linux-musl";

/// The agent that `boards/build` has built for `target`.
fn binary(target: &str) -> PathBuf {
    program_for(target, "psistats")
}

/// The program of that name that `boards/build` has built for `target`.
fn program_for(target: &str, program: &str) -> PathBuf {
    // tests/cross has built the binaries with another tool.
    let folder = std::env::var("PSISTATS_TEST_BINARIES");
    let folder = folder.unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/target/boards").to_owned());
    let path: PathBuf = [&folder, target, program].iter().collect();
    assert!(path.is_file(), "{} is missing: boards/build {target}", path.display());
    path
}

/// Runs the agent by `command`, which publishes to the shared broker, and asserts that pika reads whole
/// reports.
fn pika_reads_reports_of(command: &mut Command) {
    let broker = Broker::shared();
    let vhost = broker.vhost();
    let pika = Tap::new(broker.port, &vhost).pika();
    let mut agent = Agent::start_by(command, &Config::new(broker.port, &vhost), &[]);
    for (report, number) in pika.take(20, PATIENCE).iter().map(Message::of_pika).zip(1..) {
        assert!((0.0..=100.0).contains(&report.body["cpu"].as_f64().unwrap()), "{report:?}");
        assert!((0.0..=100.0).contains(&report.body["mem"].as_f64().unwrap()), "{report:?}");
        assert_eq!(sequence(&report), number);
    }
    assert!(agent.stop().success(), "{:#?}", agent.lines());
}

/// The same over TLS, with a broker of its own.
fn reports_come_over_tls_of(command: &mut Command) {
    let pki = Pki::default();
    pki.issue("broker", "ca", P256, VALID, LOCALHOST);
    let broker = Broker::tls(&pki, "broker", &[]);
    let pika = Tap::new(broker.port, "/").pika();
    let config = Config::new(broker.tls_port, "/").set("server", "tls", "yes");
    let mut agent = Agent::start_by(command, &config.set("server", "tls_ca", pki.cert("ca").display()), &[]);
    agent.wait_for_line("over TLS 1.3", PATIENCE);
    for (report, number) in pika.take(20, PATIENCE).iter().map(Message::of_pika).zip(1..) {
        assert_eq!(sequence(&report), number);
    }
    assert!(agent.stop().success(), "{:#?}", agent.lines());
}

/// Runs the client node by `command`, and asserts that libzmq receives whole messages of this machine.
fn libzmq_gets_messages_of(command: &mut Command) {
    let master = Master::start(0);
    let words = ["chasar", "clientnode", "start", "localhost", &master.port.to_string()];
    let _node = Process::start(command.args(words));
    for _ in 0..2 {
        let message = master.message();
        assert_eq!(message["hostname"], nix::unistd::gethostname().unwrap().to_str().unwrap());
        assert!(message["memory"]["total_bytes"].as_u64() > Some(0), "{message}");
        let processes = message["process"].as_object().unwrap();
        assert!(processes.values().any(|process| process["pid"] == std::process::id()), "{message}");
    }
}
