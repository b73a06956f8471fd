//! Which reports came: reboots, restarts, losses, duplicates, conflicts.

use std::collections::BTreeSet;

use proptest::collection::vec;
use proptest::prelude::*;
use psistats_hub::fleet::{Heard, MessageId, Roster, Turn, Value};

use crate::{START, fleet, heard, json, numbered, take, value};

fn id(number: u64) -> Option<MessageId> {
    Some(MessageId { boot: 1, start: 1, number })
}

proptest! {
    #[test]
    fn each_number_counts_once_and_what_has_not_come_is_lost(
        first in 1..50_u64,
        numbers in vec(1..60_u64, 0..200),
    ) {
        let mut roster = Roster::default();
        roster.note(id(first), None, 0, 0);
        let mut came = BTreeSet::from([first]);
        let (mut duplicates, mut late) = (0, 0);
        for number in numbers {
            let expected = match came.insert(number) {
                false => Turn::Duplicate,
                true if came.last() == Some(&number) => Turn::New,
                true => Turn::Late,
            };
            duplicates += u64::from(expected == Turn::Duplicate);
            late += u64::from(expected == Turn::Late);
            prop_assert_eq!(roster.note(id(number), None, 0, 0), expected, "{}", number);
        }
        // Before the first one the hub did not listen.
        let lost = (first..*came.last().unwrap()).filter(|number| !came.contains(number)).count() as u64;
        prop_assert_eq!((roster.reports, roster.lost), (came.len() as u64, lost));
        prop_assert_eq!((roster.duplicates, roster.late), (duplicates, late));
    }

    #[test]
    fn no_ids_can_confuse_it_or_make_it_grow(ids in vec((0..3_u128, 0..4_u128, any::<u64>()), 0..300)) {
        let mut roster = Roster::default();
        for (boot, start, number) in ids {
            roster.note(Some(MessageId { boot, start, number }), None, START, START);
        }
        prop_assert!(serde_json::to_vec(&roster).unwrap().len() < 40_000);
        roster.conflict(START);
    }
}

#[test]
fn it_is_the_same_after_it_was_written_and_read_again() {
    let mut roster = Roster::default();
    for number in [5, 9, 7] {
        roster.note(id(number), None, 0, 0);
    }
    let mut again: Roster = serde_json::from_str(&serde_json::to_string(&roster).unwrap()).unwrap();
    for (number, turn) in [(5, Turn::Duplicate), (6, Turn::Late), (7, Turn::Duplicate), (10, Turn::New)] {
        assert_eq!(again.note(id(number), None, 0, 0), turn, "{number}");
    }
    assert_eq!((again.reports, again.lost, again.late), (5, 1, 2));
}

#[test]
fn a_confirmed_report_that_comes_again_after_a_restart_of_the_hub_is_a_duplicate() {
    let mut before = fleet();
    take(&mut before, &numbered(1, 1, 7, START), START);
    let mut after = fleet();
    for (name, note) in before.notes(START, 10, true) {
        assert!(after.restore(&name, &note));
    }
    after.open(START + 9_000);
    assert_eq!(take(&mut after, &numbered(1, 1, 7, START), START + 9_000), Turn::Duplicate);
    assert_eq!(take(&mut after, &numbered(1, 1, 8, START + 1_000), START + 9_000), Turn::New);
}

