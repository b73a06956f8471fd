//! Three hubs behind a consistent-hash exchange of a RabbitMQ of three nodes, which write to one Prometheus.

use std::collections::BTreeMap;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::Value;
use support::PATIENCE;
use support::agent::{Agent, Config};
use support::broker::Broker;
use support::process::Process;
use support::reports::Counters;

use crate::hub::Hub;
use crate::master::free_port;
use crate::prometheus::{OUT_OF_ORDER, Prometheus};

const HUBS: usize = 3;

/// Twelve boards, by pika: each report is confirmed before the next, by another node where one is gone. After SIGTERM it
/// says how many each of them sent.
const BOARDS: &str = "
import json, pika, signal, sys, time
stopping, nodes, channel = [], sys.argv[1:], None
signal.signal(signal.SIGTERM, lambda *_: stopping.append(1))
def publish(board, body):
    global channel
    while True:
        try:
            if channel is None:
                node = pika.ConnectionParameters('127.0.0.1', int(nodes[0]))
                channel = pika.BlockingConnection(node).channel()
                channel.confirm_delivery()
            return channel.basic_publish('psistats', board, body, pika.BasicProperties(delivery_mode=2), mandatory=True)
        except (pika.exceptions.AMQPError, OSError):
            nodes.append(nodes.pop(0))
            channel = None
            time.sleep(0.1)
sent = {f'board-{n}': 0 for n in range(12)}
while not stopping:
    for board in sent:
        publish(board, json.dumps({'hostname': board, 'ts': time.time(), 'n': sent[board] + 1}))
        sent[board] += 1
    time.sleep(0.1)
print('sent', json.dumps(sent), flush=True)
";

/// With a queue of its own, and on standby for those of the others.
fn hub(number: usize, nodes: &[Broker], receiver: u16) -> Hub {
    let others: Vec<_> = (0..HUBS).filter(|n| *n != number).map(|n| format!("hub-{n}")).collect();
    let mut hosts: Vec<_> = nodes.iter().map(|node| format!("127.0.0.1:{}", node.port)).collect();
    hosts.rotate_left(number);
    let (hosts, others) = (hosts.join(","), others.join(","));
    Hub::start(&format!(
        "self=no\nchasar=no\namqp=no\n[rabbitmq]\nurl=amqp://guest@{hosts}\nqueue=hub-{number}\nstandby={others}\n\
         exchange_type=x-consistent-hash\nexchange_durable=yes\nkey=1\n\
         [remote_write]\nurl=http://127.0.0.1:{receiver}/api/v1/write\ninterval=1"
    ))
}

/// How many reports each board has sent, by a hub's count.
fn boards(hub: &Hub) -> BTreeMap<String, u64> {
    let hosts = hub.json("/api/v1/hosts");
    let names = hosts["hosts"].as_array().unwrap().iter().map(|host| host["name"].as_str().unwrap());
    let reports = |name: &str| hub.json(&format!("/api/v1/hosts/{name}"))["reports"].as_u64().unwrap();
    names.map(|name| (name.to_owned(), reports(name))).collect()
}

/// Three nodes.
fn cluster() -> Vec<Broker> {
    let first = Broker::private(&[]);
    let others = thread::scope(|scope| {
        [(); 2].map(|()| scope.spawn(|| Broker::joining(&first, &[]))).map(|node| node.join().unwrap())
    });
    [first].into_iter().chain(others).collect()
}

/// Until each of these boards has sent so many reports more than `before` to one of these hubs.
fn wait_for_more(hubs: &[Hub], boards_of: &BTreeMap<String, u64>, more: u64) {
    let before: Vec<_> = hubs.iter().map(boards).collect();
    let deadline = Instant::now() + PATIENCE;
    loop {
        let now: Vec<_> = hubs.iter().map(boards).collect();
        let has_more = |board: &String| {
            let mut counts = now.iter().zip(&before);
            counts.any(|(now, before)| now.get(board) > Some(&(before.get(board).unwrap_or(&0) + more)))
        };
        if boards_of.keys().all(has_more) {
            return;
        }
        let lines = || hubs.iter().map(|hub| hub.process.lines()).collect::<Vec<_>>();
        assert!(Instant::now() < deadline, "{now:?} after {before:?}: {:#?}", lines());
        thread::sleep(Duration::from_millis(100));
    }
}

