//! What the hub confirms outlives it: a stop, a kill, and an outage during which boards keep their reports.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::hub::{Hub, assert_complete, end, number, own_name};
use support::PATIENCE;
use support::agent::{Agent, Config};
use support::master::python;
use support::process::Process;
use support::reports::Counters;

fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis().try_into().unwrap()
}

/// Publishes reports of `board` by pika, each once the one before is confirmed: number, age in seconds, cpu.
pub fn publish(hub: &Hub, board: &str, reports: &[(u32, i64, f64)]) -> Process {
    let reports: Vec<_> = reports
        .iter()
        .map(|(number, age, cpu)| format!("({number}, {}, {cpu})", now_ms() / 1000 - age))
        .collect();
    let process = python(&format!(
        "import pika
p = pika.ConnectionParameters('127.0.0.1', {}, credentials=pika.PlainCredentials('guest', 'guest'))
c = pika.BlockingConnection(p).channel()
c.confirm_delivery()
for number, at, cpu in [{}]:
    body = json.dumps({{'hostname': '{board}', 'cpu': cpu, 'board': {{'model': 'Pi'}}}})
    c.basic_publish('', 'x', body, pika.BasicProperties(message_id='no-boot-id-1f-%d' % number, timestamp=at))
print('confirmed')",
        hub.amqp,
        reports.join(", ")
    ));
    process.wait_for_line("confirmed", PATIENCE);
    process
}

fn column<'v>(history: &'v Value, name: &str) -> Vec<&'v Value> {
    history[name].as_array().unwrap().iter().collect()
}

#[test]
#[ignore = "needs python3-pika: tests/run"]
fn what_was_confirmed_is_there_after_a_kill_and_comes_no_second_time() {
    let mut hub = Hub::start("self=no");
    publish(&hub, "pi", &[(1, 30, 1.0), (2, 29, 2.0), (4, 27, 4.0)]);
    hub.kill();
    hub.start_again();
    let board = hub.json("/api/v1/hosts/pi");
    assert_eq!((&board["reports"], &board["lost"]), (&3.into(), &1.into()), "{board}");
    let history = hub.json("/api/v1/hosts/pi/history?series=cpu");
    assert_eq!(column(&history, "avg").into_iter().filter(|avg| avg.is_number()).count(), 3, "{history}");
    publish(&hub, "pi", &[(4, 27, 4.0), (3, 28, 3.0), (5, 26, 5.0)]);
    let board = hub.json("/api/v1/hosts/pi");
    assert_eq!((&board["reports"], &board["lost"], &board["duplicates"]), (&5.into(), &0.into(), &1.into()));
    assert_eq!(board["values"]["cpu"], 5.0);
}

#[test]
#[ignore = "needs python3-pika: tests/run"]
fn a_board_that_is_not_heard_any_more_is_still_shown_after_a_restart_with_what_it_said_last() {
    let mut hub = Hub::start("self=no");
    publish(&hub, "pi", &[(1, 0, 50.0)]);
    let before = hub.json("/api/v1/hosts/pi");
    hub.stop();
    hub.start_again();
    let after = hub.json("/api/v1/hosts/pi");
    for key in ["values", "model", "heard", "first_heard", "reports", "source", "address", "state"] {
        assert_eq!(after[key], before[key], "{key}");
    }
    assert_eq!((&after["values"]["cpu"], &after["model"]), (&50.into(), &"Pi".into()));
    let lost = hub.wait_for("pi", |board| board["state"] == "lost");
    assert_eq!((&lost["since"], &lost["why"]), (&before["heard"], &"not heard".into()));
}

#[test]
#[ignore = "needs python3-pika: tests/run"]
fn a_history_of_more_than_an_hour_is_of_minutes() {
    let hub = Hub::start("self=no");
    publish(&hub, "pi", &[(1, 7_200, 10.0), (2, 7_195, 20.0), (3, 0, 5.0)]);
    let from = now_ms() / 1000 - 7_500;
    let history = hub.json(&format!("/api/v1/hosts/pi/history?series=cpu&from={from}&points=2000"));
    assert_eq!((&history["tier"], &history["step"]), (&"minute".into(), &60.into()));
    let known = column(&history, "avg").into_iter().filter(|avg| avg.is_number());
    let known: Vec<_> = known.map(|avg| avg.as_f64().unwrap()).collect();
    // Two minutes, where a minute began between the first two.
    assert!(known == [15.0, 5.0] || known == [10.0, 20.0, 5.0], "{known:?}");
    let board = hub.json("/api/v1/hosts/pi");
    let filled = &board["filled"].as_array().unwrap()[0];
    assert_eq!(filled["to"].as_f64().unwrap() - filled["from"].as_f64().unwrap(), 5.0, "{board}");
}