#[test]
fn a_duplicate_changes_no_value_and_gives_the_store_nothing() {
    let mut fleet = fleet();
    take(&mut fleet, &numbered(1, 1, 1, START), START);
    let again = Heard { body: r#"{"hostname":"pi-1","cpu":99}"#.into(), ..numbered(1, 1, 1, START) };
    let taken = fleet.take(&again, START + 5).unwrap();
    assert_eq!((taken.turn, taken.samples().count()), (Turn::Duplicate, 0));
    assert_eq!(value(&fleet, "pi-1", "cpu"), Some(Value::Number(1.5)));
    assert_eq!(fleet.counters().duplicates, 1);
    assert_eq!(fleet.board("pi-1").unwrap().heard_ms, START + 5);
}

#[test]
fn a_late_report_gives_its_samples_at_its_time_and_changes_no_present_value() {
    let mut fleet = fleet();
    take(&mut fleet, &numbered(1, 1, 1, START), START);
    take(&mut fleet, &numbered(1, 1, 3, START + 2_000), START + 2_000);
    assert_eq!(fleet.board("pi-1").unwrap().roster.lost, 1);
    let late = numbered(1, 1, 2, START + 1_000);
    let taken = fleet.take(&late, START + 60_000).unwrap();
    assert_eq!((taken.turn, taken.at_ms), (Turn::Late, START + 1_000));
    let samples: Vec<_> =
        taken.samples().map(|(slot, path, value)| (slot, path.to_string(), value)).collect();
    assert_eq!(samples, [(0, "cpu".to_owned(), 2.5)]);
    let board = fleet.board("pi-1").unwrap();
    assert_eq!((board.roster.lost, board.roster.late), (0, 1));
    assert_eq!(value(&fleet, "pi-1", "cpu"), Some(Value::Number(3.5)));
    let points = fleet.history("pi-1", "cpu", START, START + 9_000, 600).unwrap();
    assert_eq!(points.t, [START, START + 1_000, START + 2_000]);
}

#[test]
fn another_boot_is_a_reboot_and_another_start_a_restart() {
    let mut fleet = fleet();
    for (n, (boot, start)) in [(1, 1), (1, 2), (2, 3), (2, 4)].into_iter().enumerate() {
        take(&mut fleet, &numbered(boot, start, 1, START + n as i64 * 1_000), START + n as i64 * 1_000);
    }
    let detail = json(fleet.detail("pi-1", START).unwrap());
    assert_eq!(detail["boots"], serde_json::json!([{"at": 1_700_000_002}]));
    assert_eq!(detail["restarts"], serde_json::json!([{"at": 1_700_000_001}, {"at": 1_700_000_003}]));
    assert_eq!(detail["lost"], 0);
    // What the first run had sent before.
    assert_eq!(take(&mut fleet, &numbered(1, 1, 1, START), START + 9_000), Turn::Duplicate);
}

#[test]
fn the_numbers_before_the_first_of_a_new_run_are_lost() {
    let mut fleet = fleet();
    take(&mut fleet, &numbered(1, 1, 40, START), START);
    assert_eq!(fleet.board("pi-1").unwrap().roster.lost, 0, "the hub began to listen then");
    take(&mut fleet, &numbered(1, 2, 4, START), START);
    assert_eq!(fleet.board("pi-1").unwrap().roster.lost, 3);
}

#[test]
fn two_boards_of_one_name_are_a_conflict_with_both_addresses_while_both_are_heard() {
    let mut fleet = fleet();
    let mut now = START;
    for number in 1..5 {
        for (boot, peer) in [(1, "10.0.0.1:1"), (2, "[::ffff:10.0.0.2]:1")] {
            now += 500;
            let report = Heard { peer: Some(peer.parse().unwrap()), ..numbered(boot, boot, number, now) };
            assert_eq!(take(&mut fleet, &report, now), Turn::New);
        }
    }
    let detail = json(fleet.detail("pi-1", now).unwrap());
    assert_eq!(detail["conflict"], serde_json::json!({"addresses": ["10.0.0.2", "10.0.0.1"]}));
    assert_eq!(detail["boots"].as_array().unwrap().len(), 1, "each is one board");
    assert_eq!(json(fleet.detail("pi-1", now + 120_000).unwrap())["conflict"], serde_json::Value::Null);
}

#[test]
fn a_reboot_is_no_conflict_though_a_report_from_before_comes_after_it() {
    let mut fleet = fleet();
    take(&mut fleet, &numbered(1, 1, 1, START), START);
    take(&mut fleet, &numbered(2, 2, 1, START), START);
    take(&mut fleet, &numbered(1, 1, 2, START), START);
    take(&mut fleet, &numbered(2, 2, 2, START), START);
    let detail = json(fleet.detail("pi-1", START).unwrap());
    assert_eq!(
        (&detail["conflict"], detail["boots"].as_array().unwrap().len()),
        (&serde_json::Value::Null, 1)
    );
}

#[test]
fn reports_without_an_id_are_taken_as_they_are() {
    let mut fleet = fleet();
    for _ in 0..3 {
        assert_eq!(take(&mut fleet, &heard(r#"{"hostname":"n","cpu":1}"#), START), Turn::New);
    }
    assert_eq!(fleet.counters().reports, 3);
}

#[test]
fn without_an_id_an_older_sample_is_late_and_a_clock_set_back_is_believed() {
    let mut fleet = fleet();
    let mut say = |cpu: i32, at_ms, now_ms| {
        let body = format!(r#"{{"hostname":"n","cpu":{cpu}}}"#);
        let turn = take(&mut fleet, &Heard { sampled_ms: Some(at_ms), ..heard(body) }, now_ms);
        (turn, value(&fleet, "n", "cpu").unwrap().number())
    };
    assert_eq!(say(1, START, START), (Turn::New, Some(1.0)));
    assert_eq!(say(2, START - 7_000, START + 10), (Turn::Late, Some(1.0)));
    assert_eq!(say(3, START + 1_000, START + 1_000), (Turn::New, Some(3.0)));
    let back = START - 1_000_000;
    assert_eq!(say(4, back, START + 2_000), (Turn::Late, Some(3.0)));
    assert_eq!(say(5, back + 1_000, START + 3_000), (Turn::New, Some(5.0)));
    assert_eq!(say(6, back + 2_000, START + 4_000), (Turn::New, Some(6.0)));
}

#[test]
fn the_usual_interval_is_that_of_the_samples_whatever_a_backlog_or_a_loss_does() {
    let mut fleet = fleet();
    for n in 0..20 {
        // They come at once, and some are lost.
        take(&mut fleet, &numbered(1, 1, n * 3 + 1, START + n as i64 * 6_000), START);
    }
    take(&mut fleet, &numbered(1, 2, 1, START + 900_000), START + 900_000);
    assert_eq!(fleet.board("pi-1").unwrap().interval.ms(), 2_000);
}

#[test]
fn the_difference_of_the_clocks_is_a_series_that_late_reports_do_not_touch() {
    let mut fleet = fleet();
    let difference = |fleet: &_| value(fleet, "pi-1", "clock_difference").and_then(|value| value.number());
    take(&mut fleet, &numbered(1, 1, 1, START), START + 700);
    assert_eq!(difference(&fleet), None, "one report has no pace");
    take(&mut fleet, &numbered(1, 1, 2, START + 1_000), START + 1_710);
    assert_eq!(difference(&fleet), Some(-0.7));
    // The board was cut off for a minute, and sends what it kept.
    for n in 3..63 {
        let at_ms = START + (n as i64 - 1) * 1_000;
        take(&mut fleet, &numbered(1, 1, n, at_ms), START + 62_000 + n as i64);
        assert_eq!(difference(&fleet), Some(-0.7), "{n}");
    }
    take(&mut fleet, &numbered(1, 1, 63, START + 62_000), START + 62_900);
    assert_eq!(difference(&fleet), Some(-0.9));
}
