//! The agent and each RabbitMQ that Debian has: `tests/run --brokers`. Prints the rows of README.md's table.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod agents;
mod cluster;
mod kills;
mod recipe;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use agents::{Kind, Publisher};
use support::broker::Broker;
use support::project;

/// A broker that refuses transient queues, as upstream's 4.3 does and Debian's does not.
const AS_UPSTREAM: &str = "deprecated_features.permit.transient_nonexcl_queues = false";
/// The bar is 2 s and the retry timer; this is for a machine that has much else to do.
const GAP: Duration = Duration::from_secs(30);

#[test]
#[ignore = "needs RabbitMQ: tests/run --brokers"]
fn with_rabbitmq_3_10_nothing_is_lost() {
    let kinds = [Kind::Default, Kind::Durable, Kind::Quorum, Kind::Stream, Kind::Transient];
    matrix("3.10", Broker::bare(&[]), 4096, &kinds);
}

#[test]
#[ignore = "needs RabbitMQ 4.0: tests/run --brokers"]
fn with_rabbitmq_4_0_nothing_is_lost() {
    matrix_of("4.0", &[], Kind::Transient);
}

#[test]
#[ignore = "needs RabbitMQ 4.3: tests/run --brokers"]
fn with_rabbitmq_4_3_nothing_is_lost_and_a_transient_queue_is_refused() {
    matrix_of("4.3", &[AS_UPSTREAM], Kind::Refused);
}

fn matrix_of(version: &str, config: &[&str], last: Kind) {
    let kinds = [Kind::Default, Kind::Durable, Kind::Quorum, Kind::Stream, last];
    // Less is refused by 4.1 and later.
    matrix(version, Broker::of_root(&fetched(version), config), 8192, &kinds);
}

/// Where `fetch` has unpacked that version.
fn fetched(version: &str) -> PathBuf {
    let root = project::path("target/brokers").join(version);
    assert!(root.exists(), "{} is not there: tests/brokers/fetch {version}", root.display());
    root
}

/// An agent for each kind of queue, and the troubles one after another.
fn matrix(version: &str, broker: Broker, frame_max: u32, kinds: &[Kind]) {
    // Of each new connection, as small as the broker allows.
    broker.ctl(&["eval", &format!("application:set_env(rabbit, frame_max, {frame_max}).")]);
    let mut agents: Vec<Publisher> = kinds.iter().map(|kind| Publisher::start(&broker, *kind)).collect();
    let told: Vec<String> = agents
        .iter()
        .flat_map(|agent| broker.connections(&agent.vhost))
        .map(|c| c["frame_max"].to_string())
        .collect();
    assert_eq!(told, vec![frame_max.to_string(); kinds.len()]);

    let alarm = gaps(&mut agents, |agents| {
        broker.ctl(&["set_vm_memory_high_watermark", "0.00001"]);
        agents.iter().for_each(Publisher::wait_until_blocked);
        broker.ctl(&["set_vm_memory_high_watermark", "0.6"]);
    });
    let queue = gaps(&mut agents, |agents| agents.iter().for_each(|agent| agent.delete_queue(&broker)));
    let exchange = gaps(&mut agents, |agents| agents.iter_mut().for_each(Publisher::delete_exchange));
    let complaints = agents::complaints(&broker.log(), kinds);
    let kill = gaps(&mut agents, |_| {
        broker.kill();
        broker.restart();
    });
    for (i, agent) in agents.into_iter().enumerate() {
        let kind = agent.kind;
        let counted = agent.stop();
        let (lost, twice) = (counted.lost(), counted.twice());
        let cell = |gap: Duration| format!("{:.1}", gap.as_secs_f64());
        let [alarm, queue, exchange, kill] = [alarm[i], queue[i], exchange[i], kill[i]].map(cell);
        let queue = if kind.is_exclusive() { "-".to_owned() } else { queue };
        println!("| {version} | {kind:?} | {alarm} | {queue} | {exchange} | {kill} | {twice} | {lost} |");
        assert_eq!(lost, 0, "{version} {kind:?}");
    }
    let complaints = [complaints, agents::complaints(&broker.log(), kinds)].concat();
    assert!(complaints.is_empty(), "{complaints:#?}");
}

/// How long after an event's end each agent's next report is confirmed.
fn gaps(agents: &mut [Publisher], event: impl FnOnce(&mut [Publisher])) -> Vec<Duration> {
    agents.iter().for_each(Publisher::wait_until_caught_up);
    event(agents);
    let begin = Instant::now();
    std::thread::scope(|scope| {
        let wait = |agent| {
            scope.spawn(move || {
                Publisher::wait_until_caught_up(agent);
                begin.elapsed()
            })
        };
        let waiting: Vec<_> = agents.iter().map(wait).collect();
        waiting
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .inspect(|gap| assert!(*gap < GAP, "{gap:?}"))
            .collect()
    })
}
