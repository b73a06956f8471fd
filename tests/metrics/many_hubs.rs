//! Three hubs behind a consistent-hash exchange of RabbitMQ, which write to one Prometheus.

use std::collections::BTreeMap;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use support::PATIENCE;
use support::agent::{Agent, Config};
use support::broker::Broker;
use support::process::Process;
use support::reports::Counters;

use crate::hub::Hub;
use crate::master::free_port;
use crate::prometheus::Prometheus;

const HUBS: usize = 3;
/// A hub that comes back after some time sends what is older than what another sent meanwhile.
const OUT_OF_ORDER: &str = "storage: {tsdb: {out_of_order_time_window: 1h}}";

/// Twelve boards, by pika: each report is confirmed before the next. After SIGTERM it says how many each of them sent.
const BOARDS: &str = "
import json, pika, signal, sys, time
stopping = []
signal.signal(signal.SIGTERM, lambda *_: stopping.append(1))
c = pika.BlockingConnection(pika.ConnectionParameters('127.0.0.1', int(sys.argv[1]), sys.argv[2])).channel()
c.confirm_delivery()
sent = {f'board-{n}': 0 for n in range(12)}
while not stopping:
    for board in sent:
        body = json.dumps({'hostname': board, 'ts': time.time(), 'n': sent[board] + 1})
        c.basic_publish('psistats', board, body, pika.BasicProperties(delivery_mode=2), mandatory=True)
        sent[board] += 1
    time.sleep(0.1)
print('sent', json.dumps(sent), flush=True)
";

/// With a queue of its own, and on standby for those of the others.
fn hub(number: usize, broker: &Broker, vhost: &str, receiver: u16) -> Hub {
    let others: Vec<_> = (0..HUBS).filter(|n| *n != number).map(|n| format!("hub-{n}")).collect();
    let (port, others) = (broker.port, others.join(","));
    Hub::start(&format!(
        "self=no\nchasar=no\namqp=no\n[rabbitmq]\nurl=amqp://guest@127.0.0.1:{port}/{vhost}\nqueue=hub-{number}\n\
         standby={others}\nexchange_type=x-consistent-hash\nexchange_durable=yes\nkey=1\n\
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

#[test]
#[ignore = "needs RabbitMQ, prometheus and python3-pika: tests/run"]
fn a_hub_that_is_killed_leaves_its_share_to_the_others_and_the_receiver_gets_all_that_was_confirmed() {
    let (broker, receiver) = (Broker::shared(), free_port());
    let vhost = broker.vhost();
    let prometheus = Prometheus::at(receiver, OUT_OF_ORDER);
    let mut hubs: Vec<_> = (0..HUBS).map(|number| hub(number, &broker, &vhost, receiver)).collect();
    for (number, hub) in hubs.iter().enumerate() {
        hub.process.wait_for_line(&format!("consuming from queue \"hub-{number}\""), PATIENCE);
    }
    let mut python = Command::new("/usr/bin/python3");
    let pika = Process::start(python.args(["-c", BOARDS, &broker.port.to_string(), &vhost]));
    let config = Config::new(broker.port, &vhost)
        .set("exchange", "type", "x-consistent-hash")
        .set("exchange", "durable", "yes")
        .set("queue", "declare", "no")
        .set("exchange", "routing_key", "{hostname}")
        .set("message", "persistent", "yes");
    let mut agent = Agent::on_board("agent", &config);
    for hub in &hubs {
        hub.wait_until(|hub| boards(hub).values().any(|reports| *reports > 20));
    }
    let shares: Vec<_> = hubs.iter().map(boards).collect();
    let all: BTreeMap<_, _> = shares.iter().flatten().collect();
    assert_eq!((all.len(), shares.iter().map(BTreeMap::len).sum()), (13, 13), "{shares:?}");
    // The broker knows of all consumers by then.
    for (hub, number) in hubs.iter().zip(0..HUBS) {
        for other in (0..HUBS).filter(|other| *other != number) {
            hub.process.wait_for_line(&format!("on standby for queue \"hub-{other}\""), PATIENCE);
        }
    }

    hubs[0].kill();
    let has_moved = |board: &String| hubs[1..].iter().any(|hub| boards(hub).get(board) > Some(&20));
    let deadline = Instant::now() + PATIENCE;
    while !shares[0].keys().all(has_moved) {
        assert!(Instant::now() < deadline, "{:?} {:?} {:?}", shares[0], boards(&hubs[1]), boards(&hubs[2]));
        thread::sleep(Duration::from_millis(100));
    }
    // What it had on its disk is sent then.
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
