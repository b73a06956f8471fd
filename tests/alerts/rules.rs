//! Each rule of the table.

use psistats_hub::alerts::alert::Turn;
use psistats_hub::alerts::rules::{RULES, Severity};

use crate::world::{HOUR, MINUTE, START, World, id};

#[test]
fn a_level_is_raised_after_its_time_and_is_over_beyond_its_margin() {
    for (at, seconds, raised, between, clear) in [
        (r#""cpu_temp":84"#, 300, "n: CPU is at 84 °C", r#""cpu_temp":76"#, r#""cpu_temp":75"#),
        (
            r#""disk":{"/":{"percent":91}}"#,
            60,
            "n: / is 91 % full",
            r#""disk":{"/":{"percent":89}}"#,
            r#""disk":{"/":{"percent":88}}"#,
        ),
        (r#""mem":95"#, 600, "n: memory is 95 % full", r#""mem":86"#, r#""mem":85"#),
        (
            r#""throttled":{"throttled":true}"#,
            300,
            "n: CPU is throttled",
            r#""throttled":{"throttled":null}"#,
            r#""throttled":{"throttled":false}"#,
        ),
        (
            r#""wifi":{"wlan0":{"level":-80}}"#,
            600,
            "n: Wi-Fi signal of wlan0 is -80 dBm",
            r#""wifi":{"wlan0":{"level":-72}}"#,
            r#""wifi":{"wlan0":{"level":-60}}"#,
        ),
        (
            r#""readonly":{"/":{"readonly":true,"errors":1}}"#,
            0,
            "n: / is read-only",
            r#""cpu":1"#,
            r#""readonly":{"/":{"readonly":false,"errors":1}}"#,
        ),
        (
            r#""card":{"mmcblk0":{"life_time":[10,90]}}"#,
            0,
            "n: mmcblk0 has used 90 % of its life",
            r#""cpu":1"#,
            r#""card":{"mmcblk0":{"life_time":[10,20]}}"#,
        ),
        (
            r#""card":{"mmcblk0":{"pre_eol":"urgent"}}"#,
            0,
            "n: mmcblk0 has used most of its reserved blocks",
            r#""card":{"mmcblk0":{"pre_eol":null}}"#,
            r#""card":{"mmcblk0":{"pre_eol":"normal"}}"#,
        ),
    ] {
        let mut world = World::new();
        world.hold(seconds, at);
        assert_eq!(world.texts(), [""; 0], "{at} before its time");
        world.hold(1, at);
        assert_eq!(world.texts(), [raised]);
        world.hold(2 * HOUR, at);
        world.hold(HOUR, between);
        assert_eq!(world.texts(), [""; 0], "{at} is told once");
        world.hold(1, clear);
        assert_eq!(world.texts(), [format!("{raised}: over after {} h", 3)]);
        assert_eq!(world.engine.open(), []);
    }
}

#[test]
fn a_level_that_is_reached_again_and_again_but_not_for_long_is_never_raised() {
    let mut world = World::new();
    world.run(HOUR, |_, second| Some(format!(r#""cpu_temp":{}"#, if second % 290 == 0 { 79 } else { 90 })));
    assert_eq!(world.texts(), [""; 0]);
}

#[test]
fn under_voltage_is_told_at_once_and_stays_until_the_board_was_started_again() {
    let report = |now, since_boot| {
        format!(r#""throttled":{{"under_voltage":{now},"since_boot":{{"under_voltage":{since_boot}}}}}"#)
    };
    let mut world = World::new();
    world.hold(10, &report(false, false));
    world.hold(1, &report(true, true));
    let [raised] = &world.messages()[..] else { panic!("expected one message") };
    assert_eq!((raised.severity, raised.state), (Severity::Critical, Turn::Raised));
    assert_eq!((raised.text.as_str(), raised.since), ("n: Power: under-voltage", raised.at));
    world.run(HOUR, |_, second| Some(report(second % 2 == 0, true)));
    world.hold(HOUR, &report(false, true));
    assert_eq!(world.texts(), [""; 0]);
    assert_eq!(world.engine.open().len(), 1);
    world.hold(1, &report(false, false));
    assert_eq!(world.texts(), ["n: Power: under-voltage: over after 2 h"]);
}

#[test]
fn what_is_acknowledged_is_latched_no_more_and_stays_acknowledged_over_a_restart() {
    let report = |now| {
        format!(r#""throttled":{{"under_voltage":{now},"since_boot":{{"under_voltage":true}}}},"mem":95"#)
    };
    let mut world = World::new();
    world.hold(601, &report(true));
    assert_eq!(world.texts(), ["n: Power: under-voltage", "n: memory is 95 % full"]);
    let ids: Vec<_> = world.engine.open().iter().map(|open| open.message.id()).collect();
    let times: Vec<_> =
        ids.iter().map(|id| world.engine.acknowledge(id, world.now_ms).unwrap().acknowledged).collect();
    assert!(world.engine.acknowledge("0", world.now_ms).is_none());
    world.restart();
    world.hold(HOUR, &report(true));
    assert_eq!(world.texts(), [""; 0]);
    let open = world.engine.open();
    assert_eq!(open.iter().map(|open| open.message.id()).collect::<Vec<_>>(), ids);
    assert_eq!(open.iter().map(|open| open.acknowledged).collect::<Vec<_>>(), times);
    world.hold(1, &report(false));
    let [over] = &world.messages()[..] else { panic!("expected one message") };
    assert_eq!((over.state, over.id()), (Turn::Cleared, ids[0].clone()));
    // Raised again, it is another one.
    world.hold(1, &report(true));
    world.hold(HOUR, &report(false));
    let open = world.engine.open();
    assert_eq!((open[0].acknowledged, open[0].message.id() == ids[0]), (None, false));
    assert_eq!(open[1].acknowledged, times[1]);
}

#[test]
fn a_latched_alert_that_is_clear_is_over_once_it_is_acknowledged() {
    let report =
        |now| format!(r#""throttled":{{"under_voltage":{now},"since_boot":{{"under_voltage":true}}}}"#);
    let mut world = World::new();
    world.hold(1, &report(true));
    world.hold(HOUR, &report(false));
    assert_eq!(world.texts().len(), 1);
    let id = world.engine.open()[0].message.id();
    world.engine.acknowledge(&id, world.now_ms).unwrap();
    world.hold(1, &report(false));
    assert_eq!(world.texts(), ["n: Power: under-voltage: over after 60 min"]);
    assert_eq!(world.engine.open(), []);
}

#[test]
fn a_reboot_while_the_hub_was_down_is_told() {
    let mut world = World::new();
    for number in 1..=10 {
        world.say("n", id(1, number), r#""cpu":1"#);
        world.tick();
    }
    world.restart();
    world.say("n", id(2, 1), r#""cpu":1"#);
    world.run(MINUTE + 1, |_, _| None);
    assert_eq!(world.texts(), ["n: rebooted"]);
}

#[test]
fn a_board_is_lost_after_two_minutes_and_its_figures_say_nothing_meanwhile() {
    let mut world = World::new();
    world.hold(10, r#""cpu_temp":90"#);
    let heard_s = (world.now_ms - 1_000) as f64 / 1000.0;
    world.run(118, |_, _| None);
    assert_eq!(world.texts(), [""; 0]);
    world.run(HOUR, |_, _| None);
    let [lost] = &world.messages()[..] else { panic!("expected one message") };
    assert_eq!((lost.text.as_str(), lost.since, lost.at - lost.since), ("n: not heard", heard_s, 120.0));
    world.hold(1, r#""cpu_temp":40"#);
    assert_eq!(world.texts(), ["n: not heard: over after 62 min"]);
}

#[test]
fn a_reboot_is_one_notice_and_three_within_an_hour_are_a_warning() {
    let mut world = World::new();
    let boot = |world: &mut World, boot| {
        for number in 1..=700 {
            world.say("n", id(boot, number), r#""cpu":1"#);
            world.tick();
        }
        world.texts()
    };
    assert_eq!(boot(&mut world, 1), [""; 0]);
    assert_eq!(boot(&mut world, 2), ["n: rebooted"]);
    assert_eq!(boot(&mut world, 3), ["n: rebooted"]);
    assert_eq!(boot(&mut world, 4), ["n: rebooted 3 times within an hour", "n: rebooted"]);
    // From then on it flaps: the warning is enough.
    assert_eq!(boot(&mut world, 5), [""; 0]);
}

#[test]
fn two_boards_of_one_name_are_told_once() {
    let mut world = World::new();
    for number in 1..=120 {
        world.say("n", id(1, number), r#""cpu":1"#);
        world.say("n", id(2, number), r#""cpu":2"#);
        world.tick();
    }
    let texts = world.texts();
    assert_eq!(texts.iter().filter(|text| *text == "n: two boards have this name").count(), 1, "{texts:?}");
}

#[test]
fn a_figure_that_was_there_and_is_null_is_missing_and_one_that_never_was_is_not() {
    let mut world = World::new();
    world.hold(60, r#""cpu_temp":50,"swap":null"#);
    world.hold(601, r#""cpu_temp":null,"swap":null"#);
    assert_eq!(world.texts(), ["n: cpu_temp is missing"]);
    world.hold(3 * HOUR, r#""cpu_temp":null"#);
    assert_eq!(world.texts(), [""; 0]);
    world.hold(1, r#""cpu_temp":50"#);
    assert_eq!(world.texts().len(), 1);
}

#[test]
fn an_uptime_that_stands_still_is_told_but_not_one_that_is_seldom_reported() {
    let mut world = World::new();
    world.hold(602, r#""uptime":5000.5"#);
    assert_eq!(world.texts(), ["n: uptime stands still at 5000: the agent repeats itself"]);
    let mut world = World::new();
    world.run(HOUR, |_, second| {
        Some(if second % 1_000 == 0 { format!(r#""uptime":{second}"#) } else { String::new() })
    });
    assert_eq!(world.texts(), [""; 0]);
}

#[test]
fn a_clock_that_is_off_is_told_in_either_direction() {
    for (ahead_ms, text) in [(3_000, "n: clock is 3.0 s ahead"), (-3_000, "n: clock is 3.0 s behind")] {
        let mut world = World::new();
        for _ in 0..310 {
            let body = r#"{"hostname":"n","cpu":1}"#.into();
            let source = psistats_hub::fleet::Source::Amqp;
            let sampled_ms = Some(world.now_ms + ahead_ms);
            let heard = psistats_hub::fleet::Heard { source, peer: None, id: None, sampled_ms, body };
            world.fleet.take(&heard, world.now_ms).unwrap();
            world.tick();
        }
        assert_eq!(world.texts(), [text]);
    }
}

#[test]
fn a_disk_that_fills_steadily_is_told_before_it_is_full() {
    let mut world = World::new();
    world.run(6 * HOUR, |_, second| {
        let percent = 30.0 + 3.0 * second as f64 / HOUR as f64;
        (second % MINUTE == 0).then(|| format!(r#""disk":{{"/":{{"percent":{percent:.1}}}}}"#))
    });
    let messages = world.messages();
    let [message] = &messages[..] else { panic!("{messages:?}") };
    assert_eq!((message.alert.as_str(), message.series.as_deref()), ("disk-filling", Some("disk./.percent")));
}

#[test]
fn in_the_first_minute_nothing_is_told_and_then_what_is_still_so() {
    let mut world = World::starting(RULES.to_vec());
    world.hold(30, r#""readonly":{"/":{"readonly":true},"/a":{"readonly":true}}"#);
    world.hold(29, r#""readonly":{"/":{"readonly":true},"/a":{"readonly":false}}"#);
    assert_eq!(world.texts(), [""; 0]);
    world.hold(1, r#""readonly":{"/":{"readonly":true},"/a":{"readonly":false}}"#);
    assert_eq!(world.texts(), ["n: / is read-only"]);
    assert_eq!(world.now_ms, START + 60_000);
}

#[test]
fn after_the_hubs_clock_was_set_it_waits_as_after_a_start() {
    let mut world = World::new();
    world.hold(10, r#""cpu":1"#);
    world.now_ms += 50 * HOUR * 1000;
    world.tick();
    world.hold(200, r#""cpu":1"#);
    assert_eq!(world.texts(), [""; 0], "nothing is lost because the hub has found out the time");
}

#[test]
fn what_is_raised_stays_so_over_a_restart_and_is_told_when_it_is_over() {
    let mut world = World::new();
    world.hold(1, r#""readonly":{"/":{"readonly":true}}"#);
    assert_eq!(world.texts().len(), 1);
    let open = world.engine.open();
    world.restart();
    assert_eq!(world.engine.open()[0].message.id(), open[0].message.id());
    world.hold(600, r#""readonly":{"/":{"readonly":true}}"#);
    assert_eq!(world.texts(), [""; 0]);
    assert_eq!(world.engine.open()[0].message.since, open[0].message.since);
    world.hold(1, r#""readonly":{"/":{"readonly":false}}"#);
    let [over] = &world.messages()[..] else { panic!("expected one message") };
    assert!(over.is_about(&open[0].message) && over.state == Turn::Cleared, "{over:?}");
}
