//! What the rules cost where nothing is the matter: `cargo test --release -p psistats-hub --test alerts cost -- --nocapture`.

use std::time::Instant;

use crate::world::World;

const BOARDS: usize = 10_000;
const TICKS: u32 = 30;

#[test]
fn a_second_of_ten_thousand_boards_takes_a_hundredth_of_it() {
    let body = r#""cpu":5.5,"mem":40,"cpu_temp":50,"uptime":9,"swap":0,"disk":{"/":{"percent":40}},"load":[1,1,1],
        "readonly":{"/":{"readonly":false}},"throttled":{"under_voltage":false,"throttled":false,
        "soft_temperature_limit":false},"wifi":{"wlan0":{"level":-50}}"#;
    let mut world = World::new();
    for n in 0..BOARDS {
        world.say(&format!("pi-{n:05}"), None, body);
    }
    world.tick();
    let begin = Instant::now();
    for _ in 0..TICKS {
        world.engine.tick(&world.fleet, world.now_ms);
    }
    let tick = begin.elapsed() / TICKS;
    println!("{BOARDS} boards: {tick:?} a tick");
    assert!(tick.as_millis() < 100, "{tick:?}");
}
