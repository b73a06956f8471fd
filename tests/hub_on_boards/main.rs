//! The hub on the processors of boards, emulated. `tests/run --only hub_on_boards` builds and runs this; since the
//! builds take minutes, it is no part of `tests/run`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

#[path = "../packages/hub_contents.rs"]
mod hub_contents;

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Command, id};

use nix::sys::signal::Signal;
use support::PATIENCE;
use support::agent::{Agent, Config};
use support::master::python;
use support::process::Process;
use support::processors::{ARM1176, CORTEX_A53, on};
use support::project;

const ARMV6: &str = "arm-unknown-linux-musleabihf";
const ARM64: &str = "aarch64-unknown-linux-musl";

#[test]
#[ignore = "needs boards/package --hub for armhf and arm64, and lintian: tests/run --only hub_on_boards"]
fn the_packages_for_boards_have_every_file_and_the_binary_of_their_architecture() {
    // One package serves every system of 32 bits.
    hub_contents::is_whole("armhf", ARMV6);
    hub_contents::is_whole("arm64", ARM64);
}

/// The hub that `boards/build --hub` has built for `target`.
fn hub(target: &str) -> PathBuf {
    let path = project::path(&format!("target/boards/{target}/psistats-hub"));
    assert!(path.is_file(), "{} is missing: boards/build --hub {target}", path.display());
    path
}

/// What curl prints of an address of the hub, once it is there.
fn get(port: u16, path: &str) -> String {
    let url = format!("http://127.0.0.1:{port}{path}");
    let output = Command::new("curl").args(["--silent", "--fail", &url]).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
#[ignore = "needs boards/build --hub, curl and qemu: tests/run --only hub_on_boards"]
fn a_hub_on_a_pi_1_and_on_a_pi_3_serves_its_page_with_itself_and_a_board_that_publishes_to_it() {
    for (processor, target) in [(ARM1176, ARMV6), (CORTEX_A53, ARM64)] {
        let folder = tempfile::tempdir().unwrap();
        let [page, amqp] = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let [page, amqp] = [page, amqp].map(|listener| listener.local_addr().unwrap().port());
        let config = folder.path().join("psistats-hub.conf");
        let text = format!(
            "[hub]\nlisten=127.0.0.1:{page}\namqp=127.0.0.1:{amqp}\nchasar=no\ndata={}\n",
            folder.path().display()
        );
        std::fs::write(&config, text).unwrap();
        let mut hub = Process::start(on(processor, &hub(target)).arg("--config").arg(&config));
        hub.wait_for_line(&format!("http://127.0.0.1:{page}"), PATIENCE);
        let mut agent = Agent::on_board("pi-two", &Config::new(amqp, "/"));
        let is_shown = |name: &str| get(page, &format!("/api/v1/hosts/{name}")).contains("\"cpu\"");
        let own = nix::unistd::gethostname().unwrap().into_string().unwrap();
        let deadline = std::time::Instant::now() + PATIENCE;
        while !(is_shown(&own) && is_shown("pi-two")) {
            assert!(std::time::Instant::now() < deadline, "{:#?}", hub.lines());
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        assert!(get(page, "/").contains("<script type=\"module\""), "{}", get(page, "/"));
        assert!(agent.stop().success());
        // What it had was on its disk, and confirmed.
        assert!(!agent.lines().iter().any(|line| line.contains("are lost")), "{:#?}", agent.lines());
        hub.signal(Signal::SIGTERM);
        assert_eq!(hub.wait(PATIENCE).code(), Some(0), "{:#?}", hub.lines());
    }
}

/// Runs the master node by `command` at `address`. libzmq sends it messages of up to 30 KB and receives them
/// again. Then it is stopped.
fn libzmq_gets_what_libzmq_sends_through(command: &mut Command, address: &str) {
    let mut master = Process::start(command.args(["masternode", "start", address]));
    master.wait_for_line("room for", PATIENCE);
    let program = python(&format!(
        "
subscriber = context.socket(zmq.SUB)
subscriber.connect('tcp://{address}:6666')
subscriber.subscribe(b'Chasar-Client')
publisher = context.socket(zmq.PUB)
publisher.connect('tcp://{address}:5555')
first = b'{{}}'
while not subscriber.poll(100):
    publisher.send_multipart([b'status', first])
bodies = [json.dumps({{'n': n, 'text': 'ä\\n' * (n * n // 12)}}, ensure_ascii=False).encode() for n in range(300)]
for body in bodies:
    publisher.send_multipart([b'status', body])
expected = iter(bodies)
body = next(expected)
while body:
    got = subscriber.recv_multipart()
    if got == [b'Chasar-Client', body]: body = next(expected, None)
    else: assert body == bodies[0] and got == [b'Chasar-Client', first], got
print('all of', len(bodies))
"
    ));
    program.wait_for_line("all of 300", PATIENCE);
    master.signal(Signal::SIGTERM);
    assert_eq!(master.wait(PATIENCE).code(), Some(0), "{:#?}", master.lines());
    let counted = master.wait_for_line("stopping; ", PATIENCE);
    assert!(counted.contains(" invalid=0 dropped=0 "), "{counted}");
}

#[test]
#[ignore = "needs python3-zmq, boards/build --hub and qemu: tests/run"]
fn master_nodes_on_a_pi_1_and_a_pi_3_change_no_byte_and_lose_no_message() {
    // An address that no other test uses, so that the usual ports are free.
    let [.., high, low] = id().to_be_bytes();
    for (processor, target, number) in [(ARM1176, ARMV6, 32), (CORTEX_A53, ARM64, 64)] {
        let address = format!("127.{high}.{low}.{number}");
        libzmq_gets_what_libzmq_sends_through(&mut on(processor, &hub(target)), &address);
    }
}
