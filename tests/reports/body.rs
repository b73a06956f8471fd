//! The keys, types and times of reports.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::{Value, json};

use crate::{eventually, hostname, sequence};
use support::PATIENCE;
use support::agent::{Agent, Config};
use support::broker::Broker;
use support::consumer::{Message, Tap};
use support::process::{Process, Stream};

#[test]
#[ignore = "needs RabbitMQ: tests/run"]
fn three_consumers_read_the_same_reports_from_the_first_one_on() {
    let broker = Broker::shared();
    let vhost = broker.vhost();
    let tap = Tap::new(broker.port, &vhost);
    let amqprs = tap.open();
    let pika = tap.pika();
    let tools = tap.amqp_consume();
    eventually("all three are bound", || broker.bindings(&vhost).len() == 3);
    let _agent = Agent::start(&Config::new(broker.port, &vhost), &[]);

    let read = amqprs.take(10, PATIENCE);
    let sequences: Vec<u64> = read.iter().map(sequence).collect();
    assert_eq!(sequences, (1..=10).collect::<Vec<_>>());
    let of_pika: Vec<_> = pika.take(10, PATIENCE).iter().map(Message::of_pika).collect();
    assert_eq!(of_pika, read);
    let bodies: Vec<_> = read.into_iter().map(|message| message.body).collect();
    assert_eq!(tools.take(10, PATIENCE), bodies);
}

#[test]
#[ignore = "needs RabbitMQ: tests/run"]
fn reports_have_the_documented_keys_and_every_tenth_has_the_secondary_ones() {
    let broker = Broker::shared();
    let vhost = broker.vhost();
    let messages = Tap::new(broker.port, &vhost).open();
    let config =
        Config::new(broker.port, &vhost).set("app", "secondary_timer", "0.5").set("message", "timestamp", 1);
    let _agent = Agent::start(&config, &[]);
    let read = messages.take(101, PATIENCE);

    for message in &read {
        check_report(&message.body);
    }
    // The first cpu figure is not 0, as it would be without a previous reading.
    assert!(read[0].body["cpu"].is_number(), "{}", read[0].body);
    assert!(read[0].body["uptime"].is_number(), "the first report has the secondary keys: {}", read[0].body);

    // Sample times, ms after the first one. Both timers are deadlines on a grid: a sample may be late
    // and, where the machine slept through several, missing, but the grid does not move. A timer
    // that drifts by half a millisecond each time comes through all phases of 50 ms in 100 periods.
    let ms = |message: &Message| (message.body["ts"].as_f64().unwrap() * 1000.0).round() as i64;
    let times: Vec<i64> = read.iter().map(|message| ms(message) - ms(&read[0])).collect();
    let in_time = |phase: &i64| times.iter().filter(|t| (*t - phase).rem_euclid(50) < 10).count();
    let most = (0..50).map(|phase| in_time(&phase)).max().unwrap();
    assert!(most > 60, "at most {most} of 101 samples are within 10 ms of one grid: {times:?}");
    assert!(times[100] > 99 * 50, "101 reports in {} ms", times[100]);

    // A secondary deadline is met by the first report after it. Each half second that has a report
    // has one with the secondary keys, so that both counts agree.
    let secondary: Vec<i64> =
        read.iter().zip(&times).filter(|(m, _)| !m.body["uptime"].is_null()).map(|(_, t)| *t).collect();
    let half_seconds: BTreeSet<i64> = times.iter().map(|t| (t + 25) / 500).collect();
    assert!(secondary.len().abs_diff(half_seconds.len()) <= 1, "{secondary:?} of {times:?}");
}

/// The section "Format" of the original's documentation.
fn check_report(body: &Value) {
    let mut keys: BTreeSet<&str> = body.as_object().unwrap().keys().map(String::as_str).collect();
    assert!(keys.remove("ts"), "[message] timestamp=yes: {body}");
    let primary = BTreeSet::from(["hostname", "cpu", "mem", "cpu_temp"]);
    let secondary: BTreeSet<&str> = primary.union(&BTreeSet::from(["uptime", "ipaddr"])).copied().collect();
    assert!(keys == primary || keys == secondary, "{body}");

    assert_eq!(body["hostname"], hostname());
    for percent in [&body["cpu"], &body["mem"]] {
        let figure = percent.as_f64().unwrap_or_else(|| panic!("a percentage is a number: {body}"));
        assert!((0.0..=100.0).contains(&figure), "{body}");
        assert!(percent.to_string().split('.').nth(1).is_none_or(|decimals| decimals.len() == 1), "{body}");
    }
    assert!(body["cpu_temp"].is_number() || body["cpu_temp"].is_null(), "{body}");
    if keys == secondary {
        assert!(body["uptime"].as_f64().unwrap() > 0.0, "{body}");
        for address in body["ipaddr"].as_array().unwrap() {
            let address: std::net::Ipv4Addr = address.as_str().unwrap().parse().unwrap();
            assert_ne!(address, std::net::Ipv4Addr::LOCALHOST, "{body}");
        }
    }
}

