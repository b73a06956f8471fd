//! A machine that is suspended for several periods.

use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;

use support::PATIENCE;
use support::agent::{Agent, Config};
use support::broker::Broker;
use support::consumer::{Message, Tap};
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
