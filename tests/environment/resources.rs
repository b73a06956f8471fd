//! Descriptors and memory that run out, pipes that break, and storms of signals (fault 37).

use std::io::Read as _;
use std::process::Command;

use nix::sys::signal::Signal;

use crate::place::{PSISTATS, Place, answer, count};
use support::PATIENCE;
use support::agent::{Agent, Config};
use support::broker::Broker;
use support::consumer::Tap;
use support::process::Stream;
use support::proxy::Proxy;
use support::reports::{Counters, next, read_past, sequence};

/// Sets the soft limit of open files of a running process.
fn limit_descriptors(pid: u32, limit: &str) {
    let mut prlimit = Command::new("prlimit");
    prlimit.args(["--pid", &pid.to_string(), &format!("--nofile={limit}:")]);
    assert!(prlimit.status().unwrap().success());
}

#[test]
#[ignore = "needs RabbitMQ: tests/run"]
fn fault_37_without_descriptors_for_a_connection_reports_are_kept_and_one_line_is_logged_until_it_recovers() {
    let broker = Broker::shared();
    let vhost = broker.vhost();
    let reading = Tap::new(broker.port, &vhost).open();
    let proxy = Proxy::new(broker.port);
    let agent = Agent::start(&Config::new(proxy.port, &vhost), &[]);
    let last = sequence(&read_past(&reading, 5));

    limit_descriptors(agent.pid(), "3");
    proxy.reset();
    agent.wait_for_line("too many open files", PATIENCE);
    let before = Counters::wait_for(&agent, |_| true);
    // About twenty attempts have been made by now.
    let after = Counters::wait_for(&agent, |c| c.sampled >= before.sampled + 100);
    assert_eq!((after.confirmed, after.dropped), (before.confirmed, before.dropped));
    let lines = agent.lines();
    assert_eq!(count(&lines, "too many open files"), 1, "{lines:#?}");

    limit_descriptors(agent.pid(), "1024");
    let mut expected = last + 1;
    while expected <= after.sampled {
        let sequence = sequence(&next(&reading));
        assert!(sequence <= expected, "{sequence} after {}", expected - 1);
        expected = expected.max(sequence + 1);
    }
}

#[test]
#[ignore = "needs RabbitMQ: tests/run"]
fn fault_37_a_closed_pipe_at_standard_error_does_not_stop_the_agent() {
    let broker = Broker::shared();
    let vhost = broker.vhost();
    let reading = Tap::new(broker.port, &vhost).open();
    let place = Place::of(&Config::new(broker.port, &vhost));
    let (mut reader, writer) = std::io::pipe().unwrap();
    let mut agent = place.psistats("start-local").stderr(writer).spawn().unwrap();
    let mut first = [0; 1];
    reader.read_exact(&mut first).unwrap();
    let last = sequence(&next(&reading));
    drop(reader);
    let pid = nix::unistd::Pid::from_raw(agent.id() as i32);
    for _ in 0..10 {
        nix::sys::signal::kill(pid, Signal::SIGUSR1).unwrap();
        next(&reading);
    }
    assert_eq!(sequence(&read_past(&reading, last + 20)), last + 20);
    nix::sys::signal::kill(pid, Signal::SIGTERM).unwrap();
    assert_eq!(agent.wait().unwrap().code(), Some(0));
}

#[test]
#[ignore = "needs RabbitMQ: tests/run"]
fn fault_37_a_storm_of_signals_changes_nothing() {
    let broker = Broker::shared();
    let vhost = broker.vhost();
    let reading = Tap::new(broker.port, &vhost).open();
    let config = Config::new(broker.port, &vhost).set("app", "primary_timer", "0.01");
    let mut agent = Agent::start(&config, &[]);
    let first = sequence(&next(&reading));
    for expected in first + 1..=first + 200 {
        for signal in [Signal::SIGSTOP, Signal::SIGUSR1, Signal::SIGCONT] {
            agent.signal(signal);
        }
        assert_eq!(sequence(&next(&reading)), expected);
    }
    assert_eq!(agent.stop().code(), Some(0));
    let lines = agent.lines();
    assert_eq!(count(&lines, "connected to"), 1, "{lines:#?}");
    let counters = Counters::last(&lines).unwrap();
    assert_eq!(counters.confirmed, counters.sampled);
}

#[test]
fn fault_37_a_backlog_that_does_not_fit_into_memory_is_an_error_that_names_the_key() {
    let place = Place::new("[backlog]\nbytes=67108864\n");
    let mut limited = Command::new("prlimit");
    let psistats = place.psistats("start-local");
    limited.arg("--as=50331648").arg(psistats.get_program()).args(psistats.get_args());
    let (code, _, complaint) = answer(&mut limited);
    assert_eq!(code, Some(1), "{complaint}");
    assert!(complaint.contains("no memory for [backlog] bytes=67108864"), "{complaint}");
    assert!(!complaint.contains("panicked"), "{complaint}");
}

#[test]
fn a_process_that_has_a_password_leaves_no_core_file() {
    let mut wrapped = Command::new("sh");
    wrapped.args(["-c", "ulimit -S -c $(ulimit -H -c) && exec \"$@\"", "sh", PSISTATS]);
    let config = Config::new(1, "/").set("server", "pass", "secret");
    let agent = Agent::start_by(&mut wrapped, &config, &["--stdout"]);
    agent.wait_for_lines_of(Stream::Stdout, 1, PATIENCE);
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", agent.pid())).unwrap();
    let core = limits.lines().find_map(|line| line.strip_prefix("Max core file size")).unwrap();
    let [soft, hard, _] = *core.split_whitespace().collect::<Vec<_>>() else { panic!("{core}") };
    // With a limit of one byte, the kernel also refuses to pipe a core to a program.
    assert!(soft == "1" || hard == "0", "{core}");
}
