//! Size of the binary, and memory in use.

use std::process::Command;

use nix::sys::signal::Signal;

use crate::{ARMV6, X86_64, binary, program_for};
use support::PATIENCE;
use support::agent::{Agent, Config};
use support::broker::Broker;
use support::consumer::Tap;
use support::master::Master;
use support::memory::Memory;
use support::pki::{LOCALHOST, P256, Pki, VALID};
use support::process::Process;
use support::processors::{ARM1176, on};
use support::project;
use support::proxy::{Direction, Proxy};
use support::reports::{Counters, read_past};

#[test]
#[ignore = "needs boards/build: tests/run"]
fn the_armv6_binary_has_at_most_1_mib_and_without_tls_512_kib() {
    for (program, most) in [("psistats", 1024 * 1024), ("psistats-tiny", 512 * 1024)] {
        let bytes = program_for(ARMV6, program).metadata().unwrap().len();
        assert!((100_000..=most).contains(&bytes), "{program}: {bytes} bytes");
    }
}

#[test]
#[ignore = "needs boards/build: tests/run"]
fn no_binary_names_a_folder_of_the_machine_that_built_it() {
    let cargo =
        std::env::var("CARGO_HOME").unwrap_or_else(|_| format!("{}/.cargo", std::env::var("HOME").unwrap()));
    let folders = [cargo, "/rustlib/src".to_owned(), project::path("").display().to_string()];
    for program in [binary(ARMV6), binary(X86_64), program_for(ARMV6, "psistats-tiny")] {
        let bytes = std::fs::read(&program).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        for folder in &folders {
            assert!(!text.contains(folder.as_str()), "{}: {folder}", program.display());
        }
    }
}

#[test]
#[ignore = "needs boards/build and qemu: tests/run"]
fn the_binary_without_tls_names_the_package_that_has_it() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("psistats.conf");
    for keys in ["tls=yes", "url=amqps://h"] {
        std::fs::write(&config, format!("[server]\n{keys}\n")).unwrap();
        let mut check = on(ARM1176, &program_for(ARMV6, "psistats-tiny"));
        let output = check.arg("check-config").arg("--config").arg(&config).output().unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(
            !output.status.success() && said.contains("psistats-tiny has no TLS: the package psistats has"),
            "{said}"
        );
    }
}

#[test]
#[ignore = "needs RabbitMQ, openssl and boards/build: tests/run"]
fn the_static_binary_uses_less_than_2_mib_of_memory_over_tls_with_the_cas_of_a_system() {
    let pki = Pki::default();
    pki.issue("broker", "ca", P256, VALID, LOCALHOST);
    // As many as a system has, ours behind them.
    let others = std::fs::read_to_string("/etc/ssl/certs/ca-certificates.crt").unwrap();
    assert!(others.matches("BEGIN CERTIFICATE").count() > 100);
    let bundle = pki.path().join("bundle.pem");
    std::fs::write(&bundle, others + &std::fs::read_to_string(pki.cert("ca")).unwrap()).unwrap();
    let broker = Broker::tls(&pki, "broker", &[]);
    let reading = Tap::new(broker.port, "/").open();
    let config = Config::new(broker.tls_port, "/")
        .set("server", "tls", "yes")
        .set("server", "tls_ca", bundle.display())
        .set("app", "primary_timer", "0.002");
    let agent = Agent::start_by(&mut Command::new(binary(X86_64)), &config, &[]);
    read_past(&reading, 1000);
    let memory = Memory::of(&agent);
    assert_eq!(agent.status("Threads"), 1);
    println!("{memory:?} KiB");
    assert!(memory.resident < 2048, "{memory:?} KiB");
}

#[test]
#[ignore = "needs RabbitMQ and boards/build: tests/run"]
fn the_static_binary_uses_less_than_2_mib_of_memory_after_its_backlog_was_full() {
    let broker = Broker::shared();
    let vhost = broker.vhost();
    let reading = Tap::new(broker.port, &vhost).open();
    let proxy = Proxy::new(broker.port);
    proxy.stall(Direction::FromServer);
    let config = Config::new(proxy.port, &vhost)
        .set("server", "host", "localhost") // resolved on a thread
        .set("app", "primary_timer", "0.002");
    let agent = Agent::start_by(&mut Command::new(binary(X86_64)), &config, &[]);

    let full = Counters::wait_for(&agent, |c| c.dropped > 0);
    proxy.resume(Direction::FromServer);
    read_past(&reading, full.sampled + 1000);
    Counters::wait_for(&agent, |c| c.pending < 10);
    let memory = Memory::of(&agent);
    assert_eq!(agent.status("Threads"), 1);
    println!("{memory:?} KiB");
    assert!(memory.resident < 2048, "{memory:?} KiB");
}

#[test]
#[ignore = "needs python3-zmq and boards/build: tests/run"]
fn a_client_node_uses_less_than_2_mib_of_memory_after_its_queue_was_full() {
    let master =
        Master::with(0, "socket = context.socket(zmq.SUB); socket.rcvbuf = 4096; socket.subscribe(b'')");
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("psistats.conf");
    std::fs::write(&config, "[chasar]\ninterval=0.002\n").unwrap();
    let port = master.port.to_string();
    let words = ["chasar", "clientnode", "start", "localhost", &port, "--config"];
    let node = Process::start(Command::new(binary(X86_64)).args(words).arg(config));

    master.message();
    master.process.signal(Signal::SIGSTOP);
    node.wait_for_line("does not take messages as fast as they come", PATIENCE);
    master.process.signal(Signal::SIGCONT);
    master.wait_for_messages(master.count() + 500);
    let memory = Memory::of(&node);
    assert_eq!(node.status("Threads"), 1);
    println!("{memory:?} KiB");
    assert!(memory.resident < 2048, "{memory:?} KiB");
}
