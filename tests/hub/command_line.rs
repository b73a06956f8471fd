//! The command line, and how the program starts and ends.

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::master::{Master, free_port};
use support::PATIENCE;
use support::process::Process;
use support::project::program;
use support::raw;

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_psistats-hub")).args(arguments).output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn sigterm_stops_it_in_order_and_soon_even_with_peers_that_do_not_read() {
    let mut master = Master::start("");
    let _client = raw::client(master.port);
    let _subscriber = raw::peer(master.publish_port, 1, "SUB");
    let begin = Instant::now();
    master.process.signal(Signal::SIGTERM);
    let status = master.process.wait(PATIENCE);
    assert_eq!(status.code(), Some(0));
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
    master.process.wait_for_line("stopping; connections=2", PATIENCE);
}

#[test]
fn the_command_line_takes_precedence_over_the_configuration_and_a_port_may_stand_alone() {
    // Each run has a publish_port of its own, since another program may listen at 6666.
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("psistats.conf");
    let settings = format!("[chasar]\nbind=127.0.0.7\nport={}\npublish_port={}\n", free_port(), free_port());
    std::fs::write(&config, &settings).unwrap();
    let port = free_port();
    let of_file = settings.lines().find_map(|line| line.strip_prefix("port=")).unwrap();
    for (words, expected) in [
        (vec![], format!("127.0.0.7:{of_file}")),
        (vec![port.to_string()], format!("127.0.0.7:{port}")),
        (vec!["127.0.0.9".into()], format!("127.0.0.9:{of_file}")),
        (vec!["*".into(), port.to_string()], format!("0.0.0.0:{port} and [::]:{port}")),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_psistats-hub"));
        command.args(["masternode", "start"]).args(&words).arg("--config").arg(&config);
        let process = Process::start(&mut command);
        let line = process.wait_for_line("room for", PATIENCE);
        assert!(line.contains(&format!("client nodes at {expected},")), "{line}");
    }
}

/// A master node that listens at `address`, started by `with`.
fn listening(mut with: Command, address: &str) -> (Process, [u16; 2], TempDir) {
    let (folder, ports) = (tempfile::tempdir().unwrap(), [free_port(), free_port()]);
    let config = folder.path().join("psistats.conf");
    // The master node ignores master=, which says where a client node connects.
    let settings = format!("[chasar]\nmaster=192.0.2.1:7777\nport={}\npublish_port={}\n", ports[0], ports[1]);
    std::fs::write(&config, settings).unwrap();
    let process = Process::start(with.args(["masternode", "start", address, "--config"]).arg(config));
    process.wait_for_line("room for", PATIENCE);
    (process, ports, folder)
}

#[test]
fn an_asterisk_listens_at_every_ipv4_and_ipv6_address_and_a_name_at_all_of_its_addresses() {
    for (word, ips) in
        [("*", &["127.0.0.1", "127.0.0.9", "::1"][..]), ("localhost", &["127.0.0.1"]), ("::1", &["::1"])]
    {
        let (process, ports, _folder) = listening(Command::new(env!("CARGO_BIN_EXE_psistats-hub")), word);
        for ip in ips {
            for port in ports {
                TcpStream::connect((*ip, port))
                    .unwrap_or_else(|e| panic!("{word} {ip}: {e} {:?}", process.lines()));
            }
        }
    }
}

#[test]
#[ignore = "needs strace: tests/run"]
fn without_ipv6_in_the_machine_an_asterisk_listens_at_every_ipv4_address() {
    let mut strace = Command::new("strace");
    // With -D strace runs in the background, so that the process that is started is the hub. Its second and its fourth
    // socket fail as they do in a kernel without IPv6.
    strace.args([
        "-D",
        "-qq",
        "-e",
        "trace=socket",
        "-e",
        "inject=socket:error=EAFNOSUPPORT:when=2+2",
        "-o",
        "/dev/null",
    ]);
    strace.arg(env!("CARGO_BIN_EXE_psistats-hub"));
    let (process, ports, _folder) = listening(strace, "*");
    let line = process.wait_for_line("room for", PATIENCE);
    assert!(
        line.contains(&format!("client nodes at 0.0.0.0:{}, subscribers at 0.0.0.0:{};", ports[0], ports[1])),
        "{line}"
    );
    drop(raw::client(ports[0]));
}

