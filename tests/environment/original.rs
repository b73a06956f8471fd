//! The original's example configuration, and its logging, in the whole program.

use std::fs::{self, File};
use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::time::{Duration, SystemTime};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

use crate::place::{PSISTATS, Place, answer, count, wait_until};
use support::PATIENCE;
use support::agent::{Agent, Config};
use support::broker::Broker;
use support::consumer::Tap;
use support::reports::{Counters, next, sequence};

const EXAMPLE: &str = include_str!("../fixtures/config/documented.conf");

/// A process that is killed at the end of the test, whether it succeeds or not.
struct Running(i32);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = kill(Pid::from_raw(self.0), Signal::SIGKILL);
    }
}

#[test]
#[ignore = "needs RabbitMQ: tests/run"]
fn every_section_of_the_original_example_configuration_takes_effect() {
    let broker = Broker::shared();
    // [server] path
    let reading = Tap::new(broker.port, "/").open();
    let place = Place::new(EXAMPLE.replace("port=5672", &format!("port={}", broker.port)));
    let log = place.path("psistats.log");
    fs::write(&log, "of the day before yesterday\n").unwrap();
    let days_ago = SystemTime::now() - Duration::from_secs(2 * 86_400);
    File::options().append(true).open(&log).unwrap().set_modified(days_ago).unwrap();

    // A private /run, for [app] pidfile.
    let (code, said, complaint) = answer(&mut place.psistats_after("mount -t tmpfs tmpfs /run", "start"));
    assert_eq!((code, complaint.as_str()), (Some(0), ""), "no key is unknown");
    let pid = said.strip_prefix("psistats started, pid ").unwrap().split(';').next().unwrap();
    let _running = Running(pid.parse().unwrap());
    let pidfile = format!("/proc/{pid}/root/run/psistats.pid");
    assert_eq!(fs::read_to_string(&pidfile).unwrap().trim(), pid);
    for descriptor in 0..3 {
        let target = fs::read_link(format!("/proc/{pid}/fd/{descriptor}")).unwrap();
        assert_eq!(target.to_str(), Some("/dev/null"));
    }

    // [app] primary_timer, secondary_timer; [cpu_temp] enabled
    let reports = reading.take(4, PATIENCE);
    for (n, report) in reports.iter().enumerate() {
        let keys = |names: &[&str]| names.iter().all(|name| report.body.get(name).is_some());
        assert!(keys(&["hostname", "cpu", "mem", "cpu_temp"]), "{report:?}");
        assert_eq!(keys(&["uptime", "ipaddr"]), n == 0, "{report:?}");
        assert_eq!((sequence(report), report.delivery_mode), (n as u64 + 1, None));
    }
    let seconds = reports[3].timestamp.unwrap() - reports[0].timestamp.unwrap();
    assert!(seconds >= 2, "three seconds between the first and the fourth, not {seconds}");

    // [queue], [exchange]
    let name = format!("psistats.{}", reports[0].body["hostname"].as_str().unwrap());
    assert_eq!(reports[0].routing_key, name);
    let queues = broker.queues("%2F");
    let queue = queues.iter().find(|q| q["name"] == *name).unwrap_or_else(|| panic!("{queues:#?}"));
    let properties = ["durable", "auto_delete", "exclusive", "arguments"].map(|key| &queue[key]);
    assert_eq!(properties, [&json!(false), &json!(true), &json!(true), &json!({"x-message-ttl": 10000})]);
    let exchanges = broker.exchanges("%2F");
    let exchange = exchanges.iter().find(|e| e["name"] == "psistats").unwrap();
    let properties = ["type", "durable", "auto_delete"].map(|key| &exchange[key]);
    assert_eq!(properties, [&json!("topic"), &json!(false), &json!(false)]);

    // [app] retry_timer, which jitter shortens by up to a half
    drop(reading);
    broker.ctl(&["close_all_connections", "--vhost", "/", "test"]);
    let lines = || -> Vec<String> {
        fs::read_to_string(&log).unwrap_or_default().lines().map(str::to_owned).collect()
    };
    wait_until("the end of the connection is told", || count(&lines(), "next attempt in") == 1);
    let lost = lines().into_iter().find(|line| line.contains("next attempt in")).unwrap();
    let wait = lost.split("next attempt in ").nth(1).unwrap().split(' ').next().unwrap();
    assert!((2.4..=5.1).contains(&wait.parse::<f32>().unwrap()), "{lost}");
    wait_until("it is connected again", || count(&lines(), "connected to localhost:") == 2);

    let mut nsenter = Command::new("nsenter");
    nsenter.args(["--mount", "--target", pid, "--", PSISTATS, "stop", "--config"]).arg(place.config());
    assert_eq!(answer(&mut nsenter), (Some(0), format!("psistats stopped, pid {pid}\n"), String::new()));

    // [logging], [handlers], [formatters]: rotation at midnight, level INFO, and the format
    let mut old = fs::read_dir(place.dir())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("psistats.log."));
    assert_eq!(fs::read_to_string(old.next().unwrap()).unwrap(), "of the day before yesterday\n");
    assert_eq!(old.next(), None);
    for line in lines() {
        let words: Vec<&str> = line.splitn(5, ' ').collect();
        assert!(words[1].split([':', ',']).all(|part| part.parse::<u32>().is_ok()), "{line}");
        assert_eq!(words[2], "psistats", "qualname: {line}");
        assert!(["INFO", "WARNING", "ERROR"].contains(&words[3]), "{line}");
    }
    assert_eq!(count(&lines(), "stopping"), 1, "{:#?}", lines());
    broker.api("DELETE", "exchanges/%2F/psistats", None);
}

