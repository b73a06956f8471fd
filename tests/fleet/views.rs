//! What the API says, against its contract.

use psistats_hub::fleet::{Audience, Heard};
use serde_json::{Value as Json, json as expected};

use crate::{START, fleet, heard, json, numbered};

const REPORT: &str = r#"{"hostname":"pi-1","cpu":24.1,"mem":40,"os":"Debian","tags":{"site":"garage"},
    "board":{"model":"Raspberry Pi 4 Model B Rev 1.4"},"cpu_temp":null,
    "disk":{"/":{"percent":45.2}},"throttled":{"under_voltage":false}}"#;

fn host() -> Json {
    expected!({
        "name": "pi-1", "state": "well", "since": 1_700_000_000, "why": "", "heard": 1_700_000_000.125,
        "source": "amqp", "model": "Raspberry Pi 4 Model B Rev 1.4", "tags": {"site": "garage"},
        "values": {
            "cpu": 24.1, "mem": 40, "os": "Debian", "cpu_temp": null, "disk./.percent": 45.2,
            "throttled.under_voltage": false, "board.model": "Raspberry Pi 4 Model B Rev 1.4",
        },
    })
}

#[test]
fn hosts_are_whole() {
    let mut fleet = fleet();
    fleet.take(&heard(REPORT), START).unwrap();
    fleet.take(&heard(REPORT), START + 125).unwrap();
    assert_eq!(json(fleet.hosts(START + 500)), expected!({"now": 1_700_000_000.5, "hosts": [host()]}));
}

