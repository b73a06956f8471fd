//! Many boards, and boards that come and go.

use psistats_hub::alerts::alert::Turn;

use crate::world::{HOUR, World};

/// Lets these boards report for so many seconds.
fn heard(world: &mut World, boards: std::ops::Range<usize>, seconds: i64) {
    for _ in 0..seconds {
        boards.clone().for_each(|n| world.say(&format!("pi-{n:02}"), None, r#""cpu":1"#));
        world.tick();
    }
}

#[test]
fn boards_that_are_lost_at_once_are_one_message_and_so_is_their_return() {
    let mut world = World::new();
    heard(&mut world, 0..20, 30);
    heard(&mut world, 0..8, 2 * HOUR);
    assert_eq!(world.texts(), ["12 of 20 boards are not heard any more"]);
    assert_eq!(world.engine.open().iter().filter(|open| !open.is_covered).count(), 1);
    heard(&mut world, 0..20, HOUR);
    let messages = world.messages();
    let [over] = &messages[..] else { panic!("{messages:?}") };
    assert_eq!((over.alert.as_str(), over.state, &over.board), ("intake-lost", Turn::Cleared, &None));
    assert_eq!(world.engine.open(), []);
}

#[test]
fn boards_that_do_not_come_back_with_the_others_are_told_by_name() {
    let mut world = World::new();
    heard(&mut world, 0..10, 30);
    heard(&mut world, 0..1, 600);
    assert_eq!(world.texts(), ["9 of 10 boards are not heard any more"]);
    heard(&mut world, 0..8, 60);
    assert_eq!(world.texts().len(), 1);
    heard(&mut world, 0..8, 300);
    let mut texts = world.texts();
    texts.sort();
    assert_eq!(texts, ["pi-08: not heard", "pi-09: not heard"]);
}

#[test]
fn few_boards_that_are_lost_are_told_by_name() {
    let mut world = World::new();
    heard(&mut world, 0..20, 30);
    heard(&mut world, 0..17, 600);
    let mut texts = world.texts();
    texts.sort();
    assert_eq!(texts, ["pi-17: not heard", "pi-18: not heard", "pi-19: not heard"]);
}

#[test]
fn what_is_lost_at_once_stays_one_message_over_a_restart_of_the_hub() {
    let mut world = World::new();
    heard(&mut world, 0..5, 30);
    heard(&mut world, 0..1, 600);
    assert_eq!(world.texts().len(), 1);
    world.restart();
    heard(&mut world, 0..1, 600);
    assert_eq!(world.texts(), [""; 0]);
    heard(&mut world, 0..5, 600);
    assert_eq!(world.texts().len(), 1);
}

#[test]
fn boards_have_the_whole_time_from_a_restart_of_the_hub_on() {
    let mut world = World::new();
    heard(&mut world, 0..2, 30);
    world.restart();
    heard(&mut world, 0..1, 118);
    assert_eq!(world.texts(), [""; 0]);
    heard(&mut world, 0..1, 10);
    assert_eq!(world.texts(), ["pi-01: not heard"]);
}

/// A board that is gone for 130 seconds and there for as many, all day.
#[test]
fn a_board_that_comes_and_goes_all_day_causes_a_handful_of_messages() {
    let mut world = World::new();
    world.run(24 * HOUR, |_, second| (second % 260 < 130).then(|| r#""cpu":1"#.to_owned()));
    let messages = world.messages();
    println!("{} messages of {} losses", messages.len(), 24 * HOUR / 260);
    assert!((1..=10).contains(&messages.len()), "{:?}", messages.len());
    assert_eq!(world.engine.open().len(), 1, "it is told as lost as long as it flaps");
    world.hold(3 * HOUR, r#""cpu":1"#);
    assert_eq!(world.messages().len(), 1);
    assert_eq!(world.engine.open(), []);
}

#[test]
fn a_board_that_is_away_for_less_than_two_minutes_is_never_told() {
    let mut world = World::new();
    world.run(24 * HOUR, |_, second| (second % 130 < 20).then(|| r#""cpu":1"#.to_owned()));
    assert_eq!(world.texts(), [""; 0]);
}