/// Root and pika log to syslog, in the notation of Python's files.
fn to_syslog(socket: &str, pika: &str) -> String {
    format!(
        "[loggers]\nkeys=root,pika\n\
         [handlers]\nkeys=syslog\n\
         [formatters]\nkeys=short\n\
         [logger_root]\nlevel=INFO\nhandlers=syslog\n\
         [logger_pika]\nlevel={pika}\nhandlers=syslog\npropagate=0\nqualname=pika\n\
         [handler_syslog]\nclass=handlers.SysLogHandler\nargs=('{socket}', 'daemon')\nformatter=short\n\
         [formatter_short]\nformat=psistats[%(process)d] %(name)s: %(message)s\n"
    )
}

#[test]
#[ignore = "needs RabbitMQ: tests/run"]
fn the_level_of_logger_pika_applies_to_lines_about_the_connection_and_syslog_gets_them() {
    let broker = Broker::shared();
    let vhost = broker.vhost();
    let reading = Tap::new(broker.port, &vhost).open();
    for (pika, expected) in [("INFO", 1), ("ERROR", 0)] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let config = Config::new(broker.port, &vhost).text(&to_syslog(path.to_str().unwrap(), pika));
        let mut agent = Agent::start(&config, &[]);
        let pid = agent.pid();
        while sequence(&next(&reading)) != 5 {}
        assert_eq!(agent.stop().code(), Some(0));

        let mut heard = Vec::new();
        while count(&heard, "sampled=") == 0 {
            let mut buffer = [0; 4096];
            let length = socket.recv(&mut buffer).unwrap();
            heard.push(String::from_utf8(buffer[..length].to_vec()).unwrap());
        }
        // Facility daemon (3), severity info (6).
        let of = |name: &str| format!("<30>psistats[{pid}] {name}: ");
        assert_eq!(count(&heard, &format!("{}connected to", of("pika"))), expected, "{heard:#?}");
        assert_eq!(count(&heard, " pika: "), expected, "{heard:#?}");
        assert_eq!(count(&heard, &format!("{}stopping", of("root"))), 1, "{heard:#?}");
        assert!(agent.lines().is_empty(), "{:?}", agent.lines());
    }
}

#[test]
fn at_level_debug_each_report_is_logged_in_the_line_of_the_original() {
    let log = |level: &str| {
        Config::new(1, "/").text(&format!(
            "[logging]\nkeys=root\n[handlers]\nkeys=out\n[formatters]\nkeys=form1\n\
             [logger_root]\nlevel={level}\nhandlers=out\nqualname=psistats\n\
             [handler_out]\nclass=StreamHandler\nformatter=form1\n\
             [formatter_form1]\nformat=%(name)s %(levelname)s %(message)s\n"
        ))
    };
    let agent = Agent::start(&log("DEBUG"), &[]);
    let line = agent.wait_for_line("Sending packet: ", PATIENCE);
    let report = line.strip_prefix("psistats DEBUG Sending packet: ").unwrap();
    let report: serde_json::Value = serde_json::from_str(report).unwrap();
    assert!(report["cpu"].is_number() && report["ipaddr"].is_array(), "{report}");
    agent.reload(&log("INFO"));
    agent.wait_for_line("was reloaded", PATIENCE);
    let so_far = count(&agent.lines(), "Sending packet: ");
    let sampled = || Counters::wait_for(&agent, |_| true).sampled;
    let before = sampled();
    Counters::wait_for(&agent, |c| c.sampled > before + 5);
    assert_eq!(count(&agent.lines(), "Sending packet: "), so_far);
}
