//! What lies on the card, and in memory.

use std::process::Command;

use crate::support::agent::{Agent, Config};
use crate::support::broker::Broker;
use crate::support::consumer::Tap;
use crate::support::memory::Memory;
use crate::support::proxy::{Direction, Proxy};
use crate::support::reports::{Counters, read_past};
use crate::{ARMV6, X86_64, binary};

#[test]
#[ignore = "needs boards/build: tests/run"]
fn the_armv6_binary_has_at_most_512_kib() {
    let bytes = binary(ARMV6).metadata().unwrap().len();
    assert!((100_000..=512 * 1024).contains(&bytes), "{bytes} bytes");
}

#[test]
#[ignore = "needs RabbitMQ and boards/build: tests/run"]
fn the_static_binary_is_resident_with_less_than_1_mib_after_its_whole_backlog_was_in_use() {
    let broker = Broker::shared();
    let vhost = broker.vhost();
    let reading = Tap::new(broker.port, &vhost).open();
    let proxy = Proxy::new(broker.port);
    proxy.stall(Direction::FromServer);
    let config = Config::new(proxy.port, &vhost)
        .set("server", "host", "localhost") // resolved on a thread
        .set("app", "primary_timer", "0.002");
    let agent = Agent::start_by(&mut Command::new(binary(X86_64)), &config, &[]);

    let full = Counters::wait_for(&agent, |c| c.dropped > 0);
    proxy.resume(Direction::FromServer);
    read_past(&reading, full.sampled + 1000);
    Counters::wait_for(&agent, |c| c.pending < 10);
    let memory = Memory::of(&agent);
    assert_eq!(agent.status("Threads"), 1);
    println!("{memory:?} KiB");
    assert!(memory.resident < 1024, "{memory:?} KiB");
}
