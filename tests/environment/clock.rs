//! A board without a clock's battery: it starts in 1970, NTP sets it right, and somebody sets it back by an hour.

use std::env::consts::ARCH;
use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use support::agent::{Agent, Config};
use support::broker::Broker;
use support::consumer::{Message, Tap};
use support::reports::{next, sequence};
use support::{PATIENCE, project};

fn now_s() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64()
}

/// From now on the agent's clock differs by so many seconds from that of this machine.
fn set(file: &Path, seconds: i64) {
    let next = file.with_extension("next");
    std::fs::write(&next, format!("{seconds:+}\n")).unwrap();
    std::fs::rename(&next, file).unwrap();
}

fn ts(message: &Message) -> f64 {
    message.body["ts"].as_f64().unwrap()
}

fn is_marked(message: &Message) -> bool {
    message.headers.iter().any(|name| name == "clock")
}

/// The time in the body is that in the properties, and no figure comes of a time that ran otherwise.
fn assert_sound(message: &Message) {
    assert_eq!(message.timestamp, Some(ts(message) as u64), "{message:?}");
    assert!((0.0..=100.0).contains(&message.body["cpu"].as_f64().unwrap()), "{message:?}");
}

#[test]
#[ignore = "needs RabbitMQ and libfaketime: tests/run"]
fn reports_from_before_the_clock_was_set_are_marked_and_after_each_jump_the_times_are_right_and_the_order_kept()
 {
    let broker = Broker::shared();
    let vhost = broker.vhost();
    let reading = Tap::new(broker.port, &vhost).open();
    let place = tempfile::tempdir().unwrap();
    let clock = place.path().join("clock");
    // 1000 s after the epoch.
    set(&clock, 1000 - now_s() as i64);
    let config = Config::new(broker.port, &vhost).set("message", "timestamp", "yes");
    let mut command = Command::new(project::program("psistats"));
    command
        .env("LD_PRELOAD", format!("/usr/lib/{ARCH}-linux-gnu/faketime/libfaketime.so.1"))
        .env("FAKETIME_TIMESTAMP_FILE", &clock)
        .envs([("FAKETIME_NO_CACHE", "1"), ("DONT_FAKE_MONOTONIC", "1"), ("NO_FAKE_STAT", "1")]);
    let _agent = Agent::start_by(&mut command, &config, &[]);

    let mut messages = reading.take(5, PATIENCE);
    for message in &messages {
        assert!(is_marked(message) && (999.0..1000.0 + PATIENCE.as_secs_f64()).contains(&ts(message)));
    }
    let mut read_until = |is_there: &dyn Fn(f64) -> bool| {
        loop {
            messages.push(next(&reading));
            let message = messages.last().unwrap();
            assert_sound(message);
            if is_there(ts(message)) {
                assert!(!is_marked(message), "{message:?}");
                break;
            }
        }
    };
    let began = now_s() - 1.0;
    set(&clock, 0);
    read_until(&|ts| (began..now_s() + 1.0).contains(&ts));
    set(&clock, -3600);
    read_until(&|ts| (began..now_s() + 1.0).contains(&(ts + 3600.0)));
    let numbers: Vec<_> = messages.iter().map(sequence).collect();
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());
    // It was in 1970 or right, and nothing in between.
    assert!(messages.iter().all(|message| is_marked(message) == (ts(message) < 2000.0)));
}