#[test]
fn an_outage_of_the_hub_is_filled_by_what_the_boards_kept() {
    let mut hub = Hub::start("self=no");
    let _agent = Agent::start(&Config::new(hub.amqp, "/").set("app", "primary_timer", "0.5"), &[]);
    hub.wait_for(&own_name(), |board| board["reports"].as_u64() >= Some(4));
    hub.kill();
    // Reports that come later than ten seconds are told as filled in.
    std::thread::sleep(Duration::from_secs(12));
    hub.start_again();
    let is_filled = |board: &Value| {
        !board["filled"].as_array().unwrap().is_empty() && board["reports"].as_u64() >= Some(32)
    };
    let board = hub.wait_for(&own_name(), is_filled);
    assert_eq!((&board["lost"], &board["duplicates"]), (&0.into(), &0.into()), "{board}");
    let history = hub.json(&format!("/api/v1/hosts/{}/history?series=cpu&points=2000", own_name()));
    assert!(column(&history, "avg").iter().all(|avg| avg.is_number()), "{history}");
    let t: Vec<_> = column(&history, "t").into_iter().map(|t| t.as_f64().unwrap()).collect();
    // To the millisecond: AMQP's timestamp is one of whole seconds.
    assert!(t.len() >= 30 && t.windows(2).all(|pair| pair[1] - pair[0] < 2.0), "{t:?}");
    assert!(t.iter().any(|t| t.fract() != 0.0), "{t:?}");
}

#[test]
#[ignore = "needs root and python3-pika: tests/run"]
fn while_the_disk_is_full_nothing_is_confirmed_boards_are_asked_to_wait_and_afterwards_nothing_is_missing() {
    let hub = Hub::on_a_small_disk();
    let mut agent = Agent::start(&Config::new(hub.amqp, "/").set("app", "primary_timer", "0.25"), &[]);
    hub.wait_for(&own_name(), |board| board["reports"].as_u64() >= Some(4));
    let filler = hub.disk().join("filler");
    let mut file = std::fs::File::create(&filler).unwrap();
    std::io::copy(&mut std::io::repeat(7), &mut file).unwrap_err();
    drop(file);
    // What fills the room that is left, and then the memory. It waits when it is asked to.
    let flood = python(&format!(
        "import pika, random
p = pika.ConnectionParameters('127.0.0.1', {}, credentials=pika.PlainCredentials('guest', 'guest'))
connection = pika.BlockingConnection(p)
c = connection.channel()
bodies = [json.dumps({{'hostname': 'flood', **{{'k%d' % n: random.random() for n in range(400)}}}}) for _ in range(50)]
while True:
    for body in bodies: c.basic_publish('', 'x', body)
    connection.process_data_events(0)",
        hub.amqp
    ));
    hub.process.wait_for_line("cannot write to the history's journal", PATIENCE);
    hub.process.wait_for_line("the disk does not keep up", PATIENCE);
    agent.wait_for_line("accepts no reports", PATIENCE);
    drop(flood);
    std::fs::remove_file(&filler).unwrap();
    hub.process.wait_for_line("the history's journal works again", PATIENCE);
    hub.process.wait_for_line("the disk keeps up with the reports again", PATIENCE);
    let seen = Counters::wait_for(&agent, |_| true);
    Counters::wait_for(&agent, |counters| counters.confirmed > seen.sampled);
    assert!(agent.stop().success());
    let counters = Counters::last(&agent.lines()).unwrap();
    let board = hub.json(&format!("/api/v1/hosts/{}", own_name()));
    assert_eq!((counters.dropped, &board["lost"]), (0, &0.into()), "{counters:?}");
    assert!(board["reports"].as_u64() >= Some(counters.confirmed), "{board}, {counters:?}");
}

#[test]
fn a_folder_is_for_one_hub_alone() {
    let hub = Hub::start("");
    let mut second = hub.beside();
    second.wait_for_line("is in use by process", PATIENCE);
    assert_eq!(second.wait(PATIENCE).code(), Some(1));
}

/// `PSISTATS_TEST_KILLS=100 PSISTATS_TEST_AGENTS=50` is what was recorded.
#[test]
fn however_often_the_hub_is_killed_each_report_is_in_its_history_once() {
    let mut hub = Hub::start("self=no\nchasar=no");
    let (kills, count) = (number("PSISTATS_TEST_KILLS", 6), number("PSISTATS_TEST_AGENTS", 8));
    let config = Config::new(hub.amqp, "/").set("app", "primary_timer", "0.25");
    // Each kind of connection, and messages of one report and of several.
    let each = config.clone().set("server", "connect", "each").set("queue", "declare", "no");
    let kinds = [
        config.clone(),
        config.set("message", "batch", "3"),
        each.clone(),
        each.set("message", "batch", "2"),
    ];
    let agents: Vec<_> =
        (0..count).map(|n| Agent::on_board(&format!("pi-{n}"), &kinds[n as usize % 4])).collect();
    let reports = |hub: &Hub| hub.json("/api/v1/hub")["reports"].as_u64().unwrap();
    for _ in 0..kills {
        // New ones, and some of them confirmed.
        hub.wait_until(|hub| reports(hub) >= u64::from(count) * 4);
        hub.kill();
        hub.start_again();
    }
    hub.wait_until(|hub| hub.json("/api/v1/hosts")["hosts"].as_array().unwrap().len() == count as usize);
    hub.wait_until(|hub| reports(hub) >= u64::from(count) * 4);
    let confirmed = end(agents);
    hub.stop();
    assert_complete(&hub, &confirmed);
}