#[test]
#[ignore = "needs RabbitMQ: tests/run"]
fn psutil_agrees_with_what_a_consumer_reads() {
    // psutil's figures of this machine over two seconds, and the time of these.
    const PSUTIL: &str = r#"
import json, psutil, socket, time
print("ready", flush=True)
begin = time.time()
cpu = psutil.cpu_percent(interval=2)
addresses = [a.address for all in psutil.net_if_addrs().values() for a in all if a.family == socket.AF_INET]
print(json.dumps({"begin": begin, "end": time.time(), "cpu": cpu, "mem": psutil.virtual_memory().percent,
                  "uptime": time.clock_gettime(time.CLOCK_BOOTTIME), "hostname": socket.gethostname(),
                  "ipaddr": sorted(a for a in addresses if a != "127.0.0.1")}))
"#;
    let broker = Broker::shared();
    let vhost = broker.vhost();
    let messages = Tap::new(broker.port, &vhost).open();
    let _agent = Agent::start(&Config::new(broker.port, &vhost).set("message", "timestamp", "yes"), &[]);
    messages.take(1, PATIENCE);
    let python = Process::start(Command::new("/usr/bin/python3").args(["-c", PSUTIL]));
    let said = python.wait_for_lines_of(Stream::Stdout, 2, PATIENCE);
    let theirs: Value = serde_json::from_str(&said[1]).unwrap();
    let figure = |value: &Value| value.as_f64().unwrap_or_else(|| panic!("{value} is no number"));

    let mut ours = Vec::new();
    while let Some(message) = messages.next(PATIENCE) {
        let ts = figure(&message.body["ts"]);
        if ts > figure(&theirs["begin"]) {
            ours.push(message.body);
        }
        if ts > figure(&theirs["end"]) {
            break;
        }
    }
    let cpu = ours.iter().map(|body| figure(&body["cpu"])).sum::<f64>() / ours.len() as f64;
    assert!((cpu - figure(&theirs["cpu"])).abs() < 15.0, "cpu {cpu} and {}", theirs["cpu"]);
    let mem = figure(&ours.last().unwrap()["mem"]);
    assert!((mem - figure(&theirs["mem"])).abs() < 5.0, "mem {mem} and {}", theirs["mem"]);
    let full = ours.iter().rfind(|body| body["uptime"].is_number()).unwrap();
    let apart = figure(&full["uptime"]) - figure(&theirs["uptime"]);
    assert!(apart.abs() < 10.0, "uptime {} and {}", full["uptime"], theirs["uptime"]);
    assert_eq!(full["hostname"], theirs["hostname"]);
    let mut addresses: Vec<&str> =
        full["ipaddr"].as_array().unwrap().iter().map(|a| a.as_str().unwrap()).collect();
    addresses.sort_unstable();
    assert_eq!(json!(addresses), theirs["ipaddr"]);
}

#[test]
#[ignore = "needs RabbitMQ: tests/run"]
fn a_missing_sensor_is_null_and_a_disabled_one_is_left_out() {
    let broker = Broker::shared();
    let vhost = broker.vhost();
    let messages = Tap::new(broker.port, &vhost).open();
    let board = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/boards/made-container");
    let config = Config::new(broker.port, &vhost);

    let asked = Agent::start(&config, &["--root", board]);
    let report = messages.take(1, PATIENCE).remove(0);
    assert_eq!(report.routing_key, "psistats.made-container");
    let whole = json!({"hostname": "made-container", "cpu": null, "mem": 50.0, "cpu_temp": null, "uptime": null, "ipaddr": []});
    assert_eq!(report.body, whole);
    drop(asked);

    let disabled = config.set("cpu_temp", "enabled", 0).set("queue", "prefix", "psistats.cold");
    let _agent = Agent::start(&disabled, &["--root", board]);
    let cold =
        std::iter::from_fn(|| messages.next(PATIENCE)).find(|m| m.routing_key.contains("cold")).unwrap();
    let keys: Vec<&String> = cold.body.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["cpu", "hostname", "ipaddr", "mem", "uptime"]);
}

/// As Telegraf's `amqp_consumer` flattens JSON (`data_format="json"`): one tag, strings where
/// `json_string_fields=["ipaddr_*"]`, all else numbers; null and other strings are dropped.
#[test]
#[ignore = "needs RabbitMQ: tests/run"]
fn a_reader_by_key_like_telegraf_finds_every_figure() {
    let broker = Broker::shared();
    let vhost = broker.vhost();
    let messages = Tap::new(broker.port, &vhost).open();
    let _agent = Agent::start(&Config::new(broker.port, &vhost), &[]);
    let body = messages.take(1, PATIENCE).remove(0).body;

    let mut fields = BTreeSet::new();
    for (key, value) in body.as_object().unwrap() {
        match value {
            Value::Number(_) => {
                fields.insert(key.clone());
            }
            Value::Array(items) => {
                assert!(items.iter().all(Value::is_string), "{body}");
                fields.extend((0..items.len()).map(|i| format!("{key}_{i}")));
            }
            Value::Null => assert_eq!(key, "cpu_temp"),
            Value::String(_) => assert_eq!(key, "hostname", "the tag"),
            other => panic!("Telegraf has no use for {other} in {key}"),
        }
    }
    assert!(["cpu", "mem", "uptime"].iter().all(|key| fields.contains(*key)), "{fields:?}");
}
