//! The subscriber programs of the original's document, unchanged, in a network namespace in which the master node
//! has the address that they contain.

use std::path::PathBuf;
use std::process::Command;

use support::PATIENCE;
use support::namespace::Namespace;
use support::process::{Process, Stream};
use support::project::{path, program};

/// The address of the document's examples.
const ADDRESS: &str = "104.131.190.21";

/// A network namespace with that address, and a master node and a client node in it.
struct Site {
    network: Namespace,
    _programs: [Process; 2],
}

impl Site {
    fn new() -> Self {
        let network = Namespace::new();
        network.ip("link set lo up");
        network.ip(&format!("addr add {ADDRESS}/32 dev lo"));
        let start =
            |program: PathBuf, words: &[&str]| Process::start(network.command().arg(program).args(words));
        let master = start(program("psistats-hub"), &["masternode", "start", ADDRESS]);
        master.wait_for_line("subscribers at 104.131.190.21:6666", PATIENCE);
        let node = start(program("psistats"), &["chasar", "clientnode", "start", ADDRESS]);
        Self { network, _programs: [master, node] }
    }

    /// The first `n` lines that a program prints.
    fn first_lines(&self, mut program: Command, n: usize) -> String {
        let process = Process::start(&mut program);
        process.wait_for_lines_of(Stream::Stdout, n, PATIENCE).join("\n")
    }
}

fn fixture(name: &str) -> PathBuf {
    path("tests/fixtures/chasar").join(name)
}

#[test]
#[ignore = "needs root and python3-zmq: tests/run"]
fn the_python_subscriber_of_the_originals_document_prints_what_a_client_node_sends() {
    let site = Site::new();
    let mut program = site.network.command();
    program.args(["/usr/bin/python3", "-u", "-W", "ignore"]).arg(fixture("subscriber.py"));
    let text = site.first_lines(program, 2);
    assert_eq!(text.matches("'computer_utc_clock': '").count(), 2, "{text}");
    assert_eq!(text.matches("'total_bytes_used': ").count(), 4, "{text}");
}

#[test]
#[ignore = "needs root and node: tests/run"]
fn the_node_subscriber_of_the_originals_document_prints_what_a_client_node_sends() {
    let site = Site::new();
    let modules = std::env::var("PSISTATS_TEST_NODE_PATH").expect("tests/run says where the module zmq is");
    let mut program = site.network.command();
    program.arg("env").arg(format!("NODE_PATH={modules}")).arg("node").arg(fixture("subscriber.js"));
    // Node prints an object over many lines.
    let text = site.first_lines(program, 30);
    assert!(text.contains("computer_utc_clock: '") && text.contains("total_bytes_used: "), "{text}");
}
