//! The client node of chasar: its messages, and its whole life with a master.

use std::ffi::OsString;
use std::fs;
use std::os::unix::thread::JoinHandleExt as _;
use std::path::Path;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, UNIX_EPOCH};

use nix::sys::pthread::pthread_kill;
use nix::sys::signal::Signal;
use psistats_host::chasar::collector::Options;
use psistats_host::limits;
use tempfile::TempDir;

use crate::counting::Counted;
use crate::{ALONE, Inside};
use support::PATIENCE;
use support::agent::Config;
use support::boards::Collector;
use support::broker::Broker;
use support::consumer::Tap;
use support::master::Master;

/// A machine with so many processes, of names that the kernel has cut.
fn crowd(processes: usize) -> TempDir {
    let root = TempDir::new().unwrap();
    for pid in 1..=processes {
        let folder = root.path().join(format!("proc/{pid}"));
        fs::create_dir_all(&folder).unwrap();
        let stat = format!(
            "{pid} (program-{pid:07}) S 1 1 1 0 -1 0 0 0 0 0 {pid} 0 0 0 20 0 1 0 5 1000 {pid} 0 0 0\n"
        );
        fs::write(folder.join("stat"), stat).unwrap();
        fs::write(folder.join("statm"), format!("1000 {pid} 0 0 0 0 0\n")).unwrap();
        fs::write(folder.join("cmdline"), format!("/bin/program-{pid:07}-whole\0")).unwrap();
    }
    root
}

#[test]
fn messages_are_made_without_one_allocation_whatever_the_number_of_processes() {
    let crowded = crowd(limits::PROCESSES + 100);
    for root in [Path::new("/"), crowded.path()] {
        let now = |seconds| psistats_core::time::Instant::from_nanos(seconds * 1_000_000_000);
        let mut collector = Collector::open(root, Options { interface: None, processes: usize::MAX });
        collector.prime(now(1));
        // Tells that not all have room.
        collector.message(UNIX_EPOCH, now(2));
        let allocations = Counted::over(|| {
            for second in 3..30 {
                let message = collector.message(UNIX_EPOCH + Duration::from_secs(second), now(second));
                assert!(message.len() > 1000);
            }
        });
        assert_eq!(allocations, 0, "{}", root.display());
    }
}

#[test]
#[ignore = "needs python3-zmq: tests/run"]
fn a_client_node_sends_five_hundred_messages_without_one_allocation() {
    let _alone = ALONE.lock().unwrap_or_else(|e| e.into_inner());
    let master = Master::start(0);
    let place = TempDir::new().unwrap();
    let config = place.path().join("psistats.conf");
    fs::write(&config, "[chasar]\ninterval=0.01\n").unwrap();
    let port = master.port.to_string();
    let words = ["psistats", "chasar", "clientnode", "start", "127.0.0.1", &port, "--config"];
    let words: Vec<OsString> = words.into_iter().map(OsString::from).chain([config.into()]).collect();

    let allocations = Counted::default();
    let node = thread::spawn(move || {
        allocations.begin();
        format!("{:?}", psistats::cli::main(words.into_iter()))
    });
    master.wait_for_messages(100);
    let before = allocations.so_far();
    assert!(before > 0, "the allocator does not count");
    master.wait_for_messages(600);
    assert_eq!(allocations.so_far() - before, 0, "allocations over 500 messages");
    pthread_kill(node.as_pthread_t(), Signal::SIGTERM).unwrap();
    assert_eq!(node.join().unwrap(), format!("{:?}", ExitCode::SUCCESS));
}

#[test]
#[ignore = "needs RabbitMQ and python3-zmq: tests/run"]
fn one_agent_that_feeds_a_broker_and_a_master_allocates_nothing() {
    let _alone = ALONE.lock().unwrap_or_else(|e| e.into_inner());
    let (broker, master) = (Broker::shared(), Master::start(0));
    let vhost = broker.vhost();
    let reading = Tap::new(broker.port, &vhost).open();
    let config = Config::new(broker.port, &vhost)
        .set("chasar", "enabled", "yes")
        .set("chasar", "port", master.port)
        .set("chasar", "interval", "0.01");
    let agent = Inside::start(&config);
    reading.take(200, PATIENCE);
    master.wait_for_messages(100);
    let (before, messages) = (agent.allocations(), master.count());
    reading.take(500, PATIENCE);
    master.wait_for_messages(messages + 300);
    assert_eq!(agent.allocations() - before, 0, "allocations over 500 reports and 300 messages");
    agent.stop();
}
