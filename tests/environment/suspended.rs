//! A machine that is suspended for several periods.

use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;

use support::PATIENCE;
use support::agent::{Agent, Config};
use support::boards::Tree;
use support::broker::Broker;
use support::consumer::{Message, Tap};
use support::process::Stream;
use support::reports::sequence;

const PERIOD_S: f64 = 0.2;

#[test]
#[ignore = "needs RabbitMQ: tests/run"]
fn after_a_suspend_missed_reports_are_skipped_without_a_burst_and_the_phase_is_kept() {
    let broker = Broker::shared();
    let vhost = broker.vhost();
    let reading = Tap::new(broker.port, &vhost).open();
    let config = Config::new(broker.port, &vhost).set("app", "primary_timer", PERIOD_S).set(
        "message",
        "timestamp",
        "yes",
    );
    let agent = Agent::start(&config, &[]);
    let time = |message: &Message| message.body["ts"].as_f64().unwrap();

    let before = reading.take(5, PATIENCE);
    agent.signal(Signal::SIGSTOP);
    // The sleep is not a whole number of periods, so a schedule that restarts after it is out of phase.
    thread::sleep(Duration::from_secs_f64(8.5 * PERIOD_S));
    agent.signal(Signal::SIGCONT);
    let after = reading.take(12, PATIENCE);

    let last = before.last().unwrap();
    let numbers: Vec<u64> = after.iter().map(sequence).collect();
    let first = sequence(last) + 1;
    assert_eq!(numbers, (first..first + 12).collect::<Vec<_>>());
    // Twelve reports take at least eleven periods, besides the eight of the sleep.
    let elapsed = time(&after[11]) - time(last);
    assert!(elapsed > (8.0 + 10.0) * PERIOD_S, "17 periods' reports within {elapsed} s");
    // A report may be late, so the phase is that of the most punctual one.
    let phase = |messages: &[Message]| {
        let start = time(&before[0]);
        let off = |t: f64| ((t - start) / PERIOD_S - ((t - start) / PERIOD_S).round()).abs();
        messages.iter().map(|m| off(time(m))).fold(1.0, f64::min)
    };
    assert!(phase(&after) < 0.25, "out of phase by {} periods", phase(&after));
}

#[test]
fn what_was_counted_during_a_suspend_is_averaged_over_all_of_it() {
    const ASLEEP: Duration = Duration::from_secs(3);
    const BYTES: u64 = 3_000_000;
    let tree = Tree::new();
    let count = |bytes| {
        let head = "Inter-|   Receive                            |  Transmit\n face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n";
        tree.put("proc/net/dev", format!("{head}  eth0: {bytes} 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n"));
    };
    count(1000);
    let config = Config::new(1, "/")
        .set("app", "primary_timer", PERIOD_S)
        .text("[net]\nenabled=yes\ninterval=0.001\n");
    let root = tree.path().to_str().unwrap();
    let agent = Agent::start(&config, &["--stdout", "--root", root]);
    let rates = |n| -> Vec<Option<u64>> {
        let lines = agent.wait_for_lines_of(Stream::Stdout, n, PATIENCE);
        let report = |line: &String| serde_json::from_str::<Value>(line).unwrap();
        lines.iter().map(|line| report(line)["net"]["eth0"]["rx"].as_u64()).collect()
    };
    rates(3);
    agent.signal(Signal::SIGSTOP);
    thread::sleep(ASLEEP);
    count(1000 + BYTES);
    agent.signal(Signal::SIGCONT);
    let of_sleep = (4..).find_map(|n| rates(n).into_iter().flatten().find(|rate| *rate > 0)).unwrap();
    assert!(of_sleep <= BYTES / ASLEEP.as_secs(), "a spike: {of_sleep} bytes a second");
}
