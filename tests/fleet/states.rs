//! Well, warning, critical, lost; since when and why.

use psistats_hub::fleet::{Fleet, Heard, Source, State, Turn};

use crate::{START, fleet, heard, numbered, take};

fn state(fleet: &Fleet) -> (State, &str, i64) {
    let board = fleet.board("n").unwrap();
    (board.state, &board.why, board.since_ms - START)
}

fn say(fleet: &mut Fleet, body: &str, now_ms: i64) {
    fleet.take(&heard(format!(r#"{{"hostname":"n",{body}}}"#)), START + now_ms).unwrap();
}

#[test]
fn each_limit_has_its_state_and_its_sentence() {
    for (body, expected, why) in [
        (r#""cpu":100,"mem":89.9,"cpu_temp":79.9,"disk":{"/":{"percent":89.9}}"#, State::Well, ""),
        (r#""mem":90"#, State::Warning, "memory is 90 % full"),
        (r#""cpu_temp":84.6"#, State::Warning, "CPU is at 85 °C"),
        (r#""disk":{"/":{"percent":93.2}}"#, State::Warning, "/ is 93 % full"),
        (r#""disk":{"/boot/a.b":{"percent":93.2}}"#, State::Warning, "/boot/a.b is 93 % full"),
        (r#""disk":{"percent":93.2},"memory":95,"disk_percent":99,"cpu_temp2":99"#, State::Well, ""),
        (r#""throttled":{"under_voltage":true}"#, State::Critical, "Power: under-voltage"),
        (r#""throttled":{"under_voltage":false,"since_boot":{"under_voltage":true}}"#, State::Well, ""),
        (r#""throttled":{"under_voltage":null}"#, State::Well, ""),
        (r#""readonly":{"/":{"readonly":true,"errors":3}}"#, State::Critical, "/ is read-only"),
        (r#""mem":99,"readonly":{"/data":{"readonly":true}}"#, State::Critical, "/data is read-only"),
        (r#""mem":99,"cpu_temp":99"#, State::Warning, "CPU is at 99 °C"),
        (r#""mem":"99","cpu_temp":null"#, State::Well, ""),
    ] {
        let mut fleet = fleet();
        say(&mut fleet, body, 0);
        assert_eq!(state(&fleet), (expected, why, 0), "{body}");
    }
}

#[test]
fn a_state_has_the_time_since_when_it_is_so() {
    let mut fleet = fleet();
    say(&mut fleet, r#""mem":50"#, 0);
    say(&mut fleet, r#""mem":95"#, 1_000);
    say(&mut fleet, r#""mem":97"#, 2_000);
    assert_eq!(state(&fleet), (State::Warning, "memory is 97 % full", 1_000));
    say(&mut fleet, r#""cpu":1"#, 3_000);
    assert_eq!(state(&fleet).0, State::Warning, "a figure that is not in each report stays");
    say(&mut fleet, r#""mem":50"#, 4_000);
    assert_eq!(state(&fleet), (State::Well, "", 4_000));
}

#[test]
fn a_board_is_lost_after_15_seconds_and_found_by_its_next_report() {
    let mut fleet = fleet();
    for n in 0..5 {
        say(&mut fleet, r#""mem":95"#, n * 1_000);
    }
    fleet.tick(START + 19_000);
    assert_eq!(state(&fleet).0, State::Warning);
    fleet.tick(START + 19_001);
    assert_eq!(state(&fleet), (State::Lost, "not heard", 4_000));
    say(&mut fleet, r#""mem":95"#, 60_000);
    assert_eq!(state(&fleet), (State::Warning, "memory is 95 % full", 60_000));
}

#[test]
fn boards_that_came_by_the_queue_of_another_hub_are_given_back_when_they_are_silent_and_others_are_lost() {
    let mut fleet = fleet();
    for (name, source) in [("lent", Source::Standby), ("ours", Source::Rabbitmq), ("back", Source::Standby)] {
        let report = Heard { source, ..heard(format!(r#"{{"hostname":"{name}","cpu":1}}"#)) };
        fleet.take(&report, START).unwrap();
    }
    let report = Heard { source: Source::Rabbitmq, ..heard(r#"{"hostname":"back","cpu":1}"#) };
    fleet.take(&report, START + 1_000).unwrap();
    fleet.tick(START + 1_000);
    assert!(fleet.given_back().is_empty());
    fleet.tick(START + 60_000);
    assert_eq!(fleet.given_back(), ["lent".into()]);
}

#[test]
fn a_board_that_reports_once_a_minute_is_lost_after_five() {
    let mut fleet = fleet();
    for n in 0..5 {
        say(&mut fleet, r#""cpu":1"#, n * 60_000);
    }
    fleet.tick(START + 4 * 60_000 + 300_000);
    assert_eq!(state(&fleet).0, State::Well);
    fleet.tick(START + 4 * 60_000 + 300_001);
    assert_eq!(state(&fleet).0, State::Lost);
}

#[test]
fn a_board_that_sends_ten_reports_at_once_is_lost_after_five_such_messages_and_fills_no_outage() {
    let mut fleet = fleet();
    for message in 0..8 {
        let now_ms = START + message * 20_000;
        for nth in 0..20 {
            let number = u64::try_from(message * 20 + nth + 1).unwrap();
            let report = numbered(1, 1, number, now_ms - 19_000 + nth * 1_000);
            assert_eq!(take(&mut fleet, &report, now_ms), Turn::New);
            fleet.tick(now_ms + 500);
        }
        fleet.tick(now_ms + 19_999);
        assert!(message == 0 || fleet.boards()[0].state == State::Well, "message {message}");
    }
    let board = &fleet.boards()[0];
    assert_eq!(
        (board.interval.ms(), board.roster.filled.len()),
        (1_000, 1),
        "the first ones are not known yet"
    );
    assert!(board.roster.filled[0].to_ms < START + 60_000);
    let last_ms = START + 7 * 20_000;
    fleet.tick(last_ms + 100_000);
    assert_eq!(fleet.boards()[0].state, State::Well);
    fleet.tick(last_ms + 100_001);
    assert_eq!(fleet.boards()[0].state, State::Lost);
}

#[test]
fn reports_of_1970_and_of_a_day_ahead_count_from_when_they_came() {
    const NOW: i64 = 1_800_000_000_000;
    let mut fleet = fleet();
    let mut at = |number: u64, sampled_ms, now_ms| {
        let report = numbered(1, 1, number, sampled_ms);
        fleet.take(&report, now_ms).unwrap().at_ms
    };
    for n in 0..5_u64 {
        let ms = i64::try_from(n).unwrap() * 1_000;
        assert_eq!(at(n + 1, ms, NOW + ms), NOW + ms);
    }
    // NTP arrives; then the clock goes back by an hour, which may be; and far ahead.
    assert_eq!(at(6, NOW + 5_003, NOW + 5_000), NOW + 5_003);
    assert_eq!(at(7, NOW + 6_000 - 3_600_000, NOW + 6_000), NOW + 6_000 - 3_600_000);
    assert_eq!(at(8, NOW + 90_000_000, NOW + 7_000), NOW + 7_000);
    let board = &fleet.boards()[0];
    assert_eq!((board.roster.reports, board.roster.lost, board.interval.ms()), (8, 0, 1_000));
    assert_eq!(board.recent.oldest_ms(), Some(NOW + 6_000 - 3_600_000));
    // A machine whose own clock is not set believes what it is told.
    let report = numbered(2, 2, 1, NOW);
    assert_eq!(fleet.take(&report, 5_000).unwrap().at_ms, NOW);
}
