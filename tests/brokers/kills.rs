//! The agent and a broker that dies again and again.

use std::thread;
use std::time::{Duration, Instant};

use support::broker::Broker;

use crate::agents::{Kind, Publisher};

/// How often, where PSISTATS_KILLS does not say it. Each takes some 5 s, most of it the broker's start.
const KILLS: u32 = 10;

#[test]
#[ignore = "needs RabbitMQ: tests/run --brokers"]
fn of_reports_every_50_ms_none_is_lost_however_often_the_broker_is_killed() {
    let kills = std::env::var("PSISTATS_KILLS").map_or(KILLS, |text| text.parse().expect("PSISTATS_KILLS"));
    let broker = Broker::bare(&[]);
    let agent = Publisher::start_every(&broker, Kind::Durable, "0.05");
    let begin = Instant::now();
    for n in 1..=kills {
        // Anywhere between two reports, and not always soon after the previous outage.
        thread::sleep(Duration::from_millis(u64::from(n * 7919 % 500)));
        broker.kill();
        broker.restart();
        agent.wait_until_caught_up();
        if n % 10 == 0 {
            eprintln!("{n} kills in {} s", begin.elapsed().as_secs());
        }
    }
    let counted = agent.stop();
    let (lost, twice) = (counted.lost(), counted.twice());
    println!(
        "{kills} kills in {} s: of {} reports {lost} lost, {twice} twice",
        begin.elapsed().as_secs(),
        counted.sampled()
    );
    assert_eq!(lost, 0);
}