#[test]
fn a_master_node_that_no_other_machine_can_reach_says_so_and_what_to_change() {
    for (address, is_told) in [("127.0.0.1", true), ("localhost", true), ("*", false)] {
        let (mut process, ..) = listening(Command::new(env!("CARGO_BIN_EXE_psistats-hub")), address);
        process.signal(Signal::SIGTERM);
        process.wait(PATIENCE);
        let told = process.lines().iter().any(|line| line.contains("no other machine can connect"));
        assert_eq!(told, is_told, "{:?}", process.lines());
    }
}

#[test]
fn a_failure_to_listen_is_reported_with_what_to_do() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for (address, port, expected) in [
        ("127.0.0.1", port.as_str(), "another master node, listen there?"),
        ("192.0.2.1", "5555", "give an address of this machine"),
        ("nowhere.invalid", "5555", "expected an address of this machine, or *"),
        ("127.0.0.1", "6666", "is for subscribers"),
    ] {
        let output = run(&["masternode", "start", address, port]);
        let text = stderr(&output);
        assert!(text.contains(expected), "{text}");
        assert!(!output.status.success());
    }
}

#[test]
fn mistakes_in_sections_of_the_agent_do_not_stop_it() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("psistats.conf");
    let settings = format!(
        "[server]\npass=@credential:broker\nport=none\n[queue]\ntype\n[chasar]\nport={}\npublish_port={}\n",
        free_port(),
        free_port()
    );
    std::fs::write(&config, settings).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_psistats-hub"));
    command.args(["masternode", "start", "--config"]).arg(&config);
    let process = Process::start(&mut command);
    process.wait_for_line("room for", PATIENCE);
    assert!(!process.lines().iter().any(|line| line.contains("[server]")), "{:?}", process.lines());
}

#[test]
fn a_wrong_command_line_is_answered_with_the_usage() {
    for (words, expected) in [
        (&["masternode", "start", "127.0.0.1", "0"][..], "expected a port from 1 to 65535, got 0"),
        // A number alone is a port: as an address, 0 would be all of them.
        (&["masternode", "start", "0"], "expected a port from 1 to 65535, got 0"),
        (&["masternode", "start", "99999"], "expected a port from 1 to 65535, got 99999"),
        (&["masternode", "start", "127.0.0.1:5555"], "or *, without a port, got \"127.0.0.1:5555\""),
        (&["masternode", "start", "a", "1", "b"], "expected no more than ADDRESS and PORT, got b"),
        (&["masternode", "stop"], "expected masternode start"),
        (&["--daemon"], "--daemon"),
    ] {
        let output = run(words);
        assert_eq!(output.status.code(), Some(2));
        let text = stderr(&output);
        assert!(text.contains(expected) && text.contains("Usage: psistats-hub"), "{text}");
    }
    let help = run(&["--help"]);
    assert!(help.status.success() && String::from_utf8(help.stdout).unwrap().contains("SIGUSR1"));
    let version = run(&["--version"]);
    assert_eq!(
        String::from_utf8(version.stdout).unwrap().trim(),
        concat!("psistats-hub ", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn chasar_masternode_runs_psistats_hub_from_its_own_folder_or_the_path_with_all_arguments() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("psistats.conf");
    let chasar = folder.path().join("chasar");
    std::os::unix::fs::symlink(program("psistats"), &chasar).unwrap();
    let copied = folder.path().join("psistats");
    std::fs::copy(program("psistats"), &copied).unwrap();
    let beside = Path::new(env!("CARGO_BIN_EXE_psistats-hub")).parent().unwrap();
    // By the link; by the other name; and from another folder, by the PATH.
    for (program, words, path) in [
        (chasar.as_path(), &["masternode", "start"][..], "/nowhere"),
        (&program("psistats"), &["chasar", "masternode", "start"], "/nowhere"),
        (&copied, &["chasar", "masternode", "start"], beside.to_str().unwrap()),
    ] {
        std::fs::write(&config, format!("[chasar]\npublish_port={}\n", free_port())).unwrap();
        let port = free_port();
        let mut command = Command::new(program);
        command.args(words).args(["127.0.0.1", &port.to_string(), "--config"]).arg(&config).env("PATH", path);
        let mut process = Process::start(&mut command);
        let line = process.wait_for_line("room for", PATIENCE);
        assert!(line.contains(&format!(
            "master node {}: client nodes at 127.0.0.1:{port}",
            env!("CARGO_PKG_VERSION")
        )));
        drop(raw::client(port));
        process.signal(Signal::SIGTERM);
        assert_eq!(process.wait(PATIENCE).code(), Some(0));
    }
    let output =
        Command::new(&copied).args(["chasar", "masternode", "start"]).env("PATH", "/nowhere").output();
    let output = output.unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("install the Debian package psistats-hub"), "{}", stderr(&output));
}
