//! Host names that do not resolve, get no answer, or change (fault 28).

use std::net::Ipv4Addr;

use nix::sys::signal::Signal;

use crate::name_server::{Mood, NameServer};
use crate::place::{Place, count, wait_until};
use support::PATIENCE;
use support::agent::Config;
use support::broker::Broker;
use support::consumer::Tap;
use support::process::{Process, Stream};
use support::reports::sequence;

/// Longer than a report is late on a busy machine, and shorter than any timeout of a name.
const NO_GAP_S: f64 = 5.0;

/// How many threads wait for a name. That which has read a configuration may still be ending beside them.
fn resolvers(process: &Process) -> usize {
    let threads = std::fs::read_dir(format!("/proc/{}/task", process.pid())).unwrap();
    let names =
        threads.filter_map(|thread| std::fs::read_to_string(thread.unwrap().path().join("comm")).ok());
    names.filter(|name| name.trim_end() == "resolver").count()
}

#[test]
#[ignore = "needs RabbitMQ: tests/run"]
fn fault_28_sampling_goes_on_while_a_name_is_unknown_wrong_or_unanswered_and_the_next_answer_is_used() {
    let broker = Broker::shared();
    let vhost = broker.vhost();
    let reading = Tap::new(broker.port, &vhost).open();
    let server = NameServer::new(1, Mood::Denies);
    let config = Config::new(broker.port, &vhost).set("server", "host", "broker.test").set(
        "message",
        "timestamp",
        "yes",
    );
    let place = Place::of(&config);
    let setup = server.mount(&place.path("resolv.conf"));
    let agent = Process::start(&mut place.psistats_after(&setup, "start-local"));

    agent.wait_for_line("broker.test:", PATIENCE);
    agent.wait_for_line("the name cannot be resolved", PATIENCE);
    // This address has no listener.
    server.becomes(Mood::Knows(Ipv4Addr::new(127, 53, 0, 99)));
    agent.wait_for_line("refused", PATIENCE);
    server.becomes(Mood::Silent);
    wait_until("a thread waits for the name", || agent.status("Threads") == 2);
    agent.wait_for_line("no answer from a name server within 10 s", PATIENCE);
    let wakes = agent.status("voluntary_ctxt_switches");
    // More attempts were made meanwhile, a fraction of a second apart.
    wait_until("sampling goes on", || agent.status("voluntary_ctxt_switches") > wakes + 40);
    assert_eq!(agent.status("Threads"), 2, "one thread that waits for the name, not one an attempt");
    server.becomes(Mood::Knows(Ipv4Addr::LOCALHOST));
    agent.wait_for_line("connected to broker.test", PATIENCE);

    let first = reading.take(200, PATIENCE);
    assert_eq!(first.iter().map(sequence).collect::<Vec<_>>(), (1..=200).collect::<Vec<_>>());
    let times: Vec<f64> = first.iter().map(|m| m.body["ts"].as_f64().unwrap()).collect();
    let gap = times.windows(2).map(|pair| pair[1] - pair[0]).fold(0.0, f64::max);
    assert!(gap < NO_GAP_S, "no report for {gap} s");
    wait_until("the thread is gone", || agent.status("Threads") == 1);
    for said in ["the name cannot be resolved: failed", "refused", "within 10 s"] {
        assert_eq!(count(&agent.lines(), said), 1, "{said}: {:?}", agent.lines());
    }
}

#[test]
#[ignore = "needs RabbitMQ: tests/run"]
fn fault_28_a_stop_does_not_wait_for_a_name_server() {
    let server = NameServer::new(2, Mood::Silent);
    let place = Place::of(&Config::new(1, "/").set("server", "host", "broker.test"));
    let setup = server.mount(&place.path("resolv.conf"));
    let mut agent = Process::start(&mut place.psistats_after(&setup, "start-local"));
    agent.wait_for_line("psistats ", PATIENCE);
    wait_until("a thread waits for the name", || agent.status("Threads") == 2);
    agent.signal(Signal::SIGTERM);
    // The name server would block it for 30 s.
    assert_eq!(agent.wait(std::time::Duration::from_secs(20)).code(), Some(0));
    assert_eq!(count(&agent.lines(), "could not be closed in time"), 0);
}

#[test]
#[ignore = "needs root: tests/run"]
fn fault_28_only_one_thread_resolves_the_master_nodes_name_however_often_the_settings_change() {
    let server = NameServer::new(3, Mood::Silent);
    let config = |n: u32| {
        let master =
            Config::new(1, "/").set("chasar", "enabled", "yes").set("chasar", "master", "master.test");
        master.set("chasar", "interval", n)
    };
    let place = Place::of(&config(1));
    let setup = server.mount(&place.path("resolv.conf"));
    let agent = Process::start(&mut place.psistats_after(&setup, "start-local"));
    agent.wait_for_line("psistats ", PATIENCE);
    wait_until("a thread waits for the name", || agent.status("Threads") == 2);
    for n in 2..10 {
        place.configure(config(n).to_string());
        agent.signal(Signal::SIGHUP);
        wait_until("it was read", || {
            count(&agent.lines(), "the configuration was reloaded") == n as usize - 1
        });
    }
    assert_eq!(resolvers(&agent), 1, "one thread that waits for the name, not one a change");
    wait_until("there is no other", || agent.status("Threads") == 2);
}

#[test]
#[ignore = "needs root: tests/run"]
fn fault_28_a_reload_that_waits_for_a_syslog_host_name_blocks_neither_sampling_nor_a_stop() {
    let server = NameServer::new(4, Mood::Silent);
    let place = Place::new("[app]\nprimary_timer=0.02\n");
    let setup = server.mount(&place.path("resolv.conf"));
    let mut agent = Process::start(place.psistats_after(&setup, "start-local").arg("--stdout"));
    agent.wait_for_lines_of(Stream::Stdout, 1, PATIENCE);
    place.configure(
        "[app]\nprimary_timer=0.02\n[logging]\nkeys=root\n[logger_root]\nhandlers=far\n\
         [handler_far]\nclass=SysLogHandler\naddress=('syslog.test', 514)\n",
    );
    agent.signal(Signal::SIGHUP);
    wait_until("a thread waits for the name", || agent.status("Threads") == 2);
    let so_far = agent.lines_of(Stream::Stdout).len();
    agent.wait_for_lines_of(Stream::Stdout, so_far + 20, PATIENCE);
    assert_eq!(agent.status("Threads"), 2, "reports came while it was waited for");
    agent.signal(Signal::SIGTERM);
    assert_eq!(agent.wait(PATIENCE).code(), Some(0));
}
