//! `[server] enabled=no`: an agent without a broker.

use std::fs;
use std::io::ErrorKind;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use nix::sys::signal::Signal;

use crate::hostname;
use support::PATIENCE;
use support::agent::{Agent, Config};
use support::master::Master;
use support::refusing::Refusing;
use support::reports::Counters;
use support::scripted::{ScriptedBroker, Step};

const OFF: &str = "not publishing: [server] enabled=no";

const NO_OUTLET: &str = "expected [server] enabled=yes or [chasar] enabled=yes";

/// No broker, and messages to the master node at `port`.
fn without_broker(config: &Config, port: u16) -> Config {
    config
        .clone()
        .set("server", "enabled", "no")
        .set("chasar", "enabled", "yes")
        .set("chasar", "port", port)
        .set("chasar", "interval", "0.05")
}

/// What a command says, on either stream, and how it ends.
fn psistats(command: &[&str], config: &Path) -> (bool, String) {
    let mut psistats = Command::new(env!("CARGO_BIN_EXE_psistats"));
    let output = psistats.args(command).arg("--config").arg(config).output().unwrap();
    (output.status.success(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
}

#[test]
#[ignore = "needs python3-zmq: tests/run"]
fn a_master_node_gets_messages_and_nobody_connects_to_the_broker_though_there_is_no_memory_for_a_backlog() {
    let broker = TcpListener::bind("127.0.0.1:0").unwrap();
    broker.set_nonblocking(true).unwrap();
    let master = Master::start(0);
    let port = broker.local_addr().unwrap().port();
    let config = without_broker(&Config::new(port, "/"), master.port).set("backlog", "bytes", 64 << 20);
    let mut limited = Command::new("bash");
    let script = r#"ulimit -v 32768; exec "$0" "$@""#;
    limited.args(["-c", script, env!("CARGO_BIN_EXE_psistats")]);
    let mut agent = Agent::start_by(&mut limited, &config, &[]);
    (0..20).for_each(|_| drop(master.message()));
    agent.signal(Signal::SIGUSR1);
    agent.wait_for_line(&format!("{OFF}; chasar: sent="), PATIENCE);
    assert_eq!(broker.accept().map(drop).unwrap_err().kind(), ErrorKind::WouldBlock);
    assert_eq!(agent.stop().code(), Some(0));
    let lines = agent.lines();
    assert!(lines.iter().any(|line| line.contains(&format!("stopping; {OFF}"))), "{lines:#?}");
    assert!(!lines.iter().any(|line| line.contains("sampled=")), "{lines:#?}");
}

#[test]
fn a_reload_switches_the_broker_on_and_off_and_on_again() {
    let broker = ScriptedBroker::new();
    let nobody = Refusing::new();
    let on = Config::new(broker.port, "/");
    let off = without_broker(&on, nobody.port);
    let mut agent = Agent::start(&off, &[]);
    agent.wait_for_line("psistats ", PATIENCE);
    agent.signal(Signal::SIGUSR1);
    agent.wait_for_line(OFF, PATIENCE);
    let mut ids = Vec::new();
    for _ in 0..2 {
        agent.reload(&on);
        let mut peer = broker.accept();
        let (channel, select) = peer.handshake_until(Step::ConfirmSelect);
        peer.answer(channel, &select);
        let publish = peer.read_publish();
        assert_eq!(publish.routing_key, format!("psistats.{}", hostname()));
        ids.push(publish.properties.message_id().as_ref().unwrap().to_string());
        agent.reload(&off);
        peer.read_end(PATIENCE);
    }
    // Nobody has confirmed it: it was kept.
    assert!(ids[0].ends_with("-1") && ids[0] == ids[1], "{ids:?}");
    assert_eq!(agent.stop().code(), Some(0));
    agent.wait_for_line("unconfirmed reports are lost", PATIENCE);
}

#[test]
fn without_broker_and_master_node_nothing_starts_and_a_reload_keeps_the_previous_configuration() {
    let nobody = Refusing::new();
    let on = Config::new(nobody.port, "/");
    let neither = on.clone().set("server", "enabled", "no");
    let agent = Agent::start(&on, &[]);
    agent.wait_for_line("psistats ", PATIENCE);
    agent.reload(&neither);
    agent.wait_for_line(NO_OUTLET, PATIENCE);
    agent.wait_for_line("keeping the previous configuration", PATIENCE);
    Counters::wait_for(&agent, |counters| counters.sampled > 2);

    let file = agent.config_file();
    for command in [&["start"][..], &["start-local"], &["check-config"]] {
        let (ok, said) = psistats(command, &file);
        assert!(!ok && said.contains(&format!("{}: {NO_OUTLET}", file.display())), "{command:?} {said}");
    }
    let (ok, said) = psistats(&["start-local", "--once"], &file);
    assert!(ok && said.starts_with('{'), "{said}");
}

#[test]
fn check_config_a_start_and_the_status_say_that_nothing_is_published() {
    let nobody = Refusing::new();
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let file = directory.path().join("psistats.conf");
    let config = without_broker(&Config::new(1, "/"), nobody.port);
    let config = config.set("app", "pidfile", directory.path().join("psistats.pid").display());
    fs::write(&file, config.to_string()).unwrap();

    assert_eq!(psistats(&["check-config"], &file), (true, format!("{}: ok; {OFF}\n", file.display())));
    let (started, said) = psistats(&["start"], &file);
    let (_, status) = psistats(&["status"], &file);
    let (stopped, _) = psistats(&["stop"], &file);
    assert!(started && stopped);
    let master = format!("no connection yet: 127.0.0.1:{}: ", nobody.port);
    assert!(said.contains(&master), "{said}");
    let lines: Vec<_> = status.lines().collect();
    assert!(lines[1] == OFF && lines[2].starts_with("chasar: no connection (for "), "{status}");
}