#[test]
#[ignore = "needs RabbitMQ, prometheus and python3-pika: tests/run"]
fn hub_and_node_that_are_killed_leave_their_share_to_others_and_the_receiver_gets_all_that_was_confirmed() {
    let (nodes, receiver) = (cluster(), free_port());
    // A hub that comes back after some time sends what is older than what another sent meanwhile.
    let mut prometheus = Prometheus::at(receiver, OUT_OF_ORDER);
    let mut hubs: Vec<_> = (0..HUBS).map(|number| hub(number, &nodes, receiver)).collect();
    for (number, hub) in hubs.iter().enumerate() {
        hub.process.wait_for_line(&format!("consuming from queue \"hub-{number}\""), PATIENCE);
    }
    let ports: Vec<_> = nodes.iter().map(|node| node.port.to_string()).collect();
    let mut python = Command::new("/usr/bin/python3");
    let pika = Process::start(python.args(["-c", BOARDS]).args(&ports));
    let config = Config::new(nodes[1].port, "/")
        .set("server", "host", format!("127.0.0.1:{},127.0.0.1:{}", ports[1], ports[2]))
        .set("exchange", "type", "x-consistent-hash")
        .set("exchange", "durable", "yes")
        .set("exchange", "routing_key", "{hostname}")
        .set("queue", "declare", "no")
        .set("message", "persistent", "yes");
    let mut agent = Agent::on_board("agent", &config);
    hubs[0].wait_until(|_| hubs.iter().map(|hub| boards(hub).len()).sum::<usize>() >= 13);
    // The broker knows of all consumers by then.
    for (hub, number) in hubs.iter().zip(0..HUBS) {
        for other in (0..HUBS).filter(|other| *other != number) {
            hub.process.wait_for_line(&format!("on standby for queue \"hub-{other}\""), PATIENCE);
        }
    }
    let shares: Vec<_> = hubs.iter().map(boards).collect();
    let all: BTreeMap<_, _> = shares.iter().flatten().map(|(board, count)| (board.clone(), *count)).collect();
    assert_eq!((all.len(), shares.iter().map(BTreeMap::len).sum()), (13, 13), "{shares:?}");

    // What the first hub confirms last is on its disk alone.
    prometheus.kill();
    wait_for_more(&hubs[..1], &shares[0], 20);
    hubs[0].kill();
    prometheus.restart();
    wait_for_more(&hubs[1..], &shares[0], 20);
    let source = |hub: &Hub, board: &str| {
        let (status, board) = hub.get(&format!("/api/v1/hosts/{board}"));
        (status == 200).then(|| serde_json::from_str::<Value>(&board).unwrap()["source"].clone())
    };
    for board in shares[0].keys() {
        let sources: Vec<_> = hubs[1..].iter().filter_map(|hub| source(hub, board)).collect();
        assert_eq!(sources, ["standby"], "{board}");
    }
    nodes[1].kill();
    wait_for_more(&hubs[1..], &all, 20);
    hubs[0].start_again();

    assert_eq!(agent.stop().code(), Some(0));
    let of_agent = Counters::last(&agent.lines()).unwrap();
    assert_eq!(of_agent.dropped, 0, "{of_agent:?}");
    pika.signal(Signal::SIGTERM);
    let line = pika.wait_for_line("sent {", PATIENCE);
    let sent: BTreeMap<String, usize> = serde_json::from_str(line.strip_prefix("sent ").unwrap()).unwrap();
    for (board, count) in &sent {
        let series = format!("psistats_figure{{instance='{board}',path='n'}}");
        let samples = prometheus.wait_for_samples(&series, *count, &hubs[0]);
        let numbers: Vec<_> = samples.iter().map(|(_, number)| *number as usize).collect();
        assert_eq!(numbers, (1..=*count).collect::<Vec<_>>(), "{board}");
    }
    let series = "psistats_memory_used_ratio{instance='agent'}";
    prometheus.wait_for_samples(series, of_agent.confirmed as usize, &hubs[0]);
}