#[test]
fn the_worst_boards_come_in_the_order_of_the_wall_without_their_values() {
    let mut fleet = fleet();
    let power = r#""throttled":{"under_voltage":true}"#;
    for (name, body, after_ms) in [
        ("silent", r#""cpu":1"#, 0),
        ("full", r#""mem":95"#, 60_000),
        ("b", power, 60_000),
        ("a", power, 60_000),
        ("newest", power, 61_000),
        ("well", r#""cpu":1"#, 61_000),
    ] {
        fleet.take(&heard(format!(r#"{{"hostname":"{name}",{body}}}"#)), START + after_ms).unwrap();
    }
    fleet.tick(START + 61_000);
    let worst = |most| json(fleet.worst(most, Audience::Known, START + 61_000));
    let names = |worst: &Json| -> Vec<String> {
        worst["hosts"].as_array().unwrap().iter().map(|host| host["name"].as_str().unwrap().into()).collect()
    };
    let all = worst(100);
    assert_eq!(all["counts"], expected!({"critical": 3, "lost": 1, "warning": 1, "well": 1}));
    assert_eq!(names(&all), ["newest", "a", "b", "silent", "full"]);
    assert_eq!(names(&worst(2)), ["newest", "a"]);
    assert!(all["hosts"].as_array().unwrap().iter().all(|host| host.get("values").is_none()), "{all}");
}

#[test]
fn a_frame_has_what_changed_and_nothing_else() {
    let mut fleet = fleet();
    fleet.take(&heard(REPORT), START).unwrap();
    fleet.take(&heard(r#"{"hostname":"pi-2","cpu":1}"#), START).unwrap();
    let mut seen = fleet.close();
    let mut frame = |fleet: &mut psistats_hub::fleet::Fleet| {
        let changes = json(fleet.changes(seen, START).unwrap());
        seen = fleet.close();
        assert_eq!(changes["gone"], expected!([]));
        (changes["hosts"].clone(), changes["values"].clone())
    };
    assert_eq!(frame(&mut fleet), (expected!([]), expected!({})));

    fleet.take(&heard(REPORT.replace("24.1", "25")), START + 1_000).unwrap();
    assert_eq!(frame(&mut fleet), (expected!([]), expected!({"pi-1": {"cpu": 25}})));
    fleet.take(&heard(REPORT.replace("24.1", "25")), START + 1_500).unwrap();
    assert_eq!(frame(&mut fleet), (expected!([]), expected!({"pi-1": {}})), "it was heard");

    let without_values = |state: &str, since: f64, why: &str, heard: f64, site: &str| {
        let mut host = host();
        host.as_object_mut().unwrap().remove("values");
        for (key, value) in [("state", expected!(state)), ("why", expected!(why))] {
            host[key] = value;
        }
        (host["since"], host["heard"], host["tags"]) =
            (number(since), number(heard), expected!({"site": site}));
        host
    };
    fleet.take(&heard(REPORT.replace("24.1", "25").replace(":40", ":95")), START + 2_000).unwrap();
    let why = "memory is 95 % full";
    let change = without_values("warning", 1_700_000_002.0, why, 1_700_000_002.0, "garage");
    assert_eq!(frame(&mut fleet), (expected!([change]), expected!({"pi-1": {"mem": 95}})));

    fleet.take(&heard(r#"{"hostname":"pi-1","tags":{"site":"attic"},"mem":95}"#), START + 3_000).unwrap();
    let change = without_values("warning", 1_700_000_002.0, why, 1_700_000_003.0, "attic");
    assert_eq!(frame(&mut fleet), (expected!([change]), expected!({"pi-1": {}})));

    fleet.tick(START + 100_000);
    let (hosts, values) = frame(&mut fleet);
    assert_eq!((hosts.as_array().unwrap().len(), values), (2, expected!({})), "none was heard");
    assert_eq!((&hosts[1]["state"], &hosts[1]["why"]), (&expected!("lost"), &expected!("not heard")));
    assert_eq!(frame(&mut fleet).0, expected!([]), "said once");
}

/// As the API writes it: an integer without decimals.
fn number(seconds: f64) -> Json {
    if seconds.fract() == 0.0 { (seconds as i64).into() } else { seconds.into() }
}

#[test]
fn a_new_board_is_whole_in_a_frame_and_one_that_is_forgotten_is_gone() {
    let mut fleet = fleet();
    let seen = fleet.close();
    fleet.take(&heard(REPORT), START).unwrap();
    fleet.take(&heard(REPORT), START + 125).unwrap();
    fleet.take(&heard(r#"{"hostname":"pi-2","cpu":1}"#), START).unwrap();
    fleet.take(&heard(r#"{"hostname":"pi-3","cpu":1}"#), START).unwrap();
    assert!(fleet.forget("pi-2") && !fleet.forget("pi-2"));
    let changes = json(fleet.changes(seen, START).unwrap());
    assert_eq!(changes["hosts"][0], host());
    assert_eq!(changes["hosts"][1]["name"], "pi-3", "the others are still found");
    assert_eq!(changes["gone"], expected!(["pi-2"]));
    assert!(fleet.board("pi-3").is_some() && fleet.board("pi-2").is_none());
    let seen = fleet.close();
    for n in 0..2_000 {
        fleet.take(&heard(format!(r#"{{"hostname":"x{n}"}}"#)), START).unwrap();
        fleet.forget(&format!("x{n}"));
    }
    assert!(fleet.changes(seen, START).is_none(), "more than are remembered: the whole has to be asked for");
}

#[test]
fn the_detail_of_a_board_has_what_its_reports_tell() {
    let mut fleet = fleet();
    for n in [1, 2, 4, 4] {
        fleet.take(&numbered(1, 1, n, START + n as i64 * 1_000), START + n as i64 * 1_000).unwrap();
    }
    let detail = json(fleet.detail("pi-1", START + 4_000).unwrap());
    for (key, value) in [
        ("name", expected!("pi-1")),
        ("address", expected!("192.168.1.7")),
        ("addresses", expected!(["192.168.1.7"])),
        ("first_heard", expected!(1_700_000_001)),
        ("interval", expected!(1)),
        ("reports", expected!(3)),
        ("lost", expected!(1)),
        ("duplicates", expected!(1)),
        ("late", expected!(0)),
        ("boots", expected!([])),
        ("restarts", expected!([])),
        ("conflict", Json::Null),
        ("model", Json::Null),
    ] {
        assert_eq!(detail[key], value, "{key}");
    }
    assert!(fleet.detail("pi-2", START).is_none());
}

#[test]
fn a_board_without_ids_and_one_behind_a_broker_have_the_addresses_that_are_known() {
    let mut fleet = fleet();
    fleet.take(&heard(r#"{"hostname":"n"}"#), START).unwrap();
    assert_eq!(json(fleet.detail("n", START).unwrap())["addresses"], expected!(["192.168.1.7"]));
    fleet.take(&Heard { peer: None, ..heard(r#"{"hostname":"m"}"#) }, START).unwrap();
    assert_eq!(json(fleet.detail("m", START).unwrap())["address"], Json::Null);
}

#[test]
fn one_figure_of_all_boards_has_the_extremes_of_the_last_hour() {
    let mut fleet = fleet();
    let say = |fleet: &mut psistats_hub::fleet::Fleet, cpu: f64, minutes: i64| {
        fleet
            .take(&heard(format!(r#"{{"hostname":"pi-1","cpu":{cpu}}}"#)), START + minutes * 60_000)
            .unwrap();
        let figure = json(fleet.figure("cpu").unwrap());
        assert_eq!(figure["series"], "cpu");
        (
            figure["hosts"][0]["value"].clone(),
            figure["hosts"][0]["min"].clone(),
            figure["hosts"][0]["max"].clone(),
        )
    };
    assert_eq!(say(&mut fleet, 99.5, 0), (expected!(99.5), expected!(99.5), expected!(99.5)));
    assert_eq!(say(&mut fleet, 1.0, 30), (expected!(1), expected!(1), expected!(99.5)));
    assert_eq!(say(&mut fleet, 50.0, 70), (expected!(50), expected!(1), expected!(50)));
    assert_eq!(say(&mut fleet, 40.0, 200), (expected!(40), expected!(40), expected!(40)));
    assert!(fleet.figure("none").is_none());
}

#[test]
fn what_a_board_says_is_text_whatever_it_is() {
    let mut fleet = fleet();
    let name = "<script>\"\u{1}\u{202e}";
    let body = expected!({"hostname": name, name: name}).to_string();
    fleet.take(&heard(body), START).unwrap();
    assert_eq!(json(fleet.hosts(START))["hosts"][0]["values"][name], name);
}
