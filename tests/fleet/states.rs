//! Well, warning, critical, lost; since when and why.

use psistats_hub::fleet::{Fleet, State};

use crate::{START, fleet, heard};

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
