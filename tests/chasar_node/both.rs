//! One agent that feeds a broker and a master node.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::Value;

use support::PATIENCE;
use support::agent::{Agent, Config};
use support::broker::Broker;
use support::consumer::Tap;
use support::master::Master;
use support::refusing::Refusing;
use support::reports::{Counters, read_past, sequence};

/// The same with messages to the master at `port`, as often as reports.
fn feeding(config: &Config, port: u16) -> Config {
    config
        .clone()
        .set("chasar", "enabled", "yes")
        .set("chasar", "port", port)
        .set("chasar", "interval", "0.05")
}

/// Seconds from `ts` to a message, whose clock tells no date that a number could be made of easily; both
/// lie within hours.
fn age(message: &Value, ts: f64) -> f64 {
    let clock = message["computer_utc_clock"].as_str().unwrap();
    let of_day = clock[11..].split(':').fold(0.0, |sum, part| sum * 60.0 + part.parse::<f64>().unwrap());
    let day = 86_400.0;
    (of_day - ts + day / 2.0).rem_euclid(day) - day / 2.0
}

#[test]
#[ignore = "needs RabbitMQ and python3-zmq: tests/run"]
fn reports_and_messages_tell_of_the_same_machine_by_the_same_readings() {
    let broker = Broker::shared();
    let vhost = broker.vhost();
    let reading = Tap::new(broker.port, &vhost).open();
    let master = Master::start(0);
    let config = feeding(&Config::new(broker.port, &vhost), master.port).set("message", "timestamp", "yes");
    let mut agent = Agent::start(&config, &[]);
    let messages: Vec<_> = (0..20).map(|_| master.message()).collect();
    // Both carry the time: a message is made right after the report of the same tick.
    let mut reports = vec![reading.next(PATIENCE).expect("a report")];
    while age(&messages[19], reports.last().unwrap().body["ts"].as_f64().unwrap()) >= 0.0 {
        reports.push(reading.next(PATIENCE).expect("a report"));
    }
    for message in &messages {
        let report = reports.iter().rfind(|report| age(message, report.body["ts"].as_f64().unwrap()) >= 0.0);
        let report = report.expect("a report before the message");
        assert_eq!(report.body["hostname"], message["hostname"]);
        assert_eq!(report.body["mem"], message["memory"]["percent_used"], "{message} {:?}", report.body);
    }
    assert_eq!(agent.stop().code(), Some(0));
    agent.wait_for_line(" chasar: sent=", PATIENCE);
}

#[test]
#[ignore = "needs RabbitMQ and python3-zmq: tests/run"]
fn neither_the_broker_nor_the_master_hinders_the_other_by_being_away() {
    let broker = Broker::shared();
    let vhost = broker.vhost();
    let (no_broker, no_master) = (Refusing::new(), Refusing::new());

    let master = Master::start(0);
    let agent = Agent::start(&feeding(&Config::new(no_broker.port, "/"), master.port), &[]);
    agent.wait_for_line("is RabbitMQ running and", PATIENCE);
    (0..20).for_each(|_| drop(master.message()));
    let told = Counters::wait_for(&agent, |counters| counters.pending > 20);
    assert_eq!(told.connection, "Away");

    let reading = Tap::new(broker.port, &vhost).open();
    let agent = Agent::start(&feeding(&Config::new(broker.port, &vhost), no_master.port), &[]);
    agent.wait_for_line("is a master node running and", PATIENCE);
    assert!(sequence(&read_past(&reading, 20)) >= 20);
    agent.signal(Signal::SIGUSR1);
    let line = agent.wait_for_line(" chasar: sent=0 dropped=0 (no connection: ", PATIENCE);
    assert_eq!(Counters::parse(&line).unwrap().connection, "Ready");
}

#[test]
#[ignore = "needs python3-zmq: tests/run"]
fn sighup_switches_messages_on_and_to_another_master_and_off_while_reports_go_on() {
    let nobody = Refusing::new();
    let [first, second] = [(), ()].map(|()| Master::start(0));
    let config = Config::new(nobody.port, "/").set("app", "retry_timer", 3600);
    let mut agent = Agent::start(&config, &[]);
    let sampled = |agent: &Agent| Counters::wait_for(agent, |_| true).sampled;
    let before = sampled(&agent);
    for master in [&first, &second] {
        agent.reload(&feeding(&config, master.port));
        (0..3).for_each(|_| drop(master.message()));
    }
    agent.reload(&config);
    let told = || agent.lines().iter().filter(|line| line.contains("was reloaded")).count();
    let deadline = Instant::now() + PATIENCE;
    while told() < 3 {
        assert!(Instant::now() < deadline, "{:#?}", agent.lines());
        thread::sleep(Duration::from_millis(5));
    }
    let counters = Counters::wait_for(&agent, |counters| counters.sampled > before + 10);
    assert_eq!((counters.dropped, counters.confirmed), (0, 0));
    let last = agent.lines().into_iter().rfind(|line| Counters::parse(line).is_some()).unwrap();
    assert!(!last.contains("chasar"), "{last}");
    assert_eq!(agent.stop().code(), Some(0));
}

#[test]
#[ignore = "needs python3-zmq and strace: tests/run"]
fn each_kernel_file_is_opened_once_and_read_once_for_a_report_and_a_message() {
    let nobody = Refusing::new();
    let master = Master::start(0);
    let config = feeding(&Config::new(nobody.port, "/"), master.port)
        .set("app", "retry_timer", 3600)
        .set("app", "secondary_timer", "0.05")
        .set("cpu", "percpu", "yes")
        .set("cpu", "interval", "0.05")
        .set("swap", "enabled", "yes")
        .set("swap", "interval", "0.05");
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let trace = folder.path().join("trace");
    // In the background (-D), so that the process that is started is the agent.
    let mut strace = Command::new("strace");
    strace.args(["-D", "-y", "-e", "trace=openat,pread64,sendto", "-o"]).arg(&trace);
    let mut agent = Agent::start_by(strace.arg(env!("CARGO_BIN_EXE_psistats")), &config, &[]);
    (0..30).for_each(|_| drop(master.message()));
    assert_eq!(agent.stop().code(), Some(0));
    let reports = Counters::last(&agent.lines()).unwrap().sampled;
    let calls = whole(&trace);
    let count = |call: &str, what: &str| {
        calls.lines().filter(|line| line.starts_with(call) && line.contains(what)).count() as u64
    };
    for file in ["proc/stat", "proc/meminfo"] {
        assert_eq!(count("openat(", &format!("\"{file}\"")), 1, "{file}");
        let reads = count("pread64(", &format!("</{file}>"));
        // Once more each before the first report and before the first message, for what is a difference.
        let most = if file == "proc/stat" { reports + 2 } else { reports };
        assert!(
            reports > 30 && (reports..=most).contains(&reads),
            "{file}: {reads} reads for {reports} reports"
        );
    }
    assert_eq!(count("sendto(", "RTM_GETADDR"), reports, "a dump of the addresses for both");
}

/// What strace has written, once it is all there.
fn whole(trace: &Path) -> String {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let text = fs::read_to_string(trace).unwrap_or_default();
        if text.contains("+++ exited") {
            return text;
        }
        assert!(Instant::now() < deadline, "strace has not ended");
        thread::sleep(Duration::from_millis(5));
    }
}
