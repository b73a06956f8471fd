//! The service in the background, which publishes to a real broker.

use std::fs;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::place::{Place, answer, count};
use support::agent::Config;
use support::broker::Broker;
use support::consumer::{Message, Tap};
use support::reports::{Counters, next, read_past, sequence};

/// Kills the process of the pidfile at the end of the test, whether it succeeds or not.
struct Service<'p>(&'p Place);

impl Drop for Service<'_> {
    fn drop(&mut self) {
        let pid = fs::read_to_string(self.0.path("psistats.pid"));
        if let Some(pid) = pid.ok().and_then(|text| text.trim().parse().ok()) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }
}

#[test]
#[ignore = "needs RabbitMQ: tests/run"]
fn the_service_publishes_from_start_to_stop_and_a_restart_begins_another_run() {
    let broker = Broker::shared();
    let vhost = broker.vhost();
    let reading = Tap::new(broker.port, &vhost).open();
    let place = Place::new("");
    let config = Config::new(broker.port, &vhost)
        .set("app", "pidfile", "psistats.pid")
        .text("[logging]\nkeys=root\n[logger_root]\nlevel=INFO\nhandlers=file\n")
        .text("[handler_file]\nclass=FileHandler\nfilename=psistats.log\n");
    place.configure(config.to_string());
    let _service = Service(&place);
    let command = |name: &str| answer(&mut place.psistats(name));
    let run = |message: &Message| message.message_id.clone().unwrap().rsplit_once('-').unwrap().0.to_owned();

    let (code, said, complaint) = command("start");
    assert_eq!((code, complaint.as_str()), (Some(0), ""));
    let pid = said.strip_prefix("psistats started, pid ").unwrap().split(';').next().unwrap().to_owned();
    let first = next(&reading);
    assert_eq!(sequence(&first), 1);
    assert_eq!(fs::read_to_string(place.path("psistats.pid")).unwrap().trim(), pid);
    assert_eq!(command("status").0, Some(0));
    read_past(&reading, 10);

    assert_eq!(command("restart").0, Some(0));
    let mut last = next(&reading);
    while run(&last) == run(&first) {
        last = next(&reading);
    }
    let second = run(&last);
    assert_eq!(sequence(&last), 1, "a new run counts from 1");

    let (code, said, _) = command("stop");
    assert_eq!(code, Some(0));
    assert!(said.starts_with("psistats stopped, pid "), "{said}");
    let log: Vec<String> =
        fs::read_to_string(place.path("psistats.log")).unwrap().lines().map(str::to_owned).collect();
    let ends: Vec<Counters> = log.iter().filter_map(|line| Counters::parse(line)).collect();
    assert_eq!(ends.len(), 2, "{log:#?}");
    for end in &ends {
        assert_eq!((end.confirmed, end.pending, end.dropped), (end.sampled, 0, 0), "flushed");
    }
    // Every confirmed report was read, up to the last one.
    while sequence(&last) < ends[1].confirmed {
        last = next(&reading);
    }
    assert_eq!(run(&last), second);
    assert_eq!(reading.next(std::time::Duration::from_millis(200)), None);
    assert_eq!(count(&log, "stopping"), 2);
    assert_eq!(command("status").0, Some(3));
    assert!(!place.path("psistats.pid").exists());
    let left = broker.connections(&vhost);
    assert_eq!(left.len(), 1, "only the consumer's connection: {left:#?}");
    assert_eq!(command("stop").0, Some(0));
}
